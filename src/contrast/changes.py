"""Changes: dotted path → value, the words in which arms differ from the base and the command line from the file."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from contrast import catalog
from contrast.errors import InputError, nearest
from contrast.recipe import KINDS, OFF, Recipe, augment_name


def normal(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Write short forms out: ``optimizer: adam`` becomes ``optimizer: {use: adam}``; the input is left alone."""
    written = copy.deepcopy(dict(spec))
    for kind in KINDS:
        if isinstance(written.get(kind), str):
            written[kind] = catalog.written_out({"use": written[kind]})
    if isinstance(written.get("augment"), (list, tuple)):
        written["augment"] = [{"use": item} if isinstance(item, str) else item for item in written["augment"]]
    return written


def apply(spec: Mapping[str, Any], changes: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Apply changes to a recipe's given settings, shorter paths before longer ones.

    A mapping with `use` replaces what stood there, one without merges into it.

    Args:
        spec: plain data as `Recipe.given` returns it.
        changes: dotted path → value.

    Returns:
        The changed settings, and the settings that a replacement lost, as ``optimizer.weight_decay 0.0005``.

    Raises:
        InputError: a path leads nowhere.
    """
    if "epochs" in changes and "steps" in changes:
        raise InputError("both epochs and steps are given", where="steps", right="give one budget")
    changed, lost = normal(spec), list[str]()
    for path, value in sorted(changes.items(), key=lambda change: str(change[0]).count(".")):
        try:
            lost += _set(changed, str(path), copy.deepcopy(value))
        except InputError as error:
            raise InputError(error.what, where=str(path), right=error.right) from None
    still = {path for path, _ in flat(changed)}
    return changed, [text for text in lost if text.partition(" ")[0] not in still]


def _set(spec: dict[str, Any], path: str, value: Any) -> list[str]:
    head, dot, rest = path.partition(".")
    if dot and "" in rest.split("."):
        raise InputError("is no path: a name beside a dot is missing", right=f"write e.g. {head}.NAME")
    if head not in Recipe.model_fields:
        raise InputError("unknown setting", right=nearest(head, Recipe.model_fields))
    if head == "augment" and rest:
        return _set_augmentation(spec, rest, value)
    if head in KINDS and rest:
        part = spec.setdefault(head, {"use": _default_of(head)})
        _set_inside(part, rest, value)
        return []
    if head == "evaluate" and rest:
        spec[head] = dict(spec.get(head) or {})
        _set_inside(spec[head], rest, value)
        return []
    if rest:
        raise InputError(f"{head!r} has no settings of its own", right=f"write {head}=VALUE")
    if head in KINDS:
        spec[head], lost = _replaced(head, spec.get(head, {"use": _default_of(head)}), value)
        return lost
    spec[head] = value if head != "augment" else _steps(value)
    if head in ("epochs", "steps"):
        spec.pop("steps" if head == "epochs" else "epochs", None)
    return []


def _steps(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(step, (str, Mapping)) for step in value):
        raise InputError("is not a list of augmentations", right="write [{use: flip}, {use: crop, padding: 4}]")
    return normal({"augment": value})["augment"]  # type: ignore[no-any-return]


def _default_of(kind: str) -> str:
    return str(Recipe.model_fields[kind].default)


def _replaced(place: str, old: Mapping[str, Any], value: Any) -> tuple[dict[str, Any], list[str]]:
    if isinstance(value, str):
        value = {"use": value}
    if not isinstance(value, Mapping):
        raise InputError(f"{value!r} is wrong", right="give a name or a mapping")
    if "use" not in value:
        return _merged(old, value), []
    value = catalog.written_out(value)
    lost = [f"{place}.{key} {item}" for key, item in flat({k: v for k, v in old.items() if k != "use"}) if key not in value]
    return dict(value), lost


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) and "use" not in value else value
    return merged


def _set_inside(part: dict[str, Any], rest: str, value: Any) -> None:
    *way, last = rest.split(".")
    for key in way:
        inner = part.setdefault(key, {})
        if not isinstance(inner, dict):
            raise InputError(f"{key!r} has no settings of its own", right=f"write …{key}=VALUE")
        part = inner
    inner = part.get(last)
    part[last] = _merged(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) and "use" not in value else value


def _set_augmentation(spec: dict[str, Any], rest: str, value: Any) -> list[str]:
    use, setting = _use_and_setting(rest)
    name = augment_name(use)
    steps: list[Any] = spec.setdefault("augment", [])
    where = next((i for i, step in enumerate(steps) if augment_name(step) == name), None)
    if not setting and value in OFF:
        return _switch_off(steps, where, name)
    if where is None:
        if isinstance(value, Mapping) and augment_name(value) == name:
            use = str(value["use"])
        if not catalog.is_outside(use) and use not in catalog.names("augment"):
            raise InputError(f"there is no augment {name!r}", right=nearest(name, catalog.names("augment")))
        where = _before_normalize(steps)
        steps.insert(where, {"use": use})
    if setting:
        _set_inside(steps[where], setting, value)
        return []
    if value in ("on", True):
        return []
    steps[where], lost = _replaced(f"augment.{name}", steps[where], value)
    return lost


def _use_and_setting(rest: str) -> tuple[str, str]:
    """``crop.padding`` and ``mylab.augment:Blur.sigma`` apart: the augmentation, and its setting if one is named."""
    module, colon, last = rest.rpartition(":")
    name, _, setting = last.partition(".")
    return f"{module}{colon}{name}", setting


def _before_normalize(steps: list[Any]) -> int:
    """New augmentations go to the end, but before `normalize`, which turns bytes into numbers."""
    return next((i for i, step in enumerate(steps) if augment_name(step) == "normalize"), len(steps))


def _switch_off(steps: list[Any], where: int | None, name: str) -> list[str]:
    if name in catalog.names("augment") and getattr(catalog.ingredient("augment", name), "always", False):
        neutral = {"use": name, **getattr(catalog.ingredient("augment", name), "neutral", {})}
        if where is None:
            steps.append(neutral)
        else:
            steps[where] = neutral
        return []
    if where is None:
        raise InputError(f"{name!r} is not among the augmentations", right=nearest(name, [augment_name(step) for step in steps]))
    del steps[where]
    return []


def flat(spec: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of every setting; augmentations by name, other lists whole."""
    for key, value in spec.items():
        path = f"{prefix}{key}"
        if path == "augment" and isinstance(value, list):
            for step in value:
                yield f"augment.{augment_name(step)}", "on"
                yield from flat({k: v for k, v in step.items() if k != "use"}, f"augment.{augment_name(step)}.")
        elif isinstance(value, Mapping):
            yield from flat(value, f"{path}.")
        else:
            yield path, value


def differences(base: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Dotted path → (value in the base, value in the other), None for a setting that one of them lacks."""
    first, second = dict(flat(base)), dict(flat(other))
    paths = [*first, *(path for path in second if path not in first)]
    return {path: (first.get(path), second.get(path)) for path in paths if first.get(path) != second.get(path)}
