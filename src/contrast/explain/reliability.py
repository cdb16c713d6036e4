"""Is the network as sure as it is right? Reliability diagram, expected calibration error, a fitted temperature; ROC and PR for two classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contrast.compare import Reliability, expected_calibration_error
from contrast.compare import reliability as binned
from contrast.explain.judged import Floats, Ints, Judged
from contrast.figures import _style

if TYPE_CHECKING:
    import pandas as pd

_RANGE = (0.05, 20.0)


@dataclass(frozen=True)
class Temperature:
    """One number that all logits are divided by, fitted on validation (Guo et al. 2017).

    Attributes:
        value: above 1 where the network is too sure, below 1 where it is not sure enough.
        before: expected calibration error on test as it is, a fraction.
        after: the same with the temperature.
    """

    value: float
    before: float
    after: float


def scaled(log_probabilities: Floats, temperature: float) -> Floats:
    """Probabilities after division of the logits by a temperature, ``float64 [N, classes]``; log-probabilities serve as logits."""
    from scipy.special import softmax

    return np.asarray(softmax(log_probabilities / temperature, axis=1))


def loss(log_probabilities: Floats, labels: Ints, temperature: float) -> float:
    """Mean cross-entropy in nats at a temperature."""
    from scipy.special import log_softmax

    return float(-log_softmax(log_probabilities / temperature, axis=1)[np.arange(len(labels)), labels].mean())


def fit(validation: Judged, test: Judged) -> Temperature | None:
    """Fit a temperature on validation and measure it on test; None where not all probabilities were kept."""
    from scipy.optimize import minimize_scalar

    chosen, judged, confidence = validation.log_probabilities, test.log_probabilities, test.confidence
    if chosen is None or judged is None or confidence is None or not len(chosen):
        return None
    found = minimize_scalar(lambda exponent: loss(chosen, validation.labels, float(np.exp(exponent))), bounds=tuple(np.log(_RANGE)), method="bounded")
    value = float(np.exp(found.x))
    after = scaled(judged, value).max(axis=1)
    before = expected_calibration_error(confidence, test.right)
    return Temperature(value, before, expected_calibration_error(np.clip(after, 0, 1), test.right))


def prepare(judged: Judged) -> pd.DataFrame:
    """One row a bin of confidence: mean confidence and accuracy (fractions), images; empty where no probability was kept."""
    import pandas as pd

    if judged.confidence is None or not len(judged):
        return pd.DataFrame(columns=["confidence", "accuracy", "images"])
    bins = binned(judged.confidence, judged.right)
    return pd.DataFrame({"confidence": bins.confidence, "accuracy": bins.accuracy, "images": bins.images})


def error_of(data: pd.DataFrame) -> float:
    """The expected calibration error behind a diagram, a fraction."""
    bins = Reliability(*(data[column].to_numpy() for column in ("confidence", "accuracy", "images")))
    return bins.expected_calibration_error


def draw(data: pd.DataFrame) -> Any:
    """Draw a reliability diagram, an `altair.Chart`: a dot a bin, as large as its share of the images; the diagonal is perfect calibration."""
    import altair as alt
    import pandas as pd

    scale = alt.Scale(domain=[0, 1], nice=False)
    line = alt.Chart(pd.DataFrame({"at": [0.0, 1.0]})).mark_line(color=_style.SOFT, strokeDash=[4, 4], strokeWidth=1)
    diagonal = line.encode(x=alt.X("at:Q", scale=scale, title="confidence"), y=alt.Y("at:Q", scale=scale, title="accuracy"))
    gap = alt.Chart(data).mark_rule(color=_style.COLORS["vermillion"], strokeWidth=1.6)
    gaps = gap.encode(x=alt.X("confidence:Q", scale=scale), y=alt.Y("accuracy:Q", scale=scale), y2="confidence:Q")
    dot = alt.Chart(data).mark_circle(color=_style.COLORS["blue"], opacity=1)
    size = alt.Size("images:Q", scale=alt.Scale(type="sqrt", range=[18, 320], domainMin=0), legend=None)
    dots = dot.encode(x=alt.X("confidence:Q", scale=scale), y=alt.Y("accuracy:Q", scale=scale), size=size)
    return _style.finished(alt.layer(diagonal, gaps, dots).properties(width=320, height=320))


@dataclass(frozen=True)
class TwoClasses:
    """ROC and precision-recall of the second class against the first.

    Attributes:
        curves: columns curve (roc or pr), x, y: fractions.
        roc_area: area under the ROC curve.
        average_precision: of the precision-recall curve.
        positives: share of images of the second class: what precision a coin would have.
    """

    curves: pd.DataFrame
    roc_area: float
    average_precision: float
    positives: float


def two_classes(judged: Judged) -> TwoClasses | None:
    """ROC and precision-recall, where there are two classes, all probabilities, and images of both.

    Source: `sklearn.metrics`.
    """
    if judged.probabilities is None or judged.probabilities.shape[1] != 2 or len(np.unique(judged.labels)) != 2:
        return None
    import pandas as pd
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve  # type: ignore[import-untyped]

    score = judged.probabilities[:, 1]
    false, true, _ = roc_curve(judged.labels, score)
    precision, recall, _ = precision_recall_curve(judged.labels, score)
    roc = pd.DataFrame({"curve": "roc", "x": false, "y": true})
    pr = pd.DataFrame({"curve": "pr", "x": recall[::-1], "y": precision[::-1]})
    area, average = float(roc_auc_score(judged.labels, score)), float(average_precision_score(judged.labels, score))
    return TwoClasses(pd.concat([roc, pr], ignore_index=True), area, average, float(judged.labels.mean()))


def draw_two_classes(found: TwoClasses, curve: str) -> Any:
    """Draw one of both curves (``roc`` or ``pr``), an `altair.Chart`, with what guessing would give."""
    import altair as alt
    import pandas as pd

    titles = {"roc": ("false positive rate", "true positive rate"), "pr": ("recall", "precision")}[curve]
    guess = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0] if curve == "roc" else [found.positives] * 2})
    x, y = (alt.Scale(domain=[0, 1], nice=False) for _ in range(2))
    base = {"x": alt.X("x:Q", scale=x, title=titles[0]), "y": alt.Y("y:Q", scale=y, title=titles[1])}
    dashed = alt.Chart(guess).mark_line(color=_style.SOFT, strokeDash=[4, 4], strokeWidth=1).encode(**base)
    data = found.curves[found.curves["curve"] == curve].reset_index(drop=True)
    order = alt.Order("index:Q")
    drawn = alt.Chart(data.reset_index()).mark_line(
        color=_style.COLORS["blue"], strokeWidth=2, interpolate="step-after" if curve == "roc" else "linear"
    )
    return _style.finished(alt.layer(dashed, drawn.encode(order=order, **base)).properties(width=260, height=260))
