"""One run's folder, read as plain data: summary, environment, recipe, rows, and the network with its chosen weights."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrast.errors import InputError
from contrast.store import RunFolder

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn


@dataclass(frozen=True)
class RunFiles:
    """One planned run and its folder, which stands only once the run has begun."""

    folder: Path
    arm: str
    seed: int
    id: str
    data: Sequence[Mapping[str, Any]] = field(repr=False, default=())

    @cached_property
    def summary(self) -> dict[str, Any] | None:
        """What summary.json says, or None while the run is not finished."""
        return read_object(self.folder / "summary.json") if (self.folder / "summary.json").exists() else None

    @cached_property
    def environment(self) -> dict[str, Any] | None:
        """What environment.json says, or None where the run never began."""
        return read_object(self.folder / "environment.json") if (self.folder / "environment.json").exists() else None

    @cached_property
    def failure(self) -> dict[str, Any] | None:
        """The cause of the last try's failure, or None."""
        return read_object(self.folder / "failure.json") if (self.folder / "failure.json").exists() else None

    @property
    def status(self) -> str:
        """One of finished, diverged, pruned, running, failed, interrupted, planned."""
        summary = self.folder / "summary.json"
        return str(read_object(summary).get("status")) if summary.exists() else RunFolder(self.folder).status()

    @property
    def recipe(self) -> dict[str, Any]:
        """The study file of this one run (recipe.yaml) as plain data; its `base` is the recipe.

        Raises:
            InputError: the file is gone or damaged.
        """
        from contrast.study_file import read_yaml

        path = self.folder / "recipe.yaml"
        read = read_yaml(_text(path), str(path))
        if not isinstance(read, dict) or not isinstance(read.get("base"), dict):
            raise InputError("is not the recipe of a run", where=str(path))
        return read

    def rows(self, file: str, columns: Sequence[str]) -> pd.DataFrame:
        """The whole lines of steps.csv or epochs.csv; a torn last line is left out."""
        import pandas as pd

        path = self.folder / file
        written = path.read_bytes() if path.exists() else b""
        whole = written[: written.rfind(b"\n") + 1]
        if not whole:
            return pd.DataFrame(columns=list(columns), dtype="float64")
        try:
            return pd.read_csv(io.BytesIO(whole))
        except ValueError as error:
            raise InputError("cannot be read as CSV", where=str(path), right=str(error).partition("\n")[0]) from error

    def model(self, *, trust: bool = True) -> nn.Module:
        """Build the run's network, load the chosen weights and put it into evaluation mode.

        Args:
            trust: whether code outside the package that the recipe names may be imported.

        Raises:
            InputError: the weights are not kept, or the run's data entry is not in the study's lock.
        """
        from safetensors.torch import load_file

        from contrast.recipe import Recipe

        path = self.folder / "best.safetensors"
        if not path.exists():
            raise InputError("the chosen weights are not there", where=str(path), right="run the study with keep: best or keep: both")
        seen = (self.environment or {}).get("data_fingerprint")
        entry = next((data for data in self.data if data["fingerprint"] == seen), None)
        if entry is None:
            raise InputError("the data that the run saw is not in study.lock", where=str(self.folder))
        channels, height, width = entry["shape"]
        built = Recipe.parse(self.recipe["base"], trust=trust).model.build((channels, height, width), len(entry["classes"]))
        built.load_state_dict(load_file(path))
        return built.eval()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot be read", where=str(path), right=str(error).partition("\n")[0]) from error


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        InputError: it is gone, damaged, or holds something else; names the file.
    """
    text = _text(path)
    try:
        read = json.loads(text)
        if "\\ud" in text.lower():
            # Half a surrogate pair is no character: no table can hold it, and no file be written with it.
            read = json.loads(json.dumps(read, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise InputError("cannot be read as JSON", where=str(path), right=str(error).partition("\n")[0]) from error
    if not isinstance(read, dict):
        raise InputError("is JSON but not an object", where=str(path))
    return read
