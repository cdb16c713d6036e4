"""Channels shifted and scaled by mean and standard deviation, in evaluation too; bytes become float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator

from contrast.errors import InputError
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from torch import Tensor

    from contrast.images import Images
    from contrast.keyed import Draws
    from contrast.protocols import AugmentFunction

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's channels in [0, 1], as torchvision's pretrained networks expect them."""

Channels = Annotated[tuple[float, ...], Field(strict=False, min_length=1, max_length=64)]
Positive = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(strict=False, min_length=1, max_length=64)]


class Normalize(AugmentIngredient):
    """Bring pixels to about mean 0 and standard deviation 1 a channel."""

    always: ClassVar[bool] = True
    neutral: ClassVar[Mapping[str, Any]] = {"statistics": "none"}

    statistics: Literal["own", "imagenet", "given", "none"] = Field(
        default="own",
        description="own: of the training images; imagenet: of ImageNet; given: mean and std below; none: pixels in [0, 1] as they are",
    )
    mean: Channels | None = Field(default=None, description="given mean of each channel, for pixels in [0, 1]")
    std: Positive | None = Field(default=None, description="given standard deviation of each channel, for pixels in [0, 1]")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        given = self.statistics == "given"
        if given and (self.mean is None or self.std is None or len(self.mean) != len(self.std)):
            raise ValueError("statistics: given needs mean and std, with one number a channel each")
        if not given and (self.mean is not None or self.std is not None):
            raise ValueError(f"mean and std need statistics: given, it is {self.statistics}")
        return self

    def prepare(self, images: Images) -> AugmentFunction:
        """Bind the statistics.

        Args:
            images: the training images alone; their statistics are the `own` ones.

        Raises:
            InputError: the numbers of channels differ, or a channel is the same everywhere.
        """
        if self.statistics != "own":
            mean, std = self._known(images.shape[0])
            return Normalizer(mean, std)
        own_mean, own_std = images.own_statistics
        if not own_std.all():
            raise InputError(
                f"channel {int(np.argmin(own_std))} has one value in all training images, which can't be scaled",
                where="augment.normalize.statistics",
                right="use statistics: given or none",
            )
        return Normalizer(tuple(own_mean.tolist()), tuple(own_std.tolist()))

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Normalize a batch by statistics that need no data; see `AugmentIngredient.apply`.

        Raises:
            ValueError: the statistics are the data's own; `prepare` binds them.
        """
        if self.statistics == "own":
            raise ValueError("own statistics are bound by prepare(images)")
        return Normalizer(*self._known(images.shape[1]))(images, labels, draws)

    def _known(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        if self.statistics == "none":
            return (0.0,) * channels, (1.0,) * channels
        mean, std = (self.mean, self.std) if self.mean and self.std else IMAGENET
        if len(mean) != channels:
            raise InputError(
                f"{self.statistics} statistics are for {len(mean)} channels, the images have {channels}",
                where="augment.normalize",
                right="use statistics: own" if self.statistics == "imagenet" else f"give {channels} numbers",
            )
        return mean, std


class Normalizer:
    """``(pixel / 255 − mean) / std``, from ``uint8 [B, C, H, W]`` to ``float32``; the memory format is kept.

    Args:
        mean: one number a channel, for pixels in [0, 1].
        std: likewise.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self.mean, self.std = mean, std
        self._constants: dict[tuple[torch.device, int], tuple[Tensor, Tensor]] = {}

    def __call__(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        scale, shift = self._rows(images.device, images.shape[3])
        channels_last = images.permute(0, 2, 3, 1)
        # Whole rows of width·C values make long vectors of the arithmetic, in less than half the time of broadcasting.
        rows = channels_last.reshape(-1, len(scale)).to(torch.float32)
        return rows.mul_(scale).add_(shift).view(channels_last.shape).permute(0, 3, 1, 2), labels

    def _rows(self, device: torch.device, width: int) -> tuple[Tensor, Tensor]:
        if (device, width) not in self._constants:
            mean, std = np.array(self.mean), np.array(self.std)
            pair = (np.tile(values, width) for values in (1 / (255 * std), -mean / std))
            scale, shift = (torch.tensor(values, dtype=torch.float32, device=device) for values in pair)
            self._constants[device, width] = scale, shift
        return self._constants[device, width]
