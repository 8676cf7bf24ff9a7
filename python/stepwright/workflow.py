"""Workflows: what runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, AsyncIterator, Iterator, Sequence, overload

from . import _native
from ._functions import Table, converter
from ._kinds import WorkflowBase, makes_workflows
from ._stored import Stored, running_loop
from .exceptions import StepwrightError, UsageError, WorkflowDefinitionError
from .steps import StepLike, as_step
from .types import WorkflowRunOutput, WorkflowRunOutputEvent

if TYPE_CHECKING:
    from typing import Literal

    from .db import InMemoryDb, PostgresDb, SqliteDb

__all__ = ["Workflow"]

_MEDIA = ("images", "videos", "audio", "files")


class Workflow(Stored, WorkflowBase):
    """Steps, where their runs are kept, and what holds for all of them.

    Args:
        name: The name.
        steps: The steps: `Step`s, containers, agents, workflows and functions.
        db: Where runs and sessions are kept. Without one they are forgotten, and cannot be resumed.
        description: The description for people.
        id: The id. By default it is made of the name.
        session_state: The state of a session that has none yet.
        session_id: The session of runs that name none.
        user_id: The user of runs that name none.
        input_schema: A Pydantic model or a dataclass that inputs must fit.
        store_events: Whether outputs carry their events.
        events_to_skip: The kinds of events that they leave out.
        stream_events: Whether streams have all events where a run does not say.
        add_workflow_history_to_steps: Whether agents see the earlier runs of their session.
        num_history_runs: The number of those runs.
        timeout: The seconds for a run.
        budget: The largest use of tokens, money, time and calls of a run: `{"usd": 0.5}`.
        session_budget: The same for a session.
        prices: The prices of models for a million tokens, where the built-in list does not have
            them: `{"openai-chat:in-house": {"input": 0.1, "output": 0.2}}`.
        permissions: The effects that steps may have: `{"allow": [], "ask": [], "deny": []}` with
            rules such as `web_search` or `write_file: out/**`. A person is asked about an effect
            that no rule names.
        unattended: Whether an effect is refused where a person would be asked about it.
        history_completed_only: Whether the history leaves out runs that did not complete.
        finally_steps: Steps that run when the others have ended, in whichever way.
        on_failure: Steps that run when another one has failed.
        on_interrupted: What happens to a step that was under way when its process died: `retry`,
            `ask` or `fail`.
        reducers: How the values of several branches for one key of the session state become one.
        version: The version of the functions. Runs of another one are not resumed.
        debug_mode: Whether runs log in detail.

    Example:
        >>> from stepwright import Workflow
        >>> def greet(name: str) -> str:
        ...     return f"Hello {name}"
        >>> Workflow("Greeting", [greet]).run("Ada").content
        'Hello Ada'
    """

    def __init__(
        self,
        name: str = "Workflow",
        steps: Sequence[StepLike] | StepLike = (),
        *,
        db: InMemoryDb | SqliteDb | PostgresDb | None = None,
        description: str | None = None,
        id: str | None = None,
        session_state: dict[str, Any] | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        input_schema: type[Any] | None = None,
        store_events: bool = False,
        events_to_skip: Sequence[Any] | None = None,
        stream_events: bool = False,
        add_workflow_history_to_steps: bool = False,
        num_history_runs: int | None = None,
        timeout: float | None = None,
        budget: dict[str, Any] | None = None,
        session_budget: dict[str, Any] | None = None,
        prices: dict[str, dict[str, float]] | None = None,
        permissions: dict[str, Sequence[str]] | None = None,
        unattended: bool = False,
        history_completed_only: bool = False,
        finally_steps: Sequence[StepLike] = (),
        on_failure: Sequence[StepLike] = (),
        on_interrupted: str | None = None,
        reducers: dict[str, str] | None = None,
        version: str | None = None,
        debug_mode: bool = False,
    ) -> None:
        listed = steps if isinstance(steps, (list, tuple)) else [steps]
        self.name, self.description = name, description
        self.session_id, self.user_id = session_id, user_id
        self.stream_events, self.debug_mode = stream_events, debug_mode
        self.steps = [as_step(step) for step in listed]
        self.db = db
        self._finally = [as_step(step) for step in finally_steps]
        self._on_failure = [as_step(step) for step in on_failure]
        self._input_schema = input_schema
        skipped = [getattr(kind, "value", kind) for kind in events_to_skip or ()]
        settings = {
            "id": id,
            "description": description,
            "session_state": session_state,
            "reducers": reducers,
            "store_events": store_events,
            "events_to_skip": skipped or None,
            "debug": debug_mode or None,
            "add_history": add_workflow_history_to_steps or None,
            "history_runs": num_history_runs,
            "timeout": timeout,
            "budget": budget,
            "session_budget": session_budget,
            "prices": prices,
            "permissions": permissions,
            "unattended": unattended or None,
            "history_completed_only": history_completed_only or None,
            "version": version,
            "on_interrupted": on_interrupted,
        }
        self._settings = {key: value for key, value in settings.items() if value is not None}
        table = Table()
        spec = self._lower(table)
        store = None if db is None else db._store
        self._native = _native.Workflow(spec, table.functions, store)
        if debug_mode:
            _log_in_detail()

    def _lower(self, table: Table) -> dict[str, Any]:
        lowered: dict[str, Any] = {
            **self._settings,
            "name": self.name,
            "steps": [step._lower(table) for step in self.steps],
            "finally": [step._lower(table) for step in self._finally],
            "on_failure": [step._lower(table) for step in self._on_failure],
        }
        if self._input_schema is not None:
            convert = converter(self._input_schema)
            if convert is None:
                of = self._input_schema
                raise WorkflowDefinitionError(
                    f"`input_schema` must be a Pydantic model or a dataclass, and is {of!r}"
                )
            lowered["input"] = table.add(convert, takes="content")
        return lowered

    @property
    def id(self) -> str:
        """The id of the workflow."""
        return self._native.id

    @property
    def digest(self) -> str:
        """The fingerprint of the definition."""
        return self._native.digest

    def plan(self) -> dict[str, Any]:
        """Returns the shape of the workflow as data."""
        return self._native.plan()

    # --- runs ---

    @overload
    def run(
        self, input: Any = None, *, stream: Literal[False] = False, **options: Any
    ) -> WorkflowRunOutput: ...

    @overload
    def run(
        self, input: Any = None, *, stream: Literal[True], **options: Any
    ) -> Iterator[WorkflowRunOutputEvent]: ...

    def run(self, input: Any = None, *, stream: bool = False, **options: Any) -> Any:
        """Runs the workflow, and waits for it.

        Args:
            input: The input: a text, a Pydantic model, a dataclass, or what JSON can hold.
            stream: `True` returns an iterator of events. Leaving it cancels the run.
            stream_events: Whether the iterator has all events, or only those with content.
            user_id: The user of the run.
            session_id: The session. Without one the run has a new session.
            run_id: The id of the run.
            session_state: Values for the session state.
            additional_data: Data for the steps.
            metadata: Data that the output carries.
            images: Images. `videos`, `audio` and `files` likewise.
            timeout: The seconds for the run.
            debug_mode: Whether the run logs in detail.

        Returns:
            The output, or the iterator.

        Raises:
            StepError: A step failed. `__cause__` is what it raised.
            RunCancelledError: The run was cancelled.
            UsageError: The input or an option is invalid.
            KeyboardInterrupt: After the run was cancelled.
        """
        if options.pop("background", False):
            raise UsageError("a run in the background needs an event loop: use `arun`")
        written = self._options(options)
        if stream:
            return _read(self._native.stream(input, written))
        return WorkflowRunOutput(self._native.run(input, written))

    @overload
    def arun(
        self, input: Any = None, *, stream: Literal[True], **options: Any
    ) -> AsyncIterator[WorkflowRunOutputEvent]: ...

    @overload
    def arun(
        self, input: Any = None, *, stream: Literal[False] = False, **options: Any
    ) -> _Awaitable: ...

    def arun(self, input: Any = None, *, stream: bool = False, **options: Any) -> Any:
        """Runs the workflow on the running event loop.

        It takes what `run` takes, and `background=True`: the run then goes on by itself, and the
        answer is its output so far. `get_run` tells how far it is.
        """
        background = options.pop("background", False)
        written = self._options(options)
        if stream:
            if background:
                raise UsageError("a run in the background has no stream: use `get_run`")
            return self._async_events(input, written)
        return self._arun(input, written, background)

    async def _arun(self, input: Any, options: Any, background: bool) -> WorkflowRunOutput:
        from ._bridge import drive

        loop = running_loop()
        begin = self._native.background if background else self._native.run
        return WorkflowRunOutput(await drive(begin(input, options, loop)))

    async def _async_events(
        self, input: Any, options: Any
    ) -> AsyncIterator[WorkflowRunOutputEvent]:
        from ._bridge import next_event

        loop = running_loop()
        events = self._native.stream(input, options, loop)
        try:
            while True:
                try:
                    event = events.poll() or await next_event(events, loop)
                except StopAsyncIteration:
                    return
                yield event
        finally:
            events.close()

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        if not options and self.session_id is None and self.user_id is None:
            return {"stream_events": self.stream_events}
        if options.get("debug_mode"):
            _log_in_detail()
        media = []
        for kind in _MEDIA:
            items = options.pop(kind, None)
            if items:
                from .media import described

                media += [described(kind, item) for item in items]
        # The extension refuses what is no option.
        written = options
        if media:
            written["media"] = media
        if written.get("stream_events") is None:
            written["stream_events"] = self.stream_events
        if self.session_id and not written.get("session_id"):
            written["session_id"] = self.session_id
        if self.user_id and not written.get("user_id"):
            written["user_id"] = self.user_id
        return written

    # --- printing ---

    def print_response(self, input: Any = None, **options: Any) -> None:
        """Prints a run as it happens.

        Args:
            input: The input.
            stream: Whether text is shown as it arrives.
            markdown: Whether text is rendered as Markdown.
            show_time: Whether the time is shown.
            show_step_details: Whether steps are shown, and not only the output.
            options: The other options of `run`.
        """
        printed, options = self._printed(options)
        try:
            self._native.print_response(input, options, printed)
        except StepwrightError as error:
            _shown(error)

    async def aprint_response(self, input: Any = None, **options: Any) -> None:
        """Prints a run as it happens, on the running event loop: see `print_response`."""
        from ._bridge import drive

        printed, options = self._printed(options)
        loop = running_loop()
        try:
            await drive(self._native.print_response(input, options, printed, loop))
        except StepwrightError as error:
            _shown(error)

    def _printed(self, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        names = ("stream", "markdown", "show_time", "show_step_details")
        printed: dict[str, Any] = {name: options.pop(name, None) for name in names}
        # Where Python's standard output was replaced, as in a notebook, it is written to.
        sys.stdout.flush()
        printed["file"] = None if sys.stdout is sys.__stdout__ else sys.stdout
        options.setdefault("stream_events", True)
        return printed, self._options(options)

    def cli_app(
        self,
        input: str | None = None,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        user: str | None = None,
        emoji: str | None = None,
        stream: bool | None = None,
        markdown: bool | None = None,
        show_step_details: bool | None = None,
        exit_on: Sequence[str] | None = None,
    ) -> None:
        """Starts a conversation at the terminal.

        Args:
            input: The first input.
            session_id: The session.
            user_id: The user of the runs.
            user: The name at the prompt.
            emoji: The emoji before it.
            stream: Whether text is shown as it arrives.
            markdown: Whether text is rendered as Markdown.
            show_step_details: Whether steps are shown.
            exit_on: The words that end the conversation.
        """
        self._native.cli_app(
            {
                "input": input,
                "session_id": session_id or self.session_id,
                "user_id": user_id or self.user_id,
                "user": user,
                "emoji": emoji,
                "stream": stream,
                "markdown": markdown,
                "show_step_details": show_step_details,
                "exit_on": None if exit_on is None else list(exit_on),
            }
        )

    # --- over HTTP ---

    def serve(self, host: str = "127.0.0.1", port: int = 7777, **options: Any) -> None:
        """Serves this workflow over HTTP until the program is interrupted. It needs a `db`.

        Args:
            host: The address to listen at.
            port: The port. 0 takes a free one.
            options: The options of `Server`.
        """
        from .server import Server

        Server(self, **options).serve(host, port)

    # --- runs that go on ---

    @overload
    def continue_run(
        self,
        run_id: str,
        answers: dict[str, Any] | None = None,
        *,
        stream: Literal[False] = False,
        stream_events: bool = False,
        answered_by: str | None = None,
        accept_changed_definition: bool = False,
    ) -> WorkflowRunOutput: ...

    @overload
    def continue_run(
        self,
        run_id: str,
        answers: dict[str, Any] | None = None,
        *,
        stream: Literal[True],
        stream_events: bool = False,
        answered_by: str | None = None,
        accept_changed_definition: bool = False,
    ) -> Iterator[WorkflowRunOutputEvent]: ...

    def continue_run(
        self,
        run_id: str,
        answers: dict[str, Any] | None = None,
        *,
        stream: bool = False,
        stream_events: bool = False,
        answered_by: str | None = None,
        accept_changed_definition: bool = False,
    ) -> Any:
        """Goes on with a run that was paused or interrupted, in this process or another one.

        Args:
            run_id: The run.
            answers: The answer to each requirement, by its id: `True`, `False`, a text as feedback
                of a rejection, or a dictionary such as `{"decision": "submit", "value": 7}`.
            stream: `True` returns an iterator of events from now on.
            stream_events: Whether the iterator has all events, or only those with content.
            answered_by: The person who answered.
            accept_changed_definition: Whether the workflow may have changed since the run began.
        """
        what = _resumed(run_id, answers, answered_by, accept_changed_definition)
        if stream:
            return _read(self._native.take_up_stream(what, stream_events))
        return WorkflowRunOutput(self._native.take_up(what))

    async def acontinue_run(
        self,
        run_id: str,
        answers: dict[str, Any] | None = None,
        *,
        answered_by: str | None = None,
        accept_changed_definition: bool = False,
    ) -> WorkflowRunOutput:
        """Goes on with a run on the running event loop: see `continue_run`."""
        what = _resumed(run_id, answers, answered_by, accept_changed_definition)
        return await self._ataken_up(what)

    def resume(self, run_id: str) -> WorkflowRunOutput:
        """Goes on with a run that a process has left behind."""
        return self.continue_run(run_id)

    async def aresume(self, run_id: str) -> WorkflowRunOutput:
        """Goes on with a run that a process has left behind, on the running event loop."""
        return await self.acontinue_run(run_id)

    def retry(
        self, run_id: str, *, cancelled_too: bool = False, accept_changed_definition: bool = False
    ) -> WorkflowRunOutput:
        """Begins the failed steps of a failed run again. What was completed is not repeated.

        Args:
            run_id: The run.
            cancelled_too: Whether a cancelled run is retried too.
            accept_changed_definition: Whether the workflow may have changed since the run began.
        """
        what = _retried(run_id, cancelled_too, accept_changed_definition)
        return WorkflowRunOutput(self._native.take_up(what))

    async def aretry(
        self, run_id: str, *, cancelled_too: bool = False, accept_changed_definition: bool = False
    ) -> WorkflowRunOutput:
        """Begins the failed steps of a failed run again, on the running event loop."""
        return await self._ataken_up(_retried(run_id, cancelled_too, accept_changed_definition))

    def fork(
        self,
        run_id: str,
        at: str | None = None,
        input: Any = None,
        *,
        new_run_id: str | None = None,
        session_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        accept_changed_definition: bool = False,
    ) -> WorkflowRunOutput:
        """Begins a new run that shares the steps of another one before `at`.

        Args:
            run_id: The other run.
            at: The path of the step that is done again, such as `Facts/web`. Without it the new run
                begins anew.
            input: Another input.
            new_run_id: The id of the new run.
            session_id: Another session.
            metadata: Data that the output carries.
            accept_changed_definition: Whether the workflow may have changed since that run began.
        """
        what = _forked(
            run_id, at, input, new_run_id, session_id, metadata, accept_changed_definition
        )
        return WorkflowRunOutput(self._native.take_up(what))

    async def afork(
        self,
        run_id: str,
        at: str | None = None,
        input: Any = None,
        *,
        new_run_id: str | None = None,
        session_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        accept_changed_definition: bool = False,
    ) -> WorkflowRunOutput:
        """Begins a new run that shares steps of another one, on the running event loop."""
        what = _forked(
            run_id, at, input, new_run_id, session_id, metadata, accept_changed_definition
        )
        return await self._ataken_up(what)

    def rerun(self, run_id: str, **options: Any) -> WorkflowRunOutput:
        """Does a run again with its input, in a new run: `fork` without a path.

        Args:
            run_id: The run.
            options: The options of `fork`.
        """
        return self.fork(run_id, **options)

    async def _ataken_up(self, what: dict[str, Any]) -> WorkflowRunOutput:
        from ._bridge import drive

        return WorkflowRunOutput(await drive(self._native.take_up(what, running_loop())))

    def __repr__(self) -> str:
        return f"Workflow({self.name!r}, {self.steps!r})"


if TYPE_CHECKING:
    from typing import Coroutine

    _Awaitable = Coroutine[Any, Any, WorkflowRunOutput]

def _read(events: Any) -> Iterator[WorkflowRunOutputEvent]:
    """Reads events, and cancels the run if the reader leaves."""
    try:
        yield from events
    finally:
        events.close()


def _resumed(
    run_id: str, answers: dict[str, Any] | None, answered_by: str | None, accept: bool
) -> dict[str, Any]:
    what = {"answers": _answers(answers), "answered_by": answered_by}
    return {"resume": {"run_id": run_id, **what, "accept_changed_definition": accept}}


def _retried(run_id: str, cancelled_too: bool, accept: bool) -> dict[str, Any]:
    what = {"run_id": run_id, "cancelled_too": cancelled_too}
    return {"retry": {**what, "accept_changed_definition": accept}}


def _forked(
    run_id: str,
    at: str | None,
    input: Any,
    new_run_id: str | None,
    session_id: str | None,
    metadata: dict[str, Any] | None,
    accept: bool,
) -> dict[str, Any]:
    what = {"run_id": run_id, "at": at, "input": input, "new_run_id": new_run_id}
    more = {"session_id": session_id, "metadata": metadata, "accept_changed_definition": accept}
    return {"fork": {**what, **more}}


def _answers(answers: dict[str, Any] | None) -> dict[str, Any]:
    return {key: _answer(answer) for key, answer in (answers or {}).items()}


def _answer(answer: Any) -> Any:
    if answer is True:
        return {"decision": "approve"}
    if answer is False:
        return {"decision": "reject"}
    if isinstance(answer, str):
        return {"decision": "reject", "feedback": answer}
    return answer


def _shown(error: StepwrightError) -> None:
    """A run that failed was printed with its error. Anything else is an error of the caller."""
    if error._output is None:
        raise error


def _log_in_detail() -> None:
    import logging

    _native.log_to(logging.DEBUG)
    logger = logging.getLogger("stepwright")
    logger.setLevel(logging.DEBUG)
    if not logger.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)


makes_workflows(lambda worker, db: Workflow(worker.name, [worker], db=db))
