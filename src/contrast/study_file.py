"""Study files: YAML 1.2 in and out, read with care, since a file may come from anyone."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, DocumentStartEvent, NodeEvent, ScalarEvent
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from contrast import catalog
from contrast.errors import InputError, nearest
from contrast.recipe import KINDS, Recipe
from contrast.study import Study

MOST_BYTES, MOST_VALUES, MOST_ALIASES, MOST_DEPTH = 256 << 10, 20_000, 100, 30
"""Bounds of a document; values are counted as written, and again (five times as many) with the aliases expanded."""


def read_yaml(text: str, where: str) -> Any:
    """Read YAML 1.2 as plain data (text, numbers, true, false, null, lists, mappings); size, depth and aliases are bounded.

    Args:
        text: the document.
        where: what to call it in messages.

    Raises:
        InputError: it is not such a document; names line and column.
    """
    _check_size(text.encode("utf-8", "surrogatepass"), where)
    try:
        _check_structure(text, where)
        content = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{where}: line {mark.line + 1}, column {mark.column + 1}" if mark else where
        raise InputError(" ".join(str(error.problem or "is no YAML").split()), where=place, right="mend the YAML there") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise InputError(" ".join(str(error).split())[:200] or "is no YAML", where=where, right="mend the YAML") from None
    _check_content(content, where)
    return content


def _check_size(content: bytes, where: str) -> None:
    if len(content) > MOST_BYTES:
        raise InputError(f"is larger than {MOST_BYTES >> 10} KiB", where=where, right="a study file is a few lines")


def _check_structure(text: str, where: str) -> None:
    """Look at a document before anything is made of it."""
    depth = aliases = values = 0
    anchors: set[str] = set()
    for event in YAML(typ="safe", pure=True).parse(text):
        place = f"{where}: line {event.start_mark.line + 1}"
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        aliases += isinstance(event, AliasEvent)
        values += isinstance(event, NodeEvent)
        if depth > MOST_DEPTH or aliases > MOST_ALIASES or values > MOST_VALUES:
            bounds = f"at most {MOST_DEPTH} levels, {MOST_ALIASES} aliases and {MOST_VALUES:,} values"
            raise InputError("nests too deeply, or has too many aliases or values", where=place, right=bounds)
        if isinstance(event, DocumentStartEvent) and event.version not in (None, (1, 2)):
            raise InputError("asks for another YAML than 1.2", where=place, right="leave the %YAML line out")
        if isinstance(event, ScalarEvent) and event.value == "<<" and not event.style:  # YAML 1.1 only, and nested it grows without bound
            raise InputError("YAML 1.2 has no merge key <<", where=place, right="write the settings out, or use an alias for a whole value")
        if isinstance(event, (ScalarEvent, CollectionStartEvent)) and event.anchor is not None:
            if event.anchor in anchors:
                raise InputError(f"the anchor {event.anchor!r} stands twice", where=place, right="give each anchor a name of its own")
            anchors.add(event.anchor)


def _check_content(content: Any, where: str) -> None:
    """Walk through a document with its aliases expanded, and stop soon after the bound."""
    pending, seen = [content], 0
    while pending:
        item = pending.pop()
        seen += 1
        if seen > 5 * MOST_VALUES:
            raise InputError(f"expands to more than {5 * MOST_VALUES:,} values", where=where, right="use fewer aliases")
        if type(item) is dict:
            pending += [*item, *item.values()]
        elif type(item) is list:
            pending += item
        elif item is not None and type(item) not in (str, int, float, bool):
            raise InputError(f"{str(item)[:60]} ({type(item).__name__}) is no setting", where=where, right="write it as text, in quotes")


def shipped() -> dict[str, Path]:
    """Name → file of the studies that come with the package."""
    for folder in (catalog.PACKAGE / "studies", catalog.PACKAGE.parents[1] / "studies"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def find(name: str) -> Path:
    """The file that a person means: a path, or the name of a shipped study.

    Raises:
        InputError: there is neither.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if not path.is_file():
            raise InputError("there is no such file", where=name, right="give a study file or the name of a shipped study")
        return path
    known = shipped()
    if name not in known:
        raise InputError(f"there is no study {name!r}", right=nearest(name, known))
    return known[name]


def read(path: Path, *, trust: bool = True) -> Study:
    """Read a study file; its name is the file's own unless it gives one.

    Args:
        path: the file.
        trust: whether code outside the package may be imported.

    Raises:
        InputError: names the file, the key path and what would be right.
    """
    where = path.name
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        _check_size(content, where)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise InputError(f"can't be read: {told}", where=str(path), right="give a readable study file") from None
    given = read_yaml(text, where)
    if not isinstance(given, Mapping):
        raise InputError("is no study", where=where, right="a study has keys such as question, base, arms, seeds")
    try:
        return Study.parse({"name": path.stem, **{str(key): value for key, value in given.items()}}, trust=trust)
    except InputError as error:
        raise error.within(where) from None


def write(study: Study) -> str:
    """A study as YAML; reading it gives an equal Study."""
    return _dump(_plain(study.spec()))


def write_run(recipe: Recipe, question: str, name: str) -> str:
    """One run's recipe, resolved and commented, as a study file that repeats the run."""
    spec = recipe.spec()
    seed = spec.pop("seed")
    base = CommentedMap()
    for key, value in spec.items():
        if key in KINDS:
            base[key] = _commented(getattr(recipe, key), value)
        elif key == "augment":
            base[key] = [_commented(step, settings) for step, settings in zip(recipe.augment, value, strict=True)]
        else:
            base[key] = value
            base.yaml_add_eol_comment(Recipe.model_fields[key].description, key)
    document = CommentedMap(question=_plain(question), name=_plain(name), base=base, seeds=[seed])
    document.yaml_set_start_comment(f"One run, resolved: `contrast run recipe.yaml` repeats it.\nrecipe id {recipe.id}")
    return _dump(document)


def _commented(ingredient: Any, settings: Mapping[str, Any]) -> CommentedMap:
    written = CommentedMap(_plain(settings))
    for key in settings:
        field = type(ingredient).model_fields.get(key)
        if field is not None and field.description:
            written.yaml_add_eol_comment(field.description, key)
    return written


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, str) and not value.isprintable():  # in other quotes, some line breaks would not read back
        return DoubleQuotedScalarString(value)
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _dump(document: Any) -> str:
    yaml = YAML()
    yaml.width, yaml.default_flow_style = 150, False
    stream = StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()
