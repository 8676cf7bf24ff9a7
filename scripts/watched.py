#!/usr/bin/env python3
"""Runs a command that runs tests, and stops it if it prints nothing for too long.

    scripts/watched.py MINUTES COMMAND…

Then it names the tests that had not ended. Its exit code is the command's, or 124 if the command was stopped.
"""
import os, queue, re, signal, subprocess, sys, threading

SLOW = re.compile(r"^test (\S+) has been running for over")
ENDED = re.compile(r"^test (\S+) \.\.\. ")


def main():
    if len(sys.argv) < 3 or not sys.argv[1].isdigit():
        sys.exit(__doc__.strip())
    minutes, command = int(sys.argv[1]), sys.argv[2:]
    env = dict(os.environ)
    if sys.stdout.isatty():
        env.setdefault("CARGO_TERM_COLOR", "always")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env,
                               start_new_session=True)
    for ends in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ends, lambda number, _: stop(process, 128 + number))
    lines = queue.Queue()

    def read():
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    slow = {}
    try:
        while True:
            try:
                line = lines.get(timeout=minutes * 60)
            except queue.Empty:
                print(f"\nerror: nothing was printed for {minutes} minutes, so the tests were stopped", flush=True)
                for name in slow or ["none of them has said that it takes long"]:
                    print(f"  not ended: {name}", flush=True)
                stop(process, 124)
            if line is None:
                break
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            text = line.decode(errors="replace")
            if found := SLOW.match(text):
                slow[found[1]] = True
            elif found := ENDED.match(text):
                slow.pop(found[1], None)
    except KeyboardInterrupt:
        stop(process, 128 + signal.SIGINT)
    sys.exit(process.wait())


def stop(process, code):
    """Ends the command and the programs that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    sys.exit(code)


main()
