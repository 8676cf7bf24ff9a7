"""What runs give: outputs, events, sessions, metrics."""

from __future__ import annotations

from typing import Any, Iterator

from ._native import StepInput, WorkflowRunOutputEvent

__all__ = [
    "Metrics",
    "RunContext",
    "RunStatus",
    "Session",
    "StepInput",
    "StepOutput",
    "WorkflowRunOutput",
    "WorkflowRunOutputEvent",
]


class StepOutput:
    """The output of a step.

    A step's function may return one to say more than its content.

    Args:
        content: The input of the next step: a text, or anything that can be written as JSON.
        success: `False` fails the step with `error`, or with the content, as the message.
        error: The message of a failure.
        stop: `True` ends the whole run here, as completed.
        images: Images for the next step. `videos`, `audio` and `files` likewise.

    Attributes:
        step_name: The name of the step.
        step_id: The path of the step, such as `Facts/web`.
        step_type: The kind of step: `Step`, `Parallel`, `Loop` and so on.
        status: `completed`, `failed`, `skipped`, `cancelled`, `running` or `paused`.
        steps: The outputs of the steps inside.
    """

    __slots__ = (
        "content", "step_name", "success", "error", "stop", "images", "videos", "audio", "files",
        "step_id", "step_type", "status", "steps", "attempts", "duration", "usage",
    )  # fmt: skip

    def __init__(
        self,
        content: Any = None,
        *,
        step_name: str | None = None,
        success: bool = True,
        error: str | None = None,
        stop: bool = False,
        images: list[Any] | None = None,
        videos: list[Any] | None = None,
        audio: list[Any] | None = None,
        files: list[Any] | None = None,
    ) -> None:
        self.content, self.step_name = content, step_name
        self.success, self.error, self.stop = success, error, stop
        self.images, self.videos, self.audio, self.files = images, videos, audio, files
        self.step_id: str | None = None
        self.step_type: str | None = None
        self.status: str | None = None
        self.steps: list[StepOutput] = []
        self.attempts: int = 0
        self.duration: float = 0.0
        self.usage: dict[str, Any] = {}

    @classmethod
    def _of(cls, data: dict[str, Any]) -> StepOutput:
        error = data.get("error")
        path: str = data["path"]
        made = cls(
            data.get("content"),
            step_name=path.rsplit("/", 1)[-1],
            success=data["status"] == "completed",
            error=error["message"] if error else None,
            stop=data.get("stop", False),
        )
        made.step_id, made.step_type, made.status = path, data["step_type"], data["status"]
        made.steps = [cls._of(step) for step in data.get("steps", ())]
        made.attempts = data.get("attempts", 0)
        made.duration = (data.get("ended_at", data["started_at"]) - data["started_at"]) / 1000
        made.usage = data.get("usage", {})
        return made

    def walk(self) -> Iterator[StepOutput]:
        """Returns this output and those inside of it, each before its own steps."""
        yield self
        for step in self.steps:
            yield from step.walk()

    def to_dict(self) -> dict[str, Any]:
        """Returns the output as a dictionary."""
        shown = ("content", "step_name", "step_id", "success", "error", "stop", "status")
        return {name: getattr(self, name) for name in shown}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StepOutput):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in StepOutput.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        name = f"step_name={self.step_name!r}, " if self.step_name else ""
        return f"StepOutput({name}content={self.content!r}, success={self.success})"


class RunStatus(str):
    """The status of a run. Compares equal to its text, such as `"COMPLETED"`."""

    __slots__ = ()

    pending: RunStatus
    running: RunStatus
    paused: RunStatus
    completed: RunStatus
    cancelled: RunStatus
    error: RunStatus

    @property
    def value(self) -> str:
        """The status as text."""
        return str.__str__(self)

    def __repr__(self) -> str:
        return f"RunStatus.{self.value.lower()}"

    def __reduce__(self) -> Any:
        return (RunStatus, (self.value,))


for _status in ("PENDING", "RUNNING", "PAUSED", "COMPLETED", "CANCELLED", "ERROR"):
    setattr(RunStatus, _status.lower(), RunStatus(_status))

_ENDED = ("COMPLETED", "CANCELLED", "ERROR")


class _Data:
    """Data of the engine: its fields are attributes. It is converted when it is read."""

    __slots__ = ("_given",)

    def __init__(self, data: Any) -> None:
        self._given = data

    @property
    def _data(self) -> dict[str, Any]:
        given = self._given
        if type(given) is not dict:
            given = self._given = given.to_dict()
        found: dict[str, Any] = given
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._data[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no {name!r}") from None

    def to_dict(self) -> dict[str, Any]:
        """Returns the data as a dictionary."""
        return dict(self._data)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._data == getattr(other, "_data", None)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> Any:
        return (type(self), (self._data,))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._data!r})"


class Metrics(_Data):
    """The metrics of a run or a session.

    `duration` is in seconds. The other fields, such as `steps`, `retries`, `model_calls`,
    `tool_calls`, `usage` and `cost`, are those of the journal.
    """

    __slots__ = ()

    @property
    def duration(self) -> float:
        """The duration, in seconds."""
        return float(self._data.get("duration_ms", 0)) / 1000

    @property
    def usage(self) -> dict[str, Any]:
        """The tokens of models."""
        found: dict[str, Any] = self._data.get("usage", {})
        return found


class Session(_Data):
    """A thread of runs with an owner and a state."""

    __slots__ = ()

    @property
    def session_id(self) -> str:
        """The id of the session."""
        return str(self._data["session_id"])

    @property
    def user_id(self) -> str | None:
        """The owner."""
        return self._data.get("user_id")

    @property
    def session_state(self) -> dict[str, Any]:
        """The state that the runs of the session share."""
        found: dict[str, Any] = self._data["state"]
        return found

    @property
    def metrics(self) -> Metrics:
        """What all runs of the session took."""
        return Metrics(self._data["metrics"])

    @property
    def created_at(self) -> int:
        """The time of its first run, in seconds since 1970."""
        return int(self._data["created_at"]) // 1000


class RunContext:
    """The run that a function works for: take an argument `run_context`."""

    __slots__ = ("run_id", "session_id", "user_id", "workflow_id", "workflow_name", "step_id")

    def __init__(
        self,
        run_id: str,
        session_id: str,
        user_id: str | None,
        workflow_id: str,
        workflow_name: str,
        step_id: str,
    ) -> None:
        self.run_id, self.session_id, self.user_id = run_id, session_id, user_id
        self.workflow_id, self.workflow_name, self.step_id = workflow_id, workflow_name, step_id

    def __repr__(self) -> str:
        return f"RunContext(run_id={self.run_id!r}, step_id={self.step_id!r})"


class WorkflowRunOutput(_Data):
    """The output of a run.

    Attributes that the journal has and this class does not, such as `origin` and
    `refused_answers`, can be read too.
    """

    __slots__ = ()

    @property
    def content(self) -> Any:
        """The output: a text, or what JSON can hold."""
        given = self._given
        return given.get("content") if type(given) is dict else given.content

    @property
    def content_type(self) -> str:
        """`str`, `json` or `none`."""
        content = self.content
        return "str" if isinstance(content, str) else "none" if content is None else "json"

    @property
    def run_id(self) -> str:
        """The id of the run."""
        given = self._given
        return str(given["run_id"] if type(given) is dict else given.run_id)

    @property
    def session_id(self) -> str:
        """The id of its session."""
        return str(self._data["session_id"])

    @property
    def user_id(self) -> str | None:
        """The user of the run."""
        return self._data.get("user_id")

    @property
    def workflow_id(self) -> str:
        """The id of the workflow."""
        return str(self._data["workflow_id"])

    @property
    def workflow_name(self) -> str:
        """The name of the workflow."""
        return str(self._data["workflow_name"])

    @property
    def input(self) -> Any:
        """The input of the run."""
        return self._data.get("input")

    @property
    def status(self) -> RunStatus:
        """The status of the run."""
        given = self._given
        return RunStatus(given["status"] if type(given) is dict else given.status)

    @property
    def created_at(self) -> int:
        """The time at which the run began, in seconds since 1970."""
        return int(self._data["created_at"]) // 1000

    @property
    def step_results(self) -> list[StepOutput]:
        """The outputs of the steps, as a tree."""
        return [StepOutput._of(step) for step in self._data.get("step_results", ())]

    @property
    def step_executor_runs(self) -> list[dict[str, Any]]:
        """What agents did: the answers of models and tools."""
        found: list[dict[str, Any]] = self._data.get("step_executor_runs", [])
        return found

    @property
    def events(self) -> list[WorkflowRunOutputEvent]:
        """The events, if the workflow has `store_events`."""
        return [WorkflowRunOutputEvent(event) for event in self._data.get("events") or ()]

    @property
    def metrics(self) -> Metrics:
        """Time, counts and tokens."""
        return Metrics(self._data["metrics"])

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata that the run was given."""
        found: dict[str, Any] = self._data.get("metadata", {})
        return found

    @property
    def requirements(self) -> list[dict[str, Any]]:
        """The questions that a paused run waits for."""
        found: list[dict[str, Any]] = self._data.get("requirements", [])
        return found

    @property
    def error(self) -> dict[str, Any] | None:
        """The failure, if the run failed."""
        return self._data.get("error")

    @property
    def images(self) -> list[dict[str, Any]]:
        """The images of the output."""
        return self._media("image")

    @property
    def videos(self) -> list[dict[str, Any]]:
        """The videos of the output."""
        return self._media("video")

    @property
    def audio(self) -> list[dict[str, Any]]:
        """The audio of the output."""
        return self._media("audio")

    @property
    def files(self) -> list[dict[str, Any]]:
        """The files of the output."""
        return self._media("file")

    def _media(self, kind: str) -> list[dict[str, Any]]:
        return [item for item in self._data.get("media", ()) if item["kind"] == kind]

    @property
    def is_paused(self) -> bool:
        """`True` if the run waits for an answer or a timer."""
        return bool(self._data["status"] == "PAUSED")

    def has_completed(self) -> bool:
        """Returns `True` if the run has ended: it completed, failed or was cancelled."""
        return self._data["status"] in _ENDED

    def get_content_as_string(self) -> str:
        """Returns the content as text."""
        import json

        content = self.content
        return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)

    def __repr__(self) -> str:
        return (
            f"WorkflowRunOutput(run_id={self.run_id!r}, status={self.status.value!r}, "
            f"content={self.content!r})"
        )

    def _repr_markdown_(self) -> str:
        lines = [f"**{self.workflow_name}** · {self.status.value.lower()}", ""]
        for result in self.step_results:
            for step in result.walk():
                depth = "  " * (step.step_id or "").count("/")
                lines.append(f"{depth}- `{step.step_name}` {step.status}")
        lines += ["", self.get_content_as_string()]
        return "\n".join(lines)
