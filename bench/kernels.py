"""Measure the batch augmentations against the plain way of writing them, for the comments that claim a difference.

`python bench/kernels.py`: medians of interleaved repetitions on bytes [256, 3, 32, 32], channels last, and their ratio.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional

from contrast import keyed
from contrast.augment.crop import _reflected
from contrast.augment.flip import Flip
from contrast.augment.normalize import Normalizer


def milliseconds(ways: dict[str, Callable[[], object]], rounds: int = 200) -> dict[str, float]:
    """Median time of each way, the ways taking turns."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 20):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if number >= 20:
                taken[name].append(1000 * (time.perf_counter() - began))
    return {name: statistics.median(times) for name, times in taken.items()}


def main() -> None:
    images = torch.randint(0, 256, (256, 32, 32, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    labels, draws = torch.zeros(256, 10), keyed.Draws.of(0, 0, torch.arange(256))
    mean, std = torch.tensor([0.49, 0.48, 0.45]).view(1, 3, 1, 1), torch.tensor([0.25, 0.24, 0.26]).view(1, 3, 1, 1)
    normalizer, flip = Normalizer((0.49, 0.48, 0.45), (0.25, 0.24, 0.26)), Flip()

    def flip_by_where() -> torch.Tensor:
        return torch.where((draws.uniform("flip") < 0.5)[:, None, None, None], images.flip(3), images)

    works = {
        "normalize": (lambda: normalizer(images, labels, draws), lambda: (images.float() / 255 - mean) / std),
        "flip": (lambda: flip.apply(images, labels, draws), flip_by_where),
        "reflect": (lambda: _reflected(_reflected(images, 4, 3), 4, 2), lambda: functional.pad(images, (4,) * 4, mode="reflect")),
    }
    for name, (ours, plain) in works.items():
        found = milliseconds({"ours": ours, "plain": plain})
        print(f"{name:10} ours {found['ours']:.3f} ms   plain {found['plain']:.3f} ms   ratio {found['plain'] / found['ours']:.1f}")


if __name__ == "__main__":
    main()
