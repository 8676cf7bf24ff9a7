"""What the extension calls. Nothing here is stable."""

from __future__ import annotations

import contextvars
import os
import sys
import threading
import types
from typing import Any, Callable

from . import _native

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep

#: The largest number of causes of an exception that a journal keeps.
_CAUSES_MAX = 8


# --- values ---


def plain(value: Any) -> Any:
    """Returns a value that can be written as JSON, or the same value if there is none."""
    dump = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):
        return dump(mode="json")
    fields = getattr(value, "__dataclass_fields__", None)
    if fields is not None and not isinstance(value, type):
        return {name: getattr(value, name) for name in fields}
    to_dict = getattr(value, "to_dict", None)
    if to_dict is not None and not isinstance(value, type):
        return to_dict()
    if isinstance(value, dict):
        return dict(value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if isinstance(value, str):
        # A subclass, such as a member of an enum.
        enumerated = getattr(value, "value", None)
        return enumerated if type(enumerated) is str else str.__str__(value)
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if type(value).__module__ in ("uuid", "decimal", "pathlib"):
        return str(value)
    if hasattr(value, "value") and hasattr(type(value), "__members__"):
        return value.value
    return value


def outputs(named: list[tuple[str, Any]]) -> list[Any]:
    from .types import StepOutput

    return [StepOutput(content=content, step_name=name) for name, content in named]


def outputs_by_name(named: list[tuple[str, Any]]) -> dict[str, Any]:
    return {output.step_name: output for output in outputs(named)}


def media(kind: str, items: list[Any]) -> list[dict[str, Any]]:
    from .media import described

    return [described(kind, item) for item in items]


def run_context(*keys: Any) -> Any:
    from .types import RunContext

    return RunContext(*keys)


# --- errors ---


def describe(raised: BaseException) -> tuple[str, list[str], bool, str | None]:
    """Returns the message of an exception, its causes, whether it is final, and its hint."""
    from .exceptions import TerminalError

    causes: list[str] = []
    seen = {id(raised)}
    cause = raised.__cause__ or (None if raised.__suppress_context__ else raised.__context__)
    while cause is not None and id(cause) not in seen and len(causes) < _CAUSES_MAX:
        seen.add(id(cause))
        causes.append(_line(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    place = _place(raised)
    if place is not None:
        causes.append(place)
    hint = getattr(raised, "hint", None)
    is_final = isinstance(raised, TerminalError) or not isinstance(raised, Exception)
    return _line(raised), causes, is_final, hint if isinstance(hint, str) else None


def _line(raised: BaseException) -> str:
    text = str(raised)
    name = type(raised).__name__
    return f"{name}: {text}" if text else name


def _place(raised: BaseException) -> str | None:
    """The line of the user's program that raised."""
    found = None
    frames = raised.__traceback__
    while frames is not None:
        code = frames.tb_frame.f_code
        if not code.co_filename.startswith(_PACKAGE):
            found = f"raised at {code.co_filename}:{frames.tb_lineno} in {code.co_name}"
        frames = frames.tb_next
    return found


def error(report: dict[str, Any], output: dict[str, Any] | None) -> BaseException:
    from .exceptions import of_report

    return of_report(report, output)


# --- logs ---


def log(level: int, name: str, message: str) -> None:
    import logging

    logging.getLogger(name).log(level, "%s", message)


# --- generators ---


class Pieces:
    """A generator of a step: its pieces one by one, and its output at the end."""

    __slots__ = ("_pieces", "_texts", "output")

    def __init__(self, pieces: Any) -> None:
        self._pieces = iter(pieces)
        self._texts: list[str] = []
        self.output: Any = None

    def next(self) -> Any:
        """Returns the next piece to show, or `None` at the end."""
        for piece in self._pieces:
            shown = self.take(piece)
            if shown is not None:
                return shown
        self.end()
        return None

    def take(self, piece: Any) -> Any:
        from .types import StepOutput

        if isinstance(piece, StepOutput):
            self.output = piece
            return None
        if isinstance(piece, str):
            self._texts.append(piece)
        return piece

    def end(self) -> None:
        if self.output is None:
            self.output = "".join(self._texts)


def close(pieces: Any) -> None:
    """Ends a generator before its end."""
    end = getattr(pieces, "close", None)
    if end is not None:
        end()


# --- waits ---


class Waits(BaseException):
    """Leaves a function that waits. It is called again when the answer is there."""

    def __init__(self, **request: Any) -> None:
        super().__init__(f"waits for {request['name']!r}")
        self.request = request


def waits(
    name: str, message: str | None, schema: Any, timeout: float | None, default: Any
) -> BaseException:
    unknown = [key for key in default or () if key != "default"]
    if unknown:
        return TypeError(f"wait() has no argument {unknown[0]!r}")
    if schema is not None and not isinstance(schema, dict):
        from ._schema import schema_of

        schema = schema_of(schema)
    told = {"name": name, "message": message, "schema": schema, "timeout": timeout}
    return Waits(kind="wait", **told, **(default or {}))


def sleeps(name: str, seconds: float) -> BaseException:
    return Waits(kind="sleep", name=name, seconds=float(seconds))


def keeps(name: str, value: Any) -> BaseException:
    return Waits(kind="once", name=name, value=value)


# --- threads, for functions that are not async ---


def begin_thread() -> None:
    threading.Thread(target=_work, name="stepwright-function", daemon=True).start()


def _work() -> None:
    while True:
        call = _native.take_call()
        if call is None:
            return
        _carry_out(call)
        # The value of the last call must not live until the next one comes.
        del call


def _carry_out(call: Any) -> None:
    try:
        function, arguments, keywords = call.prepare()
        context = call.context
        context = contextvars.Context() if context is None else context.copy()
        value = context.run(_called, call, function, arguments, keywords or {})
    except BaseException as raised:
        call.failed(raised)
    else:
        call.done(value)


def _called(call: Any, function: Callable[..., Any], arguments: Any, keywords: Any) -> Any:
    value = function(*arguments, **keywords)
    if not hasattr(value, "gi_frame"):
        return value
    pieces = Pieces(value)
    while not call.is_cancelled():
        piece = pieces.next()
        if piece is None:
            return pieces.output
        call.piece(piece)
    value.close()
    return None


# --- event loops, for async functions ---

_fallback: Any = None
_fallback_lock = threading.Lock()


def _fallback_loop() -> Any:
    """The event loop of runs whose caller has none, on a thread of its own."""
    global _fallback
    import asyncio

    with _fallback_lock:
        if _fallback is None:
            _fallback = asyncio.new_event_loop()
            thread = threading.Thread(
                target=_fallback.run_forever, name="stepwright-asyncio", daemon=True
            )
            thread.start()
            import atexit

            atexit.register(_end_fallback, _fallback, thread)
        return _fallback


def _end_fallback(loop: Any, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    thread.join(2)


def begin(loop: Any, call: Any) -> None:
    """Begins a call of an async function: on this event loop, or on the one of our own."""
    if loop is None:
        loop = _fallback_loop()
        loop.call_soon_threadsafe(_begin, loop, call)
    else:
        _begin(loop, call)


_eager = sys.version_info >= (3, 12)


def _begin(loop: Any, call: Any) -> None:
    import asyncio

    try:
        function, arguments, keywords = call.prepare()
        context = call.context
        value = function(*arguments, **(keywords or {}))
        if hasattr(value, "__anext__"):
            value = _collect(call, value)
        elif not asyncio.iscoroutine(value):
            value = _awaited(value)
        context = contextvars.Context() if context is None else context.copy()
        if _eager and asyncio._get_running_loop() is loop:
            # A function that never waits ends here, without a turn of the loop.
            task = context.run(asyncio.Task, value, loop=loop, eager_start=True)  # type: ignore
        else:
            task = context.run(loop.create_task, value)
    except BaseException as raised:
        call.failed(raised)
        return
    if task.done():
        _finished(call, task)
        return
    if not call.runs_in(task):
        task.cancel()
    task.add_done_callback(lambda task: _finished(call, task))


async def _awaited(value: Any) -> Any:
    return await value


async def _collect(call: Any, pieces: Any) -> Any:
    collected = Pieces(())
    async for piece in pieces:
        shown = collected.take(piece)
        if shown is not None:
            call.piece(shown)
    collected.end()
    return collected.output


def _finished(call: Any, task: Any) -> None:
    if task.cancelled():
        import asyncio

        call.failed(asyncio.CancelledError("the task of the step was cancelled"))
        return
    raised = task.exception()
    if raised is not None:
        call.failed(raised)
    else:
        call.done(task.result())


def cancel(task: Any) -> None:
    """Cancels a task, from any thread."""
    loop = task.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)


async def drive(work: Any) -> Any:
    """Drives native work in the running task, and returns its result."""
    import asyncio

    loop = asyncio.get_running_loop()
    try:
        polled = work.poll()
        while True:
            if polled is None:
                future = loop.create_future()
                if work.wait_with(future):
                    await future
                else:
                    await asyncio.sleep(0)
                polled = work.poll()
            elif len(polled) == 1:
                return polled[0]
            else:
                polled = await _go_on(work, loop, *polled)
    except BaseException:
        work.cancel()
        raise


async def _go_on(work: Any, loop: Any, coroutine: Any, awaited: Any) -> Any:
    """Goes on with the function of a step in this task, and then with its run."""
    import asyncio

    watch = _Watch(work, loop)
    try:
        value = await _rest(coroutine, awaited)
    except asyncio.CancelledError:
        if not watch.take_cancel():
            raise
        return watch.found()
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as raised:
        return watch.found() if watch.take_cancel() else work.resume(None, raised)
    finally:
        watch.ended = True
    return watch.found() if watch.take_cancel() else work.resume(value)


@types.coroutine
def _rest(coroutine: Any, awaited: Any) -> Any:
    """The rest of a coroutine that waits for `awaited`."""
    try:
        while True:
            try:
                sent = yield awaited
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as raised:
                awaited = coroutine.throw(raised)
            else:
                awaited = coroutine.send(sent)
    except StopIteration as end:
        return end.value


class _Watch:
    """Looks after a run while its task goes on with the function of a step.

    If the run does not want the function any more, such as after a cancel, the function is cancelled.
    """

    def __init__(self, work: Any, loop: Any) -> None:
        import asyncio

        self._work, self._loop = work, loop
        self._task: Any = asyncio.current_task(loop)
        self._polled: Any = None
        self._cancelled = False
        self.ended = False
        self._arm()

    def _arm(self) -> None:
        future = self._loop.create_future()
        if self._work.wait_with(future):
            future.add_done_callback(self._wake)
        else:
            self._loop.call_soon(self._wake, None)

    def _wake(self, _: Any) -> None:
        if self.ended or self._cancelled:
            return
        try:
            self._polled = self._work.poll(False)
        except BaseException as raised:
            self._polled = raised
        if self._polled is None and not self._work.is_abandoned():
            self._arm()
            return
        self._cancelled = True
        self._task.cancel()

    def take_cancel(self) -> bool:
        """Returns `True` if this has cancelled the task, and nothing else has."""
        if not self._cancelled:
            return False
        uncancel = getattr(self._task, "uncancel", None)
        return uncancel is None or uncancel() == 0

    def found(self) -> Any:
        """Returns what the poll of the run gave."""
        if isinstance(self._polled, BaseException):
            raise self._polled
        return self._polled


async def next_event(events: Any, loop: Any) -> Any:
    """Returns the next event of a stream. Raises `StopAsyncIteration` at the end."""
    while True:
        event = events.poll()
        if event is not None:
            return event
        future = loop.create_future()
        if events.wait_with(future):
            await future
        else:
            import asyncio

            await asyncio.sleep(0)
