#!/usr/bin/env python3
"""Measures Stepwright and writes the tables of docs/benchmarks.md.

scripts/figures.py                 every table; about ten minutes after the builds
scripts/figures.py engine command  only these
scripts/figures.py --print engine  prints instead of writing
scripts/figures.py --only ROW      measures the rows whose names contain ROW, and prints them
scripts/figures.py --short         measures for a tenth of the time, and prints
scripts/figures.py --minutes 15    stops after that time, besides builds; tables before it are written
scripts/figures.py --clean         also builds the command from nothing, and tells the processor time
scripts/figures.py profiles        builds the command with each candidate profile: hours

FIGURES_BINARY=FILE and FIGURES_LEAN=FILE measure these commands instead of building them.
FIGURES_AGNO=PYTHON is a Python with `agno==3.1.10`, which is measured beside our agents.
A name of a table is a name of a section of SECTIONS; ROW is a part of the first cell of a row. With
`--only`, only the programs that measure such rows are run. Builds are done before anything is measured.
Each table stands between `<!-- figures: NAME -->` and `<!-- end of figures -->`.
"""

import argparse
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
CHECK_TARGET_MS = 20
FORK_TARGET_MS = 10
SEARCH_TARGET_MS = 30
SESSION_TARGET_MS = 50
FORK_TARGET_KB = 100
TURN_TARGET_US = 60
TEAM_TARGET_US = 100
SSE_TARGET = 2
AGENT_TARGET_KIB = 8
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


@functools.cache
def built_bench(package, name):
    """Builds a benchmark, and returns its program."""
    lines = run("cargo", "bench", "--quiet", "--no-run", "--message-format=json", "-p", package, "--bench", name)
    messages = map(json.loads, filter(lambda line: line.startswith("{"), lines.splitlines()))
    programs = [message["executable"] for message in messages
                if message.get("executable") and message["target"]["name"] == name]
    return programs[-1]


@functools.cache
def bench(package, name, *parts):
    """Runs a benchmark, or parts of it, and returns what it printed."""
    environment = {**os.environ, **({"FIGURES_SHORT": "1"} if SETTINGS.short else {})}
    program = built_bench(package, name)
    # The databases of benchmarks are in the target directory, which is on a disk.
    TARGET.mkdir(exist_ok=True)
    left = DEADLINE - time.monotonic() if DEADLINE else None
    if left is not None and left <= 0:
        raise OutOfTime
    print("+", program, *parts, file=sys.stderr)
    try:
        done = subprocess.run([program, *parts], cwd=TARGET, check=True, stdout=subprocess.PIPE, text=True,
                              env=environment, timeout=left)
    except subprocess.TimeoutExpired:
        raise OutOfTime from None
    return done.stdout


class OutOfTime(Exception):
    """The time of `--minutes` is over."""


# The benchmarks of each table. They are built before anything is measured.
BENCHES = {
    "engine": [("stepwright-engine", "figures")],
    "tokens": [("stepwright", "tokens")],
    "agents": [("stepwright", "agents")],
    "waiting": [("stepwright", "measure"), ("stepwright", "recovery")],
    "durable": [("stepwright-store", "runs"), ("stepwright", "measure"), ("stepwright", "recovery")],
    "files": [("stepwright-file", "checks"), ("stepwright-store", "forks")],
    "context": [("stepwright-knowledge", "retrieval"), ("stepwright-store", "sessions")],
}


def wanted(*names):
    """Returns `true` if a row of one of these names is to be measured."""
    return SETTINGS.only is None or any(SETTINGS.only.lower() in name.lower() for name in names)


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
    rows = [row for row in rows if wanted(row[0])]
    if not rows:
        return None
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines)


def found(pattern, text):
    """Returns the numbers of a line of a benchmark."""
    match = re.search(pattern, text, re.M)
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


# The rows of the engine: words, the name that the benchmark has for it, target and best peer.
ENGINE = [
    ("a run of three steps", "run 3", 1.5, "graph-flow 1.01 µs"),
    ("a run of one step", "run 1", None, ""),
    ("the same three steps from a program without async (`.blocking()`)", "blocking", 3, "Agno 135 µs"),
    ("one more step of a chain", "step", 0.25, "graph-flow 0.23 µs"),
    ("one more turn of a loop", "turn", 0.35, "graph-flow 0.21 µs"),
    ("1 000 trivial branches", "branches", 700, "graph-flow 0.82 ms"),
    ("the events of three steps, read in `main`", "events, main", 6, "adk-graph 7.3 µs"),
    ("the same, read in a task", "events, task", 5, "adk-graph 7.3 µs"),
]


def engine():
    asked = [row for row in ENGINE if wanted(row[0])]
    if not asked:
        return None
    measured = {}
    for line in bench("stepwright-engine", "figures", *(key for _, key, *_ in asked)).splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            measured[row["row"]] = (row["ours_us"], row["bare_us"])
    rows = []
    for name, key, target, peer in asked:
        ours, bare = measured[key]
        if key == "branches":
            rows.append(against_bare(name, "ms", ours / 1000, bare / 1000, target / 1000, peer))
        else:
            rows.append(against_bare(name, "µs", ours, bare, target, peer))
    return table(HEAD, rows)


# The kinds of tokens: words, the name that the benchmark has for it, and the target of the whole token. One
# token at a time lets another task run before each, which is most of its time, so it has no target.
TOKENS = [
    ("in process, in a burst", "in a burst", 0.4),
    ("in process, one token at a time", "one at a time", None),
    ("over HTTP, our model beside the library", "over HTTP, our model beside the library", 9),
    ("over HTTP, the workflow beside the library", "over HTTP, the workflow beside the library", 9),
]


def tokens():
    asked = [row for row in TOKENS if wanted(row[0])]
    if not asked:
        return None
    text = bench("stepwright", "tokens", *(key for _, key, _ in asked))
    rows = []
    for name, key, target in asked:
        pattern = rf"^{re.escape(key)}: (-?[\d.]+) alone, (-?[\d.]+) through, (-?[\d.]+) ± ([\d.]+) on top"
        match = re.search(pattern, text, re.M)
        if not match:
            sys.exit(f"the benchmark printed no line `{key}`:\n{text}")
        alone, through, more, error = match.groups()
        rows.append([name, f"{alone} µs", f"{through} µs", f"{more} ± {error} µs", f"{target} µs" if target else "",
                     verdict(float(through), target)])
    return table(["Path of a token", "Bare code", "Measured", "Difference", "Target", ""], rows)


TURN = "an agent turn with one tool call, the model in memory"
TURN_HTTP = "the same over HTTP, beside two requests of rig's model and a loop of the benchmark"
TEAM = "a delegation of a team"
TOKEN = "a token through agent, stream and SSE, beside a bare reader of the same stream"
AGENTS = "memory of an agent that waits for its model (1 000 at once)"


@functools.cache
def agno():
    """Returns the microseconds of a turn and the bytes of a waiting agent of Agno, or nothing without it."""
    python = os.environ.get("FIGURES_AGNO")
    if not python:
        print("FIGURES_AGNO is not set: Agno is not measured", file=sys.stderr)
        return None
    text = run(python, ROOT / "scripts/agno_agents.py", *(["--short"] if SETTINGS.short else []))
    return found(r"a turn: ([\d.]+) µs\nwaiting: ([\d.]+) bytes", text)


def agents():
    rows = []
    peer = agno()

    def pair(key, part):
        text = bench("stepwright", "agents", part)
        return found(rf"^{re.escape(key)}: ([\d.]+) alone, ([\d.]+) through", text)

    if wanted(TURN):
        alone, through = pair("a turn with one tool call", "a turn with one tool call")
        rows.append([TURN, f"{through:.1f} µs", f"{alone:.1f} µs", f"{through - alone:.1f} µs more",
                     f"{TURN_TARGET_US} µs more", verdict(through - alone, TURN_TARGET_US),
                     f"Agno {peer[0]:.0f} µs" if peer else ""])
    if wanted(TURN_HTTP):
        alone, through = pair("the same over HTTP", "the same over HTTP")
        rows.append([TURN_HTTP, f"{through:.0f} µs", f"rig {alone:.0f} µs", f"{through / alone:.2f} ×", "", "", ""])
    if wanted(TEAM):
        alone, through = pair(TEAM, TEAM)
        rows.append([TEAM, f"{through:.1f} µs", f"{alone:.1f} µs", f"{through - alone:.1f} µs more",
                     f"{TEAM_TARGET_US} µs more", verdict(through - alone, TEAM_TARGET_US), ""])
    if wanted(TOKEN):
        key = "a token through agent, stream and SSE"
        alone, through = pair(key, key)
        rows.append([TOKEN, f"{through:.2f} µs", f"{alone:.2f} µs", f"{through / alone:.2f} ×",
                     f"{SSE_TARGET} ×", verdict(through / alone, SSE_TARGET), ""])
    if wanted(AGENTS):
        [each] = found(r"agents that wait: (\d+) bytes each", bench("stepwright", "agents", "agents that wait"))
        kib = each / 1024
        rows.append([AGENTS, f"{kib:.2f} KiB", "", "", f"{AGENT_TARGET_KIB} KiB", verdict(kib, AGENT_TARGET_KIB),
                     f"Agno {peer[1] / 1024:.1f} KiB" if peer else ""])
    return table(["Work", "Measured", "Bare code", "Beside it", "Target", "", "In the same run"], rows)


MEMORY = "memory of a run that waits in a step"
ALL_MEMORY = "10 000 paused runs: memory of the whole process"
PAUSED = [("loading one of them", "found"), ("listing 50 of them", r"listed \(50\)"),
          ("answering one, and driving it to its end", "answered, to the end")]
CANCELLED = [(f"cancelling {how}, until the last fact is on disk", words) for how, words in
             (("by the handle", "its handle"), ("from another program on the same file", "another program"))]


def waiting():
    rows = []
    if wanted(MEMORY):
        [each] = found(r"waiting runs: (\d+) bytes each", bench("stepwright", "measure", "waiting"))
        kib = each / 1024
        rows.append([MEMORY, f"{kib:.2f} KiB", "2 KiB", verdict(kib, 2)])
    if wanted(ALL_MEMORY, *(name for name, _ in PAUSED)):
        text = bench("stepwright", "recovery", "paused")
        [whole] = found(r"10 000 paused runs: (\d+) KB resident", text)
        rows.append([ALL_MEMORY, f"{whole / 1000:.1f} MB", "50 MB", verdict(whole / 1000, 50)])
        for name, words in PAUSED:
            rows.append([name, spread(rf"one {words}: p50 (\S+), p99 (\S+)", text), "", ""])
    if wanted(*(name for name, _ in CANCELLED)):
        text = bench("stepwright", "recovery", "cancelled")
        for name, words in CANCELLED:
            rows.append([name, spread(rf"cancelled by {words}, [^:]*: p50 (\S+), p99 (\S+)", text), "100 ms", ""])
    return table(["Measure", "Measured", "Target", ""], rows)


def spread(pattern, text):
    match = re.search(pattern, text)
    if not match:
        sys.exit(f"the benchmark printed no line like `{pattern}`:\n{text}")
    return "{} (p50), {} (p99)".format(*(re.sub(r"([a-zµ]+)$", r" \1", part) for part in match.groups()))


CALLS = "the store calls of a run of three steps in SQLite"
WHOLE = "a whole run of three steps, `FULL`"
SESSION = "the last hundred of 1 000 runs in one session, beside the first hundred"
AT_ONCE = "1 000 runs at once, beside one after another: throughput"
RESUMING = "resuming a journal"


def durable():
    rows = []
    if wanted(*(f"{CALLS}, `{name}`" for name in ("FULL", "NORMAL"))):
        text = bench("stepwright-store", "runs")
        for name, target, peer in (("FULL", 1.2, "Agno 48 × at run 500"), ("NORMAL", 1.5, "")):
            # Each was measured several times. The middle one counts.
            times = re.findall(rf"{name} *: a run (\d+) µs, its bare inserts (\d+) µs", text)
            times = sorted(([float(one) for one in pair] for pair in times), key=lambda pair: pair[0] / pair[1])
            ours, bare = times[len(times) // 2]
            ratio = ours / bare
            rows.append([f"{CALLS}, `{name}`", f"{ours:.0f} µs", f"{bare:.0f} µs", f"{ratio:.2f} ×", f"{target} ×",
                         verdict(ratio, target), peer])
    if wanted(WHOLE):
        text = bench("stepwright", "measure", "durable")
        ours, bare = found(r"three durable steps \(SQLite, FULL\): (\d+) µs[^\n]*\n[^\n]*: (\d+) µs", text)
        rows.append([WHOLE, f"{ours:.0f} µs", f"{bare:.0f} µs", f"{ours / bare:.2f} ×", "", "", ""])
    if wanted(SESSION):
        text = bench("stepwright", "measure", "session")
        first, last = found(r"one session: (\d+) µs each at first, (\d+) µs at the end", text)
        rows.append([SESSION, f"{last:.0f} µs", f"{first:.0f} µs", f"{last / first:.2f} ×", "1 ×",
                     verdict(last / first, 1.1), ""])
    if wanted(AT_ONCE):
        text = bench("stepwright", "recovery", "at-once")
        more = statistics.median(float(word) for word in re.findall(r"([\d.]+) times the throughput", text))
        rows.append([AT_ONCE, "", "", f"{more:.1f} ×", "at least 5 ×", "met" if more >= 5 else "**missed**", ""])
    if wanted(f"{RESUMING} of facts") or "resuming" in (SETTINGS.only or "").lower():
        text = bench("stepwright", "recovery", "taken-up")
        for facts, rate in re.findall(r"taken up: (\d+) facts, (\d+) facts/s", text):
            rate = float(rate)
            rows.append([f"{RESUMING} of {int(facts):_} facts".replace("_", " "), f"{rate:_.0f} facts/s".replace("_", " "),
                         "", "", "at least 200 000 facts/s", "met" if rate >= 200_000 else "**missed**", ""])
    return table(HEAD, rows)


CHECKED = "checking a file of 1 000 steps"
LINEAR = "a file of 4 000 steps, beside one of 1 000"
FORKED = "forking a run with 100 MB of facts"
FORK_SIZE = "the file grows by, for each of those forks"


def files():
    rows = []
    if wanted(CHECKED, LINEAR):
        text = bench("stepwright-file", "checks")
        [time] = found(r"1000 steps are checked in ([\d.]+) ms", text)
        rows.append([CHECKED, f"{number(time)} ms", f"{CHECK_TARGET_MS} ms", verdict(time, CHECK_TARGET_MS)])
        [ratio] = found(r"4000 steps take ([\d.]+) times as long", text)
        # 4 is linear; the rest is for the noise of a short measurement.
        rows.append([LINEAR, f"{ratio:.2f} ×", "4 ×", verdict(ratio, 4.4)])
    if wanted(FORKED, FORK_SIZE):
        text = bench("stepwright-store", "forks")
        median, most = found(r"median ([\d.]+) ms, 95 % ([\d.]+) ms", text)
        rows.append([FORKED, f"{number(median)} ms (p50), {number(most)} ms (p95)", f"{FORK_TARGET_MS} ms",
                     verdict(most, FORK_TARGET_MS)])
        [size] = found(r"a fork adds ([\d.]+) kB", text)
        rows.append([FORK_SIZE, f"{number(size)} kB", f"{FORK_TARGET_KB} kB", verdict(size, FORK_TARGET_KB)])
    return table(["Work", "Measured", "Target", ""], rows)


SEARCHED = "a search over 100 000 chunks, by words and by vectors of 384 dimensions"
COMMON_SEARCH = "the same for two of its ten most frequent words, which a third of the chunks or more have"
FIRST_SEARCH = "the first search of a process, which loads the vectors"
OPENED = "a session of 10 000 messages opens, with its last 100 exchanges"


def context():
    rows = []
    if wanted(SEARCHED, COMMON_SEARCH, FIRST_SEARCH):
        text = bench("stepwright-knowledge", "retrieval")
        median, most = found(r"a search: ([\d.]+) ms \(median\), ([\d.]+) ms \(95th", text)
        rows.append([SEARCHED, f"{number(median)} ms (p50), {number(most)} ms (p95)", f"{SEARCH_TARGET_MS} ms",
                     verdict(median, SEARCH_TARGET_MS)])
        median, most = found(r"for common words: ([\d.]+) ms \(median\), ([\d.]+) ms \(95th", text)
        rows.append([COMMON_SEARCH, f"{number(median)} ms (p50), {number(most)} ms (p95)", "", ""])
        [first] = found(r"which loads the vectors: ([\d.]+) ms", text)
        rows.append([FIRST_SEARCH, f"{number(first)} ms", "", ""])
    if wanted(OPENED):
        text = bench("stepwright-store", "sessions")
        median, most = found(r"opens in ([\d.]+) ms \(median\), ([\d.]+) ms \(95th", text)
        rows.append([OPENED, f"{number(median)} ms (p50), {number(most)} ms (p95)", f"{SESSION_TARGET_MS} ms",
                     verdict(median, SESSION_TARGET_MS)])
    return table(["Work", "Measured", "Target", ""], rows)


@functools.cache
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
        for n in range(STARTS // 10 if SETTINGS.short else STARTS):
            empty.append(started(place / "empty"))
            plain.append(started(binary, "run", file, "hi", "--no-db"))
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


WHOLE_SIZE = "the command, stripped"
LEAN_SIZE = "the lean command, stripped"
START = "`stepwright run --no-db` on a file of one step"
START_DB = "the same with a new database"
BUILD = "a build from nothing: processor time"


def command():
    rows = []
    if wanted(WHOLE_SIZE):
        size = megabytes(built(lean=False))
        rows.append([WHOLE_SIZE, f"{size:.1f} MB", f"{BINARY_TARGET_MB} MB", verdict(size, BINARY_TARGET_MB), "agentd 7.3 MB"])
    if wanted(LEAN_SIZE):
        size = megabytes(built(lean=True))
        rows.append([LEAN_SIZE, f"{size:.1f} MB", f"{LEAN_TARGET_MB} MB", verdict(size, LEAN_TARGET_MB), ""])
    if wanted(START, START_DB):
        empty, plain, kept = starts(built(lean=False))
        rows.append([f"{START}, above an empty program ({empty:.1f} ms)", f"{plain - empty:.1f} ms",
                     f"{START_TARGET_MS} ms", verdict(plain - empty, START_TARGET_MS), "Agno 467 ms"])
        rows.append([START_DB, f"{kept - empty:.1f} ms", f"{START_DB_TARGET_MS} ms",
                     verdict(kept - empty, START_DB_TARGET_MS), "Agno 717 ms"])
    if SETTINGS.clean and wanted(BUILD):
        seconds = from_nothing()[1]
        rows.append([BUILD, f"{seconds:.0f} s", f"{BUILD_TARGET_S} s", verdict(seconds, BUILD_TARGET_S), ""])
    return table(["What", "Measured", "Target", "", "Best peer"], rows)


def profiles():
    rows = []
    for name, settings in PROFILES.items():
        binary, seconds = from_nothing(settings)
        subprocess.run(["strip", binary], check=True)
        empty, plain, kept = starts(binary)
        rows.append([name, f"{megabytes(binary):.1f} MB", f"{seconds:.0f} s", f"{plain - empty:.1f} ms", f"{kept - empty:.1f} ms"])
    return table(["Profile", "Size", "Build, processor time", "Start", "Start with a new database"], rows)


SECTIONS = {"engine": engine, "tokens": tokens, "agents": agents, "waiting": waiting, "durable": durable,
            "files": files, "context": context, "command": command, "profiles": profiles}


def machine():
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    rust = run("rustc", "--version").split()[1]
    day = datetime.date.today()
    load = os.getloadavg()[0]
    return (f"Measured on {day.day} {day:%B %Y} on {os.cpu_count()} cores ({model.group(1) if model else 'unknown'}), "
            f"Linux {'.'.join(platform.release().split('.')[:2])}, Rust {rust}; the load was {load:.1f}: "
            f"{'a busy machine' if load > os.cpu_count() else 'a quiet machine'}.")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(SECTIONS))
    parser.add_argument("--print", action="store_true", help="print instead of writing")
    parser.add_argument("--only", metavar="ROW", help="measure the rows whose names contain ROW, and print them")
    parser.add_argument("--short", action="store_true", help="measure for a tenth of the time, and print")
    parser.add_argument("--minutes", type=float, help="stop after this time, besides builds")
    parser.add_argument("--clean", action="store_true", help="also build the command from nothing")
    settings = parser.parse_args()
    unknown = [name for name in settings.tables if name not in SECTIONS]
    if unknown:
        parser.error(f"unknown table `{unknown[0]}`; the tables are {', '.join(SECTIONS)}")
    # A row of another day or of a short measurement does not belong into a table with one date.
    settings.print = settings.print or settings.short or settings.only is not None
    return settings


SETTINGS = arguments()
DEADLINE = None


def build(tables):
    """Builds what the tables need, so that the time of `--minutes` is that of measuring."""
    for name in tables:
        for package, bench_name in BENCHES.get(name, []):
            built_bench(package, bench_name)
        if name == "command":
            built(lean=False)
            built(lean=True)


def main():
    global DEADLINE
    tables = SETTINGS.tables or [name for name in SECTIONS if name != "profiles"]
    if SETTINGS.only is None:
        build(tables)
    if SETTINGS.minutes is not None:
        DEADLINE = time.monotonic() + 60 * SETTINGS.minutes
    measured = False
    for place, name in enumerate(tables):
        try:
            rows = SECTIONS[name]()
        except OutOfTime:
            sys.exit(f"{SETTINGS.minutes:g} minutes are over; not measured: {', '.join(tables[place:])}")
        if rows is None:
            continue
        measured = True
        text = f"{machine()}\n\n{rows}\n"
        if SETTINGS.print:
            print(text)
            continue
        page = PAGE.read_text()
        pattern = rf"(<!-- figures: {name} -->\n).*?(<!-- end of figures -->)"
        page, count = re.subn(pattern, lambda match: match.group(1) + text + match.group(2), page, flags=re.S)
        if count != 1:
            sys.exit(f"{PAGE} has no place for the table `{name}`")
        PAGE.write_text(page)
        print(f"{PAGE}: the table `{name}` is written.", file=sys.stderr)
    if not measured:
        sys.exit(f"no row has a name that contains `{SETTINGS.only}`")


main()
