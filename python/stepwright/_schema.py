"""JSON Schemas of types, and descriptions in docstrings."""

from __future__ import annotations

from typing import Any

from ._functions import hints_of

_SCHEMA = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    list: {"type": "array"},
    dict: {"type": "object"},
    type(None): {"type": "null"},
}


def split_docstring(text: str) -> tuple[str, dict[str, str]]:
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
