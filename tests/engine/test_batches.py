"""Small batches are gathered and augmented several at once, and come out as each alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from contrast import catalog, keyed
from contrast.engine import batches as batching
from contrast.engine.batches import Batches, Part, bound
from contrast.engine.machine import resolve
from tests.augment.made import batch, images_of

GEOMETRY = [{"use": "crop"}, {"use": "flip"}, {"use": "rotate", "degrees": 20}, {"use": "translate"}]
COLORS = [{"use": "grayscale"}, {"use": "color_jitter", "brightness": 0.4, "hue": 0.2}, {"use": "erase"}, {"use": "normalize"}]
MIXING = [{"use": "flip"}, {"use": "mixup"}, {"use": "crop"}, {"use": "cutmix"}]
DRAWN = [{"use": "one_of", "options": ["mixup", "flip"]}, {"use": "trivialaugment"}]
IMAGES = 70


def of_epoch(steps: list[dict[str, Any]], size: int, start: int = 0) -> list[tuple[Tensor, Tensor]]:
    pixels = batch(IMAGES)
    part = Part(
        pixels.permute(0, 2, 3, 1).contiguous(), torch.arange(IMAGES) % 3, keyed.words(map(str, range(IMAGES))), [*map(str, range(IMAGES))], 3
    )
    made: list[Any] = [catalog.parse("augment", step) for step in steps]
    return list(Batches(part, bound(made, images_of(pixels)), size, 5, resolve()).of_epoch(2, start))


@pytest.mark.parametrize("steps", [[], GEOMETRY, COLORS, MIXING, DRAWN], ids=["nothing", "geometry", "colors", "mixing", "drawn"])
@pytest.mark.parametrize(("size", "start"), [(1, 0), (4, 0), (4, 5), (23, 1)])
def test_batches_come_out_the_same_several_at_once_and_each_alone(
    steps: list[dict[str, Any]], size: int, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = of_epoch(steps, size, start)
    monkeypatch.setattr(batching, "_AUGMENTED_TOGETHER", 1)
    alone = of_epoch(steps, size, start)
    assert len(together) == len(alone) == IMAGES // size - start
    for (images, labels), (own_images, own_labels) in zip(together, alone, strict=True):
        assert torch.equal(images, own_images)
        assert torch.equal(labels, own_labels)
        assert images.is_contiguous(memory_format=torch.channels_last) == own_images.is_contiguous(memory_format=torch.channels_last)
