#!/usr/bin/env python3
"""Runs the small inputs under `cases/` and compares the results of `stepwright` with the expected ones.

    scripts/cases.py --stepwright target/debug/stepwright            runs all of them
    scripts/cases.py --stepwright target/debug/stepwright numbers    runs those whose name contains a word

A case is a folder with a `case.toml` and the files that its commands name. Each command runs in `bash`, in a fresh
copy of the folder, with an environment of its own. In commands and files `{chat}`, `{wires}` and `{pages}` stand for the
addresses of servers that this script starts (`cases/servers.py`). Needs Python 3.11 and nothing else.
"""
import argparse, concurrent.futures, os, pathlib, resource, shutil, signal, subprocess, sys, tempfile, threading, tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
CASES = ROOT / "cases"
sys.path.insert(0, str(CASES))
import servers  # noqa: E402  (it is next to the cases)

# A command that takes longer counts as hung. No command takes nearly as long, even on a busy machine.
SECONDS_MAX = 120
# The limit of a command's address space, so that a failing case does not take the machine down.
ADDRESS_SPACE_MAX = 4 << 30
KEYS = {"kind", "step"}
STEP_KEYS = {"run", "exit", "stdout", "stderr", "stdout_is", "never", "megabytes", "env", "file", "file_is", "repeat"}


def limited():
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_MAX, ADDRESS_SPACE_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(command, folder, env):
    """Runs one command. Returns its exit code, its output and the megabytes of its largest process."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(["bash", "-c", command], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=err, preexec_fn=limited)
        hung = threading.Event()

        def kill():
            hung.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(SECONDS_MAX, kill)
        timer.start()
        _, status, used = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        try:  # Processes that the command left running end with it.
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
        code = "hung" if hung.is_set() else process.returncode
        return code, *texts, used.ru_maxrss // 1024


def judge(step, result, folder):
    """Returns the differences from the expected result."""
    code, out, err, megabytes = result
    wrong = []
    if code != step.get("exit", 0):
        wrong.append(f"exit code is {code}, expected {step.get('exit', 0)}")
    if "stdout_is" in step and out.strip() != step["stdout_is"].strip():
        wrong.append(f"expected stdout {step['stdout_is']!r}")
    for name, text in (("stdout", out), ("stderr", err)):
        for wanted in step.get(name, []):
            if wanted not in text:
                wrong.append(f"{name} does not contain {wanted!r}")
    for unwanted in step.get("never", []):
        if unwanted in out or unwanted in err:
            wrong.append(f"output contains {unwanted!r}")
    if megabytes > step.get("megabytes", 300):
        wrong.append(f"used {megabytes} MB, the limit is {step.get('megabytes', 300)}")
    for name, wanted in step.get("file", {}).items():
        path = folder / name
        if path.exists() != wanted:
            wrong.append(f"file {name} {'exists' if path.exists() else 'is missing'}")
    for name, wanted in step.get("file_is", {}).items():
        path = folder / name
        text = path.read_text() if path.exists() else None
        if text is None or text.strip() != wanted.strip():
            wrong.append(f"file {name} is {text!r}, expected {wanted!r}")
    if wrong:
        wrong += [f"    stdout: {out[-1500:]!r}", f"    stderr: {err[-1500:]!r}"]
    return wrong


def check(case, stepwright, addresses):
    """Runs the steps of a case. Returns its mistakes."""
    with open(case / "case.toml", "rb") as file:
        told = tomllib.load(file)
    unknown = set(told) - KEYS | {key for step in told["step"] for key in set(step) - STEP_KEYS}
    if unknown:
        return [f"case.toml has unknown keys: {', '.join(sorted(unknown))}"]

    def filled(text):
        for name, address in addresses.items():
            text = text.replace("{" + name + "}", address)
        return text

    mistakes = []
    with tempfile.TemporaryDirectory() as parent:
        folder = pathlib.Path(parent) / "case"
        shutil.copytree(case, folder, ignore=shutil.ignore_patterns("case.toml"))
        (pathlib.Path(parent) / "secret.txt").write_text("SECRET_OUTSIDE\n")
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                path.write_text(filled(path.read_text()))
        for number, step in enumerate(told["step"], 1):
            env = {"PATH": f"{stepwright.parent}:{os.environ['PATH']}", "HOME": parent, "LANG": "C.UTF-8"}
            env |= step.get("env", {})
            for _ in range(step.get("repeat", 1)):
                wrong = judge(step, run(filled(step["run"]), folder, env), folder)
                if wrong:
                    mistakes += [f"step {number}: {step['run'].strip()}", *(f"  {line}" for line in wrong)]
                    break
    return mistakes


def main():
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--stepwright", required=True, type=pathlib.Path, help="the command to test")
    reader.add_argument("words", nargs="*", help="run only the cases whose name contains one of these words")
    told = reader.parse_args()
    stepwright = told.stepwright.resolve()
    if stepwright.name != "stepwright" or not os.access(stepwright, os.X_OK):
        reader.error(f"{told.stepwright} is not an executable named `stepwright`")
    cases = sorted(path.parent for path in CASES.glob("*/case.toml"))
    cases = [case for case in cases if not told.words or any(word in case.name for word in told.words)]
    if not cases:
        reader.error(f"no case has a name that contains {' or '.join(told.words)}")
    addresses = servers.start()
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        answers = [(case, pool.submit(check, case, stepwright, addresses)) for case in cases]
        for case, answer in answers:
            mistakes = answer.result()
            print(f"{'FAILED' if mistakes else 'ok':7}{case.name}", flush=True)
            for line in mistakes:
                print(f"       {line}", flush=True)
            failed += bool(mistakes)
    print(f"{len(cases) - failed} of {len(cases)} cases passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
