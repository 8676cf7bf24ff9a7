"""Workflows over HTTP: a server in this process, or a part of an ASGI application."""

from __future__ import annotations

from typing import Any, Callable, Sequence

from . import _native
from ._kinds import Worker, WorkflowBase, workflow_of
from .exceptions import UsageError

__all__ = ["Server", "asgi"]

#: The largest body of a request that is taken, in bytes. The engine has smaller limits of its own.
_BODY_MAX = 64 * 1024 * 1024


class Server:
    """Serves workflows and agents over HTTP, as `stepwright serve` does. `docs/server.md` has the API.

    It is an ASGI application too: `uvicorn.run(server)`, or `app.mount("/agents", server)`.

    Args:
        workflows: Workflows, agents and teams. All workflows have one `db`; agents get it.
        db: The store of agents and teams, if there is no workflow.
        name: The name that clients see.
        hosts: Names in the header `Host` that are accepted, besides those of this machine.
        origins: Origins of pages that may send requests, such as `https://app.example.org`.
        keys: A file with API keys, which `stepwright keys` makes. Each request needs one then.
        insecure: Whether other machines may reach it without keys.

    Example:
        >>> from stepwright import InMemoryDb, Server, Workflow
        >>> def greet(name: str) -> str:
        ...     return f"Hello {name}"
        >>> server = Server(Workflow("Greeting", [greet], db=InMemoryDb()))
        >>> server.serve("127.0.0.1", 7777)  # doctest: +SKIP
    """

    def __init__(
        self,
        *workflows: WorkflowBase | Worker,
        db: Any = None,
        name: str | None = None,
        hosts: Sequence[str] = (),
        origins: Sequence[str] = (),
        keys: Any = None,
        insecure: bool = False,
    ) -> None:
        stores = [one.db for one in workflows if isinstance(one, WorkflowBase) and one.db is not None]
        db = db or (stores[0] if stores else None)
        if db is None:
            raise UsageError("a server needs a `db`: give it, or one of its workflows, a store")
        served = []
        for one in workflows:
            if isinstance(one, WorkflowBase):
                if one.db is not db:
                    raise UsageError(f"workflow {one.name!r} needs the `db` of the server")
                served.append((one._native, False))
            else:
                served.append((workflow_of(one, db)._native, True))
        keys = None if keys is None else str(keys)
        self._native = _native.Server(
            served, db._store, name, list(hosts), list(origins), keys, insecure
        )

    def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 7777,
        *,
        ready: Callable[[int], None] | None = None,
    ) -> None:
        """Serves until the program is interrupted, or `stop` is called.

        Args:
            host: The address to listen at.
            port: The port. 0 takes a free one.
            ready: A function that gets the port when the server listens.
        """
        self._native.serve(host, port, ready or _nothing)

    async def aserve(
        self,
        host: str = "127.0.0.1",
        port: int = 7777,
        *,
        ready: Callable[[int], None] | None = None,
    ) -> None:
        """Serves until the task is cancelled, or `stop` is called: see `serve`."""
        from ._bridge import drive
        from ._stored import running_loop

        await drive(self._native.serve(host, port, ready or _nothing, running_loop()))

    def stop(self) -> None:
        """Ends the server. Runs under way are left in the store for the next process."""
        self._native.stop()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers as an ASGI application."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            raise UsageError(f"a server of Stepwright has no {scope['type']!r}")

    async def _lifespan(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._native.begin()
                await send({"type": "lifespan.startup.complete"})
            else:
                self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, scope: Any, receive: Any, send: Any) -> None:
        import asyncio

        from ._bridge import drive

        client = scope.get("client")
        if client and not _is_near(client[0]) and not self._native.is_open_elsewhere():
            await _refuse(send, 403, b"this server has no keys, so other machines may not reach it")
            return
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > _BODY_MAX:
                await _refuse(send, 413, b"the body is too large")
                return
        path = scope["path"]
        root = scope.get("root_path", "")
        if root and path.startswith(root):
            path = path[len(root) :]
        target = _quoted(path or "/")
        query = scope.get("query_string", b"").decode("latin-1")
        if query:
            target += "?" + query
        loop = asyncio.get_running_loop()
        asked = (scope["method"], target, list(scope["headers"]), body)
        status, headers, answer = await drive(self._native.answer(asked, loop))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        gone = asyncio.ensure_future(_gone(receive))
        try:
            while True:
                part = asyncio.ensure_future(drive(answer.next(loop)))
                await asyncio.wait({part, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not part.done():
                    part.cancel()
                    return
                data = part.result()
                more = data is not None
                await send({"type": "http.response.body", "body": data or b"", "more_body": more})
                if not more:
                    return
        finally:
            gone.cancel()


async def _gone(receive: Any) -> None:
    """Ends when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _is_near(host: str) -> bool:
    return host in ("127.0.0.1", "::1", "localhost", "testclient", "")


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path, safe="/:@!$&'()*+,;=-._~")


async def _refuse(send: Any, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def _nothing(_: int) -> None:
    pass


def asgi(*workflows: WorkflowBase | Worker, **options: Any) -> Server:
    """Returns an ASGI application that serves workflows: `app.mount("/", asgi(workflow))`.

    A mounted application gets no `lifespan` of its own: runs that a process left behind are taken up
    only if it is the application itself.

    Args:
        workflows: Workflows, agents and teams.
        options: The options of `Server`.
    """
    return Server(*workflows, **options)
