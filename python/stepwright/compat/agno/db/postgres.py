"""`agno.db.postgres`."""

from stepwright.db import PostgresDb

__all__ = ["PostgresDb"]
