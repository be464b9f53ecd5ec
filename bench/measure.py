"""What a command costs: wall time, CPU time, memory, bytes added."""
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import time

# Python's own memory would count as the child's if Python started it: the
# kernel remembers what a process had before it became another program. So a
# small program stands between, and says what the command itself had.
TIME = "/usr/bin/time"


@dataclasses.dataclass
class Cost:
    """Of one run, or the best of several."""
    wall_s: float
    cpu_s: float        # user and system, of the command and its children
    peak_bytes: int     # the largest resident set of any of them
    added_bytes: int = 0

    def best(self, other):
        """Times as they can be at best; memory and bytes as they can be at
        worst."""
        return Cost(min(self.wall_s, other.wall_s),
                    min(self.cpu_s, other.cpu_s),
                    max(self.peak_bytes, other.peak_bytes),
                    max(self.added_bytes, other.added_bytes))


def fail(message):
    print(f"bench: {message}", file=sys.stderr)
    sys.exit(1)


def need_program(name, why="tools/deps.sh bench installs it"):
    if shutil.which(name) is None:
        fail(f"{name} is missing; {why}")


def folder_bytes(folder):
    """The lengths of all files below a folder."""
    total = 0
    for top, _, names in os.walk(folder):
        total += sum(os.lstat(os.path.join(top, name)).st_size
                     for name in names)
    return total


def warm(path):
    """Read a file, so that it is in the page cache if it fits there."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def run(argv, env, cwd, grows=None):
    """Run a command to its end; its Cost and what it printed. `grows` is the
    folder whose growth is what it added. A command that fails ends the
    benchmark: its numbers would mean nothing."""
    note = pathlib.Path(cwd) / ".peak"
    before = folder_bytes(grows) if grows else 0
    os.sync()           # what others left to be written is theirs
    with subprocess.Popen(
            [TIME, "-q", "-f", "%M", "-o", note, *map(str, argv)],
            env=env, cwd=cwd, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        begin = time.monotonic()
        said = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.monotonic() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        fail(f"exit {child.returncode}: {' '.join(map(str, argv))}\n"
             f"{said.decode(errors='replace')}")
    peak_bytes = int(note.read_text().split()[-1]) * 1024
    note.unlink()
    added = folder_bytes(grows) - before if grows else 0
    cpu_s = usage.ru_utime + usage.ru_stime
    return Cost(wall_s, cpu_s, peak_bytes, added), said
