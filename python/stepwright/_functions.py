"""Functions of users in the table of a workflow: what they take, and what they are."""

from __future__ import annotations

from typing import Any, Callable


def is_async(function: Any) -> bool:
    """Returns `True` if a call gives something to await."""
    return _kind(function).startswith("async")


def _kind(function: Any) -> str:
    import inspect

    for of in (function, getattr(function, "__call__", None), getattr(function, "func", None)):
        if inspect.isasyncgenfunction(of):
            return "async_generator"
        if inspect.iscoroutinefunction(of):
            return "async"
        if inspect.isgeneratorfunction(of):
            return "generator"
    return "sync"


def hints_of(function: Any) -> dict[str, Any]:
    """Returns the annotations of a function, as far as they can be read."""
    import typing

    of = function if hasattr(function, "__annotations__") else getattr(function, "__call__", None)
    try:
        return typing.get_type_hints(of)
    except Exception:
        return dict(getattr(of, "__annotations__", {}))


def parameters_of(function: Any) -> list[Any]:
    """Returns the parameters of a function, or an empty list if it does not say."""
    import inspect

    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


def converter(annotation: Any) -> Callable[[Any], Any] | None:
    """Returns the function that makes a value of this type, for Pydantic models and dataclasses."""
    validate = getattr(annotation, "model_validate", None)
    if validate is not None:
        validate_json = annotation.model_validate_json
        return lambda value: (validate_json if isinstance(value, str) else validate)(value)
    if hasattr(annotation, "__dataclass_fields__"):
        return lambda value: annotation(**_members(value))
    return None


def _members(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        import json

        value = json.loads(value)
    if not isinstance(value, dict):
        raise TypeError(f"an object is needed, and the value is {value!r}")
    return value


class Table:
    """The functions of a workflow, which its definition names by their indices."""

    def __init__(self) -> None:
        self.functions: list[dict[str, Any]] = []

    def add(self, call: Any, **described: Any) -> int:
        """Adds a function, and returns its index."""
        described.setdefault("name", getattr(call, "__name__", type(call).__name__))
        entry = {
            "call": call,
            "kind": _kind(call),
            "takes": "input",
            "convert": None,
            "names": [],
            "state": False,
            "context": False,
        }
        self.functions.append({**entry, **described})
        return len(self.functions) - 1

    def step(self, function: Any) -> int:
        """Adds the function of a step."""
        return self.add(function, **_read(function, "input"))

    def decider(
        self,
        function: Any,
        made: Callable[[Any], Any],
        names: list[str] | None = None,
    ) -> int:
        """Adds a function that decides. `made` makes the decision of what it returns."""
        described = _read(function, "input" if names is None else "outputs")
        name, call = getattr(function, "__name__", "decide"), _deciding(function, made)
        return self.add(call, **{**described, "name": name, "names": names or []})


def _deciding(function: Any, made: Callable[[Any], Any]) -> Any:
    if is_async(function):

        async def decided(*arguments: Any, **keywords: Any) -> Any:
            return made(await function(*arguments, **keywords))

        return decided
    return lambda *arguments, **keywords: made(function(*arguments, **keywords))


def _read(function: Any, takes: str) -> dict[str, Any]:
    """Reads from the signature of a function what it takes."""
    parameters = parameters_of(function)
    by_name = {parameter.name for parameter in parameters}
    described: dict[str, Any] = {
        "takes": takes,
        "state": "session_state" in by_name,
        "context": "run_context" in by_name,
    }
    special = ("session_state", "run_context")
    first = next((p for p in parameters if p.name not in special), None)
    if first is None and parameters_known(function):
        described["takes"] = "nothing"
    elif first is not None and takes == "input":
        annotation = hints_of(function).get(first.name)
        made = converter(annotation)
        if annotation is str:
            described["takes"] = "text"
        elif annotation in (int, float, bool, list, dict) or _is_collection(annotation):
            described["takes"] = "content"
        elif made is not None:
            described.update(takes="content", convert=made)
    return described


def _is_collection(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) in (list, dict)


def parameters_known(function: Any) -> bool:
    """Returns `True` if a function says what it takes."""
    import inspect

    try:
        inspect.signature(function)
    except (TypeError, ValueError):
        return False
    return True
