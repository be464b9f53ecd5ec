"""Tables and JSON, and the facts of the machine that they belong to."""
import dataclasses
import json
import os
import platform
import re
import subprocess

from measure import Cost


def first_line(argv):
    try:
        out = subprocess.run(argv, capture_output=True, text=True,
                             check=False).stdout
    except OSError:
        return "?"
    return out.splitlines()[0] if out else "?"


def number_in(path, pattern):
    with open(path, encoding="utf-8") as file:
        found = re.search(pattern, file.read(), re.M)
    return found[1].strip() if found else "?"


def machine(folder, keepsay):
    """What numbers depend on. No names of machines, no paths."""
    memory_kb = int(number_in("/proc/meminfo", r"^MemTotal: +(\d+)"))
    return {
        "cpu": number_in("/proc/cpuinfo", r"^model name\s*:(.*)"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory_kb / 1e6, 1),
        "kernel": platform.release(),
        "file_system": first_line(["stat", "-f", "-c", "%T", folder]),
        "keepsay": first_line([keepsay, "version"]),
        "restic": first_line(["restic", "version"]),
        "borg": first_line(["borg", "--version"]),
        "cp": first_line(["cp", "--version"]),
    }


def print_machine(facts):
    print(f"{facts['cpu']}, {facts['cores']} cores, "
          f"{facts['memory_gb']} GB, Linux {facts['kernel']}, "
          f"{facts['file_system']}")
    for name in ("keepsay", "restic", "borg", "cp"):
        print(f"  {facts[name]}")
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"  Others are at work here (load {load:.1f}): wall times will "
              "say more of them than of this.")
    print()


def mb(count):
    """Bytes as megabytes, small ones with more digits."""
    return f"{count / 1e6:.3f}" if count < 1e6 else f"{count / 1e6:.1f}"


def times(value, base):
    return f"{value / base:.1f}" if base > 0 else ""


def print_steps(steps, adding, base="keepsay"):
    """steps: {step: {program: Cost}}. Ratios are against `base`. Only the
    steps `adding` are there to add something."""
    print(f"{'':22}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'added MB':>11}"
          f"   {'x wall':>7}{'x CPU':>7}{'x added':>9}")
    for step, costs in steps.items():
        print(step)
        one = costs[base]
        for name, cost in costs.items():
            added = mb(cost.added_bytes) if step in adding else ""
            line = (f"  {name:20}{cost.wall_s:9.2f}{cost.cpu_s:9.2f}"
                    f"{cost.peak_bytes / 1e6:9.1f}{added:>11}")
            if name != base:
                line += (f"   {times(cost.wall_s, one.wall_s):>7}"
                         f"{times(cost.cpu_s, one.cpu_s):>7}"
                         f"{times(cost.added_bytes, one.added_bytes):>9}")
            print(line.rstrip())
    print(flush=True)


def aim(what, value, limit, unit):
    """Hold a number against what was aimed at."""
    held = "held" if value <= limit else "MISSED"
    print(f"  {what}: {value:.3g} {unit}, aim {limit:g} {unit}: {held}")


def save(path, data):
    """Write the JSON of a run."""
    def plain(value):
        if isinstance(value, Cost):
            return dataclasses.asdict(value)
        raise TypeError(type(value))

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2, default=plain) + "\n")
    print(f"Written to {path.name}, in JSON.")
