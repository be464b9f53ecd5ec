"""tools/count.py counts what ran, and takes nothing that did not for a pass."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).parents[2] / "tools/count.py"


class Count(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def count(self, steps, *logs, exits=()):
        """(exit status, lines printed) for steps and the results of logs."""
        results = self.folder / "results"
        results.write_text("".join(f"{v}\t{n}\n" for v, n in steps))
        paths = []
        for number, log in enumerate(logs):
            path = self.folder / f"log{number}.json"
            paths.append(str(path))
            if log is not None:
                path.write_text("".join(
                    json.dumps({"name": f"t{i}", "result": result}) + "\n"
                    for i, result in enumerate(log)))
        run = subprocess.run(
            [sys.executable, str(TOOL), "--results", str(results),
             *(f"--exit={text}" for text in exits), *paths],
            text=True, capture_output=True, check=False)
        self.assertEqual(run.stderr, "")
        return run.returncode, run.stdout.splitlines()

    def test_steps_and_tests_are_added_up(self):
        status, lines = self.count([("ok", "build"), ("ok", "format")],
                                   ["OK", "OK"], ["OK"])
        self.assertEqual((status, lines), (0, ["5 passed, 0 failed"]))

    def test_a_failed_test_is_named_and_fails_the_run(self):
        status, lines = self.count([("ok", "build")], ["OK", "TIMEOUT"])
        self.assertEqual(status, 1)
        self.assertEqual(lines, ["failed: t1 (TIMEOUT)", "2 passed, 1 failed"])

    def test_a_failed_step_fails_the_run(self):
        status, lines = self.count([("failed", "format")], ["OK"],
                                   exits=["lint=2"])
        self.assertEqual(status, 1)
        self.assertEqual(lines, ["failed: format", "1 passed, 1 failed"])

    def test_a_skipped_test_is_neither_passed_nor_failed(self):
        status, lines = self.count([], ["OK", "SKIP"])
        self.assertEqual((status, lines),
                         (0, ["skipped: 1", "1 passed, 0 failed"]))

    def test_a_missing_log_is_a_failure(self):
        status, lines = self.count([("ok", "build")], None)
        self.assertEqual(status, 1)
        self.assertEqual(lines[-1], "1 passed, 1 failed")

    def test_a_log_without_a_test_is_a_failure(self):
        for log in ([], ["SKIP"]):
            status, lines = self.count([("ok", "build")], log)
            self.assertEqual(status, 1)
            self.assertEqual(lines[-1], "1 passed, 1 failed")

    def test_an_exit_that_nothing_explains_is_a_failure(self):
        status, lines = self.count([("ok", "build")], ["OK"],
                                   exits=["test=2", "lint=0"])
        self.assertEqual(status, 1)
        self.assertEqual(lines, ["failed: make test exited with 2",
                                 "2 passed, 1 failed"])

    def test_nothing_at_all_is_no_success(self):
        status, lines = self.count([])
        self.assertEqual((status, lines), (1, ["0 passed, 0 failed"]))


if __name__ == "__main__":
    unittest.main()
