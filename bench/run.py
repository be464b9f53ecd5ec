#!/usr/bin/env python3
"""Keepsay beside restic, borg and `cp -a`: what each costs.

    run.py [compare]    first backup, next night, nothing changed, restore,
                        verify, list; all programs in turn, in one run
    run.py nights       what thirty nights add to a vault of 500 000 messages
    run.py memory       the memory that commands need, by kind of file
    run.py kdf          what deriving keys costs

    --size small|medium|large   of compare; or BENCH_SIZE (medium)
    --repeat N                  runs of each; the best counts (3, large: 1)
    --build DIR                 the release build (build)
    --corpus DIR                generated files, kept (build/bench-corpus)
    --work DIR                  repositories, removed at the end (build/)

A benchmark, not a test: it fails if a command fails or a restored file
differs, never because of a number. doc/performance.md says how to read it.
"""
import argparse
import contextlib
import datetime
import filecmp
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import corpus
import measure
import report
from rivals import Borg, Copy, Keepsay, Restic

ROOT = pathlib.Path(__file__).resolve().parents[1]
FIRST_CPU_S = 5.0       # aims: CPU of a first backup of the large size
NIGHT_FACTOR = 1.3      # CPU of the next night, against mac_check's
DERIVE_CPU_S = 0.05     # CPU of deriving a version 1 key
PEAK_MB = 48.0          # memory of any command without Argon2id
NIGHT_MB = 0.3          # what a night adds beside its media
NIGHTS_MB = 9.0         # what thirty nights add
ADDING = ("first backup", "next night", "nothing changed")
CHECKED = "(read, check MACs)"      # bench_mac_check, in the table


def options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("mode", nargs="?", default="compare",
                        choices=["compare", "nights", "memory", "kdf"])
    parser.add_argument("--size", choices=corpus.SIZES,
                        default=os.environ.get("BENCH_SIZE", "medium"))
    parser.add_argument("--repeat", type=int)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--corpus", type=pathlib.Path,
                        default=ROOT / "build/bench-corpus")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--messages", type=int, default=500000,
                        help="of nights")
    parser.add_argument("--nights", type=int, default=30)
    o = parser.parse_args()
    if o.size not in corpus.SIZES:
        parser.error(f"BENCH_SIZE is one of {', '.join(corpus.SIZES)}")
    if o.repeat is None:
        o.repeat = 1 if o.size == "large" and o.mode == "compare" else 3
    if o.repeat < 1:
        parser.error("--repeat is at least 1")
    for name in ("build", "corpus", "work"):
        setattr(o, name, getattr(o, name).resolve())
    o.keepsay = o.build / "src/cli/keepsay"
    o.mac_check = o.build / "bench/bench_mac_check"
    if not o.keepsay.exists():
        parser.error(f"there is no {o.keepsay}; `make build` builds it")
    if subprocess.run(["ninja", "--quiet", "-C", o.build,
                       "bench/bench_mac_check"], check=False).returncode != 0:
        parser.error("bench_mac_check could not be built")
    return o


@contextlib.contextmanager
def work_folder(o):
    """A folder for all that a run leaves behind; gone afterwards."""
    o.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=o.work) as name:
        work = pathlib.Path(name)
        (work / "passphrase").write_text(corpus.PASSPHRASE + "\n")
        yield work


def heading(o, title):
    facts = report.machine(o.corpus if o.corpus.exists() else o.work,
                           o.keepsay)
    print(title + "\n")
    report.print_machine(facts)
    today = datetime.datetime.now(datetime.timezone.utc)
    return {"mode": o.mode, "date": today.strftime("%Y-%m-%d"),
            "machine": facts}


# ---- compare -----------------------------------------------------------------

def measured(program, argv, file=None, grows=False):
    if file is not None:
        measure.warm(file)
    cost, _ = measure.run(argv, program.env, program.folder,
                          program.store if grows else None)
    return cost


def backup(program, file):
    return measured(program, program.backup(file), file, grows=True)


def restore(program, file):
    target = program.folder / "restored"
    target.mkdir()
    cost = measured(program, program.restore(file, target))
    if not filecmp.cmp(file, program.restored(file, target), shallow=False):
        measure.fail(f"{program.name} restored another file")
    shutil.rmtree(target)
    return cost


def steps_over(first, night):
    """What is done, in this order: name -> function(program) -> Cost."""
    return {
        "first backup": lambda p: backup(p, first),
        "next night": lambda p: backup(p, night),
        "nothing changed": lambda p: backup(p, night),
        "restore": lambda p: restore(p, night),
        "verify": lambda p: p.verify() and measured(p, p.verify()),
        "list": lambda p: measured(p, p.list()),
    }


def one_repetition(o, work, number, files):
    """Every step once, every program in turn; {step: {name: Cost}}. The order
    of the programs turns from one repetition to the next."""
    folder = work / str(number)
    programs = [Keepsay(folder / "keepsay", o.keepsay),
                Restic(folder / "restic"), Borg(folder / "borg"),
                Copy(folder / "cp")]
    turned = programs[number % 4:] + programs[:number % 4]
    taken = {}
    for step, action in steps_over(*files).items():
        costs = {p.name: action(p) for p in turned}
        taken[step] = {p.name: costs[p.name] for p in programs
                       if costs[p.name]}
        if step == "next night":
            taken[step][CHECKED] = mac_check(o, work, files[1])
    shutil.rmtree(folder)
    return taken


def mac_check(o, work, file):
    """What reading a file and checking its MACs costs."""
    measure.warm(file)
    cost, _ = measure.run([o.mac_check, file, work / "passphrase"],
                          dict(os.environ), work)
    return cost


def merge(all_taken):
    """The best of several repetitions."""
    merged = all_taken[0]
    for taken in all_taken[1:]:
        merged = {step: {name: cost.best(taken[step][name])
                         for name, cost in costs.items()}
                  for step, costs in merged.items()}
    return merged


def judge(o, steps, kdf):
    night = steps["next night"]
    checked = night[CHECKED]
    print("Against what was aimed at:")
    if o.size == "large":
        report.aim("first backup", steps["first backup"]["keepsay"].cpu_s,
                   FIRST_CPU_S, "CPU s")
    report.aim("next night / reading and checking MACs",
               night["keepsay"].cpu_s / checked.cpu_s, NIGHT_FACTOR, "x")
    report.aim("deriving a version 1 key", kdf["derive_cpu_s"], DERIVE_CPU_S,
               "CPU s")
    report.aim("most memory of a command", max(
        costs["keepsay"].peak_bytes for costs in steps.values()) / 1e6,
        PEAK_MB, "MB")
    print()


def compare(o):
    for name in ("restic", "borg"):
        measure.need_program(name)
    files = corpus.two_nights(o.corpus, o.size)
    data = heading(o, f"Signal backups of {files[0].stat().st_size / 1e6:.0f} "
                   f"MB ({o.size}); best of {o.repeat}")
    with work_folder(o) as work:
        taken = [one_repetition(o, work, n, files) for n in range(o.repeat)]
        derived = derivation(o, work)
    steps = merge(taken)
    report.print_steps(steps, ADDING)
    judge(o, steps, derived)
    report.save(o.build / "bench.json", data | {
        "size": o.size, "file_bytes": [f.stat().st_size for f in files],
        "repetitions": taken, "steps": steps, "derivation": derived})


# ---- nights ------------------------------------------------------------------

def nights(o):
    """Thirty nights without media, so that all that is added is rows."""
    data = heading(o, f"{o.messages} messages; every night 1 000 more, 50 "
                   "edits, 90 deletions, receipts; no media")
    counts = {"messages": o.messages, "attach": 0, "night-attach": 0}
    rows = []
    print(f"{'night':>5}{'added MB':>10}{'CPU s':>8}{'wall s':>8}"
          f"{'peak MB':>9}{'new records':>13}")
    with work_folder(o) as work:
        program = Keepsay(work / "keepsay", o.keepsay)
        for night in range(o.nights + 1):
            file = work / f"night-{night}.backup"
            corpus.generate(file, counts | {"night": night})
            cost, said = measure.run(program.backup(file), program.env,
                                     program.folder, program.store)
            new = program.answer(said)["new_records"]
            rows.append({"night": night, "cost": cost, "new_records": new})
            print(f"{night:5}{cost.added_bytes / 1e6:10.3f}{cost.cpu_s:8.2f}"
                  f"{cost.wall_s:8.2f}{cost.peak_bytes / 1e6:9.1f}{new:13}",
                  flush=True)
            if night == o.nights:
                restore(program, file)
            file.unlink()
    added = [row["cost"].added_bytes / 1e6 for row in rows[1:]]
    print("\nThe last night came back byte for byte.\n")
    report.aim("most that a night added", max(added), NIGHT_MB, "MB")
    report.aim(f"{o.nights} nights", sum(added), NIGHTS_MB, "MB")
    report.save(o.build / "bench-nights.json", data | {"nights": rows})


# ---- memory ------------------------------------------------------------------

MEMORY_CASES = {
    "100 000 messages": {"messages": 100000, "attach": 1000,
                         "attach-size": 100000},
    "0 messages": {"messages": 0, "attach": 0},
    "300 MB attachment": {"messages": 1, "attach": 1,
                          "attach-size": 300000000},
    "0 bytes attachment": {"messages": 1, "attach": 1, "attach-size": 0},
}


def memory_of(o, work, file):
    """{command: Cost} over one file."""
    program = Keepsay(work / "keepsay", o.keepsay)
    target = program.folder / "target"
    costs = {"backup": backup(program, file),
             "restore --original": restore(program, file)}
    target.mkdir()
    for name, argv in (("restore", program.restore_fresh(target)),
                       ("copy", program.copy(target)),
                       ("verify", program.verify()),
                       ("list", program.list())):
        costs[name] = measured(program, argv)
    shutil.rmtree(program.folder)
    return costs


def memory(o):
    data = heading(o, "Peak memory in MB, with a recovery key (no Argon2id); "
                   "each file came back byte for byte")
    taken = {}
    with work_folder(o) as work:
        for version in (1, 0):
            for case, counts in MEMORY_CASES.items():
                file = work / "case.backup"
                corpus.generate(file, counts | {"version": version})
                costs = memory_of(o, work, file)
                file.unlink()
                if not taken:
                    print(f"{'':25}" + "".join(f"{name:>9}" if len(name) < 9
                          else f"{name:>20}" for name in costs))
                taken[f"v{version}, {case}"] = costs
                print(f"v{version}, {case:21}" + "".join(
                    f"{cost.peak_bytes / 1e6:{9 if len(name) < 9 else 20}.1f}"
                    for name, cost in costs.items()), flush=True)
    print()
    report.aim("most memory of a command", max(
        cost.peak_bytes for costs in taken.values()
        for cost in costs.values()) / 1e6, PEAK_MB, "MB")
    report.save(o.build / "bench-memory.json", data | {"cases": taken})


# ---- kdf ---------------------------------------------------------------------

def derivation(o, work):
    """CPU of deriving a version 1 key, and of as much SHA-512 in one go."""
    _, said = measure.run([o.mac_check, "--kdf", 5 * o.repeat],
                          dict(os.environ), work)
    return json.loads(said)


def unlocking(o, work):
    """What opening a vault costs by kind of key: {kind: Cost} of `list`."""
    program = Keepsay(work / "keepsay", o.keepsay)
    program.call(o.keepsay, "init", "-r", "two", "--recovery-key-out",
                 "two.key", "--passphrase-file", "passphrase")
    by_phrase = {name: value for name, value in program.env.items()
                 if name != "KEEPSAY_KEY_FILE"}
    ways = {
        "recovery key": (["--key-file", "two.key"], program.env),
        "passphrase": (["--passphrase-file", "passphrase"], by_phrase),
    }
    return {kind: measure.run([o.keepsay, "list", "-r", "two", *flags],
                              env, program.folder)[0]
            for kind, (flags, env) in ways.items()}


def kdf(o):
    data = heading(o, f"Deriving keys; best of {5 * o.repeat}")
    with work_folder(o) as work:
        derived = derivation(o, work)
        opened = unlocking(o, work)
    print(f"  version 1 key, 250 000 rounds of SHA-512: "
          f"{derived['derive_cpu_s']:.4f} CPU s")
    print(f"  SHA-512 over as many blocks in one go:    "
          f"{derived['sha512_cpu_s']:.4f} CPU s")
    for kind, cost in opened.items():
        print(f"  keepsay list, by {kind + ':':25}{cost.cpu_s:.4f} CPU s, "
              f"{cost.peak_bytes / 1e6:.1f} MB")
    print()
    report.aim("deriving a version 1 key", derived["derive_cpu_s"],
               DERIVE_CPU_S, "CPU s")
    report.save(o.build / "bench-kdf.json", data | {
        "derivation": derived, "opening": opened})


def main():
    o = options()
    measure.need_program(measure.TIME)
    {"compare": compare, "nights": nights, "memory": memory,
     "kdf": kdf}[o.mode](o)


if __name__ == "__main__":
    main()
