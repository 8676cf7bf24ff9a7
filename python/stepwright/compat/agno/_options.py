"""Options of Agno."""

from __future__ import annotations

import warnings
from typing import Any

#: Options that change only how Agno itself works. They may be given, with a warning if they ask for
#: something that is not done here.
_HARMLESS = {
    "telemetry": "nothing is sent anywhere",
    "markdown": "pass `markdown` to `print_response`",
    "show_tool_calls": "tool calls are events",
    "debug_mode": "pass `debug_mode` to the run",
    "stream": "pass `stream` to the run",
    "cache_session": "sessions are read from the store",
    "stream_executor_events": "streams with `stream_events` have the events of agents",
}


def check(of: str, options: dict[str, Any]) -> None:
    """Warns of options without effect, and refuses those that would have one."""
    for name, value in options.items():
        if name in _HARMLESS:
            if value:
                warnings.warn(f"{of}({name}=…): {_HARMLESS[name]}", stacklevel=4)
        elif value is not None:
            raise TypeError(
                f"{of} has no option {name!r} in Stepwright; see docs/coming-from-agno.md"
            )
