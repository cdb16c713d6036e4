"""Loading time of a folder of JPEGs, ours against torchvision's ImageFolder and DataLoader: `python bench/loading.py [FOLDER] [ROUNDS]`.

The folder holds class folders (or train and test folders of them); without one, dogs-vs-cats-64 in $CONTRAST_DATA is taken.
All images have 64×64 pixels there, so that neither side resizes. Subjects take turns, on the same cores:

* first open    scan, decode, keep: once for a folder
* second open   scan, compare every file's state, read and check what was kept: at every later start
* epoch         every batch of one epoch gathered from what is held in memory: every epoch
* streamed      the same with `stream: true`, decoded anew by as many worker processes: an epoch after the first
* ImageFolder   an epoch of ImageFolder + DataLoader, batches of uint8 tensors, with 0 and with 2 worker processes

Prints the median and the spread of each, and ratios to ours.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

BATCH = 128


def image_folder(root: Path, workers: int) -> float:
    """Seconds of one epoch."""
    from torch.utils.data import ConcatDataset, DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import PILToTensor

    roots = [root / name for name in ("trainset", "testset")] if (root / "trainset").is_dir() else [root]
    images = ConcatDataset([ImageFolder(str(each), transform=PILToTensor()) for each in roots])
    loader = DataLoader(images, BATCH, shuffle=True, num_workers=workers)
    began = time.perf_counter()
    count = sum(len(labels) for _, labels in loader)
    assert count == len(images)
    return time.perf_counter() - began


def ours(root: Path) -> tuple[float, float]:
    """Seconds to open the folder, and of an epoch's batches."""
    import numpy as np
    import torch

    from contrast import catalog
    from contrast.engine.batches import Batches, Bound, Part
    from contrast.engine.machine import resolve
    from contrast.protocols import Places

    began = time.perf_counter()
    images = catalog.parse("data", {"use": "folder", "path": str(root)}).read(Places.usual())
    part = Part.of(images, np.arange(len(images)), images.labels, "cpu")
    opened = time.perf_counter()
    torch.manual_seed(0)
    batches = Batches(part, Bound(), BATCH, 0, resolve())
    count = sum(len(labels) for _, labels in batches.of_epoch(0))
    assert count == len(images) // BATCH * BATCH
    return opened - began, time.perf_counter() - opened


def streamed(root: Path, workers: int) -> float:
    """Seconds of an epoch that is decoded anew; the processes have begun before."""
    import numpy as np

    from contrast import catalog
    from contrast.engine.batches import Batches, Bound, Part
    from contrast.engine.machine import resolve
    from contrast.engine.streamed import Streamed
    from contrast.protocols import Places

    images = catalog.parse("data", {"use": "folder", "path": str(root), "stream": True}).read(Places.usual())
    part = Part.of(images, np.arange(len(images)), images.labels, "cpu")
    assert isinstance(part.pixels, Streamed)
    part.pixels.workers.count = workers
    batches = Batches(part, Bound(), BATCH, 0, resolve())
    next(batches.of_epoch(0))
    began = time.perf_counter()
    count = sum(len(labels) for _, labels in batches.of_epoch(1))
    assert count == len(images) // BATCH * BATCH
    return time.perf_counter() - began


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(os.environ["CONTRAST_DATA"]) / "dogs-vs-cats-64"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    seconds = defaultdict(list)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        image_folder(root, 0)  # the files come into the page cache
        seconds["first open"].append(ours(root)[0])
        for _ in range(rounds):
            for workers in (0, 2):
                seconds[f"ImageFolder, {workers} workers"].append(image_folder(root, workers))
                seconds[f"streamed, {workers} workers"].append(streamed(root, workers))
            opened, epoch = ours(root)
            seconds["second open"].append(opened)
            seconds["epoch"].append(epoch)
    second, epoch = (statistics.median(seconds[name]) for name in ("second open", "epoch"))
    for name, taken in seconds.items():
        middle = statistics.median(taken)
        told = f"{name:<24}{middle:8.3f} s  ({min(taken):.3f} … {max(taken):.3f})"
        streams = seconds.get(name.replace("ImageFolder", "streamed"))
        if name.startswith("Image") and streams:
            told += f"   {middle / statistics.median(streams):6.2f} × streamed"
        print(told + (f"   {middle / second:6.1f} × second open   {middle / epoch:6.1f} × epoch" if name.startswith("Image") else ""))


if __name__ == "__main__":
    main()
