#!/usr/bin/env python3
"""Measures Stepwright and writes the tables of docs/benchmarks.md.

scripts/figures.py                 every table; about ten minutes after the builds
scripts/figures.py engine command  only these
scripts/figures.py --print engine  prints instead of writing
scripts/figures.py --clean         also builds the command from nothing, and tells the processor time
scripts/figures.py profiles        builds the command with each candidate profile: hours

FIGURES_BINARY=FILE and FIGURES_LEAN=FILE measure these commands instead of building them.
Each table stands between `<!-- figures: NAME -->` and `<!-- end of figures -->`.
"""

import datetime
import functools
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/benchmarks.md"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

# The targets of the page. A test compares those that the page names in its text.
BINARY_TARGET_MB = 20
LEAN_TARGET_MB = 12
START_TARGET_MS = 3.5
START_DB_TARGET_MS = 6
BUILD_TARGET_S = 400
# How often each program is started. The shortest start counts: on a busy machine the others include
# the time of other programs.
STARTS = 200

# Candidate profiles: name, settings of Cargo's environment.
PROFILES = {
    "as the manifest has it": {},
    "`opt-level = 3`, no LTO, 16 units": {"OPT_LEVEL": "3", "LTO": "off", "CODEGEN_UNITS": "16"},
    "`opt-level = 3`, thin LTO": {"OPT_LEVEL": "3", "LTO": "thin", "CODEGEN_UNITS": "16"},
    "`opt-level = 3`, fat LTO": {"OPT_LEVEL": "3", "LTO": "fat", "CODEGEN_UNITS": "1"},
    "`opt-level = \"s\"`, thin LTO": {"OPT_LEVEL": "s", "LTO": "thin", "CODEGEN_UNITS": "16"},
    "`opt-level = \"z\"`, fat LTO": {"OPT_LEVEL": "z", "LTO": "fat", "CODEGEN_UNITS": "1"},
}


def run(*command, **options):
    """Runs a program in the root of the project, and returns what it printed."""
    print("+", " ".join(map(str, command)), file=sys.stderr)
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, **options)
    return done.stdout


def bench(package, name, *features):
    """Runs a benchmark, and returns what it printed."""
    return run("cargo", "bench", "--quiet", "-p", package, "--bench", name, *features)


def verdict(measured, target):
    if target is None:
        return ""
    if measured <= target:
        return "met"
    return f"**missed** by {100 * (measured / target - 1):.0f} %"


def number(value):
    """Returns three digits that mean something."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def table(head, rows):
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines)


def found(pattern, text):
    """Returns the numbers of a line of a benchmark."""
    match = re.search(pattern, text)
    if not match:
        sys.exit(f"the benchmark printed no line like `{pattern}`:\n{text}")
    return [float(group) for group in match.groups()]


HEAD = ["Work", "Measured", "Bare code", "Ratio", "Target", "", "Best peer"]


def against_bare(name, unit, ours, bare, target, peer=""):
    """Returns a row of work beside bare code; the target is one of the time."""
    wanted = "" if target is None else f"{target} {unit}"
    ratio = f"{number(ours / bare)} ×" if bare else ""
    bare = f"{number(bare)} {unit}" if bare else ""
    return [name, f"{number(ours)} {unit}", bare, ratio, wanted, verdict(ours, target), peer]


def engine():
    rows = {}
    for line in bench("stepwright-engine", "figures").splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            rows[row["row"]] = (row["ours_us"], row["bare_us"])
    us = lambda name, key, target, peer="": against_bare(name, "µs", *rows[key], target, peer)
    ms = [time / 1000 for time in rows["branches"]]
    return table(HEAD, [
        us("a run of three steps", "run 3", 1.5, "graph-flow 1.01 µs"),
        us("a run of one step", "run 1", None),
        us("the same three steps from a program without async (`.blocking()`)", "blocking", 3, "Agno 135 µs"),
        us("one more step of a chain", "step", 0.25, "graph-flow 0.23 µs"),
        us("one more turn of a loop", "turn", 0.35, "graph-flow 0.21 µs"),
        against_bare("1 000 trivial branches", "ms", *ms, 0.7, "graph-flow 0.82 ms"),
        us("the events of three steps, read in `main`", "events, main", 6, "adk-graph 7.3 µs"),
        us("the same, read in a task", "events, task", 5, "adk-graph 7.3 µs"),
    ])


def tokens():
    text = bench("stepwright", "tokens")
    rows = []
    for line in text.splitlines():
        match = re.match(r"(.*): (-?[\d.]+) alone, (-?[\d.]+) through, (-?[\d.]+) ± ([\d.]+) on top", line)
        if match:
            name, alone, through, more, error = match.groups()
            target = 9 if "HTTP" in name else 0.4
            name = name if "HTTP" in name else f"in process, {name}"
            rows.append([name, f"{alone} µs", f"{through} µs", f"{more} ± {error} µs", f"{target} µs",
                         verdict(float(through), target)])
    if not rows:
        sys.exit(f"the benchmark printed no tokens:\n{text}")
    return table(["Path of a token", "Bare code", "Measured", "Difference", "Target", ""], rows)


def waiting():
    [each] = found(r"waiting runs: (\d+) bytes each", measured())
    text = recovery()
    [whole] = found(r"10 000 paused runs: (\d+) KB resident", text)
    kib = each / 1024
    rows = [
        ["memory of a run that waits in a step", f"{kib:.2f} KiB", "2 KiB", verdict(kib, 2)],
        ["10 000 paused runs: memory of the whole process", f"{whole / 1000:.1f} MB", "50 MB", verdict(whole / 1000, 50)],
    ]
    for name, words in (("loading one of them", "found"), ("listing 50 of them", r"listed \(50\)"),
                        ("answering one, and driving it to its end", "answered, to the end")):
        rows.append([name, spread(rf"one {words}: p50 (\S+), p99 (\S+)", text), "", ""])
    for name, words in (("by the handle", "its handle"), ("from another program on the same file", "another program")):
        rows.append([f"cancelling {name}, until the last fact is on disk",
                     spread(rf"cancelled by {words}, [^:]*: p50 (\S+), p99 (\S+)", text), "100 ms", ""])
    return table(["Measure", "Measured", "Target", ""], rows)


def spread(pattern, text):
    match = re.search(pattern, text)
    if not match:
        sys.exit(f"the benchmark printed no line like `{pattern}`:\n{text}")
    return "{} (p50), {} (p99)".format(*(re.sub(r"([a-zµ]+)$", r" \1", part) for part in match.groups()))


@functools.cache
def measured():
    return bench("stepwright", "measure")


@functools.cache
def recovery():
    return bench("stepwright", "recovery")


def durable():
    text = bench("stepwright-store", "runs")
    rows = []
    for name, target, peer in (("FULL", 1.2, "Agno 48 × at run 500"), ("NORMAL", 1.5, "")):
        ours, bare = found(rf"(?i){name} *: a run (\d+) µs, its bare inserts (\d+) µs", text)
        ratio = ours / bare
        rows.append([f"the store calls of a run of three steps in SQLite, `{name}`", f"{ours:.0f} µs", f"{bare:.0f} µs",
                     f"{ratio:.2f} ×", f"{target} ×", verdict(ratio, target), peer])
    ours, bare = found(r"three durable steps \(SQLite, FULL\): (\d+) µs[^\n]*\n[^\n]*: (\d+) µs", measured())
    rows.append(["a whole run of three steps, `FULL`", f"{ours:.0f} µs", f"{bare:.0f} µs", f"{ours / bare:.2f} ×", "", "", ""])
    first, last = found(r"one session: (\d+) µs each at first, (\d+) µs at the end", measured())
    rows.append(["the last hundred of 1 000 runs in one session, beside the first hundred", f"{last:.0f} µs",
                 f"{first:.0f} µs", f"{last / first:.2f} ×", "1 ×", verdict(last / first, 1.1), ""])
    text = recovery()
    times = [float(word) for word in re.findall(r"([\d.]+) times the throughput", text)]
    rows.append(["1 000 runs at once, beside one after another: throughput", "", "",
                 f"{statistics.median(times):.1f} ×", "at least 5 ×", "met" if statistics.median(times) >= 5 else "**missed**", ""])
    rates = {facts: float(rate) for facts, rate in re.findall(r"taken up: (\d+) facts, (\d+) facts/s", text)}
    for facts, rate in rates.items():
        rows.append([f"resuming a journal of {int(facts):_} facts".replace("_", " "), f"{rate:_.0f} facts/s".replace("_", " "),
                     "", "", "at least 200 000 facts/s", "met" if rate >= 200_000 else "**missed**", ""])
    return table(HEAD, rows)


def built(lean):
    """Returns the command, stripped."""
    given = os.environ.get("FIGURES_LEAN" if lean else "FIGURES_BINARY")
    if not given:
        arguments = ["--no-default-features"] if lean else []
        run("cargo", "build", "--quiet", "--release", "-p", "stepwright-cli", *arguments)
        given = TARGET / "release/stepwright"
    place = pathlib.Path(tempfile.mkdtemp()) / "stepwright"
    shutil.copy(given, place)
    subprocess.run(["strip", place], check=True)
    return place


def started(*command):
    """Returns the milliseconds of a program, from its start to its end."""
    command = list(map(str, command))
    null = os.open(os.devnull, os.O_RDWR)
    files = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
    began = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ, file_actions=files)
    status = os.waitpid(process, 0)[1]
    took = time.perf_counter() - began
    os.close(null)
    if status:
        sys.exit(f"`{' '.join(command)}` failed")
    return took * 1000


def starts(binary):
    """Returns the shortest starts of an empty program, a run, and a run with a new database."""
    with tempfile.TemporaryDirectory(dir=TARGET) as place:
        place = pathlib.Path(place)
        file = place / "one.yaml"
        file.write_text("format: 1\nname: One\nsteps:\n  - {name: one, template: done}\n")
        (place / "empty.rs").write_text("fn main() {}\n")
        run("rustc", "-O", "-o", place / "empty", place / "empty.rs")
        empty, plain, kept = [], [], []
        for n in range(STARTS):
            empty.append(started(place / "empty"))
            plain.append(started(binary, "run", file, "hi"))
            kept.append(started(binary, "run", file, "hi", "--db", place / f"{n}.db"))
        return [min(times) for times in (empty, plain, kept)]


def processor():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def from_nothing(settings=()):
    """Builds the command in a new target directory. Returns it with the seconds of processor time."""
    place = tempfile.mkdtemp(dir=TARGET)
    environment = {**os.environ, "CARGO_TARGET_DIR": place}
    environment.update({f"CARGO_PROFILE_RELEASE_{name}": value for name, value in dict(settings).items()})
    before = processor()
    run("cargo", "build", "--quiet", "--release", "-p", "stepwright-cli", env=environment)
    return pathlib.Path(place) / "release/stepwright", processor() - before


def megabytes(binary):
    return os.path.getsize(binary) / 1e6


def command():
    binary, lean = built(lean=False), built(lean=True)
    empty, plain, kept = starts(binary)
    size, small = megabytes(binary), megabytes(lean)
    rows = [
        ["the command, stripped", f"{size:.1f} MB", f"{BINARY_TARGET_MB} MB", verdict(size, BINARY_TARGET_MB), "agentd 7.3 MB"],
        ["the lean command, stripped", f"{small:.1f} MB", f"{LEAN_TARGET_MB} MB", verdict(small, LEAN_TARGET_MB), ""],
        [f"`stepwright run` on a file of one step, above an empty program ({empty:.1f} ms)", f"{plain - empty:.1f} ms",
         f"{START_TARGET_MS} ms", verdict(plain - empty, START_TARGET_MS), "Agno 467 ms"],
        ["the same with a new database", f"{kept - empty:.1f} ms", f"{START_DB_TARGET_MS} ms",
         verdict(kept - empty, START_DB_TARGET_MS), "Agno 717 ms"],
    ]
    if "--clean" in sys.argv:
        seconds = from_nothing()[1]
        rows.append(["a build from nothing: processor time", f"{seconds:.0f} s", f"{BUILD_TARGET_S} s", verdict(seconds, BUILD_TARGET_S), ""])
    return table(["What", "Measured", "Target", "", "Best peer"], rows)


def profiles():
    rows = []
    for name, settings in PROFILES.items():
        binary, seconds = from_nothing(settings)
        subprocess.run(["strip", binary], check=True)
        empty, plain, kept = starts(binary)
        rows.append([name, f"{megabytes(binary):.1f} MB", f"{seconds:.0f} s", f"{plain - empty:.1f} ms", f"{kept - empty:.1f} ms"])
    return table(["Profile", "Size", "Build, processor time", "Start", "Start with a new database"], rows)


SECTIONS = {"engine": engine, "tokens": tokens, "waiting": waiting, "durable": durable, "command": command, "profiles": profiles}


def machine():
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    rust = run("rustc", "--version").split()[1]
    day = datetime.date.today()
    load = os.getloadavg()[0]
    return (f"Measured on {day.day} {day:%B %Y} on {os.cpu_count()} cores ({model.group(1) if model else 'unknown'}), "
            f"Linux {'.'.join(platform.release().split('.')[:2])}, Rust {rust}; the load was {load:.1f} at the beginning: "
            f"{'a busy machine' if load > os.cpu_count() else 'a quiet machine'}.")


def main():
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    unknown = [name for name in arguments if name not in SECTIONS]
    if unknown or "--help" in sys.argv:
        sys.exit(__doc__ + "\nTables: " + ", ".join(SECTIONS))
    for name in arguments or [name for name in SECTIONS if name != "profiles"]:
        text = f"{machine()}\n\n{SECTIONS[name]()}\n"
        if "--print" in sys.argv:
            print(text)
            continue
        page = PAGE.read_text()
        pattern = rf"(<!-- figures: {name} -->\n).*?(<!-- end of figures -->)"
        page, count = re.subn(pattern, lambda match: match.group(1) + text + match.group(2), page, flags=re.S)
        if count != 1:
            sys.exit(f"{PAGE} has no place for the table `{name}`")
        PAGE.write_text(page)
        print(f"{PAGE}: the table `{name}` is written.", file=sys.stderr)


main()
