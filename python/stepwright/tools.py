"""Tools of agents: functions, toolkits and MCP servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Sequence, overload

from ._functions import Table, converter, hints_of, parameters_of
from ._kinds import Worker
from ._schema import schema_of, split_docstring
from .exceptions import WorkflowDefinitionError

if TYPE_CHECKING:
    from typing import Literal

__all__ = [
    "AskUserTools",
    "CalculatorTools",
    "DuckDuckGoTools",
    "FileTools",
    "HttpTools",
    "McpServer",
    "PythonTools",
    "Skills",
    "SqlTools",
    "WebPageTools",
    "WikipediaTools",
    "tool",
]


class _Marked:
    """A function with what `@tool` says about it."""

    def __init__(self, function: Callable[..., Any], **told: Any) -> None:
        self.function, self.told = function, told

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self.function(*arguments, **keywords)


@overload
def tool(function: Callable[..., Any], /) -> Callable[..., Any]: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    requires_confirmation: bool = False,
    read_only: bool = False,
    external_execution: bool = False,
    answer_within: float | None = None,
    timeout: float | None = None,
    retries: int | None = None,
    max_calls: int | None = None,
    cache: float | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...


def tool(function: Callable[..., Any] | None = None, /, **told: Any) -> Any:
    """Says more about a function that is a tool. A plain function is a tool without it.

    Args:
        name: The name for the model. By default that of the function.
        description: The purpose. By default the docstring.
        requires_confirmation: A person must confirm each call.
        read_only: Calls change nothing, so an interrupted one is repeated.
        external_execution: The run pauses at each call, and `continue_run` gives the result. The
            function is not called.
        answer_within: The seconds until the result of such a call.
        timeout: The seconds for a call.
        retries: The number of retries of a call that failed.
        max_calls: The largest number of calls in one execution of the agent.
        cache: The seconds for which the result of equal arguments is used again.

    Example:
        >>> from stepwright import tool
        >>> @tool(requires_confirmation=True)
        ... def charge(account: str, cents: int) -> str:
        ...     "Charges an account."
        ...     return f"charged {cents}"
        >>> charge("a-1", 5)
        'charged 5'
    """
    unknown = [option for option in told if option not in _TOLD]
    if unknown:
        raise TypeError(f"tool() has no option {unknown[0]!r}")

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        return _Marked(function, **told)

    return mark if function is None else mark(function)


_SETTINGS = ("timeout", "retries", "max_calls", "cache")
_TOLD = (
    "name", "description", "requires_confirmation", "read_only", "external_execution",
    "answer_within", *_SETTINGS,
)  # fmt: skip


class _Kit:
    """A toolkit of the engine."""

    _kit = ""

    def __init__(self, **settings: Any) -> None:
        self._settings = {name: value for name, value in settings.items() if value is not None}

    def _lower(self) -> dict[str, Any]:
        return {"kit": {self._kit: self._settings}}

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class DuckDuckGoTools(_Kit):
    """Searches the web with DuckDuckGo.

    Args:
        base_url: Another server, such as one for tests. By default the environment's
            `STEPWRIGHT_DUCKDUCKGO_URL`, or DuckDuckGo itself.
    """

    _kit = "duckduckgo"

    def __init__(self, base_url: str | None = None) -> None:
        import os

        super().__init__(base_url=base_url or os.environ.get("STEPWRIGHT_DUCKDUCKGO_URL") or None)


class CalculatorTools(_Kit):
    """Calculates."""

    _kit = "calculator"

    def __init__(self) -> None:
        super().__init__()


class FileTools(_Kit):
    """Reads the files beneath a folder, and writes them if it may.

    Args:
        folder: The folder.
        write: Whether files may be written and changed.
    """

    _kit = "files"

    def __init__(self, folder: Any = ".", *, write: bool = False) -> None:
        super().__init__(folder=str(folder), write=write)


class WebPageTools(_Kit):
    """Reads the texts of web pages."""

    _kit = "web_page"

    def __init__(self) -> None:
        super().__init__()


class HttpTools(_Kit):
    """Sends requests over HTTP."""

    _kit = "http"

    def __init__(self) -> None:
        super().__init__()


class WikipediaTools(_Kit):
    """Reads articles of Wikipedia.

    Args:
        language: The language, such as `de`.
        base_url: Another server.
    """

    _kit = "wikipedia"

    def __init__(self, language: str | None = None, *, base_url: str | None = None) -> None:
        super().__init__(language=language, base_url=base_url)


class PythonTools(_Kit):
    """Runs programs in Python that the model writes, each isolated and in a folder of its own.

    Args:
        program: The interpreter.
    """

    _kit = "python"

    def __init__(self, program: str | None = None) -> None:
        super().__init__(program=program)


class SqlTools(_Kit):
    """Reads a database, and changes it if it may.

    Args:
        database: A file of SQLite, or an address of PostgreSQL.
        write: Whether the database may be changed.
    """

    _kit = "sql"

    def __init__(self, database: Any, *, write: bool = False) -> None:
        super().__init__(database=str(database), write=write)


class AskUserTools(_Kit):
    """Asks a person: the run pauses until the answer is there."""

    _kit = "ask_user"

    def __init__(self) -> None:
        super().__init__()


class Skills(_Kit):
    """Instructions in folders, which the model reads when it needs them.

    Args:
        folders: The folders that hold skills.
    """

    _kit = "skills"

    def __init__(self, *folders: Any) -> None:
        super().__init__(folders=[str(folder) for folder in folders])


class McpServer:
    """An MCP server, whose tools an agent has. Give it a `command` or a `url`.

    Args:
        name: The name of the server.
        command: The program and its arguments.
        url: The address of a server over HTTP.
        env: Variables of the environment of the program. Their values are secrets.
        dir: The folder in which the program starts.
        headers: The headers of requests.
        only: The tools that the agent has, as names or patterns such as `read_*`.
        exclude: The tools that it does not have.
        prefix: A text ahead of the names of tools.
        confirm: The tools whose calls a person must confirm.
        timeout: The seconds for a call.
        on_interrupted: What happens to a call that was under way when the process died: `retry`,
            `ask` or `fail`.
        resources: Whether the agent may read the resources of the server.

    Example:
        >>> from stepwright import Agent, McpServer
        >>> files = McpServer("files", ["npx", "-y", "@modelcontextprotocol/server-filesystem", "."])
        >>> Agent("Reader", "offline", tools=[files])
        Agent('Reader')
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str] | str | None = None,
        *,
        url: str | None = None,
        env: dict[str, str] | None = None,
        dir: Any = None,
        headers: dict[str, str] | None = None,
        only: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        prefix: str | None = None,
        confirm: Sequence[str] = (),
        timeout: float | None = None,
        on_interrupted: Literal["retry", "ask", "fail"] | None = None,
        resources: bool = False,
    ) -> None:
        if isinstance(command, str):
            import shlex

            command = shlex.split(command)
        if (command is None) == (url is None):
            raise WorkflowDefinitionError(
                f"MCP server {name!r} needs either a `command` or a `url`"
            )
        self.name = name
        self._spec = {
            "name": name,
            "command": list(command or ()),
            "url": url,
            "env": env or {},
            "dir": None if dir is None else str(dir),
            "headers": headers or {},
            "only": None if only is None else list(only),
            "exclude": list(exclude),
            "prefix": prefix,
            "confirm": list(confirm),
            "timeout": timeout,
            "on_interrupted": on_interrupted,
            "resources": resources,
        }

    def _lower(self) -> dict[str, Any]:
        return {"mcp": self._spec}

    def __repr__(self) -> str:
        return f"McpServer({self.name!r})"


def lowered(given: Any, table: Table) -> list[dict[str, Any]]:
    """Returns a tool, or the tools of a toolkit, as data."""
    if isinstance(given, (_Kit, McpServer)):
        return [given._lower()]
    if isinstance(given, Worker):
        about = given.description or f"Asks {given.name}."
        return [
            {
                "worker": {
                    "name": _tool_name(given.name),
                    "description": about,
                    "work": given._work(table),
                }
            }
        ]
    # A toolkit of Agno has its functions in a dictionary, each with its entrypoint.
    functions = getattr(given, "functions", None)
    if isinstance(functions, dict):
        return [_tool(_entrypoint(function, name), table) for name, function in functions.items()]
    if not callable(given):
        raise WorkflowDefinitionError(
            f"{given!r} is not a tool: pass a function, a toolkit, an McpServer, an Agent or a Team"
        )
    return [_tool(given, table)]


def _entrypoint(function: Any, name: str) -> Any:
    entrypoint = getattr(function, "entrypoint", None) or function
    if isinstance(entrypoint, _Marked):
        return entrypoint
    description = getattr(function, "description", None)
    confirms = bool(getattr(function, "requires_confirmation", False))
    return tool(name=name, description=description, requires_confirmation=confirms)(entrypoint)


def _tool_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in name.strip().lower())


def _tool(given: Any, table: Table) -> dict[str, Any]:
    function, told = (given.function, given.told) if isinstance(given, _Marked) else (given, {})
    name = told.get("name") or getattr(function, "__name__", "tool")
    parameters, converting, context = _parameters(function)
    description, about = split_docstring(told.get("description") or _doc(function))
    properties = parameters["properties"]
    for parameter, text in about.items():
        if parameter in properties:
            properties[parameter] = {**properties[parameter], "description": text}
    words = {"name": name, "description": description or name, "parameters": parameters}
    if told.get("external_execution"):
        return {"external": {"words": words, "answer_within": told.get("answer_within")}}
    index = table.add(
        function, name=name, takes="arguments", convert=converting, context=context
    )
    return {
        "function": {
            "words": words,
            "function": index,
            "requires_confirmation": bool(told.get("requires_confirmation")),
            "read_only": bool(told.get("read_only")),
            "settings": {option: told.get(option) for option in _SETTINGS},
        }
    }


def _doc(function: Any) -> str:
    import inspect

    return inspect.getdoc(function) or ""


def _parameters(function: Any) -> tuple[dict[str, Any], Callable[..., Any] | None, bool]:
    """The schema of the arguments of a function, what makes them, and whether it has a context."""
    hints, properties, required, converters = hints_of(function), {}, [], {}
    context = False
    for parameter in parameters_of(function):
        if parameter.name == "run_context":
            context = True
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        annotation = hints.get(parameter.name, str)
        properties[parameter.name] = schema_of(annotation)
        convert = converter(annotation)
        if convert is not None:
            converters[parameter.name] = convert
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    schema = {"type": "object", "properties": properties, "required": required}
    if not converters:
        return schema, None, context

    def converting(given: dict[str, Any]) -> dict[str, Any]:
        return {k: converters[k](v) if k in converters else v for k, v in given.items()}

    return schema, converting, context
