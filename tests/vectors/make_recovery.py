#!/usr/bin/python3
"""Make recovery.txt: recovery keys as text, right and mistyped.

    python3 make_recovery.py > recovery.txt

Written from the description in src/crypto/recovery.h and the constants in
recovery.c alone, with the Python standard library. The field is done by
powers of its generator x, where the C code multiplies bit by bit.
"""

import hashlib

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

POWERS = [1]  # x^i in GF(2)[x] / (x^5 + x^2 + 1)
while len(POWERS) < 31:
    doubled = POWERS[-1] << 1
    POWERS.append(doubled ^ 0b100101 if doubled > 31 else doubled)
LOGS = {value: i for i, value in enumerate(POWERS)}

WEIGHT_LOGS = [1, 2, 3]  # x, x^2, x^3


def times_power(value, log):
    return 0 if value == 0 else POWERS[(LOGS[value] + log) % 31]


def to_groups(key):
    number = int.from_bytes(key, "big")
    groups = []
    for g in range(16):
        bits = number >> (15 * (15 - g)) & 0x7FFF
        digits = [bits >> 10, bits >> 5 & 31, bits & 31]
        check = g + 1
        for digit, log in zip(digits, WEIGHT_LOGS):
            check ^= times_power(digit, log)
        groups.append("".join(ALPHABET[d] for d in digits + [check]))
    return groups


def key_of(label):
    return hashlib.shake_128(label.encode()).digest(30)


def show_right(title, key, typed=None):
    text = " ".join(to_groups(key))
    print(f"\n# {title}")
    print(f"key = {key.hex()}")
    print(f"text = {text}")
    if typed:
        print(f"typed = {typed(text)}")


def show_wrong(title, typed, message):
    print(f"\n# {title}")
    print(f"typed = {typed}")
    print(f"message = {message}")


def other(character):
    """Some other character of the alphabet."""
    return ALPHABET[(ALPHABET.index(character) + 13) % 32]


def spoil(groups, places):
    """Groups with one character each replaced at these places (from 1)."""
    out = list(groups)
    for place in places:
        group = out[place - 1]
        at = place % 4
        out[place - 1] = group[:at] + other(group[at]) + group[at + 1 :]
    return out


def main():
    print("# Recovery keys, made by make_recovery.py: do not edit.")
    print("# key, text: the key and the text it must give; typed, if there,")
    print("# must also be read as that key. typed with message: must be")
    print("# refused, and the message must contain that.")
    show_right("zeros", bytes(30))
    show_right("ones", b"\xff" * 30)
    for bit in (0, 4, 5, 14, 15, 119, 120, 239):
        show_right(f"bit {bit}", (1 << (239 - bit)).to_bytes(30, "big"))
    for n in range(4):
        show_right(f"any key {n}", key_of(f"right {n}"))
    show_right("upper case", key_of("upper"), str.upper)
    show_right("no spaces", key_of("joined"), lambda t: t.replace(" ", ""))
    show_right("hyphens", key_of("hyphens"), lambda t: t.replace(" ", "-"))
    show_right("o for 0, l for 1", key_of("letters"),
               lambda t: t.replace("0", "o").replace("1", "l"))
    show_right("O for 0, I for 1", key_of("capitals"),
               lambda t: t.replace("0", "O").replace("1", "I"))

    groups = to_groups(key_of("wrong"))
    for places, message in (
        ([1], "group 1 of 16 is mistyped"),
        ([16], "group 16 of 16 is mistyped"),
        ([2, 5, 9], "groups 2, 5 and 9 of 16 are mistyped"),
        (range(9, 17), "groups 9, 10, 11, 12, 13, 14, 15 and 16 of 16 are"),
        (range(1, 10), "may be Signal's recovery key"),
    ):
        show_wrong(message, " ".join(spoil(groups, places)), message)
    swapped = list(groups)
    swapped[2], swapped[8] = swapped[8], swapped[2]
    show_wrong("swap", " ".join(swapped), "groups 3 and 9 are swapped")
    text = " ".join(groups)
    show_wrong("one short", text[:-1],
               "63 characters of 64: 1 missing; look at group 16 first")
    show_wrong("one dropped", text[:20] + text[21:],
               "63 characters of 64: 1 missing; look at group 5 first")
    show_wrong("one more", text + "7",
               "65 characters of 64: 1 too many; look at group 16 first")
    show_wrong("a passphrase of digits", "12345 " * 5 + "12345",
               "30 characters of 64: 34 missing")
    show_wrong("no such letter", "u" + text[1:], "group 1 of 16 is mistyped")


if __name__ == "__main__":
    main()
