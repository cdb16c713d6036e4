"""What only the run folders and the data set hold, gathered for the page as plain data: calibration, surest mistakes, filters, pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrast import catalog
from contrast.errors import ContrastError, InputError
from contrast.explain import filters, mistakes, reliability, thumbnails
from contrast.explain.judged import Judged
from contrast.explain.sheets import Tile
from contrast.protocols import Places
from contrast.run_images import CONFIDENCE, per_image

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from contrast.images import Images
    from contrast.results import Results
    from contrast.run_files import RunFiles

CAUSES = "causes.csv"
"""What a reader tagged, beside the runs: it is counted without being named."""
MOST_MISTAKES, FEWEST_OF_AN_ARM = 180, 12
MOST_ARMS = 24
"""Arms whose single runs are looked into."""
MOST_POINTS = 200
"""Points of a curve over thresholds that the page keeps."""


class Evidence:
    """What a folder can show beyond its tables. Nothing here loads torch, but where a data set needs it.

    Args:
        results: the study.
        places: where data is looked for; nothing is downloaded.
        causes: a file of causes that the page saved; ``causes.csv`` in the study's folder when None, if it is there.

    Raises:
        InputError: a file of causes was named and can't be read.
    """

    def __init__(self, results: Results, places: Places | None = None, causes: Path | None = None) -> None:
        self._results = results
        self._places = (places or Places.usual()).model_copy(update={"offline": True})
        beside = results.folder / CAUSES
        path = causes if causes is not None else beside if beside.exists() else None
        self._tags = mistakes.tagged(path) if path is not None else {}

    def kept(self) -> dict[str, Any]:
        """All but pictures of images, as JSON can hold it."""
        runs = list(self._best())
        made: dict[str, Any] = {"causes": self._tags, "best": {run.arm: run.seed for run in runs}}
        made |= {"surest": {}, "calibration": {}, "two_classes": {}}
        most = max(FEWEST_OF_AN_ARM, MOST_MISTAKES // max(1, len(runs)))
        for run in runs:
            if (test := _judged(run, "test")) is None:
                continue
            made["surest"][run.arm] = _surest(test, most)
            if (calibration := _calibration(run, test)) is not None:
                made["calibration"][run.arm] = calibration
            if (two := reliability.two_classes(test)) is not None:
                made["two_classes"][run.arm] = _curves(two)
        return made | {"filters": _filters(runs)}

    def _best(self) -> Iterator[RunFiles]:
        """The run of each arm that validation likes best, of arms that have a finished one."""
        for arm in self._results.arms[:MOST_ARMS]:
            try:
                yield self._results.best(arm)
            except InputError:  # no run of it is finished yet
                continue

    def pictures(self, ids: Iterable[str]) -> tuple[dict[str, str], str]:
        """Image id → a small picture as an address, and a sentence where there are none."""
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return {}, ""
        if isinstance(images := self._images, str):
            return {}, images
        where = {name: at for at, name in enumerate(images.ids)}
        there = [name for name in wanted if name in where]
        pixels: NDArray[np.uint8] = images.pixels[[where[name] for name in there]]
        return {name: thumbnails.address(image) for name, image in zip(there, pixels, strict=True)}, ""

    @cached_property
    def _images(self) -> Images | str:
        """The data of the baseline, or a sentence that says why it can't be shown."""
        entry = _baseline_data(self._results.lock)
        use = str(entry["use"])
        if catalog.is_outside(use) or catalog.is_live(use):
            return "No image is shown: the data set comes from code outside the package, which a report does not run."
        try:
            images: Images = catalog.parse("data", {**(entry.get("settings") or {}), "use": use}).read(self._places)  # type: ignore[attr-defined]
        except ContrastError:  # its message names folders of this machine, which have no business in a page that is sent about
            return f"No image is shown, since the data ({use}) was not at hand: write the page again with --data DIR."
        if images.fingerprint != entry["fingerprint"]:
            return "No image is shown: the data has changed since the study was planned (its fingerprint differs)."
        return images


def _baseline_data(lock: Mapping[str, Any]) -> Mapping[str, Any]:
    key = next((arm.get("data") for arm in lock["arms"] if arm["name"] == lock["baseline"]), None)
    found: Mapping[str, Any] = next((data for data in lock["data"] if data.get("key") == key), lock["data"][0])
    return found


def _judged(run: RunFiles, part: str) -> Judged | None:
    """What a run said of a part; None where it kept no rows per image."""
    columns = ("id", "label", "prediction", "top_classes", *CONFIDENCE)
    rows = next((rows for _, rows in per_image([run], part, columns)), None)
    return None if rows is None else Judged.of(rows, most=1)


def _surest(test: Judged, most: int) -> dict[str, Any]:
    """The surest mistakes of a run: id, true class, prediction, confidence."""
    wrong = mistakes.positions(test)
    sure = test.confidence
    rows = [
        [test.ids[at], int(test.labels[at]), int(test.predictions[at]), None if sure is None else round(float(sure[at]), 6)]
        for at in wrong[:most].tolist()
    ]
    return {"count": len(wrong), "images": len(test), "rows": rows}


def _calibration(run: RunFiles, test: Judged) -> dict[str, Any] | None:
    """A run's reliability diagram, and its fitted temperature where all probabilities were kept."""
    bins = reliability.prepare(test)
    if bins.empty:
        return None
    validation = _judged(run, "validation")
    fitted = reliability.fit(validation, test) if validation is not None else None
    told = None if fitted is None else {"value": fitted.value, "before": fitted.before, "after": fitted.after}
    return {"seed": run.seed, "bins": bins.to_dict("list"), "temperature": told}


def _curves(two: reliability.TwoClasses) -> dict[str, Any]:
    areas = {"roc_area": two.roc_area, "average_precision": two.average_precision, "positives": two.positives}
    return {**areas, "curves": {name: _thinned(rows) for name, rows in two.curves.groupby("curve", sort=False)}}


def _thinned(rows: pd.DataFrame) -> dict[str, list[float]]:
    """A curve with few enough points to be carried; its ends stay."""
    import numpy as np

    chosen = np.unique(np.linspace(0, len(rows) - 1, min(MOST_POINTS, len(rows))).round().astype(int))
    return {axis: rows[axis].to_numpy(float)[chosen].round(6).tolist() for axis in ("x", "y")}


def _filters(runs: Sequence[RunFiles]) -> dict[str, Any]:
    """The first layer's filters of each arm that kept its weights, all on one scale, as pictures."""
    found = {run.arm: first for run in runs if (first := first_filters(run.folder / "best.safetensors")) is not None}
    scale = filters.scale_of(*(weights for _, weights in found.values()))
    pictures = {
        arm: {
            "layer": layer,
            "count": len(weights),
            "size": list(weights.shape[2:]),
            "source": Tile(filters.mosaic(weights, scale), exact=True).source,
        }
        for arm, (layer, weights) in found.items()
    }
    return {"scale": scale, "arms": pictures} if pictures else {}


def first_filters(path: Path) -> tuple[str, filters.Weights] | None:
    """Name and weights, ``float32 [out, in, height, width]``, of the first convolution over 1 or 3 channels in a file of weights; None without one.

    The first is meant in the order of the names, numbers by their value. No network is built, and torch is not needed.
    """
    import numpy as np
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as opened:
            shapes = {name: opened.get_slice(name).get_shape() for name in sorted(opened.keys(), key=_by_number)}
            layer = next((name for name, shape in shapes.items() if len(shape) == 4 and shape[1] in (1, 3) and max(shape[2:]) > 1), None)
            return None if layer is None else (layer.removesuffix(".weight"), np.asarray(opened.get_tensor(layer), np.float32))
    except (SafetensorError, OSError, TypeError) as error:
        raise InputError("cannot be read as weights", where=str(path), right="move the run's folder away and run it again") from error


def _by_number(name: str) -> list[tuple[int, int, str]]:
    """A key by which ``features.2`` comes before ``features.10``."""
    return [(0, int(word), "") if word.isdigit() else (1, 0, word) for word in re.split(r"(\d+)", name)]
