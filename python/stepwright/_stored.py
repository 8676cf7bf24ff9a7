"""What a workflow has stored: runs and sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .exceptions import NotFoundError, UsageError
from .types import Metrics, Session, WorkflowRunOutput

if TYPE_CHECKING:
    from typing import Literal

    from . import _native


class Stored:
    """The questions to a workflow about what it has stored, and the changes of that."""

    _native: _native.Workflow
    session_id: str | None

    # --- runs that are there ---

    def _ask(self, question: str, **arguments: Any) -> Any:
        return self._native.ask({question: arguments})

    async def _aask(self, question: str, **arguments: Any) -> Any:
        from ._bridge import drive

        return await drive(self._native.ask({question: arguments}, running_loop()))

    def cancel_run(self, run_id: str) -> bool:
        """Cancels a run, in whichever process it is. Returns `False` if there is nothing to cancel."""
        return bool(self._ask("cancel_run", run_id=run_id))

    async def acancel_run(self, run_id: str) -> bool:
        """Cancels a run: see `cancel_run`."""
        return bool(await self._aask("cancel_run", run_id=run_id))

    def send(
        self,
        run_id: str,
        text: str,
        *,
        mode: Literal["steer", "follow_up", "interrupt"] = "steer",
        to: str | None = None,
        by: str | None = None,
    ) -> dict[str, Any]:
        """Sends a message to the agent that is at work in a run.

        Args:
            run_id: The run.
            text: The message.
            mode: `steer`: before the next request to the model; `follow_up`: when the agent would
                end; `interrupt`: at once.
            to: The path of the agent, if several are at work.
            by: The sender.

        Returns:
            The id of the message, the run, and `is_for_next_run`: whether the run had ended, so that
            the next one of its session gets the message.
        """
        sent: dict[str, Any] = self._ask("send", **_message(run_id, text, mode, to, by))
        return sent

    async def asend(
        self,
        run_id: str,
        text: str,
        *,
        mode: Literal["steer", "follow_up", "interrupt"] = "steer",
        to: str | None = None,
        by: str | None = None,
    ) -> dict[str, Any]:
        """Sends a message to the agent that is at work in a run: see `send`."""
        sent: dict[str, Any] = await self._aask("send", **_message(run_id, text, mode, to, by))
        return sent

    def get_run(self, run_id: str) -> WorkflowRunOutput | None:
        """Returns the output of a run so far, or `None` if there is none of that id."""
        try:
            return WorkflowRunOutput(self._ask("get_run", run_id=run_id))
        except NotFoundError:
            return None

    async def aget_run(self, run_id: str) -> WorkflowRunOutput | None:
        """Returns the output of a run so far: see `get_run`."""
        try:
            return WorkflowRunOutput(await self._aask("get_run", run_id=run_id))
        except NotFoundError:
            return None

    def get_last_run_output(self) -> WorkflowRunOutput | None:
        """Returns the output of the newest run, or `None` if there is none."""
        output = self._ask("get_last_run")
        return None if output is None else WorkflowRunOutput(output)

    def runs(self, limit: int = 50) -> list[dict[str, Any]]:
        """Returns the newest runs, a row for each."""
        rows: list[dict[str, Any]] = self._ask("runs", limit=limit)
        return rows

    # --- sessions ---

    def _session(self, session_id: str | None) -> str:
        session_id = session_id or self.session_id
        if session_id is None:
            raise UsageError("`session_id` is missing: neither the call nor the workflow has one")
        return session_id

    def get_session(self, session_id: str | None = None) -> Session | None:
        """Returns a session, or `None` if there is none of that id."""
        session_id = self._session(session_id)
        try:
            return Session(self._ask("get_session", session_id=session_id))
        except NotFoundError:
            return None

    async def aget_session(self, session_id: str | None = None) -> Session | None:
        """Returns a session: see `get_session`."""
        session_id = self._session(session_id)
        try:
            return Session(await self._aask("get_session", session_id=session_id))
        except NotFoundError:
            return None

    def get_sessions(self) -> list[Session]:
        """Returns all sessions of this workflow."""
        return [Session(session) for session in self._ask("sessions")]

    def get_session_state(self, session_id: str | None = None) -> dict[str, Any]:
        """Returns the state of a session. It is empty if there is no such session."""
        session = self.get_session(session_id)
        return {} if session is None else session.session_state

    def update_session_state(
        self, state: dict[str, Any], session_id: str | None = None
    ) -> dict[str, Any]:
        """Changes the state of a session between runs, and returns it. `None` removes a key."""
        session_id = self._session(session_id)
        return Session(
            self._ask("update_session_state", session_id=session_id, state=state)
        ).session_state

    def get_session_metrics(self, session_id: str | None = None) -> Metrics | None:
        """Returns what all runs of a session took, or `None` if there is no such session."""
        session = self.get_session(session_id)
        return None if session is None else session.metrics

    def get_history(
        self, session_id: str | None = None, num_runs: int = 10
    ) -> list[dict[str, Any]]:
        """Returns the input and the output of the last runs of a session, the oldest first.

        Args:
            session_id: The session.
            num_runs: The number of runs.
        """
        found: list[dict[str, Any]] = self._ask(
            "history", session_id=self._session(session_id), runs=num_runs
        )
        return found

    def rename_session(self, name: str, session_id: str | None = None) -> None:
        """Names a session."""
        self._ask("rename_session", session_id=self._session(session_id), name=name)

    def delete_session(self, session_id: str | None = None) -> None:
        """Deletes a session with its runs."""
        self._ask("delete_session", session_id=self._session(session_id))


def running_loop() -> Any:
    """The running event loop of asyncio, or one that behaves like it."""
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise UsageError(
            "no event loop of asyncio is running: await this inside of `asyncio.run`; "
            "other libraries, such as Trio, are not supported"
        ) from None


def _message(
    run_id: str, text: str, mode: str, to: str | None, by: str | None
) -> dict[str, Any]:
    return {"run_id": run_id, "text": text, "mode": mode, "to": to, "by": by}
