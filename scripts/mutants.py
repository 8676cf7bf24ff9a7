#!/usr/bin/env python3
"""Breaks one promise after the other, and looks whether the test that is named for it notices.

    scripts/mutants.py                     all of `mutants.toml`, then writes docs/mutants.md
    scripts/mutants.py --only checksum     those whose promise, page or file contains a word; writes nothing
    scripts/mutants.py --list              the table, without running anything

A mutant is one change of the code in a copy of the sources below `target/mutants`. Before the mutants run, each
named test must pass on the code as it is. Then, for each mutant, the code must still compile and its test must
fail. A test that passes with the promise broken is written as open. Uncommitted changes are part of the copy.
"""
import argparse, datetime, os, pathlib, re, shlex, shutil, signal, subprocess, sys, time, tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "mutants"
TREE, BUILD = WORK / "tree", WORK / "build"
PAGE = ROOT / "docs" / "mutants.md"
# A mutant that makes its test hang is noticed by this.
TEST_SECONDS_MAX = 300
BUILD_SECONDS_MAX = 1200
KEYS = {"promise", "page", "file", "from", "to", "package", "test", "target"}


def copy_sources():
    """Copies what git knows and what is new, without what it ignores."""
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
    """Runs cargo in the copy; gives whether it succeeded and what it wrote. `None` if it took too long."""
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
    """Gives whether the test passed (`None`: too long), how many tests ran, and the output."""
    passed, out = cargo([*arguments_of(mutant), "--", mutant["test"]], TEST_SECONDS_MAX)
    return passed, sum(int(n) for n in re.findall(r"running (\d+) tests?", out)), out


def try_mutant(mutant):
    """Gives (`killed` or why not, a detail)."""
    path = TREE / mutant["file"]
    if not path.exists():
        return "stale", f"there is no {mutant['file']}"
    text = path.read_text()
    if text.count(mutant["from"]) != 1:
        return "stale", f"its text stands {text.count(mutant['from'])} times in {mutant['file']}"
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
        "A promise is only as good as the test that fails when it is broken. Each row is a promise of this project,",
        "one change of the code that breaks it, and the test named for it. `scripts/mutants.py` makes one change after",
        "the other and runs the test: `killed` means that the test failed, as it must; `open` means that it passed",
        "although the promise was broken. The table is [`mutants.toml`](../mutants.toml).", "",
        f"Last run: {began:%d %B %Y}, {minutes} minutes on {os.cpu_count()} cores: "
        f"**{killed} of {len(mutants)} killed, {len(mutants) - killed} open.**", "",
        "| Promise | Stands in | Broken in | Test | Result |", "|---|---|---|---|---|",
    ]
    for mutant, (answer, detail) in zip(mutants, results):
        place = mutant["file"].removeprefix("crates/")
        test = f"{mutant['package'].removeprefix('stepwright-')}: {mutant['test']}"
        note = answer if not detail or answer == "killed" else f"**{answer}**: {detail.splitlines()[0]}"
        lines.append(f"| {cell(mutant['promise'])} | {cell(mutant['page'])} | `{place}` | `{test}` | {cell(note)} |")
    PAGE.write_text("\n".join(lines) + "\n")


def main():
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--only", metavar="WORD", help="only mutants with this word; the page is not written")
    reader.add_argument("--list", action="store_true", help="show the table and end")
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
    print(f"{len(mutants)} mutants; first their tests, on the code as it is", flush=True)
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
    # An open promise is written down, and is no failure of the run; a row that no longer fits the code is.
    return 1 if "stale" in missed else 0


if __name__ == "__main__":
    sys.exit(main())
