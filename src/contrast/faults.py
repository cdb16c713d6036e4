"""Pydantic's report about wrong settings as our one line: where, what stands there, what would be right."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, PydanticInvalidForJsonSchema, ValidationError
from pydantic.json_schema import PydanticJsonSchemaWarning
from pydantic_core import ErrorDetails

from contrast.errors import InputError, nearest

Schema = Mapping[str, Any]
_MOST = 60
_KEY = "[key]"
"""How pydantic calls the place of a mapping's key."""
_BOUNDS = {"exclusiveMinimum": "above", "minimum": "of at least", "exclusiveMaximum": "below", "maximum": "of at most"}
_LENGTHS = {
    "too_short": "at least {min_length} items",
    "too_long": "at most {max_length} items",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
}


def told(error: ValidationError, owner: type[BaseModel]) -> InputError:
    """Tell a report's first fault.

    Args:
        error: what pydantic found.
        owner: the class whose settings are wrong.
    """
    faults = error.errors(include_url=False)
    fault, last = faults[0], faults[0]["loc"][-1] if faults[0]["loc"] else ""
    place, schema = _walk(fault["loc"], owner)
    match fault["type"]:
        case "extra_forbidden":
            others = sum(other["type"] == "extra_forbidden" for other in faults[1:])
            more = f" (and {others} more)" if others else ""
            return InputError(f"unknown setting{more}", where=".".join([*place, str(last)]), right=nearest(str(last), owner.model_fields))
        case "missing" if isinstance(last, str):
            return InputError("is missing", where=".".join(place), right=f"give {allowed(schema)}{_about(schema)}")
        case "missing":  # of a list of fixed length, an item
            place, schema = _walk(fault["loc"][:-1], owner)
        case "value_error" if isinstance(fault["input"], Mapping):  # settings that are right one by one, and not together
            return InputError(_message(fault), where=".".join(place))
    return InputError(f"{shown(fault['input'])} is wrong", where=".".join(place), right=_right(fault, schema))


def _walk(location: Sequence[str | int], owner: type[BaseModel]) -> tuple[list[str], Schema]:
    """The path as a person knows it, and what is allowed there; the branches of unions, which pydantic names too, are left out."""
    root = _schema(owner)
    path, schema, about = list[str](), root, root
    for part in location:
        inner = _inner(schema, part, root.get("$defs", {}))
        if inner is not None and part != _KEY:
            about = inner if "description" in inner else about
            path, schema = [*path, str(part)], inner
    return path, {**schema, "description": about["description"]} if path and "description" in about else schema


def _schema(owner: type[BaseModel]) -> Schema:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PydanticJsonSchemaWarning)  # a default that JSON can't spell is left out, which is right here
            return owner.model_json_schema()
    except PydanticInvalidForJsonSchema:  # outside code may have settings that JSON can't spell: pydantic's words must do
        return {}


def _inner(schema: Schema, part: str | int, definitions: Mapping[str, Schema]) -> Schema | None:
    if not schema:
        return {}
    for branch in (schema, *schema.get("anyOf", ())):
        known = definitions[branch["$ref"].rpartition("/")[2]] if "$ref" in branch else branch
        if isinstance(part, str) and part in known.get("properties", {}):
            return known["properties"][part]  # type: ignore[no-any-return]
        if isinstance(part, str) and known.get("additionalProperties"):
            return known["additionalProperties"] if isinstance(known["additionalProperties"], Mapping) else {}
        if isinstance(part, int) and part < len(known.get("prefixItems", ())):
            return known["prefixItems"][part]  # type: ignore[no-any-return]
        if isinstance(part, int) and "items" in known:
            return known["items"]  # type: ignore[no-any-return]
    return None


def _right(fault: ErrorDetails, schema: Schema) -> str:
    if fault["loc"][-1:] == (_KEY,):
        return "write it as text, in quotes"
    if fault["type"] in _LENGTHS:
        return f"it should have {_LENGTHS[fault['type']].format(**fault['ctx'])}{_about(schema)}"
    if "enum" in schema and isinstance(fault["input"], str):
        return nearest(fault["input"], schema["enum"])
    if fault["type"] == "value_error" or not allowed(schema):
        return _message(fault)
    return f"it should be {allowed(schema)}{_about(schema)}"


def _message(fault: ErrorDetails) -> str:
    return fault["msg"].removeprefix("Value error, ")


def _about(schema: Schema) -> str:
    return f" ({schema['description']})" if "description" in schema else ""


def allowed(schema: Schema) -> str:
    """What a JSON schema allows, in words, e.g. ``a number above 0 or null``; nothing where it says nothing."""
    if "anyOf" in schema:
        branches = [allowed(branch) for branch in schema["anyOf"]]
        return f"{', '.join(branches[:-1])} or {branches[-1]}"
    if "$ref" in schema:
        return "a mapping"
    if "enum" in schema or "const" in schema:
        return " or ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    match schema.get("type"):
        case "array":
            items = [*schema.get("prefixItems", ()), *([schema["items"]] if "items" in schema else [])]
            if not any(items):
                return "a list"
            return f"[{', '.join(allowed(item) or '…' for item in items)}{', …' if schema.get('items') else ''}]"
        case "integer" | "number" as kind:
            return " ".join(part for part in ("a whole number" if kind == "integer" else "a number", _between(schema)) if part)
    return {"string": "text", "boolean": "true or false", "null": "null", "object": "a mapping"}.get(schema.get("type", ""), "")


def _between(schema: Schema) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f"from {schema['minimum']} to {schema['maximum']}"
    return " and ".join(f"{word} {schema[key]}" for key, word in _BOUNDS.items() if key in schema)


def shown(value: Any) -> str:
    """A value as JSON writes it, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"
