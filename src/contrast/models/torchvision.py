"""torchvision/NAME: any of torchvision's classifiers, such as torchvision/resnet18."""

from __future__ import annotations

import re
from contextlib import nullcontext
from functools import cache
from typing import Any

import torch
from pydantic import Field, field_validator
from torch import nn
from torch.overrides import TorchFunctionMode

from contrast import heads
from contrast.weights import Preprocessing, Published
from contrast.zoo import ZooModel, near

_ONE_OUTPUT: dict[str, dict[str, Any]] = {name: {"aux_logits": False, "init_weights": True} for name in ("googlenet", "inception_v3")}
"""Settings without which a network gives more than one output in training."""
_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.((?:[12])\.(?:weight|bias|running_mean|running_var))$")


class _NumbersOnCPU(TorchFunctionMode):
    """RegNet's constructor reckons its widths with tensors and reads them back, which the meta device can't do."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if func in (torch.arange, torch.tensor):
            given.setdefault("device", "cpu")
        return func(*args, **given)


@cache
def _names() -> tuple[str, ...]:
    from torchvision import models

    return tuple(models.list_models(module=models))


class Torchvision(ZooModel):
    """A network as torchvision defines it, for the study's classes and channels."""

    name: str = Field(description="torchvision's name, e.g. resnet18 (shorter: use: torchvision/resnet18)")

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in _names():
            raise ValueError(f"torchvision has no classifier of this name; {near(name, _names())}")
        return name

    def library_network(self, channels: int, classes: int) -> tuple[nn.Module, tuple[str, ...]]:
        """torchvision's network for its own classes, which the replaced head then brings to the study's."""
        from torchvision import models

        more = dict(_ONE_OUTPUT.get(self.name, {}))
        if more and self.weights != "none":
            more["transform_input"] = True  # these weights were trained with other means, which the network then takes into account
        if self.name.startswith("vit") and self.weights == "default":
            more["image_size"] = self._default().meta["min_size"][0]  # the table of places has one row a patch
        with _NumbersOnCPU() if self.name.startswith("regnet") else nullcontext():
            model: nn.Module = models.get_model(self.name, weights=None, **more)
        place = heads.find(model, 1000)
        heads.adapt_input(model, channels)
        return model, (place,)

    def published_weights(self) -> Published | None:
        """torchvision's default weights, or None where `weights` names a file."""
        if self.weights != "default":
            return None
        url = str(self._default().url)
        name = url.rpartition("/")[2]
        digits = re.search(r"-([0-9a-f]{8,})\.", name)
        return Published(name, url, digits[1] if digits else "")

    def library_preprocessing(self) -> Preprocessing:
        """What torchvision's default weights were evaluated with."""
        transform = self._default().transforms()
        return Preprocessing(
            size=transform.crop_size[0],
            resize=transform.resize_size[0],
            interpolation=transform.interpolation.value,
            mean=tuple(transform.mean),
            std=tuple(transform.std),
        )

    def _default(self) -> Any:
        from torchvision import models

        return models.get_model_weights(self.name).DEFAULT

    def renamed(self, name: str) -> str:
        """A tensor's name in today's torchvision; DenseNet's files are older than its module names."""
        found = _OLD_DENSENET.match(name) if self.name.startswith("densenet") else None
        return found[1] + found[2] if found else name
