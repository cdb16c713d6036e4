"""The doors to a finished run's network: look inside it, let it judge images, take it elsewhere."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from contrast.errors import InputError
from contrast.protocols import Places
from contrast.run_named import find

if TYPE_CHECKING:
    from contrast.classifier import Classifier
    from contrast.predicting import Predictions


def tell_explained(run: str, images: Sequence[Path], layer: str | None, out: Path | None, data: Path | None, *, trust: bool) -> None:
    """Write a run's page and pictures, and print what was found."""
    from contrast.insight import explain, told
    from contrast.opened import Asked

    results, found = find(run)
    print(told(explain(results, found, Places.usual(data), Asked(tuple(images), layer, trust), out)))


def tell_predicted(run: str, paths: Sequence[Path], top: int, format: Literal["text", "csv", "parquet", "json"], *, trust: bool) -> int:
    """Print what a run's or a bundle's network says of images; damaged ones go to stderr.

    Returns:
        The exit code: 1 where an image could not be used.
    """
    from contrast.predicting import predict

    if not paths:
        raise InputError("no image is named", where="contrast predict", right="give images or folders of images")
    if top < 1:
        raise InputError(f"{top} is wrong", where="--top", right="give at least 1")
    found = predict(_classifier(run, trust), paths, top)
    _print(found, format)
    for damage in found.damages:
        print(f"contrast: {damage}", file=sys.stderr)
    return 1 if found.damages else 0


def _classifier(run: str, trust: bool) -> Classifier:
    from contrast.classifier import Classifier
    from contrast.exporting import is_bundle, read_bundle

    return read_bundle(Path(run), trust=trust) if is_bundle(Path(run)) else Classifier.of_run(find(run)[1], trust=trust)


def _print(found: Predictions, format: str) -> None:
    from contrast.report.tables import render

    if format == "text":
        print(found.to_text())
        return
    made = render(found.rows, format)
    sys.stdout.buffer.write(made if isinstance(made, bytes) else made.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def tell_exported(run: str, to: Literal["onnx", "torch"], bundle: Path, *, trust: bool) -> None:
    """Write a run as a bundle, and print where it is."""
    from contrast.exporting import export_onnx, export_torch

    results, found = find(run)
    if to == "torch":
        print(export_torch(found, results.name, bundle, trust=trust))
        return
    difference = export_onnx(found, results.name, bundle, trust=trust)
    checked = (
        "not checked: onnxruntime is not installed" if math.isnan(difference) else f"probabilities differ from torch's by at most {difference:.1e}"
    )
    print(f"{bundle}  ({checked})")
