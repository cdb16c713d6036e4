"""How long it takes to find and check 50,000 image files: `python bench/scan.py [FILES]`.

Prints seconds for the scan (names only), for the state that is compared at every start (size and times of every file), and for
the look at every file's head that the audit takes. The files are small JPEGs in a temporary folder.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from contrast.class_folders import scan
from contrast.decoded import Wanted
from contrast.explain.files import inspect

CLASSES = 50


def make(root: Path, count: int) -> None:
    draw = np.random.default_rng(0)
    Image.fromarray(draw.integers(0, 256, (32, 32, 3), np.uint8)).save(root / "one.jpg")
    content = (root / "one.jpg").read_bytes()
    (root / "one.jpg").unlink()
    for number in range(CLASSES):
        folder = root / f"class{number:02d}"
        folder.mkdir()
        for at in range(count // CLASSES):
            (folder / f"{at:06d}.jpg").write_bytes(content)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory() as name:
        make(Path(name), count)
        began = time.perf_counter()
        found = scan(Path(name))
        scanned = time.perf_counter()
        Wanted([entry.id for entry in found.entries], [entry.location for entry in found.entries], (), lambda: None).stamp()
        stamped = time.perf_counter()
        findings = list(inspect(found, []))
        inspected = time.perf_counter()
    print(f"{len(found.entries):,} files, {len(findings)} findings")
    print(f"scan {scanned - began:.2f} s   state {stamped - scanned:.2f} s   heads {inspected - stamped:.2f} s   all {inspected - began:.2f} s")


if __name__ == "__main__":
    main()
