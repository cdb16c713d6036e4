"""What differs between the arms and what was held fixed, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contrast.study_tables import in_words
from contrast.study_tables import setting_at as at

KINDS = ("data", "augment", "model", "optimizer", "schedule", "loss", "averaging", "loop")


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


def held_fixed(lock: Mapping[str, Any]) -> list[Held]:
    """The base recipe, ingredient by ingredient, then its plain settings together; what is switched off and was not given is left out."""
    base, unused, parts = lock["base"], set(lock.get("unused") or ()), []
    for kind in KINDS:
        given = base.get(kind)
        for step in given if isinstance(given, list) else [given]:
            if isinstance(step, Mapping):
                settings = tuple((str(key), in_words(value)) for key, value in step.items() if key != "use" and f"{kind}.{key}" not in unused)
                parts.append(Held(kind, str(step.get("use", "")), settings))
    rest = tuple((str(key), in_words(value)) for key, value in base.items() if key not in (*KINDS, "seed", *unused))
    return [*parts, Held("training", "", rest)]
