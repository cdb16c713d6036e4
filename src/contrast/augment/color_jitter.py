"""Brightness, contrast, saturation and hue of each image changed by factors of its own, in an order of its own."""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations
from typing import TYPE_CHECKING, NamedTuple

import torch
from pydantic import Field

from contrast.augment._chosen import host_sees
from contrast.augment._color import blend_, check_channels, shift_hue_
from contrast.augment._pixels import of_planes, of_rows, pieces, planes, rows
from contrast.protocols import AugmentIngredient

if TYPE_CHECKING:
    from torch import Tensor

    from contrast.keyed import Draws

BLENDS = ("brightness", "contrast", "saturation")


class Jitter(NamedTuple):
    """What happens to each image.

    Attributes:
        order: which of the three (its number in `BLENDS`) comes first, second, third, ``int64 [3, B]``.
        factors: of these three, in this order, ``float32 [3, B]``.
        turns: shift of the hue, a share of a full turn, ``float32 [B]``.
        before: how many of the three come before the hue, ``int64 [B]``.
    """

    order: Tensor
    factors: Tensor
    turns: Tensor
    before: Tensor

    def blends(self, channels: int) -> Tensor:
        """What `blend_` takes at each of the three stages: own, rest, grays and mean, ``float32 [3, 4, B]``."""
        saturation, contrast = (self.order == BLENDS.index(name) for name in ("saturation", "contrast"))
        own = torch.where(saturation, 1.0, self.factors) if channels == 1 else self.factors
        return torch.stack((own, 1 - own, saturation.to(own.dtype), contrast.to(own.dtype)), dim=1)


class ColorJitter(AugmentIngredient):
    """Jitter colors as torchvision's `ColorJitter`; after each of the four changes the fraction is cut off, as there.

    Of gray images (1 channel) saturation and hue stay what they are.
    """

    brightness: float = Field(default=0.1, ge=0, description="the factor is drawn from [max(0, 1 − this), 1 + this)")
    contrast: float = Field(default=0.1, ge=0, description="the factor is drawn from [max(0, 1 − this), 1 + this)")
    saturation: float = Field(default=0.1, ge=0, description="the factor is drawn from [max(0, 1 − this), 1 + this)")
    hue: float = Field(default=0.05, ge=0, le=0.5, description="the hue is shifted by up to this share of a full turn")

    def apply(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Jitter a batch; see `AugmentIngredient.apply`.

        Raises:
            InputError: the images are neither gray nor RGB.
        """
        check_channels(images, "color_jitter")
        drawn = self.jitter(draws)
        # In the order of `before`, the images that a change concerns lie beside each other.
        sorting = torch.argsort(drawn.before, stable=True)
        before, turns, blends = (each.index_select(-1, sorting) for each in (drawn.before, drawn.turns, drawn.blends(images.shape[1])))
        images = of_rows(rows(images).index_select(0, sorting))
        jittered = [rows(self._jittered(images[part], before[part], turns[part], blends[..., part])) for part in pieces(images)]
        return of_rows(torch.cat(jittered).index_select(0, torch.argsort(sorting))), labels

    def jitter(self, draws: Draws) -> Jitter:
        """Draw factors and orders."""
        unit = draws.uniform(tuple(f"color_jitter {name}" for name in (*BLENDS, "hue")))
        amounts = (self.brightness, self.contrast, self.saturation)
        factors = torch.stack([_between(max(0.0, 1 - amount), 1 + amount, draw) for amount, draw in zip(amounts, unit, strict=False)])
        drawn = draws.integers("color_jitter order", 0, 24)
        order = _orders(unit.device).index_select(1, drawn >> 2)
        return Jitter(order, factors.gather(0, order), _between(-self.hue, self.hue, unit[3]), drawn & 3)

    def _jittered(self, images: Tensor, before: Tensor, turns: Tensor, blends: Tensor) -> Tensor:
        values = planes(images)
        blending = any((self.brightness, self.contrast, self.saturation))
        if blending:
            _blend_(values, before, blends, after_hue=False)
        if self.hue and values.shape[1] == 3:
            shift_hue_(values, turns)
        if blending:
            _blend_(values, before, blends, after_hue=True)
        return of_planes(values)


def _between(low: float, high: float, unit: Tensor) -> Tensor:
    return low + (high - low) * unit


@lru_cache(maxsize=8)
def _orders(device: torch.device) -> Tensor:
    return torch.tensor(list(permutations(range(len(BLENDS)))), device=device).T.contiguous()


def _blend_(values: Tensor, before: Tensor, blends: Tensor, *, after_hue: bool) -> None:
    """Carry out, in each image's order, those of the three changes that come before or after its hue."""
    for stage in range(len(BLENDS)):
        after = before <= stage
        concerned, each = slice(None), blends[stage]
        if host_sees(values):
            count = int(after.sum())
            concerned = slice(0, count) if after_hue else slice(count, None)
        else:  # the others are blended with nothing
            each = torch.where(after == after_hue, each, _identity(values.device))
        if len(values[concerned]):
            blend_(values[concerned], *each[:, concerned])


@lru_cache(maxsize=8)
def _identity(device: torch.device) -> Tensor:
    return torch.tensor([[1.0], [0.0], [0.0], [0.0]], device=device)
