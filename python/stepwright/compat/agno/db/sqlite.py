"""`agno.db.sqlite`."""

from stepwright.db import SqliteDb

__all__ = ["SqliteDb"]
