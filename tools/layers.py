#!/usr/bin/env python3
"""Holds the code to the house's plan: floors, circles, sizes, headers.

    layers.py [--root DIR] [--only CHECK[,CHECK...]] [--cc COMPILER]

Prints one line a finding and one summary line; exit 1 if there is a finding.

floors    A room (a folder of src/) includes rooms on lower floors only, and a
          neighbour on its own floor only where ARROWS has an arrow. Some
          rooms may see only a part of another (DOORS, ALLOWED).
circles   No include circle between modules (x.c and x.h are one module), and
          none between folders; a room and a folder inside it count as one
          folder to each other, so a table of connectors may name them.
sizes     Functions in src/ at most 70 lines, nine of ten at most 50; files at
          most 600 lines, or 800 with a comment "long file: <the reason>"
          among the first 20 lines; 80 columns; 15 to 30 % of src/ comments;
          at least a line of test for each line of source.
headers   Every header compiles alone, with the flags of meson.build.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

FLOORS = {
    "base": 0,
    "crypto": 1, "net": 1, "store": 1, "model": 1,
    "vault": 2, "foreign": 2, "service": 2,
    "source": 3, "history": 3,
    "job": 4,
    "api": 5,
    "cli": 6, "view": 6,
}
ARROWS = {("store", "net")}
# Rooms that may include these rooms and no other.
ALLOWED = {"service": {"base", "store"}}
# Of the second room, the first sees these headers and no other.
DOORS = {
    ("source", "vault"): {"vault/snapshot_reader.h", "vault/snapshot_writer.h"},
}
PUBLIC = "keepsay"       # include/keepsay/, the public door
PUBLIC_FLOOR = 5         # rooms from this floor on may use it

FUNCTION_MAX, FUNCTION_P90_MAX = 70, 50
FILE_MAX, LONG_FILE_MAX, REASON_WITHIN = 600, 800, 20
REASON = re.compile(r"long file: *\S+ +\S+")
COLUMNS = 80
COMMENTS_MIN, COMMENTS_MAX = 0.15, 0.30
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(["<])([^">\n]+)[">]', re.M)
SIZED = {".c", ".h", ".py", ".sh", ".mjs"}
NARROW = {".c", ".h", ".py", ".sh"}


class Tree:
    """The files of a checkout, and what its C files include."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.text = {}
        for top in ("src", "include", "tests", "fuzz", "bench", "tools"):
            for path in sorted((self.root / top).rglob("*")):
                parts = path.relative_to(self.root).parts
                if path.suffix in SIZED and "node_modules" not in parts:
                    self.text["/".join(parts)] = path.read_text(
                        encoding="utf-8", errors="replace")

    def files(self, *tops, suffixes=(".c", ".h")):
        return [name for name in self.text
                if name.startswith(tuple(top + "/" for top in tops))
                and name.endswith(tuple(suffixes))]

    def includes(self, name):
        """[(line, text, file or None)] of the includes of one file; system
        headers are left out, a quoted one that is nowhere has no file."""
        found = []
        for match in INCLUDE.finditer(self.text[name]):
            target = self.resolve(name, match[2])
            if target or match[1] == '"':
                line = self.text[name].count("\n", 0, match.start()) + 1
                found.append((line, match[2], target))
        return found

    def resolve(self, name, included):
        beside = os.path.normpath(os.path.join(os.path.dirname(name), included))
        places = [beside, "src/" + included, "include/" + included,
                  "tests/support/" + included]
        return next((p for p in places if p in self.text), None)


def room_of(name):
    """The room of a file: its folder in src/, or PUBLIC, or None (tests)."""
    parts = name.split("/")
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    return PUBLIC if parts[0] == "include" else None


def forbidden(room, target, name):
    """Why `room` may not include the file `name` of the room `target`."""
    if target == PUBLIC:
        if FLOORS[room] < PUBLIC_FLOOR:
            return f"only floor {PUBLIC_FLOOR} and above use the public door"
        return None
    if room in ALLOWED and target not in ALLOWED[room]:
        return f"{room} sees only {', '.join(sorted(ALLOWED[room]))}"
    if FLOORS[target] > FLOORS[room]:
        return (f"{room} (floor {FLOORS[room]}) looks up to {target} "
                f"(floor {FLOORS[target]})")
    if FLOORS[target] == FLOORS[room] and (room, target) not in ARROWS:
        return (f"{room} and {target} are neighbours on floor "
                f"{FLOORS[room]} without an arrow")
    door = DOORS.get((room, target))
    if door and name.removeprefix("src/") not in door:
        return f"{room} sees of {target} only {', '.join(sorted(door))}"
    return None


def check_floors(tree):
    findings = []
    for name in tree.files("src", "include"):
        room = room_of(name)
        if room != PUBLIC and room not in FLOORS:
            findings.append(f"{name}: in no room; the rooms are "
                            + " ".join(FLOORS))
            continue
        for line, text, target in tree.includes(name):
            where = f"{name}:{line}"
            other = room_of(target) if target else None
            if not target:
                findings.append(f'{where}: "{text}" is nowhere')
            elif room == PUBLIC and other != PUBLIC:
                findings.append(f"{where}: the public door shows {text}")
            elif other is None:
                findings.append(f"{where}: source includes a test, {text}")
            elif other != room and (other in FLOORS or other == PUBLIC):
                why = forbidden(room, other, target)
                if why:
                    findings.append(f"{where}: {why}")
    return findings, ""


def circles_of(graph):
    """Strongly connected sets of more than one node (Tarjan, by hand-kept
    stack, so that depth does not matter)."""
    index, low, on_path, path, found = {}, {}, set(), [], []
    for start in sorted(graph):
        if start in index:
            continue
        work = [(start, iter(sorted(graph[start])))]
        index[start] = low[start] = len(index)
        path.append(start)
        on_path.add(start)
        while work:
            node, edges = work[-1]
            for to in edges:
                if to not in index:
                    index[to] = low[to] = len(index)
                    path.append(to)
                    on_path.add(to)
                    work.append((to, iter(sorted(graph.get(to, ())))))
                    break
                if to in on_path:
                    low[node] = min(low[node], index[to])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    cut = path.index(node)
                    circle = path[cut:]
                    del path[cut:]
                    on_path.difference_update(circle)
                    if len(circle) > 1:
                        found.append(sorted(circle))
    return found


def inside(a, b):
    """Whether one folder is the other, or lies inside it."""
    return a == b or a.startswith(b + "/") or b.startswith(a + "/")


def check_circles(tree):
    modules, folders = {}, {}
    for name in tree.files("src", "include", "tests"):
        module, folder = os.path.splitext(name)[0], os.path.dirname(name)
        modules.setdefault(module, set())
        folders.setdefault(folder, set())
        for _, _, target in tree.includes(name):
            if not target:
                continue
            other = os.path.splitext(target)[0]
            if other != module:
                modules[module].add(other)
            if not inside(folder, os.path.dirname(target)):
                folders[folder].add(os.path.dirname(target))
    findings = [f"{what} in a circle: {' '.join(circle)}"
                for what, graph in (("modules", modules), ("folders", folders))
                for circle in circles_of(graph)]
    return findings, f"{len(modules)} modules"


def line_kinds(text):
    """(lines with code, lines with only comment) of a C file."""
    code = comment = 0
    # Strings first, so that "/*" inside one is no comment.
    token = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
                       r"|/\*.*?\*/|//[^\n]*", re.S)

    def blank(match):
        if match[0][0] in "\"'":
            return "x"
        return "\x01" + "\n\x01" * match[0].count("\n")

    for line in token.sub(blank, text).split("\n"):
        rest = line.replace("\x01", "").strip()
        if rest:
            code += 1
        elif "\x01" in line:
            comment += 1
    return code, comment


def functions_of(tree, names):
    """[(lines, file, line, function)] through universal-ctags."""
    if not names:
        return []
    out = subprocess.run(
        ["ctags", "-f", "-", "--languages=C", "--langmap=C:.c.h",
         "--kinds-C=f", "--fields=ne", "--sort=no", "-L", "-"],
        input="\n".join(names), cwd=tree.root, text=True,
        capture_output=True, check=True).stdout
    found = []
    for row in out.splitlines():
        where = re.search(r"line:(\d+).*\bend:(\d+)", row)
        if where:
            function, name = row.split("\t")[:2]
            first, last = int(where[1]), int(where[2])
            found.append((last - first + 1, name, first, function))
    return found


def check_functions(tree):
    functions = functions_of(tree, tree.files("src"))
    findings = [f"{name}:{line}: {function}() has {size} lines, at most "
                f"{FUNCTION_MAX}"
                for size, name, line, function in functions
                if size > FUNCTION_MAX]
    sizes = sorted(function[0] for function in functions) or [0]
    median, p90 = sizes[len(sizes) // 2], sizes[len(sizes) * 9 // 10]
    if p90 > FUNCTION_P90_MAX:
        findings.append(f"src: one function in ten has {p90} lines or more; "
                        f"at most {FUNCTION_P90_MAX}")
    return findings, (f"{len(functions)} functions, median {median}, "
                      f"p90 {p90}, longest {sizes[-1]}")


def check_files(tree):
    findings = []
    for name, text in tree.text.items():
        lines = text.splitlines()
        reason = REASON.search("\n".join(lines[:REASON_WITHIN]))
        limit = LONG_FILE_MAX if reason else FILE_MAX
        if len(lines) > limit:
            findings.append(f"{name}: {len(lines)} lines, at most {limit}")
        if os.path.splitext(name)[1] not in NARROW:
            continue
        for number, line in enumerate(lines, 1):
            width = len(line.expandtabs(8))
            if width > COLUMNS:
                findings.append(f"{name}:{number}: {width} columns wide")
    return findings


def comment_share(tree, *tops):
    """Of the lines that say something, how many are comments."""
    kinds = [line_kinds(tree.text[name]) for name in tree.files(*tops)]
    code, comment = sum(k[0] for k in kinds), sum(k[1] for k in kinds)
    return comment / max(1, code + comment)


def check_comments(tree):
    share = comment_share(tree, "src")
    if not tree.files("src") or COMMENTS_MIN <= share <= COMMENTS_MAX:
        return [], share
    rooms = sorted({room_of(name) or "src" for name in tree.files("src")})
    each = ", ".join(f"{room} {comment_share(tree, 'src/' + room):.1%}"
                     for room in rooms)
    return [f"src: {share:.1%} of the lines are comments, "
            f"{COMMENTS_MIN:.0%} to {COMMENTS_MAX:.0%} ({each})"], share


def check_sizes(tree):
    findings, functions = check_functions(tree)
    findings += check_files(tree)
    comments, share = check_comments(tree)
    findings += comments

    def total(names):
        return sum(tree.text[name].count("\n") for name in names)

    source = total(tree.files("src", "include"))
    # Not tests/peers: those are programs that tests run, not tests.
    tests = total(name for name in tree.files("tests", suffixes=SIZED)
                  if not name.startswith("tests/peers/"))
    if tests < source:
        findings.append(f"tests: {tests} lines for {source} of source; "
                        "at least as many")
    return findings, (f"{functions}, {share:.1%} comments, "
                      f"{tests / max(1, source):.2f} lines of test a line")


def project_flags(root):
    """The warning and define flags that meson.build gives every file."""
    text = (root / "meson.build").read_text(encoding="utf-8")
    text = re.sub(r"#.*", "", text)
    flags = re.findall(r"'(-(?:W|D)[^']+)'", text)
    return [flag for flag in flags if not flag.startswith(("-Wl,", "-D_FORT"))]


def check_headers(tree, compiler):
    flags = ["-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic",
             "-Werror", *project_flags(tree.root), "-Isrc", "-Iinclude",
             "-Itests/support"]
    if (tree.root / "src/base/banned.h").exists():
        flags += ["-include", "src/base/banned.h"]
    names = tree.files("src", "include", "tests", suffixes=[".h"])

    def compile_alone(name):
        run = subprocess.run([compiler, *flags, "-x", "c", name],
                             cwd=tree.root, text=True, capture_output=True)
        return run.stderr.strip() if run.returncode else None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = list(pool.map(compile_alone, names))
    findings = [f"{name}: does not compile alone:\n  "
                + "\n  ".join(problem.splitlines()[:6])
                for name, problem in zip(names, problems) if problem]
    return findings, f"{len(names)} headers"


def main():
    checks = {
        "floors": check_floors,
        "circles": check_circles,
        "sizes": check_sizes,
        "headers": lambda tree: check_headers(tree, args.cc),
    }
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", default=pathlib.Path(__file__).parents[1])
    parser.add_argument("--only", default=",".join(checks))
    parser.add_argument("--cc", default="gcc")
    args = parser.parse_args()

    tree = Tree(args.root)
    count, notes = 0, []
    for name in args.only.split(","):
        findings, note = checks[name](tree)
        for finding in findings:
            print(f"{name}: {finding}")
        count += len(findings)
        notes += [note] if note else []
    print(f"summary: {count} findings; " + "; ".join(notes))
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
