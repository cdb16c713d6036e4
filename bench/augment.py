"""Measure whole-batch augmentation against torchvision's transforms of one image after the other, in one process, interleaved.

`OMP_NUM_THREADS=1 python bench/augment.py [--rounds 15] [--batch 128] [--size 32] [--cpu]`. Ours goes from a batch of bytes to a
batch of bytes. torchvision's Compose goes from images in memory to images in memory, over PIL images and over tensors, v1
and v2; each list is compared with the fastest of them. *To a batch* adds what a loader has to do then, images to one
tensor of bytes, again the fastest. Prints a table, and one line of JSON last.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms as v1
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from contrast import catalog, keyed
from contrast.engine.batches import bound
from contrast.images import Images

FLIP_CROP: list[dict[str, Any]] = [{"use": "crop", "padding": 4}, {"use": "flip"}]
SEVEN: list[dict[str, Any]] = [
    *FLIP_CROP,
    {"use": "vflip"},
    {"use": "rotate", "degrees": 5},
    {"use": "grayscale"},
    {"use": "translate", "fraction": 0.2},
    {"use": "color_jitter", "brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "hue": 0.05},
]
GOALS = {"flip + crop": (FLIP_CROP, 20, 40), "S5's seven": (SEVEN, 5, 10)}
"""List → settings, the ratio wanted, and the ratio hoped for."""

NONE = Images(np.zeros((0, 1, 1, 1), np.uint8), np.zeros(0, np.int64), (), (), np.zeros(0, np.str_))
"""What augmentations are bound to; none of these looks at it."""

BATCHES = 8
"""In a turn: as in an epoch, most batches find the code and the memory that the one before has used."""


def theirs(library: Any, size: int, count: int) -> Any:
    """torchvision's transforms for the first `count` of the seven."""
    every = [
        library.RandomCrop(size, padding=4),
        library.RandomHorizontalFlip(),
        library.RandomVerticalFlip(),
        library.RandomRotation(5),
        library.RandomGrayscale(),
        library.RandomAffine(0, translate=(0.2, 0.2)),
        library.ColorJitter(0.1, 0.1, 0.1, 0.05),
    ]
    return library.Compose(every[:count])


def ours(settings: list[dict[str, Any]], batch: Tensor) -> Callable[[], object]:
    """All steps on a batch, as the engine binds and calls them; draws are those of an epoch of 32 batches, then of the next."""
    steps = bound([catalog.parse("augment", each) for each in settings], NONE)
    labels, ids = torch.eye(10)[torch.arange(len(batch)) % 10], keyed.words(f"train/{i}" for i in range(32 * len(batch)))
    every = itertools.chain.from_iterable(keyed.Draws.of(0, epoch, ids).batches(len(batch)) for epoch in itertools.count())

    def call() -> Tensor:
        images, rows, draws = batch, labels, next(every)
        for step in (*steps.of_images, *steps.of_batches):
            images, rows = step(images, rows, draws)
        return images

    return call


def ways(settings: list[dict[str, Any]], pixels: np.ndarray[Any, Any]) -> dict[str, Callable[[], object]]:
    """Name → a call that augments the batch once."""
    size = pixels.shape[1]
    pictures = [Image.fromarray(each) for each in pixels]
    tensors = [torch.from_numpy(each).permute(2, 0, 1).contiguous() for each in pixels]
    found = {"ours": ours(settings, torch.from_numpy(pixels).permute(0, 3, 1, 2))}
    for name, library in (("v1", v1), ("v2", v2)):
        change = theirs(library, size, len(settings))
        found[f"{name} PIL"] = lambda change=change: [change(each) for each in pictures]
        found[f"{name} tensor"] = lambda change=change: [change(each) for each in tensors]
        found[f"{name} PIL to a batch"] = lambda change=change: torch.stack([functional.pil_to_tensor(change(each)) for each in pictures])
        found[f"{name} tensor to a batch"] = lambda change=change: torch.stack([change(each) for each in tensors])
    return found


def milliseconds(calls: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Times of one batch, the ways taking turns, some batches a turn; the first round is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            began = clock()
            for _ in range(BATCHES):
                call()
            if number >= 1:
                taken[name].append(1000 * (clock() - began) / BATCHES)
    return taken


def compared(taken: dict[str, list[float]], *, to_batch: bool) -> dict[str, Any]:
    """Ours against the fastest of torchvision's: medians, their ratio, and the quartiles of each round's ratio."""
    others = {name: times for name, times in taken.items() if name != "ours" and name.endswith("to a batch") == to_batch}
    fastest = min(others, key=lambda name: statistics.median(others[name]))
    each = [other / own for other, own in zip(others[fastest], taken["ours"], strict=True)]
    own, other = statistics.median(taken["ours"]), statistics.median(others[fastest])
    low, _, high = statistics.quantiles(each, n=4)
    return {"ours_ms": round(own, 3), "torchvision": fastest, "torchvision_ms": round(other, 3), "ratio": round(other / own, 1),
            "quartiles": [round(low, 1), round(high, 1)]}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="times that each way is measured")
    parser.add_argument("--batch", type=int, default=128, help="images in a batch")
    parser.add_argument("--size", type=int, default=32, help="height and width")
    parser.add_argument("--cpu", action="store_true", help="count this process's processor time instead of wall-clock time, on a busy machine")
    asked = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    pixels = np.random.default_rng(0).integers(0, 256, (asked.batch, asked.size, asked.size, 3), dtype=np.uint8)
    results: dict[str, Any] = {}
    print(f"{'list':12} {'against':26} {'ours, ms':>9} {'theirs, ms':>11} {'ratio':>6}  {'quartiles':14} goal, stretch")
    for name, (settings, goal, stretch) in GOALS.items():
        taken = milliseconds(ways(settings, pixels), asked.rounds, time.process_time if asked.cpu else time.perf_counter)
        for to_batch in (False, True):
            found = compared(taken, to_batch=to_batch)
            low, high = found["quartiles"]
            row = f"{name:12} {found['torchvision']:26} {found['ours_ms']:9.3f} {found['torchvision_ms']:11.2f} {found['ratio']:6.1f}"
            print(f"{row}  {f'{low:.1f} … {high:.1f}':14} ≥ {goal}, {stretch}")
            results[f"{name}{', to a batch' if to_batch else ''}"] = found
    print(
        json.dumps(
            {
                "clock": "cpu" if asked.cpu else "wall",
                "threads": torch.get_num_threads(),
                "batch": asked.batch,
                "size": asked.size,
                "load": os.getloadavg()[0],
                "results": results,
            }
        )
    )


if __name__ == "__main__":
    main()
