"""A page for each arm: what it changes, how its training went, its first filters, what it cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contrast.explain import diagnosis
from contrast.numbers import duration, is_number, number, plural
from contrast.report import settings, speed
from contrast.report.settings import Change

if TYPE_CHECKING:
    import pandas as pd

    from contrast.report.embedded import Restored

MOST = 60
"""Arms that have a page of their own; more are found in the tables."""
WIDTH, HEIGHT = 240, 72
"""Units of a small curve's drawing."""
SMALL = (
    ("validation_accuracy", "validation accuracy", 100.0, " %"),
    ("train_loss", "train loss", 1.0, ""),
    ("validation_loss", "validation loss", 1.0, ""),
)


@dataclass(frozen=True)
class Curve:
    """One small drawing: a figure over epochs, a line a seed.

    Attributes:
        title: what is drawn.
        paths: a path's `d` for each seed.
        first, last: least and greatest epoch.
        low, high: least and greatest value, as words.
    """

    title: str
    paths: tuple[str, ...]
    first: int
    last: int
    low: str
    high: str


@dataclass(frozen=True)
class ArmPage:
    """One arm.

    Attributes:
        arm: its name.
        summary: a few words for the closed page.
        changes: settings in which it differs from the base.
        facts: what it is made of and what it cost: name and value.
        findings: how its training went.
        curves: small drawings.
        filters: its first layer: source, layer, count, size; empty where no weights are kept.
    """

    arm: str
    summary: str
    changes: tuple[Change, ...]
    facts: tuple[tuple[str, str], ...]
    findings: tuple[str, ...]
    curves: tuple[Curve, ...]
    filters: Mapping[str, Any]


def of(study: Restored, arms: pd.DataFrame) -> list[ArmPage]:
    """A page for each arm, in the order of the plan.

    Args:
        study: its tables.
        arms: the table by arm (`contrast.study_tables.by_arm`).
    """
    runs, epochs = study.runs(), study.epochs()
    every = settings.changes(study.lock)
    kept: Mapping[str, Any] = (study.evidence.get("filters") or {}).get("arms", {})
    made = []
    for row in arms.head(MOST).to_dict("records"):
        arm = str(row["arm"])
        own, rows = runs[runs["arm"] == arm], epochs[epochs["arm"] == arm]
        made.append(
            ArmPage(
                arm,
                _summary(row, own, arm == study.lock["baseline"]),
                tuple(change for change in every if change.arm == arm),
                tuple(_facts(row, own)),
                tuple(_findings(rows, str(study.lock["choose"]), study.evidence.get("best", {}).get(arm))),
                tuple(_curves(rows)),
                kept.get(arm, {}),
            )
        )
    return made


def edges(study: Restored) -> list[str]:
    """Settings whose best value lies at the edge of what was tried (report row P4)."""
    choose, runs = str(study.lock["choose"]), study.runs()
    if choose not in runs.columns:
        return []
    figures = runs[runs["status"] == "finished"].groupby("arm")[choose].mean().dropna().to_dict()
    arms = [arm | {"changes": arm.get("changes") or {}} for arm in study.lock["arms"]]
    return diagnosis.about_edges(arms, study.lock["base"], {str(arm): float(value) for arm, value in figures.items()}, less=choose.endswith("loss"))


def _summary(row: Mapping[Hashable, Any], runs: pd.DataFrame, is_baseline: bool) -> str:
    none = "unfinished (pruned)" if (runs["status"] == "pruned").any() else "no finished run"
    reached = f"test accuracy {number(100 * row['test_accuracy'], 2)} %" if is_number(row["test_accuracy"]) else none
    return f"{'the baseline, ' if is_baseline else ''}{reached}, {int(row['finished'])} of {plural(int(row['planned']), 'run')}"


def _facts(row: Mapping[Hashable, Any], runs: pd.DataFrame) -> Iterator[tuple[str, str]]:
    yield "parameters", f"{number(row['parameters'], 0)}, {number(row['trainable_parameters'], 0)} of them trained"
    yield "time", f"{duration(row['seconds'])} per run, {duration(float(runs['seconds'].sum()))} in all"
    yield "of it", f"{duration(row['train_seconds'])} training, {duration(row['evaluation_seconds'])} evaluation"
    rate = f", {speed.achieved(row)} TFLOP/s" if is_number(row.get("tflop_per_second")) else ""
    yield "speed", f"{number(row['images_per_second'], 0)} training images per second{rate}"
    yield "peak memory", speed.memory(row)
    if is_number(row["best_epoch"]):
        yield "best epoch", f"{number(row['best_epoch'], 1)} of {number(row['epochs'], 1)}, mean over runs"
    if is_number(row["generalization_gap"]):
        yield "train minus test", f"{number(100 * row['generalization_gap'], 2)} points of accuracy"


def _findings(epochs: pd.DataFrame, choose: str, best: int | None) -> Iterator[str]:
    """What the seeds' curves say: each kind of finding once, in the words of the best seed that has it, with how many seeds have it."""
    told: dict[str, str] = {}
    counts = Counter[str]()
    groups = sorted(epochs.groupby("seed"), key=lambda pair: pair[0] != best)
    for _, rows in groups:
        for finding in diagnosis.about_epochs(rows.reset_index(drop=True), choose):
            kind = finding.partition(" ")[0]
            counts[kind] += 1
            told.setdefault(kind, finding)
    for kind, finding in told.items():
        alike = "" if counts[kind] == 1 else f" So or alike in {counts[kind]} of {plural(len(groups), 'seed')}."
        yield f"{finding}{alike}" if len(groups) > 1 and alike else finding if len(groups) == 1 else f"{finding} So in 1 of {len(groups)} seeds."


def _curves(epochs: pd.DataFrame) -> Iterator[Curve]:
    for column, title, scale, unit in SMALL:
        rows = epochs[["seed", "epoch", column]].dropna() if column in epochs.columns else epochs.head(0)
        rows = rows[rows[column].map(math.isfinite)] if len(rows) else rows
        if len(rows) and rows["epoch"].nunique() > 1:
            yield _curve(rows, column, title, (scale, unit))


def _curve(rows: pd.DataFrame, column: str, title: str, shown_as: tuple[float, str]) -> Curve:
    scale, unit = shown_as
    low, high = float(rows[column].min()), float(rows[column].max())
    first, last = int(rows["epoch"].min()), int(rows["epoch"].max())
    paths = [_path(own["epoch"], own[column], (first, last, low, high)) for _, own in rows.groupby("seed")]
    decimals = 1 if unit else 3
    ends = [f"{number(scale * value, decimals)}{unit}" for value in (low, high)]
    return Curve(title, tuple(paths), first, last, *ends)


def _path(epochs: Iterable[float], values: Iterable[float], ends: tuple[int, int, float, float]) -> str:
    first, last, low, high = ends
    points = [
        f"{WIDTH * (epoch - first) / (last - first):.1f},{HEIGHT - HEIGHT * (value - low) / ((high - low) or 1.0):.1f}"
        for epoch, value in zip(epochs, values, strict=True)
    ]
    return f"M{' L'.join(points)}"
