"""Tables as a paper prints them: a few columns, every number rounded by its standard error, words for the headings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contrast.numbers import NOTHING, is_number, number
from contrast.report import result_rows
from contrast.study_tables import StudyTables, by_arm, final, latest

if TYPE_CHECKING:
    import pandas as pd

    from contrast.compare import Comparison
    from contrast.design_values import Answer

LEFT = ("arm", "effect", "setting", "value", "best", "step", "weights", "verdict", "mixed with", "against", "trial", "settings", "status")
"""Headings of columns that hold words; all others hold numbers, which end at one edge."""
PERCENT = ("train_accuracy", "validation_accuracy", "test_accuracy")


@dataclass(frozen=True)
class Presented:
    """A table of words.

    Attributes:
        heads: of the columns.
        rows: cells as they are printed; text from the user is as it came.
        notes: sentences to stand below.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """The same for `contrast.report.tables.render`."""
        import pandas as pd

        return pd.DataFrame(list(self.rows), columns=list(self.heads), dtype="object")

    @property
    def left(self) -> tuple[str, ...]:
        """The columns of words."""
        return tuple(head for head in self.heads if head in LEFT)


def presented(study: StudyTables, by: str) -> Presented:
    """A table for people.

    Args:
        study: its tables.
        by: ``ablation``, ``factors``, ``final`` or ``latest``.
    """
    from contrast.design_values import Measured
    from contrast.study_designs import factor_table, factors
    from contrast.study_metrics import judged

    if by == "factors":
        factor_table(study)  # tells in one line where there is none
        return answer(next(iter(factors(Measured(study)))))
    if by == "ablation":
        return ablation(judged(study), by_arm(study.runs()))
    return _final(final(study.runs())) if by == "final" else _latest(latest(study.runs(), study.epochs()))


def ablation(comparison: Comparison, arms: pd.DataFrame) -> Presented:
    """The baseline first, then each arm: its mean, and its difference with both intervals, p and verdict."""
    unit = "points" if comparison.metric.unit == "points" else comparison.metric.unit
    head = f"{comparison.metric.words}, %" if unit == "points" else comparison.metric.words
    level = f"{100 * comparison.level:g} % interval"
    heads = ("arm", head, "seeds", f"difference, {unit}" if unit else "difference", level, "with other images", "p (Holm)", "verdict")
    rows = []
    for row in result_rows.rows(comparison, arms):
        mean = f"{row['mean']} ± {row['sd']}" if row["sd"] else row["mean"]
        rows.append((row["arm"], mean, row["seeds"], row["effect"], row["interval"], row["images"], row["p"], row["kind"]))
    spread = "± is the standard deviation over seeds."
    return Presented(heads, tuple(rows), (f"{spread} Differences from {comparison.baseline.arm} are paired by seed.",))


def answer(answer: Answer) -> Presented:
    """What a design answers, one row an effect."""
    unit = f", {answer.metric.unit}" if answer.metric.unit else ""
    numbers = (f"difference{unit}", "95 % interval", "deciding interval", "p (Holm)", "seeds")
    rows = answer.table.to_dict("records")
    if answer.design == "factors":
        mixed = any(row["aliases"] for row in rows)
        heads = ("effect", *numbers, *(("mixed with",) if mixed else ()))
        cells = [(row["name"], *_numbers(row), *((row["aliases"] or NOTHING,) if mixed else ())) for row in rows]
    elif answer.design == "trend":
        heads = ("setting", f"slope{unit}", "95 % interval", "deciding interval", "p (Holm)", "seeds", "per")
        cells = [(row["name"], *_numbers(row), row["per"]) for row in rows]
    elif answer.design == "best":
        heads = ("best", "of", *numbers)
        cells = [(row["name"], f"{row['of']} {row['among']}", *_numbers(row)) for row in rows]
    else:
        heads = ("step", "against", *numbers, "verdict")
        cells = [(row["name"], row["against"], *_numbers(row), row["verdict"]) for row in rows]
    return Presented(heads, tuple(tuple(map(str, row)) for row in cells), (*answer.remarks,))


def _numbers(row: dict[Any, Any]) -> tuple[str, ...]:
    """Effect, both intervals, p and seeds."""
    from contrast.compare.rounding import decimals_for, p_text, signed

    decimals = max(1, decimals_for(row["standard_error"]))

    def ends(low: str, high: str) -> str:
        return f"{signed(row[low], decimals)} … {signed(row[high], decimals)}" if is_number(row[low]) else NOTHING

    effect = signed(row["effect"], decimals) if is_number(row["effect"]) else NOTHING
    p = p_text(row["p_holm"]).removeprefix("p ").removeprefix("= ") if is_number(row["p_holm"]) else NOTHING
    deciding = ends("deciding_low", "deciding_high")
    if is_number(row["deciding_level"]):
        deciding += f" ({round(100 * row['deciding_level'], 1):g} %)"
    return effect, ends("interval_low", "interval_high"), deciding, p, str(row["seeds"])


def _final(table: pd.DataFrame) -> Presented:
    heads = ("arm", "seeds", "train loss", "train, %", "validation, %", "test, %")
    figures = ("train_loss", *PERCENT)
    columns = {figure: _spread(table, figure) for figure in figures}
    rows = [(str(arm), str(seeds)) for arm, seeds in zip(table["arm"], table["seeds"], strict=True)]
    note = "Mean ± standard deviation over seeds, of the weights that validation chose; train is judged without augmentation."
    return Presented(heads, tuple((*row, *(columns[figure][i] for figure in figures)) for i, row in enumerate(rows)), (note,))


def _latest(table: pd.DataFrame) -> Presented:
    heads = ("arm", "weights", "epoch", "train loss", "validation loss", "validation accuracy, %", "test accuracy, %")
    figures = ("epoch", "train_loss", "validation_loss", "validation_accuracy", "test_accuracy")
    columns = {figure: _spread(table, figure) for figure in figures}
    rows = [(str(arm), str(weights)) for arm, weights in zip(table["arm"], table["weights"], strict=True)]
    notes = ["Mean ± standard deviation over seeds; train loss is the running mean of the epoch. Best is what validation chose."]
    own = table[(table["weights"] == "latest") & (table["seeds"] > 0)]
    if own["test_accuracy"].isna().any():
        notes.append("The latest weights were not judged on test: evaluate: {latest: true} in the study's base asks for it.")
    return Presented(heads, tuple((*row, *(columns[figure][i] for figure in figures)) for i, row in enumerate(rows)), tuple(notes))


def _spread(table: pd.DataFrame, figure: str) -> list[str]:
    """Means ± sd of a column, all with the decimals that its least standard error asks for."""
    scale = 100.0 if figure in PERCENT else 1.0
    means, sds, seeds = (table[name].tolist() for name in (figure, f"{figure}_sd", "seeds"))
    errors = [scale * sd / math.sqrt(count) for sd, count in zip(sds, seeds, strict=True) if is_number(sd) and sd > 0]
    decimals = _decimals(errors, figure)
    made = []
    for mean, sd in zip(means, sds, strict=True):
        told = number(scale * mean, decimals) if is_number(mean) else NOTHING
        made.append(f"{told} ± {number(scale * sd, decimals)}" if is_number(sd) else told)
    return made


def _decimals(errors: Sequence[float], figure: str) -> int:
    from contrast.compare.rounding import decimals_for

    if errors:
        return min(4, max(0 if figure == "epoch" else 1, decimals_for(min(errors))))
    return {"epoch": 0}.get(figure, 4 if "loss" in figure else 2)
