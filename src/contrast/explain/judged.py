"""What one run said of each held-out image, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_LEAST = 1e-38
"""Below this a probability kept in 32 bits is 0, which has no logarithm."""


@dataclass(frozen=True)
class Judged:
    """One run's outcomes on one part.

    Attributes:
        ids: image ids.
        labels: what is true, ``int64 [N]``.
        predictions: what was predicted, ``int64 [N]``.
        top_classes: the most probable classes, descending, ``int64 [N, k]``; None where no probability was kept.
        top_probabilities: theirs, ``float64 [N, k]``.
        probabilities: of every class, ``float64 [N, classes]``; None where only the greatest were kept, or none.
    """

    ids: tuple[str, ...]
    labels: Ints
    predictions: Ints
    top_classes: Ints | None
    top_probabilities: Floats | None
    probabilities: Floats | None

    @classmethod
    def of(cls, rows: Any, most: int = 10) -> Judged:
        """Take over the rows of a run's Parquet file (`pyarrow.Table`): id, label, prediction, and what it has of probabilities."""
        labels, predictions = (rows[name].to_numpy().astype(np.int64) for name in ("label", "prediction"))
        every = _lists(rows, "probabilities")
        if every is not None:
            order = np.argsort(-every, axis=1, kind="stable")[:, :most]
            return cls(tuple(rows["id"].to_pylist()), labels, predictions, order, np.take_along_axis(every, order, axis=1), every)
        classes, greatest = _lists(rows, "top_classes"), _lists(rows, "top_probabilities")
        if classes is None or greatest is None:
            classes = greatest = None
        return cls(tuple(rows["id"].to_pylist()), labels, predictions, None if classes is None else classes.astype(np.int64), greatest, None)

    @classmethod
    def live(cls, ids: tuple[str, ...], probabilities: Floats, most: int = 10) -> Judged:
        """What a network says now of images whose classes nobody knows (their labels are −1)."""
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :most]
        greatest = np.take_along_axis(probabilities, order, axis=1)
        return cls(ids, np.full(len(ids), -1), order[:, 0], order, greatest, probabilities)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each prediction is right."""
        return np.asarray(self.labels == self.predictions)

    @property
    def confidence(self) -> Floats | None:
        """The probability given to the predicted class; None where it was not kept."""
        return None if self.top_probabilities is None else np.clip(self.top_probabilities[:, 0], 0, 1)

    @property
    def log_probabilities(self) -> Floats | None:
        """Natural logarithms of all probabilities; None where not all were kept."""
        return None if self.probabilities is None else np.log(np.maximum(self.probabilities, _LEAST))


def _lists(rows: Any, name: str) -> Floats | None:
    if name not in rows.column_names:
        return None
    flat = rows[name].combine_chunks().flatten().to_numpy()
    return np.asarray(flat, np.float64).reshape(len(rows), -1)
