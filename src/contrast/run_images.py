"""What runs said of each image: their Parquet files, read one run at a time and brought into one order of images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from contrast.errors import InputError, nearest
from contrast.study_tables import designs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrast.run_files import RunFiles
    from contrast.study_runs import StudyRuns
    from contrast.study_tables import Outcomes

PARTS = ("validation", "test")
CONFIDENCE = ("probabilities", "top_probabilities")
"""Columns of an image's probabilities: all, or the greatest; one of them stands there."""


def per_image(planned: Sequence[RunFiles], part: str, columns: Sequence[str]) -> Iterator[tuple[RunFiles, Any]]:
    """Each ended run with its rows per image (`pyarrow.Table`); columns that its file does not have are left out.

    Raises:
        InputError: no such part, or a damaged file.
    """
    if part not in PARTS:
        raise InputError(f"there is no part {part!r} with outcomes per image", right=nearest(part, PARTS))
    from pyarrow import ArrowException, parquet

    for run in planned:
        path = run.folder / f"{part}.parquet"
        if run.summary is None or not path.exists():
            continue
        try:
            there = set(parquet.read_schema(path).names)
            rows = parquet.read_table(path, columns=[name for name in columns if name in there])
        except (ArrowException, OSError) as error:
            right = "move the run's folder away and run it again"
            raise InputError("cannot be read as a table of outcomes", where=str(path), right=right) from error
        yield run, rows


def aligned(results: StudyRuns, part: str, columns: Sequence[str], score: Callable[[Any], NDArray[Any]]) -> tuple[Outcomes, list[str]]:
    """A score of every image by arm and seed, in the order of the images of the baseline's first run.

    Args:
        results: the study.
        part: ``test`` or ``validation``.
        columns: what `score` reads.
        score: rows of one run → one number an image.

    Returns:
        The scores, and a sentence for each run that was judged on other images, which is left out. Where the split goes round
        with the seed, each seed has images of its own, and those of the baseline's run with that seed are asked for.
    """
    kept: Outcomes = defaultdict(dict)
    strange: list[str] = []
    first: dict[int | None, list[str]] = {}
    rotates = designs_of(results.lock, "splits").get("rotates") == part
    baseline_first = sorted(per_image(results.planned(), part, ("id", *columns)), key=lambda pair: pair[0].arm != results.lock["baseline"])
    for run, rows in baseline_first:
        ids = rows["id"].to_pylist()
        asked = first.setdefault(run.seed if rotates else None, ids)
        if ids == asked:
            kept[run.arm][run.seed] = score(rows)
        elif len(ids) == len(asked) and set(ids) == set(asked):
            where = {name: i for i, name in enumerate(ids)}
            kept[run.arm][run.seed] = score(rows)[[where[name] for name in asked]]
        else:
            strange.append(f"{run.arm}, seed {run.seed}: its {part} images are not those of the baseline, so they are not paired image by image")
    return {arm: kept[arm] for arm in results.arms if arm in kept}, strange


def right(rows: Any) -> NDArray[Any]:
    """Right (1) or wrong (0) for each image, ``uint8 [N]``."""
    outcomes: NDArray[Any] = (rows["label"].to_numpy() == rows["prediction"].to_numpy()).astype("uint8")
    return outcomes


def calibration_error(rows: Any) -> float | None:
    """The expected calibration error of one run, a fraction; None where its file does not hold what was given to the predicted class."""
    import numpy as np

    from contrast.compare import expected_calibration_error

    kept = next((rows[name] for name in CONFIDENCE if name in rows.column_names), None)
    if kept is None or not len(rows):
        return None
    greatest = kept.combine_chunks().flatten().to_numpy().reshape(len(rows), -1).max(axis=1)
    # Probabilities that were rounded to 32 bits may pass 1 by a hair.
    return expected_calibration_error(np.clip(greatest, 0, 1), right(rows))
