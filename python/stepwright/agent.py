"""Agents: a model with instructions and tools."""

from __future__ import annotations

from typing import Any, Callable, Sequence, overload

from ._functions import Table, converter, hints_of, parameters_of
from .exceptions import WorkflowDefinitionError

__all__ = ["Agent", "DuckDuckGoTools", "Model", "tool"]

_SCHEMA = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    list: {"type": "array"},
    dict: {"type": "object"},
    type(None): {"type": "null"},
}


class Model:
    """A model, where its name is not all there is to say.

    Args:
        id: The provider and the name, such as `openai:gpt-5-mini`. The provider is OpenAI if there
            is none.
        base_url: The address of the provider.
        api_key: The key. By default that of the environment, such as `OPENAI_API_KEY`.
        temperature: The temperature.
        max_tokens: The largest number of tokens of an answer.
    """

    def __init__(
        self,
        id: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
    ) -> None:
        self.id, self.base_url, self.api_key = id, base_url, api_key
        self.temperature, self.max_tokens = temperature, max_tokens

    def __repr__(self) -> str:
        return f"Model({self.id!r})"


class DuckDuckGoTools:
    """Searches the web with DuckDuckGo.

    Args:
        base_url: Another server, such as one for tests. By default the environment's
            `STEPWRIGHT_DUCKDUCKGO_URL`, or DuckDuckGo itself.
    """

    def __init__(self, base_url: str | None = None) -> None:
        import os

        self.base_url = base_url or os.environ.get("STEPWRIGHT_DUCKDUCKGO_URL") or None


class _Marked:
    """A function with what `@tool` says about it."""

    __slots__ = ("function", "name", "description", "requires_confirmation", "read_only")

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None,
        description: str | None,
        requires_confirmation: bool,
        read_only: bool,
    ) -> None:
        self.function, self.name, self.description = function, name, description
        self.requires_confirmation, self.read_only = requires_confirmation, read_only

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
) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    requires_confirmation: bool = False,
    read_only: bool = False,
) -> Any:
    """Says more about a function that is a tool. A plain function is a tool without it.

    Args:
        name: The name for the model. By default that of the function.
        description: The purpose. By default the docstring.
        requires_confirmation: A person must confirm each call.
        read_only: Calls change nothing, so an interrupted one is simply repeated.
    """

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        return _Marked(
            function,
            name=name,
            description=description,
            requires_confirmation=requires_confirmation,
            read_only=read_only,
        )

    return mark if function is None else mark(function)


class Agent:
    """A model with instructions and tools, as a step.

    Args:
        name: The name.
        model: The model: a name such as `openai:gpt-5-mini`, or a `Model`. By default the
            environment's `STEPWRIGHT_MODEL`, or the one for which there is a key.
        instructions: What the model is told: a text, or several.
        tools: Functions with type hints and docstrings, toolkits, and other agents.
        description: What the agent is for. It stands before the instructions, and is the purpose
            of the agent where it is a tool.
        output_schema: A Pydantic model or a dataclass. The output is an object of that form then.
        max_turns: The largest number of requests to the model for one message.
        temperature: The temperature.
        budget: The largest use of tokens, money and calls.

    Example:
        >>> from stepwright import Agent, Workflow
        >>> writer = Agent("Writer", "offline", "Write one sentence.")
        >>> Workflow("Letter", [writer]).run("Ants are strong. They are small.").status
        RunStatus.completed
    """

    def __init__(
        self,
        name: str | None = None,
        model: str | Model | None = None,
        instructions: str | Sequence[str] | None = None,
        tools: Sequence[Any] | None = None,
        *,
        description: str | None = None,
        output_schema: type[Any] | None = None,
        max_turns: int | None = None,
        temperature: float | None = None,
        budget: dict[str, Any] | None = None,
    ) -> None:
        self.name, self.model = name or "Agent", model
        self.instructions, self.tools = instructions, list(tools or ())
        self.description, self.output_schema = description, output_schema
        self.max_turns, self.temperature, self.budget = max_turns, temperature, budget

    def _model(self) -> tuple[dict[str, Any], float | None, int | None]:
        import os

        model = self.model
        if model is None:
            model = os.environ.get("STEPWRIGHT_MODEL") or "auto"
        if isinstance(model, str):
            return {"name": model}, self.temperature, None
        told = {"name": model.id, "base_url": model.base_url, "api_key": model.api_key}
        temperature = model.temperature if self.temperature is None else self.temperature
        return told, temperature, model.max_tokens

    def _text(self) -> str | None:
        text = self.instructions
        if text is not None and not isinstance(text, str):
            text = "\n".join(text)
        parts = [part for part in (self.description, text) if part]
        return "\n\n".join(parts) or None

    def _lower(self, table: Table) -> dict[str, Any]:
        model, temperature, max_tokens = self._model()
        lowered: dict[str, Any] = {
            "name": self.name,
            "model": model,
            "instructions": self._text(),
            "tools": [lowered for given in self.tools for lowered in _tools(given, table)],
            "max_turns": self.max_turns,
            "temperature": temperature,
            "max_output_tokens": max_tokens,
            "budget": self.budget,
        }
        if self.output_schema is not None:
            lowered["output"] = _output(self.output_schema, table)
        return lowered

    def run(self, input: Any = None, **options: Any) -> Any:
        """Runs the agent alone: see `Workflow.run`."""
        return self._alone().run(input, **options)

    def arun(self, input: Any = None, **options: Any) -> Any:
        """Runs the agent alone: see `Workflow.arun`."""
        return self._alone().arun(input, **options)

    def print_response(self, input: Any = None, **options: Any) -> None:
        """Prints a run of the agent alone: see `Workflow.print_response`."""
        self._alone().print_response(input, **options)

    def _alone(self) -> Any:
        from .workflow import Workflow

        made = getattr(self, "_workflow", None)
        if made is None:
            made = self._workflow = Workflow(self.name, [self])
        return made

    def __repr__(self) -> str:
        return f"Agent({self.name!r})"


def _output(of: Any, table: Table) -> dict[str, Any]:
    convert = converter(of)
    if convert is None:
        raise WorkflowDefinitionError(
            f"`output_schema` must be a Pydantic model or a dataclass, and is {of!r}"
        )

    def check(value: Any) -> None:
        convert(value)

    return {"schema": schema_of(of), "check": table.add(check, takes="content")}


def _tools(given: Any, table: Table) -> list[dict[str, Any]]:
    if isinstance(given, DuckDuckGoTools):
        return [{"duckduckgo": {"base_url": given.base_url}}]
    if isinstance(given, Agent):
        about = given.description or f"Asks the agent {given.name}."
        name = _tool_name(given.name)
        agent = given._lower(table)
        return [{"agent": {"name": name, "description": about, "agent": agent}}]
    # A toolkit of Agno has its functions in a dictionary, each with its entrypoint.
    functions = getattr(given, "functions", None)
    if isinstance(functions, dict):
        return [_tool(_entrypoint(function, name), table) for name, function in functions.items()]
    if not callable(given):
        raise WorkflowDefinitionError(
            f"{given!r} is not a tool: pass a function, a toolkit or an Agent"
        )
    return [_tool(given, table)]


def _entrypoint(function: Any, name: str) -> Any:
    entrypoint = getattr(function, "entrypoint", None) or function
    description = getattr(function, "description", None)
    confirms = bool(getattr(function, "requires_confirmation", False))
    return tool(name=name, description=description, requires_confirmation=confirms)(entrypoint)


def _tool_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in name.strip().lower())


def _tool(given: Any, table: Table) -> dict[str, Any]:
    import inspect

    marked = given if isinstance(given, _Marked) else None
    function = given.function if isinstance(given, _Marked) else given
    name = (marked.name if marked else None) or getattr(function, "__name__", "tool")
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
    description, about = _docstring(
        (marked.description if marked else None) or inspect.getdoc(function) or ""
    )
    for parameter_name, text in about.items():
        if parameter_name in properties:
            properties[parameter_name] = {**properties[parameter_name], "description": text}
    converting = None
    if converters:

        def converting(given: dict[str, Any]) -> dict[str, Any]:
            return {k: converters[k](v) if k in converters else v for k, v in given.items()}

    index = table.add(
        function, name=name, takes="arguments", convert=converting, context=context
    )
    parameters = {"type": "object", "properties": properties, "required": required}
    described = {
        "name": name,
        "description": description or name,
        "parameters": parameters,
        "function": index,
        "requires_confirmation": bool(marked and marked.requires_confirmation),
        "read_only": bool(marked and marked.read_only),
    }
    return {"function": described}


def _docstring(text: str) -> tuple[str, dict[str, str]]:
    """Splits a docstring into its text and what its section `Args:` says about each argument."""
    lines, about, inside, last = [], {}, False, None
    for line in text.splitlines():
        bare = line.strip()
        if bare in ("Args:", "Arguments:", "Parameters:"):
            inside = True
        elif inside and bare and not line.startswith((" ", "\t")):
            inside = False
            lines.append(line)
        elif inside:
            name, separator, said = bare.partition(":")
            name = name.partition("(")[0].strip()
            if separator and name.isidentifier():
                last, about[name] = name, said.strip()
            elif last is not None and bare:
                about[last] += f" {bare}"
        else:
            lines.append(line)
    return "\n".join(lines).strip(), about


def schema_of(annotation: Any) -> dict[str, Any]:
    """Returns the JSON Schema of a type."""
    import typing

    model_schema = getattr(annotation, "model_json_schema", None)
    if model_schema is not None:
        found: dict[str, Any] = model_schema()
        return found
    simple = _SCHEMA.get(annotation) if isinstance(annotation, type) else None
    if simple is not None:
        return dict(simple)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is typing.Annotated:
        return {**schema_of(arguments[0]), **_said(arguments[1:])}
    if origin in (list, set, tuple, frozenset):
        items = [a for a in arguments if a is not Ellipsis]
        return {"type": "array", **({"items": schema_of(items[0])} if len(items) == 1 else {})}
    if origin is dict:
        values = schema_of(arguments[1]) if len(arguments) == 2 else {}
        return {"type": "object", **({"additionalProperties": values} if values else {})}
    if origin is not None and type(None) in arguments or str(origin).endswith("Union'>"):
        return {"anyOf": [schema_of(argument) for argument in arguments]}
    members = getattr(annotation, "__members__", None)
    if members is not None:
        return {"enum": [member.value for member in members.values()]}
    if hasattr(annotation, "__dataclass_fields__"):
        return _schema_of_dataclass(annotation)
    return {}


def _said(about: tuple[Any, ...]) -> dict[str, str]:
    texts = [text for text in about if isinstance(text, str)]
    return {"description": texts[0]} if texts else {}


def _schema_of_dataclass(of: Any) -> dict[str, Any]:
    import dataclasses

    hints = hints_of(of)
    fields = dataclasses.fields(of)
    missing = dataclasses.MISSING
    required = [
        field.name
        for field in fields
        if field.default is missing and field.default_factory is missing
    ]
    return {
        "type": "object",
        "title": of.__name__,
        "properties": {field.name: schema_of(hints.get(field.name, str)) for field in fields},
        "required": required,
        "additionalProperties": False,
    }
