"""A study beside what reports printed: each number against our runs, each conclusion against our paired difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contrast.design_values import LEVEL, Measured
from contrast.study_metrics import never_reached, scores
from contrast.study_tables import figures_of

if TYPE_CHECKING:
    import pandas as pd

    from contrast.compare import Contrast, Verdict
    from contrast.study_tables import StudyTables

PUBLISHED = (
    "row", "arm", "metric", "weights", "printed", "said", "seeds", "mean", "sd", "interval_low", "interval_high", "difference", "relation", "why",
)  # fmt: skip
"""Columns of `published`; numbers in the unit of print: percent for accuracies and gaps, else as they are."""

CONCLUSIONS = (
    "row", "says", "arm", "against", "metric", "direction", "printed", "effect", "interval_low", "interval_high", "p_holm", "seeds",
    "standard_error", "stands", "sentence",
)  # fmt: skip
"""Columns of `conclusions`; effects are arm minus the other, points for accuracies, else in the metric's unit."""

BEARS_OUT = {"better": "helps", "worse": "hurts", "same": "no difference"}
"""Direction that was concluded → kind of our verdict that agrees."""
DECIDED = tuple(BEARS_OUT.values())
NOT_HERE = "the arm is not in this budget"
VERBS = {"undecided": "is ", "no difference": "makes ", "one seed": "has ", "zero variance": "has ", "pruned": "is "}
"""What makes a sentence of an arm's name and the words of its verdict."""


def reported(study: StudyTables) -> dict[str, Any]:
    """What the study's file says of reports, as the plan wrote it down; empty for a study that says nothing."""
    return dict(study.lock.get("reported") or {})


def is_short(study: StudyTables) -> bool:
    """Whether the runs are those of the short budget."""
    return reported(study).get("budget") == "short"


def gives_up(study: StudyTables) -> str:
    """What the short budget gives up; nothing at the full one."""
    return str(reported(study)["short"]["gives_up"]) if is_short(study) else ""


def published(study: StudyTables) -> pd.DataFrame:
    """One row a published number: what was printed, what our seeds give, and how the one lies to the other.

    Returns:
        The columns of `PUBLISHED`. `interval_low` and `interval_high` are where one more run of ours would fall
        (`contrast.compare.prediction_interval`), `difference` is printed minus our mean, and `relation` is one of ``within``, ``lower``,
        ``higher``, ``not comparable`` (for the reason in `why`), ``no interval`` (fewer than two seeds, or all alike) and ``not run``.
    """
    import pandas as pd

    rows = [_held_against(study, given) for given in reported(study).get("published") or ()]
    return pd.DataFrame(rows, columns=list(PUBLISHED))


def _held_against(study: StudyTables, given: Mapping[str, Any]) -> dict[str, Any]:
    from contrast.compare import prediction_interval
    from contrast.compare.metrics import metric_named

    row = {name: given[name] for name in ("row", "arm", "metric", "weights", "said")} | {"printed": float(given["value"])}
    values = figures_of(study, row["arm"], row["metric"], row["weights"]) * metric_named(row["metric"], [row["metric"]]).scale
    mean, interval = float(values.mean()) if len(values) else float("nan"), prediction_interval(values, LEVEL)
    row |= {"seeds": len(values), "mean": mean, "sd": float(values.std(ddof=1)) if len(values) > 1 else float("nan")}
    row |= {"interval_low": interval.low if interval else float("nan"), "interval_high": interval.high if interval else float("nan")}
    row["difference"] = row["printed"] - mean
    if row["arm"] not in study.arms:
        return row | {"relation": "not run", "why": NOT_HERE}
    if not len(values):
        return row | {
            "relation": "not run",
            "why": "no run of it has finished" if row["weights"] == "best" else "no run has figures of its last weights",
        }
    if why := given["not_comparable"] or (f"short budget: {gives_up(study)}" if is_short(study) else ""):
        return row | {"relation": "not comparable", "why": why}
    if interval is None:
        return row | {"relation": "no interval", "why": "one seed has no spread" if len(values) == 1 else "all seeds are alike"}
    return row | {"relation": "within" if row["printed"] in interval else "lower" if row["printed"] < mean else "higher", "why": ""}


def conclusions(study: StudyTables) -> pd.DataFrame:
    """One row a conclusion: our paired difference between its two arms, and whether the conclusion stands.

    Conclusions by one metric are one family, judged together after Holm.

    Returns:
        The columns of `CONCLUSIONS`. `stands` is one of ``stands``, ``contradicted``, ``undecided`` and ``not run``.

    Raises:
        InputError: there is no such metric.
    """
    import pandas as pd

    given = [dict(each) for each in reported(study).get("conclusions") or ()]
    contrasts: dict[int, Contrast] = {}
    for metric in dict.fromkeys(one["metric"] for one in given):
        contrasts |= _judged(study, metric, {i: (one["against"], one["arm"]) for i, one in enumerate(given) if one["metric"] == metric})
    rows = []
    for i, one in enumerate(given):
        row = {name: one[name] for name in ("row", "says", "arm", "against", "metric", "direction")} | {"printed": one.get("difference")}
        rows.append(row | _told(contrasts.get(i), row, str(study.lock["baseline"])) | _short_of(study, row, contrasts.get(i)))
    return pd.DataFrame(rows, columns=list(CONCLUSIONS))


def _judged(study: StudyTables, metric: str, pairs: Mapping[int, tuple[str, str]]) -> dict[int, Contrast]:
    """The contrast of each pair of arms that was planned."""
    from contrast.compare import compare, judged_together

    measured, outcomes = Measured(study, metric), scores(study, metric) or {}
    made = {}
    for number, pair in pairs.items():
        runs = measured.runs[measured.runs["arm"].isin(pair)]
        if runs["arm"].nunique() == 2:
            own = {arm: outcomes[arm] for arm in pair if arm in outcomes}
            made[number] = compare(runs, baseline=pair[0], metric=metric, outcomes=own or None, **measured.terms)
    return {number: one.contrasts[0] for number, one in zip(made, judged_together(list(made.values())), strict=True)}


def _told(contrast: Contrast | None, conclusion: Mapping[str, Any], baseline: str) -> dict[str, Any]:
    if contrast is None:
        return {"seeds": 0, "stands": "not run", "sentence": NOT_HERE}
    verdict, stands = contrast.verdict, "undecided"
    if verdict.kind in DECIDED:
        stands = "stands" if verdict.kind == BEARS_OUT[conclusion["direction"]] else "contradicted"
    elif verdict.kind == "not yet":
        stands = "not run"
    other = "the baseline" if conclusion["against"] == baseline else str(conclusion["against"])
    against = f", against {other}" if conclusion["against"] != baseline else ""
    interval = contrast.deciding or contrast.interval
    return {
        "effect": contrast.effect,
        "interval_low": interval.low if interval else None,
        "interval_high": interval.high if interval else None,
        "p_holm": contrast.p_holm,
        "seeds": len(contrast.seeds),
        "standard_error": contrast.standard_error,
        "stands": stands,
        "sentence": f"{conclusion['arm']}{_between(verdict)}{verdict.sentence.replace('the baseline', other)}{against}",
    }


def _short_of(study: StudyTables, conclusion: Mapping[str, Any], contrast: Contrast | None) -> dict[str, Any]:
    """What takes the verdict's place where no pair of finished runs reached the accuracy that is asked for."""
    if contrast is None or contrast.verdict.kind != "not yet":
        return {}
    runs = Measured(study, str(conclusion["metric"])).runs
    pair = runs[runs["arm"].isin((conclusion["arm"], conclusion["against"]))]
    said = never_reached(pair, str(conclusion["metric"])) if (pair["status"] == "finished").all() else []
    return {"stands": "undecided", "sentence": said[0].partition("; only runs")[0]} if said else {}


def _between(verdict: Verdict) -> str:
    """What stands between an arm's name and the words of its verdict."""
    return ": " if verdict.sentence.startswith("no verdict") else f" {VERBS.get(verdict.kind, '')}"
