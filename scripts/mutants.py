#!/usr/bin/env python3
"""Breaks one promise after another, and checks that its test fails.

    scripts/mutants.py                     runs all of `mutants.toml`, then writes docs/mutants.md
    scripts/mutants.py --only checksum     runs the mutants whose promise, page or file contains a word; writes nothing
    scripts/mutants.py --list              shows the table, and runs nothing

A mutant is one change of the code in a copy of the sources below `target/mutants`. Before the mutants run, each
test must pass on the unchanged code. Then, for each mutant, the code must still compile and its test must fail. If
the test passes with the promise broken, the mutant is reported as open. Uncommitted changes are part of the copy.
"""
import argparse, datetime, os, pathlib, re, shlex, shutil, signal, subprocess, sys, time, tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "mutants"
TREE, BUILD = WORK / "tree", WORK / "build"
PAGE = ROOT / "docs" / "mutants.md"
# A mutant may make its test hang: then the test is stopped, and the mutant counts as killed.
TEST_SECONDS_MAX = 300
BUILD_SECONDS_MAX = 1200
KEYS = {"promise", "page", "file", "from", "to", "package", "test", "target"}


def copy_sources():
    """Copies tracked and new files, but none that git ignores."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            check=True, capture_output=True).stdout.decode().split("\0")
    wanted = {name for name in listed if name and (ROOT / name).is_file()}
    if TREE.exists():
        for path in list(TREE.rglob("*")):
            if path.is_file() and str(path.relative_to(TREE)) not in wanted:
                path.unlink()
    for name in wanted:
        here, there = ROOT / name, TREE / name
        if not there.exists() or there.read_bytes() != here.read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(here, there)


def cargo(arguments, seconds):
    """Runs cargo in the copy. Returns its success (`None` if it took too long) and its output."""
    env = os.environ | {"CARGO_TARGET_DIR": str(BUILD), "CARGO_PROFILE_DEV_DEBUG": "0"}
    process = subprocess.Popen(["cargo", *arguments], cwd=TREE, env=env, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    try:
        out, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None, ""
    return process.returncode == 0, out.decode(errors="replace")


def arguments_of(mutant):
    target = shlex.split(mutant.get("target", "--test it"))
    return ["test", "--quiet", "-p", mutant["package"], "--all-features", *target]


def run_test(mutant):
    """Returns the success of the test (`None`: too long), the number of tests that ran, and the output."""
    passed, out = cargo([*arguments_of(mutant), "--", mutant["test"]], TEST_SECONDS_MAX)
    return passed, sum(int(n) for n in re.findall(r"running (\d+) tests?", out)), out


def try_mutant(mutant):
    """Returns (`killed` or another result, a detail)."""
    path = TREE / mutant["file"]
    if not path.exists():
        return "stale", f"there is no {mutant['file']}"
    text = path.read_text()
    if text.count(mutant["from"]) != 1:
        return "stale", f"`from` occurs {text.count(mutant['from'])} times in {mutant['file']}"
    path.write_text(text.replace(mutant["from"], mutant["to"]))
    try:
        built, out = cargo([*arguments_of(mutant), "--no-run"], BUILD_SECONDS_MAX)
        if not built:
            return "stale", "it does not compile:\n" + "\n".join(out.splitlines()[-15:])
        passed, ran, out = run_test(mutant)
        if passed is None:
            return "killed", "the test hung"
        if passed:
            return "open", f"{ran} tests passed"
        return "killed", ""
    finally:
        path.write_text(text)


def page(mutants, results, began, minutes):
    def cell(text):
        return text.replace("|", "\\|").replace("\n", " ")

    killed = sum(answer == "killed" for answer, _ in results)
    lines = [
        "# Promises and their mutants", "",
        "A promise needs a test that fails when the promise is broken. Each row is a promise of this project, one change",
        "of the code that breaks it, and its test. `scripts/mutants.py` makes one change after another and runs the test:",
        "`killed` means that the test failed, as it must; `open` means that the test passed although the promise was",
        "broken. The table comes from [`mutants.toml`](../mutants.toml).", "",
        f"Last run: {began:%d %B %Y}, {minutes} minutes on {os.cpu_count()} cores: "
        f"**{killed} of {len(mutants)} killed, {len(mutants) - killed} open.**", "",
        "| Promise | Page | Broken in | Test | Result |", "|---|---|---|---|---|",
    ]
    for mutant, (answer, detail) in zip(mutants, results):
        place = mutant["file"].removeprefix("crates/")
        test = f"{mutant['package'].removeprefix('stepwright-')}: {mutant['test']}"
        note = answer if not detail or answer == "killed" else f"**{answer}**: {detail.splitlines()[0]}"
        lines.append(f"| {cell(mutant['promise'])} | {cell(mutant['page'])} | `{place}` | `{test}` | {cell(note)} |")
    PAGE.write_text("\n".join(lines) + "\n")


def main():
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--only", metavar="WORD", help="run only mutants with this word; do not write the page")
    reader.add_argument("--list", action="store_true", help="show the table, and run nothing")
    told = reader.parse_args()
    with open(ROOT / "mutants.toml", "rb") as file:
        mutants = tomllib.load(file)["mutant"]
    for mutant in mutants:
        if set(mutant) - KEYS or (KEYS - {"target"}) - set(mutant):
            reader.error(f"mutants.toml: {mutant.get('promise', mutant)} has wrong or missing keys")
    if told.only:
        words = ("promise", "page", "file", "test")
        mutants = [mutant for mutant in mutants if any(told.only in mutant[word] for word in words)]
    if told.list:
        for mutant in mutants:
            print(f"{mutant['promise']}\n    {mutant['file']} · {mutant['package']} · {mutant['test']}")
        return 0
    began, clock = datetime.date.today(), time.monotonic()
    copy_sources()
    print(f"{len(mutants)} mutants; first their tests, on the unchanged code", flush=True)
    for mutant in {(m["package"], m["test"]): m for m in mutants}.values():
        built, out = cargo([*arguments_of(mutant), "--no-run"], BUILD_SECONDS_MAX)
        passed, ran, out = run_test(mutant) if built else (False, 0, out)
        if not passed or ran == 0:
            print(out[-3000:])
            print(f"error: {mutant['package']} {mutant['test']}: {ran} tests ran; it must pass before it can judge")
            return 2
    results = []
    for number, mutant in enumerate(mutants, 1):
        answer, detail = try_mutant(mutant)
        results.append((answer, detail))
        print(f"{number:3}/{len(mutants)} {answer:7} {mutant['promise']}", flush=True)
        if detail and answer != "killed":
            print(f"            {detail}", flush=True)
    if not told.only:
        page(mutants, results, began, round((time.monotonic() - clock) / 60))
    missed = [answer for answer, _ in results if answer != "killed"]
    print(f"{len(results) - len(missed)} of {len(results)} killed")
    # An open promise is reported, and does not fail the script. A row that no longer fits the code does.
    return 1 if "stale" in missed else 0


if __name__ == "__main__":
    sys.exit(main())
