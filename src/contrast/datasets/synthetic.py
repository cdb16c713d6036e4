"""Synthetic: small striped images whose class is the direction of the stripes; for tests and first tries."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from contrast import keyed
from contrast.images import TRAIN, Images
from contrast.protocols import DataIngredient, Places, Probability, Share


class Synthetic(DataIngredient):
    """Stripes in one direction a class, each image with its own phase, contrast, color and noise.

    Every image is a function of (seed, its number, its class): `images: 100` are the first 100 of `images: 200`.
    """

    validation: Share = Field(default=0.2, description="held out to choose by, of what the test part leaves")
    test: Share | None = Field(default=0.2, description="held out for the end")
    images: int = Field(default=400, ge=1, le=1_000_000, description="how many, the classes taking turns")
    classes: int = Field(default=4, ge=2, le=100, description="how many directions")
    size: int = Field(default=16, ge=4, le=512, description="height and width in pixels")
    channels: int = Field(default=3, ge=1, le=4, description="1 is gray, 3 is color")
    noise: Probability = Field(default=0.3, description="share of noise in each pixel: 0 is clean; near 1 nothing can be learned")
    seed: int = Field(default=0, ge=0, description="what the images are drawn from")

    def read(self, places: Places) -> Images:
        """Draw the set: ``uint8 [images, size, size, channels]``, all in the training part; `places` is not needed."""
        labels = np.arange(self.images) % self.classes
        pixels = np.empty((self.images, self.size, self.size, self.channels), np.uint8)
        for start in range(0, self.images, 4096):
            numbers = np.arange(start, min(start + 4096, self.images))
            pixels[numbers] = self._draw(numbers, labels[numbers])
        ids = tuple(f"train/{i}" for i in range(self.images))
        return Images(pixels, labels, ids, tuple(f"stripes {k}" for k in range(self.classes)), np.full(self.images, TRAIN))

    def _draw(self, numbers: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Some images, ``uint8 [n, size, size, channels]``."""
        phase = 2 * np.pi * self._uniform("phase", numbers, 1)
        contrast = 0.6 + 0.4 * self._uniform("contrast", numbers, 1)
        color = 0.5 + 0.5 * self._uniform("color", numbers, self.channels)
        angle = np.pi * labels / self.classes
        steps = 2 * np.pi * 2 * np.arange(self.size) / self.size  # two stripes across
        along = np.cos(angle)[:, None, None] * steps[None, None, :] + np.sin(angle)[:, None, None] * steps[None, :, None]
        stripes = (contrast[:, :, None] * np.sin(along + phase[:, :, None]))[..., None] * color[:, None, None, :]
        noise = 2 * self._uniform("noise", numbers, self.size**2 * self.channels).reshape(stripes.shape) - 1
        return np.rint(127.5 + 127.5 * ((1 - self.noise) * stripes + self.noise * noise)).astype(np.uint8)

    def _uniform(self, purpose: str, numbers: NDArray[np.int64], count: int) -> NDArray[np.float64]:
        """`count` draws in [0, 1) for each image, ``float64 [n, count]``."""
        bits = keyed.hashed(keyed.derive(self.seed, "synthetic", purpose), torch.from_numpy(numbers)[:, None], torch.arange(count))
        return ((bits >> 32) + 2**31).numpy() / 2.0**32
