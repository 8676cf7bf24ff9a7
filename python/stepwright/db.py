"""Stores: where runs and sessions are kept."""

from __future__ import annotations

from typing import Any

from . import _native
from .memory import Memories

__all__ = ["InMemoryDb", "PostgresDb", "SqliteDb"]


class _Db:
    """What all stores share."""

    _store: _native.Store

    def memories(self, user_id: str) -> Memories:
        """Returns the memories of a user, to list, search, add, change and remove them."""
        return Memories(self._store, user_id)


class InMemoryDb(_Db):
    """Keeps runs and sessions as long as the process lives."""

    def __init__(self) -> None:
        self._store = _native.Store.memory()


class SqliteDb(_Db):
    """Keeps runs and sessions in a file of SQLite. It is opened at its first use.

    Args:
        db_file: The file.
        db_url: The file as an address: `sqlite:///content.db`.
    """

    def __init__(self, db_file: Any = None, *, db_url: str | None = None) -> None:
        if (db_file is None) == (db_url is None):
            raise ValueError("SqliteDb needs one of `db_file` and `db_url`")
        if db_url is not None:
            scheme, separator, path = db_url.partition(":///")
            if not separator or scheme.partition("+")[0] != "sqlite":
                raise ValueError(f"`db_url` must begin with `sqlite:///`, and is {db_url!r}")
            db_file = path
        self.db_file = str(db_file)
        self._store = _native.Store.sqlite(self.db_file)

    def __repr__(self) -> str:
        return f"SqliteDb({self.db_file!r})"


class PostgresDb(_Db):
    """Keeps runs and sessions in PostgreSQL. It connects at its first use.

    Args:
        db_url: The address: `postgresql://user:password@host/database`. Drivers of SQLAlchemy, as
            in `postgresql+psycopg://`, are accepted and not used.
        db_schema: The schema.
    """

    def __init__(self, db_url: str, *, db_schema: str | None = None) -> None:
        self._store = _native.Store.postgres(db_url, db_schema)

    def __repr__(self) -> str:
        return "PostgresDb(…)"
