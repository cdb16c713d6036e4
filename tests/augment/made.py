"""Batches of real digits and of noise, and augmentations with their draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from contrast import catalog, keyed
from contrast.augment._geometry import Motion
from contrast.images import Images
from contrast.protocols import AugmentIngredient

CLASSES = 3


def augment(**settings: Any) -> Any:
    """An augmentation by its settings."""
    item = catalog.parse("augment", settings)
    assert isinstance(item, AugmentIngredient)
    return item


def batch(count: int = 64, channels: int = 3, height: int = 12, width: int = 10, seed: int = 0) -> Tensor:
    """Noise, with black, white, gray and single-colored images among it, ``uint8 [count, channels, height, width]``, channels last."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), dtype=np.uint8)
    pixels[1::9] = pixels[1::9, :1, :1]
    pixels[2::9] = pixels[2::9, :, :, :1]
    pixels[3::9] = 255 * (pixels[3::9] > 128).astype(np.uint8)
    pixels[4::9] = pixels[4::9] // 16 + 40
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def labels(count: int = 64) -> Tensor:
    return torch.eye(CLASSES)[torch.arange(count) % CLASSES]


def draws(count: int = 64, epoch: int = 1) -> keyed.Draws:
    return keyed.Draws.of(3, epoch, torch.arange(count))


def images_of(pixels: Tensor) -> Images:
    values = pixels.permute(0, 2, 3, 1).contiguous().numpy()
    ids = tuple(f"train/{i}" for i in range(len(values)))
    return Images(values, np.arange(len(values), dtype=np.int64) % 2, ids, ("a", "b"), np.array(["train"] * len(values)))


def applied(images: Tensor, drawn: keyed.Draws | None = None, **settings: Any) -> Tensor:
    """What images become."""
    return augment(**settings).prepare(images_of(images))(images, labels(len(images)), drawn or draws(len(images)))[0]


def made_of(angles: Tensor) -> Tensor:
    """The inverse matrices of rotations by some degrees counterclockwise."""
    return Motion(-angles).inverse()
