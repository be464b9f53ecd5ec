#!/usr/bin/env bash
# The main job, start to end, for `make run`: a vault is made, a Signal backup
# goes in, is listed and verified, and comes back the same.
#
# Without SOURCE: on a generated backup and the next night's, in a temporary
# folder that is removed at the end. With SOURCE=file KEY=keyfile: on your own
# file; the vault ./keepsay-vault and its key ./keepsay-vault.key stay, and the
# next run adds to them.
set -u
cd "$(dirname "$0")/.." || exit 1
PATH=$PWD/build:$PATH
generate=$PWD/tests/peers/signal/mk_legacy_backup.mjs

say() {
    printf '\n'
    fold -s -w 78 <<<"$*"
}
fail() {
    {
        printf '\n'
        printf '%s\n' "$@"
    } >&2
    exit 1
}

# show COMMAND...: prints the command as one would type it, then runs it.
# Exit 3 is not the end: the command finished, and has listed what was lost.
losses=no
show() {
    local status=0
    printf '\n$ %s\n' "$*"
    "$@" || status=$?
    case $status in
    0) ;;
    3) losses=yes ;;
    *) fail "That failed (exit $status): $*" ;;
    esac
}

bytes() { numfmt --to=si --suffix=B --format=%.1f "$1"; }
vault_bytes() { du -sb --apparent-size "$KEEPSAY_VAULT" | cut -f1; }

# give_back FILE NAME: restores the newest snapshot to NAME, compares with FILE.
give_back() {
    show keepsay restore latest --original --to "$2"
    cmp "$1" "$2" || fail 'The restored file differs. That must not happen.'
    say "cmp finds no difference: $(bytes "$(stat -c %s "$2")") came back as" \
        "they were."
}

sample() {
    local first second
    work=$(mktemp -d) || fail 'No temporary folder could be made.'
    trap 'rm -rf "$work"' EXIT
    cd "$work" || exit 1
    export KEEPSAY_VAULT=vault KEEPSAY_KEY_FILE=recovery.key
    export XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache

    say 'Making up a Signal backup: 20 000 messages, 200 photos; and the same' \
        'phone one night later, with 1 000 messages more.'
    printf '%s\n' 123451234512345123451234512345 >passphrase.txt
    make_night monday.backup 0
    make_night tuesday.backup 1

    say '1. A vault. Its recovery key goes to a file.'
    show keepsay init --recovery-key-out recovery.key
    say '2. Monday night.'
    show keepsay backup monday.backup --source-key-file passphrase.txt
    first=$(vault_bytes)
    say '3. Tuesday night. Not a byte of the file is the same, because Signal' \
        'encrypts each under new keys.'
    show keepsay backup tuesday.backup --source-key-file passphrase.txt
    second=$(vault_bytes)
    say "The vault had $(bytes "$first"). Tuesday's file has" \
        "$(bytes "$(stat -c %s tuesday.backup)") and cost" \
        "$(bytes $((second - first)))."
    say '4. What is there, and is it whole?'
    show keepsay list
    show keepsay verify --read-data
    say '5. Tuesday again, from the vault alone.'
    give_back tuesday.backup restored.backup
    say 'On your own file: make run SOURCE=signal-….backup KEY=passphrase.txt'
}

make_night() {
    node "$generate" "$1" --messages 20000 --attach 200 --attach-size 100000 \
        --night "$2" >/dev/null || fail 'The sample could not be generated.'
}

own_file() {
    local free size
    [ -f "$SOURCE" ] || fail "There is no file $SOURCE."
    [ -n "${KEY-}" ] || fail "KEY is missing: a file with Signal's 30 digits." \
        "  make run SOURCE=$SOURCE KEY=passphrase.txt"
    [ -f "$KEY" ] || fail "There is no file $KEY."
    export KEEPSAY_VAULT=keepsay-vault KEEPSAY_KEY_FILE=keepsay-vault.key
    umask 077

    if [ -e keepsay-vault ] && [ ! -e keepsay-vault.key ]; then
        fail 'The vault ./keepsay-vault is here, but its recovery key is not.' \
            'That may be just as you want it. To go on, do one of these:' \
            '  - put the key back as ./keepsay-vault.key for this run, or' \
            '  - call build/keepsay yourself: it asks for the key, or' \
            '  - move ./keepsay-vault away, and this makes a new one.'
    elif [ ! -e keepsay-vault ] && [ -e keepsay-vault.key ]; then
        fail 'There is a recovery key ./keepsay-vault.key but no vault.' \
            'Nothing was done, because a new vault would need a new key.' \
            'Move that file somewhere safe, then run this again.'
    elif [ ! -e keepsay-vault ]; then
        say 'A new vault in ./keepsay-vault.'
        show keepsay init --recovery-key-out keepsay-vault.key
    fi

    show keepsay backup "$SOURCE" --source-key-file "$KEY"
    show keepsay list
    show keepsay verify --read-data

    size=$(stat -c %s "$SOURCE")
    free=$(df --output=avail -B1 . | tail -n 1)
    if [ $losses = yes ]; then
        say 'Something in that file was damaged. What is whole is kept; the' \
            'list above says what is not. The file itself cannot come back' \
            'byte for byte: keep it.'
    elif [ "$free" -gt $((size + (64 << 20))) ]; then
        work=$(mktemp -d ./keepsay-demo.XXXXXX) ||
            fail 'No folder to restore to could be made.'
        trap 'rm -rf "$work"' EXIT
        give_back "$SOURCE" "$work/restored.backup"
    else
        say "There is no room here to restore $(bytes "$size") and compare." \
            'With more space, run this again.'
    fi
    say 'Your vault is ./keepsay-vault. Its recovery key is in' \
        './keepsay-vault.key: print it or move it, and keep it apart.'
}

if [ -n "${SOURCE-}" ]; then
    own_file
else
    sample
fi
