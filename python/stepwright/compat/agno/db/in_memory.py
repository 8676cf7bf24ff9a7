"""`agno.db.in_memory`."""

from stepwright.db import InMemoryDb

__all__ = ["InMemoryDb"]
