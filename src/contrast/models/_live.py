"""A network object given from Python, as an ingredient: used as it stands, in the process that made it."""

from __future__ import annotations

import copy
import hashlib
import inspect
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import ConfigDict, PrivateAttr
from torch import nn

from contrast.catalog import LIVE, gone
from contrast.protocols import ModelIngredient

_OBJECTS: dict[str, nn.Module] = {}


class LiveModel(ModelIngredient):
    """A network that was handed over as an object; every run of every seed starts from a copy of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    foreign: ClassVar[bool] = True

    _name: str = PrivateAttr(default="")

    @property
    def use(self) -> str:
        return f"{LIVE}{self._name}"

    def build(self, shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Copy the object; see `ModelIngredient.build`. On the meta device, its shapes alone."""
        model = copy.deepcopy(_OBJECTS[self._name])
        return model.to("meta") if torch.get_default_device().type == "meta" else model

    def initialize(self, model: nn.Module, seed: int) -> None:
        """Leave the object's own values, but for what `initial` asks for."""
        self.redraw(model, seed)


def of(module: nn.Module) -> LiveModel:
    """Make the ingredient of an object; its name, and so a recipe's id, follows from class, source and values."""
    digest = hashlib.sha256(_source(type(module)))
    for name, tensor in module.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    name = f"{type(module).__name__}-{digest.hexdigest()[:16]}"
    _OBJECTS[name] = copy.deepcopy(module)
    return named(name, {})


def named(name: str, settings: dict[str, Any]) -> LiveModel:
    """The ingredient of an object that was handed over before.

    Raises:
        InputError: it was handed over in another process.
    """
    if name not in _OBJECTS:
        raise gone(name)
    made = LiveModel(**settings)
    made._name = name
    return made


def _source(kind: type) -> bytes:
    try:
        path = inspect.getsourcefile(kind)
    except TypeError:  # made in a notebook's cell or at the prompt
        path = None
    return Path(path).read_bytes() if path is not None and Path(path).is_file() else kind.__qualname__.encode()
