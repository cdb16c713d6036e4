"""Arithmetic on colors, as torchvision does it on bytes: float32, and the fraction cut off after each operation."""

from __future__ import annotations

import torch
from torch import Tensor

from contrast.errors import InputError


def check_channels(images: Tensor, name: str) -> None:
    """Colors are told from gray images (1 channel) or RGB (3).

    Raises:
        InputError: the images have another number of channels.
    """
    if images.shape[1] not in (1, 3):
        raise InputError(f"is for images of 1 channel (gray) or 3 (RGB), these have {images.shape[1]}", where=f"augment.{name}", right="leave it out")


def gray(values: Tensor) -> Tensor:
    """Brightness of each pixel (ITU-R 601-2), cut to a whole number, from ``float32 [B, 1 or 3, H, W]`` to ``[B, 1, H, W]``."""
    if values.shape[1] == 1:
        return values.clone()
    red, green, blue = (values[:, channel, None] for channel in range(3))
    return red.mul(0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).floor_()


def blend_(values: Tensor, own: Tensor, rest: Tensor, grays: Tensor, mean: Tensor) -> None:
    """Brightness, contrast or saturation, in place: own · values + rest · other.

    Args:
        values: whole numbers of 0 to 255, ``float32 [B, C, H, W]``, before and after.
        own: weight of each image's own values, ``float32 [B]``.
        rest: 1 − own.
        grays: 1 where the other is each pixel's gray, else 0, ``float32 [B]``.
        mean: 1 where the other is the mean gray of the whole image, else 0. Where both are 0, the other is black.
    """
    other = gray(values)
    pixels = other[0].numel()
    # Sums of whole numbers that the type holds are the same in any order, and so for an image alone as in a batch.
    total = other.sum((1, 2, 3), dtype=torch.float32 if 255 * pixels < 2**24 else torch.float64)
    other.mul_(_each(grays)).add_(_each(mean * (total / pixels).float()))
    # Rounded where torchvision rounds: a flat image must not come out a byte darker than there.
    values.mul_(_each(own)).addcmul_(other, _each(rest)).clamp_(0, 255).floor_()


def _each(numbers: Tensor) -> Tensor:
    return numbers[:, None, None, None]


def shift_hue_(values: Tensor, turns: Tensor) -> None:
    """Turn the hue of RGB images, in place; the result is that of torchvision's way through HSV.

    Around the hexagon of hues, let M and m be a pixel's largest and smallest channel and C = M − m. Then red lies
    M + g + b − r − 2m over C sixths of a turn away, on the side of the larger of g and b. And a channel whose own hue
    lies d sixths away is M up to d = 1, from where it falls to m at d = 2. So nothing has to be compared and chosen,
    which on a CPU takes several times as long.

    Args:
        values: whole numbers of 0 to 255, ``float32 [B, 3, H, W]``, before and after.
        turns: share of a full turn, ``float32 [B]``, from −½ to ½.
    """
    red, green, blue = values.unbind(1)
    most = torch.maximum(red, green)
    torch.maximum(most, blue, out=most)
    least = torch.minimum(red, green)
    torch.minimum(least, blue, out=least)
    chroma = most - least
    away = (chroma - least).add_(green).add_(blue).sub_(red).div_(chroma.clamp(min=1)).copysign_(green.sub_(blue))
    hue = away.div_(6).add_((turns + 1)[:, None, None]).frac_().mul_(6)
    bytes_of = 255.999 / 255  # torchvision's way from [0, 1] back to bytes, which are then cut
    chroma.mul_(bytes_of)
    low, high = least.mul_(bytes_of).sub_(chroma), most.mul_(bytes_of).add_(chroma)
    torch.sub(hue, 3, out=red).abs_().clamp_(1, 2).mul_(chroma).add_(low)
    for channel, place in ((green, 2), (blue, 4)):
        torch.sub(hue, place, out=channel).abs_().clamp_(1, 2).mul_(chroma)
        torch.sub(high, channel, out=channel)
    values.floor_()
