"""Labels that a finished study speaks against: what its networks say of images that they have not trained on (cleanlab)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contrast.errors import InputError
from contrast.explain.findings import Finding
from contrast.images import TEST, VALIDATION, Images
from contrast.store import StudyFolder


def label_issues(images: Images, study: Path) -> list[Finding]:
    """Find images whose label is probably wrong, by confident learning (Northcutt et al. 2021) as cleanlab does it.

    The probabilities are those of a study's finished runs for the images that they were held out from, validation and
    test, averaged over the runs that have seen an image so. Images that all runs trained on are not judged.

    Args:
        images: the set.
        study: the study's folder.

    Returns:
        One finding an image, the least probable label first.

    Raises:
        InputError: the folder holds no study of this set, no run is finished, or the probabilities of all classes were not kept.
    """
    where = {name: at for at, name in enumerate(images.ids)}
    sums: defaultdict[int, Any] = defaultdict(float)
    counts: defaultdict[int, int] = defaultdict(int)
    for ids, rows in _held_out(images, study):
        for name, row in zip(ids, rows, strict=True):
            if name in where:
                sums[where[name]] += row
                counts[where[name]] += 1
    if not sums:
        raise InputError("no run of the study is finished", where=str(study), right="finish it first: `contrast run`")
    positions = np.array(sorted(sums), np.int64)
    probabilities = np.stack([sums[at] / counts[at] for at in positions.tolist()])
    ranked = _issues(images.labels[positions], probabilities)
    return [_finding(images, int(positions[at]), probabilities[at], counts[int(positions[at])]) for at in ranked]


def _issues(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> list[int]:
    """Rows whose label is probably wrong, worst first."""
    from cleanlab.filter import find_label_issues

    ranked = find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    return [int(at) for at in ranked]


def _finding(images: Images, at: int, probabilities: NDArray[np.float64], runs: int) -> Finding:
    label, said = int(images.labels[at]), int(probabilities.argmax())
    named = f"is labeled {images.classes[label]!r} (p = {probabilities[label]:.3f})"
    return Finding("label", images.ids[at], f"{named}; {runs} held-out runs say {images.classes[said]!r} (p = {probabilities[said]:.3f})")


def _held_out(images: Images, study: Path) -> Iterator[tuple[list[str], NDArray[np.float64]]]:
    """Ids and probabilities (``float64 [n, classes]``) of each finished run's validation and test images."""
    from pyarrow import parquet

    folder = StudyFolder(study)
    for name in _runs_on(images, folder):
        for part in (VALIDATION, TEST):
            path = folder.run(name).path / f"{part}.parquet"
            if not (folder.run(name).finished and path.exists()):
                continue
            table = parquet.read_table(path)
            if "probabilities" not in table.column_names:
                told = f"probabilities of all classes were not kept: a set of {len(images.classes)} classes keeps the five greatest"
                raise InputError(told, where=str(path), right="labels can be judged in sets of up to 100 classes")
            rows = np.asarray(table["probabilities"].combine_chunks().flatten(), np.float64).reshape(-1, len(images.classes))
            yield table["id"].to_pylist(), rows


def _runs_on(images: Images, folder: StudyFolder) -> list[str]:
    """Folders of the study's runs on this very set."""
    lock = folder.lock()
    if lock is None:
        raise InputError("holds no study", where=f"--study {folder.path}", right="name the folder that `contrast run` wrote")
    known = {entry["key"] for entry in lock["data"] if entry["fingerprint"] == images.fingerprint}
    arms = {arm["name"] for arm in lock["arms"] if arm["data"] in known}
    found = list(dict.fromkeys(run["folder"] for run in lock["runs"] if run["arm"] in arms))
    if not found:
        told = "the study was made with other images or labels than these"
        raise InputError(told, where=f"--study {folder.path}", right="name the set with the settings that the study gives it")
    return [_within(folder.path, name) for name in found]


def _within(study: Path, name: str) -> str:
    """A run's folder name, which comes from a file and must not lead out of the study."""
    if Path(name).name != name or name in ("", ".", ".."):
        raise InputError("the study's lock is damaged: a run's folder has no plain name", where=str(study), right="plan the study anew")
    return name
