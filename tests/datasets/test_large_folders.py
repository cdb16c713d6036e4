"""Folders of very many files: found and checked within a minute, and streamed within a bound of memory that does not grow with them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contrast.class_folders import scan
from contrast.explain.files import inspect

pytestmark = pytest.mark.slow


def filled(root: Path, count: int) -> Path:
    """A folder of two classes and many names for a few images."""
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
    for i in range(10):
        Image.fromarray(draw.integers(0, 256, (32, 32, 3), np.uint8)).save(root.parent / f"{i}.png")
    for i in range(count):
        os.link(root.parent / f"{i % 10}.png", root / ("cat", "dog")[i // 10 % 2] / f"{i:06}.png")
    return root


def test_fifty_thousand_files_are_found_and_their_heads_checked_within_a_minute(tmp_path: Path) -> None:
    root = filled(tmp_path / "root", 50_000)
    began = time.perf_counter()
    found = scan(root)
    assert len(found.entries) == 50_000
    assert [finding for finding in inspect(found, []) if finding.kind == "damaged"] == []
    assert time.perf_counter() - began < 60


READING = """
import resource, sys
import numpy as np
from contrast import catalog
from contrast.engine.batches import Batches, Bound, Part
from contrast.engine.machine import resolve
from contrast.engine.streamed import Workers
from contrast.protocols import Places

Workers._number = lambda self: 0  # what decodes is measured too
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
before = peak()
images = catalog.parse("data", {"use": "folder", "path": sys.argv[1], "size": 224, "stream": True}).read(Places())
images.fingerprint, images.own_statistics
part = Part.of(images, np.arange(len(images)), images.labels, "cpu")
for pixels, _ in Batches(part, Bound(), 64, 0, resolve()).of_epoch(0):
    pass
print(peak() - before, images.pixels.nbytes)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is told in KiB there")
def test_a_streamed_set_takes_no_more_memory_than_its_blocks_and_batches(tmp_path: Path) -> None:
    root = filled(tmp_path / "root", 4000)
    done = subprocess.run([sys.executable, "-c", READING, str(root)], capture_output=True, text=True, check=True)
    grown, size = map(int, done.stdout.split())
    assert size > 600e6
    assert grown < 300e6, "a block of 64 MiB and what its counts take, a batch, and the decoder's own"
