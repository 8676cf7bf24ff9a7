"""`agno.tools.duckduckgo`."""

from stepwright.tools import DuckDuckGoTools

__all__ = ["DuckDuckGoTools"]
