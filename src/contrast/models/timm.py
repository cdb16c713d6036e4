"""timm/NAME: any of timm's networks, such as timm/convnext_atto."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from pydantic import Field, field_validator
from torch import nn

from contrast import heads
from contrast.errors import InputError
from contrast.weights import Preprocessing, Published
from contrast.zoo import ZooModel, near


@cache
def _names() -> tuple[str, ...]:
    import timm

    return tuple(timm.list_models())


class Timm(ZooModel):
    """A network as timm defines it, for the study's classes and channels."""

    name: str = Field(description="timm's name, e.g. resnet18 or resnet18.a1_in1k, with the tag of its weights (shorter: use: timm/resnet18)")

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        architecture = name.partition(".")[0]
        if architecture not in _names():
            raise ValueError(f"timm has no network of this name; {near(architecture, _names())}")
        return name

    def library_network(self, channels: int, classes: int) -> tuple[nn.Module, tuple[str, ...]]:
        """timm's network, its classifier reset to the study's classes."""
        import timm

        model: Any = timm.create_model(self.name, pretrained=False, in_chans=channels)
        model.reset_classifier(classes)
        named = (getattr(model, "pretrained_cfg", None) or {}).get("classifier") or ()
        places = (named,) if isinstance(named, str) else tuple(named)
        return model, tuple(place for place in places if _is_there(model, place)) or (heads.find(model, classes),)

    def published_weights(self) -> Published | None:
        """The weights of timm's tag, or None where `weights` names a file.

        Raises:
            InputError: timm publishes none.
        """
        if self.weights != "default":
            return None
        config = self._config()
        if config.hf_hub_id:
            tagged = str(config.hf_hub_id).rpartition("/")[2]
            return Published(f"timm-{tagged}.safetensors", f"https://huggingface.co/{config.hf_hub_id}/resolve/main/model.safetensors")
        if config.url:
            name = str(config.url).rpartition("/")[2]
            digits = re.search(r"-([0-9a-f]{8,})\.", name)
            if digits:
                return Published(name, str(config.url), digits[1])
        raise InputError(f"timm publishes no weights of {self.name} that can be checked", where="model.weights", right="name a file, or none")

    def library_preprocessing(self) -> Preprocessing | None:
        """What timm's weights were trained with."""
        config = self._config()
        size = int(config.input_size[-1])
        interpolation: Any = config.interpolation if config.interpolation in ("nearest", "bilinear", "bicubic") else "bicubic"
        resize = round(size / config.crop_pct) if config.crop_pct else None
        return Preprocessing(size=size, resize=resize, interpolation=interpolation, mean=tuple(config.mean), std=tuple(config.std))

    def _config(self) -> Any:
        from timm.models import get_pretrained_cfg

        found = get_pretrained_cfg(self.name, allow_unregistered=True)
        if found is None:
            raise InputError(f"timm knows no weights of {self.name}", where="model.weights", right="name a file, or none")
        return found


def _is_there(model: nn.Module, place: str) -> bool:
    try:
        return next(model.get_submodule(place).parameters(), None) is not None
    except AttributeError:
        return False
