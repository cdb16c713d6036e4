"""Where a setting stands in a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def at(settings: Any, path: str) -> Any:
    """What a recipe says at a dotted path; augmentations are found by name."""
    for step in path.split("."):
        if isinstance(settings, Mapping):
            settings = settings.get(step)
        elif isinstance(settings, list):
            settings = next((item for item in settings if isinstance(item, Mapping) and str(item.get("use", "")).rpartition(":")[2] == step), None)
        else:
            return None
    return settings
