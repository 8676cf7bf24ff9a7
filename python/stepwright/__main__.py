"""`python -m stepwright` is the command `stepwright`."""

import sys

from ._command import main

sys.exit(main())
