"""Writes docs/reference from the code: `make docs`. A test fails where the pages are not what this writes."""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import contrast
from contrast import catalog, cli, faults
from contrast.recipe import KINDS, Recipe
from contrast.report import listing
from contrast.run_files import RunFiles
from contrast.study import Study

FOLDER = Path(__file__).parent / "reference"
WRITTEN = "<!-- Written by docs/reference.py from the code: change the code, then run `make docs`. -->"


def pages() -> dict[str, str]:
    """File name → its text, for every page of the reference."""
    makers = {"cli": command_line, "recipe": recipe, "study": study, "ingredients": ingredients, "python": python}
    return {f"{name}.md": f"{WRITTEN}\n\n{make().strip()}\n" for name, make in makers.items()}


def command_line() -> str:
    """The commands, as cyclopts tells them."""
    with patch.object(sys, "argv", ["contrast"]):  # cyclopts takes the words of `python -m pytest` for part of the usage
        told = cli.app.generate_docs().strip()
    return f"{told.replace('# contrast', '# The command line', 1)}\n\n{cli.app.help_epilogue}\n"


def recipe() -> str:
    """The settings of a recipe."""
    kinds = ", ".join(f"`{kind}`" for kind in (*KINDS, "augment"))
    note = f"Ingredients ({kinds}) are given by name, or as a mapping with `use`: see [ingredients](ingredients.md)."
    return f"# Recipe\n\n{_first_line(Recipe)}\n\n{note}\n\n{_settings(Recipe)}\n"


def study() -> str:
    """The keys of a study file, and the studies that are shipped."""
    listed = "\n".join(f"* `{name}`: {question}" for name, question in listing.entries(listing.STUDIES).items())
    return f"# Study file\n\n{_first_line(Study)}\n\n{_settings(Study)}\n\n## Shipped studies\n\n{listed}\n"


def ingredients() -> str:
    """Every file that the catalog finds, kind by kind, with its settings."""
    listed = "\n".join(f"* [{kind}](#{kind}): {', '.join(f'`{name}`' for name in catalog.names(kind))}" for kind in catalog.FOLDERS)
    sections = "\n\n".join(_kind(kind) for kind in catalog.FOLDERS if catalog.names(kind))
    return f"# Ingredients\n\nEvery file of an ingredient's folder, by the name that `use` gives.\n\n{listed}\n\n{sections}\n"


def _kind(kind: str) -> str:
    parts = [f"## {kind}\n\nFiles of `src/contrast/{catalog.FOLDERS[kind]}/`."]
    for name, line in catalog.listing(kind).items():
        body = "" if kind == "figure" else f"\n\n{_settings(catalog.ingredient(kind, name))}"
        parts.append(f"### {kind} {name}\n\n{line}{body}")
    return "\n\n".join(parts)


def _settings(config: type[BaseModel]) -> str:
    """A table of a config class's settings, or a sentence where it has none."""
    if not config.model_fields:
        return "No settings."
    properties = config.model_json_schema()["properties"]
    rows = ["| setting | takes | default | meaning |", "|---|---|---|---|"]
    for name, field in config.model_fields.items():
        default = "required" if field.is_required() else f"`{_plain(field.get_default(call_default_factory=True))}`"
        rows.append(f"| `{name}` | {_cell(_takes(name, properties[name]))} | {default} | {_cell(field.description or '')} |")
    parts = _parts(config)
    return "\n".join(rows) + "".join(
        f"\n\n`{name}`: {_cell(schema.get('description', '').partition(chr(10))[0])}\n\n{_of_part(schema)}" for name, schema in parts.items()
    )


def _parts(config: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """Settings that are mappings with settings of their own: setting (with that which holds it) → schema; ingredients have pages."""
    schema = config.model_json_schema()
    definitions: dict[str, Any] = schema.get("$defs", {})
    found: dict[str, dict[str, Any]] = {}
    waiting = [(name, part) for name, part in schema["properties"].items() if name not in (*KINDS, "augment", "base")]
    while waiting:
        name, part = waiting.pop(0)
        for reference in _references(part):
            inner = definitions[reference]
            if "properties" in inner and inner not in found.values():
                found[name] = inner
                waiting += [(f"{name}.{key}", value) for key, value in inner["properties"].items()]
    return found


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"].rpartition("/")[2]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def _of_part(schema: dict[str, Any]) -> str:
    rows = ["| setting | takes | default | meaning |", "|---|---|---|---|"]
    for name, inner in schema["properties"].items():
        default = "required" if name in schema.get("required", ()) else f"`{json.dumps(inner.get('default'), ensure_ascii=False)}`"
        rows.append(f"| `{name}` | {_cell(faults.allowed(inner) or 'anything')} | {default} | {_cell(inner.get('description', ''))} |")
    return "\n".join(rows)


def _takes(name: str, schema: dict[str, Any]) -> str:
    if name in (*KINDS, "augment", "base"):
        return "a list of ingredients" if name == "augment" else "a recipe" if name == "base" else "an ingredient"
    return faults.allowed(schema) or "anything"


def _plain(default: Any) -> str:
    if isinstance(default, BaseModel):
        default = default.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(list(default) if isinstance(default, tuple) else None if default is PydanticUndefined else default, ensure_ascii=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def python() -> str:
    """The names that `import contrast` offers and what they hand out, with the public methods of the classes."""
    named = {name: getattr(contrast, name) for name in contrast.__all__ if name[0] != "_"} | {"RunFiles": RunFiles}
    sections = "\n\n".join(_name(name, named[name]) for name in sorted(named, key=str.lower))
    outside = "\n\n".join(_promise(kind) for kind in catalog.PROMISES)
    code = f"## What code from outside promises\n\nSubclass one of these, or give a model as a factory.\n\n{outside}"
    note = "`import contrast as ct`; every name is loaded when it is first used. `RunFiles` is what `Results.best` and `Results.planned` give."
    return f"# Python\n\n{note}\n\n{sections}\n\n{code}\n"


def _name(name: str, thing: Any) -> str:
    if not isinstance(thing, type):
        return f"## {name}\n\n{_described(f'contrast.{name}{_signature(thing)}', thing)}"
    head = f"{name}{_signature(thing.__init__, result=False)}" if _takes_arguments(thing) else ""
    return "\n\n".join([f"## {name}\n\n{_described(head, thing)}", *(f"### {name}.{member}\n\n{told}" for member, told in _members(name, thing))])


def _promise(kind: str) -> str:
    promise = catalog.PROMISES[kind]
    head = f"### {kind}: contrast.protocols.{promise.__name__}\n\n{_described('', promise)}"
    return "\n\n".join([head, *(told for _, told in _members(promise.__name__, promise))])


def _takes_arguments(thing: type) -> bool:
    """Whether somebody wrote the constructor down; the settings of a config class stand on pages of their own."""
    generated = issubclass(thing, BaseModel) or "__dataclass_fields__" in vars(thing)
    inherited = "__init__" in vars(thing) or any("__init__" in vars(below) and below.__module__.startswith("contrast.") for below in thing.__mro__)
    return inherited and not generated


def _members(called: str, thing: type) -> Iterator[tuple[str, str]]:
    """Public methods and properties that the class defines and describes, or a plain class of ours below it: name, and what is told of each."""
    ours = [thing, *(below for below in thing.__mro__[1:] if below.__module__.startswith("contrast.") and not issubclass(below, BaseModel))]
    for name, found in {name: found for each in reversed(ours) for name, found in vars(each).items()}.items():
        getter = found.func if isinstance(found, cached_property) else found.fget if isinstance(found, property) else None
        function = getter or getattr(found, "__func__", found)
        if name[0] != "_" and inspect.isfunction(function) and function.__doc__ and function.__module__ in {each.__module__ for each in ours}:
            told = f": {inspect.get_annotations(function)['return']}" if getter else _signature(function)
            yield name, _described(f"{called}.{name}{told}", function)


def _described(head: str, thing: Any) -> str:
    return "\n\n".join(part for part in (f"```python\n{head}\n```" if head else "", _text(inspect.getdoc(thing) or "")) if part)


def _signature(function: Any, *, result: bool = True) -> str:
    """Parameters and result as they stand in the source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    for names in (tree.args.posonlyargs, tree.args.args):
        names[:] = [argument for argument in names if argument.arg not in ("self", "cls")]
    told = f" -> {ast.unparse(tree.returns)}" if tree.returns and result else ""
    return f"({ast.unparse(tree.args)}){told}"


def _text(docstring: str) -> str:
    return f"```text\n{docstring}\n```" if docstring else ""


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"wrote {FOLDER / name}")


if __name__ == "__main__":
    main()
