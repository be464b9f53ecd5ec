"""The files that are backed up: generated, kept from one run to the next."""
import pathlib
import subprocess

from measure import fail, need_program

ROOT = pathlib.Path(__file__).resolve().parents[1]
GENERATE = ROOT / "tests/peers/signal/mk_legacy_backup.mjs"
PASSPHRASE = "123451234512345123451234512345"  # the generator's usual one

# name: messages, attachments, bytes of each
SIZES = {
    "small": (20000, 200, 100000),
    "medium": (100000, 1000, 250000),
    "large": (500000, 5000, 300000),
}


def generate(path, options):
    """Make the file `path` with these generator options. Salt and IV are
    random: two files share no byte of what they hold."""
    need_program("node", "tools/deps.sh installs it")
    part = path.with_name(path.name + ".part")
    made = subprocess.run(
        ["node", GENERATE, part,
         *(text for name, value in options.items()
           for text in (f"--{name}", str(value)))],
        stdout=subprocess.DEVNULL, check=False)
    if made.returncode != 0:
        part.unlink(missing_ok=True)
        fail(f"{GENERATE.name} could not make {path.name}")
    part.rename(path)


def kept(folder, options):
    """The file with these options out of `folder`; made if it is not there."""
    name = "_".join(f"{key}-{value}" for key, value in options.items())
    path = pathlib.Path(folder) / f"{name}.backup"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"Generating {path.name}", flush=True)
        generate(path, options)
    return path


def two_nights(folder, size):
    """A file, and the same phone's a night later."""
    messages, count, length = SIZES[size]
    options = {"messages": messages, "attach": count, "attach-size": length}
    return (kept(folder, options | {"night": 0}),
            kept(folder, options | {"night": 1}))
