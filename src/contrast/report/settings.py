"""What differs between the arms and what was held fixed, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contrast.figures._recipe import at

KINDS = ("data", "augment", "model", "optimizer", "schedule", "loss", "averaging", "loop")
MOST_OF_A_VALUE = 200


@dataclass(frozen=True)
class Change:
    """One setting in which an arm differs from the base recipe; `lost` holds what a replacement took away."""

    arm: str
    setting: str
    base: str
    value: str


@dataclass(frozen=True)
class Held:
    """One part of the base recipe: its name, the ingredient (or a plain value), and that ingredient's settings."""

    part: str
    value: str
    settings: tuple[tuple[str, str], ...] = ()


def changes(lock: Mapping[str, Any]) -> list[Change]:
    """Every setting in which an arm's recipe differs from the base, in the order of the plan; what was written, where that is not told."""
    made = []
    for arm in lock["arms"]:
        told = arm.get("differences")
        pairs = told if told is not None else {path: (at(lock["base"], str(path)), value) for path, value in arm.get("changes", {}).items()}
        made += [Change(str(arm["name"]), str(path), in_words(before), in_words(after)) for path, (before, after) in pairs.items()]
    return made


def lost(lock: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(arm, setting) for everything that a replacement lost."""
    return [(str(arm["name"]), str(setting)) for arm in lock["arms"] for setting in arm.get("lost") or ()]


def held_fixed(base: Mapping[str, Any]) -> list[Held]:
    """The base recipe, ingredient by ingredient, then its plain settings together."""
    parts = []
    for kind in KINDS:
        given = base.get(kind)
        for step in given if isinstance(given, list) else [given]:
            if isinstance(step, Mapping):
                settings = tuple((str(key), in_words(value)) for key, value in step.items() if key != "use")
                parts.append(Held(kind, str(step.get("use", "")), settings))
    rest = tuple((str(key), in_words(value)) for key, value in base.items() if key not in (*KINDS, "seed"))
    return [*parts, Held("training", "", rest)]


def in_words(value: Any) -> str:
    """A setting as a person would say it: ``adam (lr 0.001)``, ``16, 32``, ``on``."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping) and "use" in value:
        rest = ", ".join(f"{key} {in_words(item)}" for key, item in value.items() if key != "use")
        return _cut(f"{value['use']} ({rest})" if rest else str(value["use"]))
    if isinstance(value, list) and not any(isinstance(item, (list, Mapping)) for item in value):
        return _cut(", ".join(in_words(item) for item in value) or "none")
    if isinstance(value, (list, Mapping)):
        return _cut(json.dumps(value, ensure_ascii=False))
    return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_OF_A_VALUE else f"{text[: MOST_OF_A_VALUE - 1]}…"
