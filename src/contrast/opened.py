"""One finished run, opened to be looked into: network, images and outcomes, each read when it is first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contrast.classifier import Classifier, data_entry
from contrast.errors import ContrastError, InputError
from contrast.explain.judged import Judged
from contrast.protocols import Places
from contrast.recipe import Recipe
from contrast.run_images import CONFIDENCE, aligned, per_image

if TYPE_CHECKING:
    import torch

    from contrast.explain.behavior import Predictions
    from contrast.images import Images
    from contrast.results import Results
    from contrast.run_files import RunFiles

MOST_WATCHED = 1000
"""Held-out images that pass the network to find dead units and what units want."""


@dataclass(frozen=True)
class Asked:
    """What is to be looked at.

    Attributes:
        paths: image files; some test images where there are none.
        layer: a convolution to look into besides the first and the last.
        trust: whether code outside the package that the recipe names may be imported.
    """

    paths: tuple[Path, ...] = ()
    layer: str | None = None
    trust: bool = True


@dataclass
class Opened:
    """One run and all that its page is made from; each thing is read when it is first asked for.

    Attributes:
        results: the study.
        run: the run.
        places: where its data and weights lie.
        asked: what is to be looked at.
        left_out: filled while sections are made.
    """

    results: Results
    run: RunFiles
    places: Places
    asked: Asked = field(default_factory=Asked)
    left_out: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(map(str, data_entry(self.run)["classes"]))

    @cached_property
    def classifier(self) -> Classifier | None:
        """The network, or None where its weights were not kept, which is told."""
        if not (self.run.folder / "best.safetensors").exists():
            self.left_out.append("The run kept no weights (keep: none), so nothing is shown of the network itself: run it with keep: best.")
            return None
        return Classifier.of_run(self.run, trust=self.asked.trust)

    def judged(self, part: str) -> Judged | None:
        """What the run said of a part, or None where it kept no rows per image."""
        rows = next((rows for _, rows in per_image([self.run], part, ("id", "label", "prediction", "top_classes", *CONFIDENCE))), None)
        return None if rows is None else Judged.of(rows)

    @cached_property
    def test(self) -> Judged | None:
        """What the run said of the test images."""
        return self.judged("test")

    @cached_property
    def images(self) -> Images | None:
        """The study's data, or None where it is not to be had, which is told."""
        try:
            images = Recipe.parse(self.run.recipe["base"], trust=self.asked.trust).data.read(self.places)
        except ContrastError as error:
            self.left_out.append(f"No test image is shown, since the data could not be read: {error}.")
            return None
        if images.fingerprint != data_entry(self.run)["fingerprint"]:
            self.left_out.append("No test image is shown: the data has changed since the run (its fingerprint differs).")
            return None
        return images

    @cached_property
    def _where(self) -> dict[str, int]:
        return {name: at for at, name in enumerate(self.images.ids)} if self.images is not None else {}

    def pixels(self, ids: Sequence[str]) -> NDArray[np.uint8] | None:
        """Some images of the data by id, ``uint8 [N, H, W, C]``; None where they are not to be had."""
        if self.images is None or not all(name in self._where for name in ids):
            return None
        return np.asarray(self.images.pixels[[self._where[name] for name in ids]])

    @cached_property
    def given(self) -> tuple[list[str], NDArray[np.uint8]]:
        """The images that were asked for: names, and pixels as the network takes them.

        Raises:
            InputError: one can't be used; says why.
        """
        if self.classifier is None or not self.asked.paths:
            return [], np.zeros((0, 1, 1, 1), np.uint8)
        pixels, reasons = self.classifier.read(self.asked.paths)
        if reasons:
            at, reason = next(iter(reasons.items()))
            raise InputError(reason, where=str(self.asked.paths[at]), right="give a photograph, e.g. a JPEG or PNG file")
        return [path.name for path in self.asked.paths], pixels

    def watched(self, part: str) -> tuple[NDArray[np.uint8], list[torch.Tensor]] | None:
        """The first held-out images of a part: pixels, and batches as the network takes them."""
        judged = self.judged(part)
        pixels = self.pixels(judged.ids[:MOST_WATCHED]) if judged is not None else None
        if pixels is None or self.classifier is None:
            return None
        return pixels, [self.classifier.inputs(pixels[at : at + 100]) for at in range(0, len(pixels), 100)]

    @cached_property
    def predictions(self) -> tuple[Predictions, NDArray[np.int64]]:
        """Predicted class of each test image by arm and seed, and what is true; runs judged on other images are left out."""
        made, _ = aligned(self.results, "test", ("prediction",), lambda rows: rows["prediction"].to_numpy())
        return made, np.asarray(self.results.labels("test"), np.int64)

    @cached_property
    def baseline_ids(self) -> list[str]:
        """Ids of the test images in the order of `predictions`."""
        first = sorted(self.results.planned(), key=lambda run: run.arm != self.results.lock["baseline"])
        return next((rows["id"].to_pylist() for _, rows in per_image(first, "test", ("id",))), [])
