"""The data of runs: read once a process, found again by what the recipe says of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from functools import lru_cache
from pathlib import Path

from contrast.engine.training import LoadedData, load
from contrast.protocols import Places
from contrast.recipe import Recipe


def data_key(recipe: Recipe) -> str:
    """SHA-256 (hex) of a recipe's data settings: recipes with one key share images and split."""
    return hashlib.sha256(json.dumps({"use": recipe.data.use, **recipe.data.settings()}, sort_keys=True).encode()).hexdigest()


def data_of(recipe: Recipe, places: Places, device: str, split: Path | None = None) -> LoadedData:
    """A recipe's data; the sets used last stay in memory, so that the runs of a study in one process share them.

    Args:
        split: the file that keeps the split by image id; where it stands it is followed, even against what is in memory.

    Raises:
        InputError: the data is missing, damaged, or can't be split so.
    """
    key = _Key(data_key(recipe), places, device, recipe, split)
    data = _loaded(key)
    if split is not None and split.exists() and json.loads(split.read_text(encoding="utf-8")) != data.split():
        _loaded.cache_clear()
        data = _loaded(key)
    return data


@dataclasses.dataclass(frozen=True)
class _Key:
    key: str
    places: Places
    device: str
    recipe: Recipe = dataclasses.field(compare=False)
    split: Path | None = dataclasses.field(compare=False)


@lru_cache(maxsize=2)
def _loaded(key: _Key) -> LoadedData:
    kept = json.loads(key.split.read_text(encoding="utf-8")) if key.split is not None and key.split.exists() else None
    return load(key.recipe, key.places, key.device, kept)
