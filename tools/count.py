#!/usr/bin/python3
"""Counts what a CI run really did, for .ci/run.

    count.py --results FILE [--exit=NAME=STATUS ...] TESTLOG...

FILE holds "ok<TAB>name" and "failed<TAB>name" lines (tools/step.sh); a TESTLOG
is Meson's testlog.json, one JSON object a line. A log that is missing or
names no test is a failure: tests that did not run have not passed. So is a
command that exited non-zero when nothing it ran was seen to fail.
The last line printed is "N passed, N failed"; exit 1 if anything failed.
"""
import argparse
import json
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP"}


def read_steps(path):
    """[(passed, name)] of a results file."""
    steps = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            verdict, _, name = line.rstrip("\n").partition("\t")
            steps.append((verdict == "ok", name))
    return steps


def read_testlog(path):
    """[(passed, name)] of a Meson log, and how many tests were skipped."""
    results, skipped = [], 0
    try:
        with open(path, encoding="utf-8") as lines:
            tests = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        return [(False, f"{path}: {error}")], 0
    for test in tests:
        if test["result"] in SKIPPED:
            skipped += 1
        else:
            passed = test["result"] in PASSED
            results.append((passed, f"{test['name']} ({test['result']})"))
    if not results:
        results.append((False, f"{path}: no test ran"))
    return results, skipped


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--results", required=True)
    parser.add_argument("--exit", action="append", default=[])
    parser.add_argument("testlogs", nargs="*")
    args = parser.parse_args()

    results, skipped = read_steps(args.results), 0
    for path in args.testlogs:
        more, left_out = read_testlog(path)
        results += more
        skipped += left_out
    failed = [name for passed, name in results if not passed]
    if not failed:
        for text in args.exit:
            name, _, status = text.partition("=")
            if status != "0":
                failed.append(f"make {name} exited with {status}")
    for name in failed:
        print(f"failed: {name}")
    if skipped:
        print(f"skipped: {skipped}")
    passed = sum(1 for ok, _ in results if ok)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
