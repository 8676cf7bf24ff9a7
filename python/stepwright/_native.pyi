"""The extension. Nothing here is stable, but `StepInput` and `WorkflowRunOutputEvent`."""

from typing import Any, Callable, final, overload

version: str
is_debug: bool

@final
class StepInput:
    """The input of a step, and what surrounds it. Nothing is converted before it is read."""

    def __new__(
        cls,
        input: Any = None,
        previous_step_content: Any = None,
        additional_data: dict[str, Any] | None = None,
    ) -> StepInput: ...
    @property
    def input(self) -> Any:
        """The input of the run."""

    @property
    def message(self) -> Any:
        """The input of the run, by its older name."""

    @property
    def previous_step_content(self) -> Any:
        """The output of the previous step, or `None` for the first step."""

    @property
    def content(self) -> Any:
        """The content that a step works on: the output of the previous step, or the input."""

    @property
    def text(self) -> str:
        """The content as text."""

    @property
    def previous_step_outputs(self) -> dict[str, Any]:
        """The outputs of the earlier steps, by their names."""

    @property
    def additional_data(self) -> dict[str, Any]:
        """The additional data of the run."""

    @property
    def session_state(self) -> dict[str, Any]:
        """A copy of the session state. Changes of it are not kept."""

    @property
    def item(self) -> Any:
        """The item of a map, or `None` elsewhere."""

    @property
    def nth(self) -> int:
        """The number of the turn or the item, from 1. 0 elsewhere."""

    @property
    def user_input(self) -> Any:
        """The values that a person entered for this step."""

    @property
    def media(self) -> list[dict[str, Any]]:
        """Images, videos, audio and files."""

    @property
    def step_id(self) -> str | None:
        """The path of the step, such as `Facts/web`."""

    @property
    def run_id(self) -> str | None:
        """The id of the run."""

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""

    @property
    def idempotency_key(self) -> str | None:
        """The same text in every attempt of this step, also after a crash."""

    def get_step_content(self, name: str) -> Any:
        """Returns the content of an earlier step by its name, or `None`."""

    def get_step_output(self, name: str) -> Any:
        """Returns the output of an earlier step by its name, or `None`."""

    def get_all_previous_content(self) -> str:
        """Returns the contents of all earlier steps as one text, each under its name."""

    def get_last_step_content(self) -> Any:
        """Returns the content of the last step, or `None` if this is the first one."""

    def get_input_as_string(self) -> str:
        """Returns the input of the run as text."""

    def emit(self, text: str) -> None:
        """Shows a piece of the step's answer to the readers of the run."""

    def progress(self, content: str, fraction: float | None = None) -> None:
        """Reports what the step does, and how much of it is done, from 0 to 1."""

    def custom_event(self, name: str, data: Any) -> None:
        """Shows an event of your own to the readers of the run."""

    def is_cancelled(self) -> bool:
        """Returns `True` if the run has been cancelled."""

    @overload
    def wait(
        self,
        name: str,
        message: str | None = None,
        *,
        schema: Any = None,
        timeout: float | None = None,
    ) -> Any: ...
    @overload
    def wait(
        self,
        name: str,
        message: str | None = None,
        *,
        schema: Any = None,
        timeout: float | None = None,
        default: Any,
    ) -> Any: ...
    def sleep(self, name: str, seconds: float) -> None:
        """Waits for a time that survives the process."""

    def once(self, key: str, function: Callable[[], Any]) -> Any:
        """Calls a function once for all attempts, and returns what it returned."""

@final
class WorkflowRunOutputEvent:
    """An event of a run. Fields that an event does not have are `None`."""

    def __new__(cls, data: dict[str, Any]) -> WorkflowRunOutputEvent: ...
    @property
    def event(self) -> str:
        """The name of the kind of event, such as `StepStarted`."""

    @property
    def content(self) -> Any:
        """The text of the event, if it has any."""

    @property
    def step_id(self) -> str | None:
        """The path of the step, or `None` for events of the run as a whole."""

    @property
    def step_name(self) -> str | None:
        """The name of the step, or `None` for events of the run as a whole."""

    @property
    def run_id(self) -> str:
        """The id of the run."""

    @property
    def sequence(self) -> int:
        """The number of this fact, or of the fact that this event follows."""

    @property
    def created_at(self) -> int:
        """The time of the event, in seconds since 1970."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the event as a dictionary."""

    def __getattr__(self, name: str) -> Any: ...

@final
class Store:
    @staticmethod
    def memory() -> Store: ...
    @staticmethod
    def sqlite(path: str) -> Store: ...
    @staticmethod
    def postgres(address: str, schema: str | None = None) -> Store: ...
    def memories(self, question: dict[str, Any], event_loop: Any = None) -> Any: ...

@final
class Workflow:
    def __new__(
        cls, spec: dict[str, Any], functions: list[dict[str, Any]], store: Store | None
    ) -> Workflow: ...
    @property
    def id(self) -> str: ...
    @property
    def digest(self) -> str: ...
    def plan(self) -> dict[str, Any]: ...
    def run(self, input: Any, options: dict[str, Any], event_loop: Any = None) -> Any: ...
    def stream(self, input: Any, options: dict[str, Any], event_loop: Any = None) -> Any: ...
    def background(self, input: Any, options: dict[str, Any], event_loop: Any) -> Any: ...
    def take_up(self, what: dict[str, Any], event_loop: Any = None) -> Any: ...
    def take_up_stream(
        self, what: dict[str, Any], all_events: bool, event_loop: Any = None
    ) -> Any: ...
    def ask(self, question: dict[str, Any], event_loop: Any = None) -> Any: ...
    def print_response(
        self, input: Any, options: dict[str, Any], printed: dict[str, Any], event_loop: Any = None
    ) -> Any: ...
    def cli_app(self, asked: dict[str, Any]) -> None: ...

@final
class Knowledge:
    def __new__(cls, spec: dict[str, Any]) -> Knowledge: ...
    def ask(self, question: dict[str, Any], event_loop: Any = None) -> Any: ...

@final
class Server:
    def __new__(
        cls,
        served: list[tuple[Workflow, bool]],
        store: Store,
        name: str | None,
        hosts: list[str],
        origins: list[str],
        keys: str | None,
        insecure: bool,
    ) -> Server: ...
    def serve(
        self, host: str, port: int, ready: Callable[[int], None], event_loop: Any = None
    ) -> Any: ...
    def begin(self) -> None: ...
    def stop(self) -> None: ...
    def is_open_elsewhere(self) -> bool: ...
    def answer(
        self,
        asked: tuple[str, str, list[tuple[bytes, bytes]], bytes],
        event_loop: Any,
    ) -> Any: ...

def take_call() -> Any: ...
def command(given: list[str]) -> int: ...
def log_to(level: int) -> None: ...
def shutdown() -> None: ...
