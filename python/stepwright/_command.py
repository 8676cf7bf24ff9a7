"""The command `stepwright`, from the same engine as the package."""

from __future__ import annotations

import signal
import sys

from . import _native


def main() -> int:
    """Carries out the command line."""
    # Here the process is ours: Ctrl-C is the engine's, which ends runs well, and not Python's.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.command(["stepwright", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
