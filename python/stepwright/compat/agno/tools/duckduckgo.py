"""`agno.tools.duckduckgo`."""

from stepwright.agent import DuckDuckGoTools

__all__ = ["DuckDuckGoTools"]
