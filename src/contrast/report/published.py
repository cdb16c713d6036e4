"""The section *Published and found*: what reports printed beside what we found, and whether their conclusions stand, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contrast.numbers import NOTHING, is_number, number, plural, signed
from contrast.report.tables import records
from contrast.study_published import conclusions, gives_up, is_short, published, reported

if TYPE_CHECKING:
    import pandas as pd

    from contrast.study_tables import StudyTables

MARKS = {"stands": "+", "contradicted": "−", "undecided": "?", "not run": "–"}
WEIGHTS = {"best": "", "latest": ", latest weights"}
IN_PERCENT = ("accuracy", "gap")
DIRECTIONS = {"better": "better", "worse": "worse", "same": "no different"}


@dataclass(frozen=True)
class Section:
    """What the page shows of the reports; all text, nothing marked up.

    Attributes:
        sources: rows of the reports.
        short: what the short budget gives up; empty at the full one.
        numbers: one row a published number: row, arm, what, printed, said, ours, seeds, interval, sentence, kind.
        conclusions: one row a conclusion: row, says, claim, printed, ours, interval, seeds, stands, mark, sentence.
        choices: what is ours, in sentences.
        methods: names of the methods behind the numbers.
    """

    sources: tuple[str, ...]
    short: str
    numbers: tuple[dict[str, str], ...]
    conclusions: tuple[dict[str, str], ...]
    choices: tuple[str, ...]
    methods: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.sources or self.numbers or self.conclusions or self.choices or self.short)


def section(study: StudyTables) -> Section:
    """What is to be said of a study and its reports; false where the study says nothing of any.

    Raises:
        InputError: a conclusion names a metric that there is not.
    """
    told = reported(study)
    numbers = tuple(_number(row) for row in records(published(study)))
    found = tuple(_conclusion(row) for row in records(conclusions(study)))
    methods = (*(("prediction", "mean") if numbers else ()), *(("paired-t", "holm", "tost") if found else ()))
    return Section(tuple(map(str, told.get("source") or ())), gives_up(study), numbers, found, tuple(map(str, told.get("choices") or ())), methods)


def _number(row: dict[str, Any]) -> dict[str, str]:
    percent = str(row["metric"]).endswith(IN_PERCENT)
    decimals = _decimals(row, percent)
    interval = f"{number(row['interval_low'], decimals)} … {number(row['interval_high'], decimals)}" if is_number(row["interval_low"]) else NOTHING
    spread = f" ± {number(row['sd'], decimals)}" if is_number(row["sd"]) else ""
    return {
        "row": str(row["row"]),
        "arm": str(row["arm"]),
        "what": str(row["metric"]).replace("_", " ") + WEIGHTS.get(str(row["weights"]), ""),
        "unit": "%" if percent else "",
        "printed": _as_printed(row["printed"]),
        "said": str(row["said"]),
        "ours": number(row["mean"], decimals) + spread,
        "interval": interval,
        "seeds": str(row["seeds"]),
        "kind": str(row["relation"]),
        "sentence": relation(row, decimals, "points" if percent else ""),
    }


def relation(row: dict[str, Any], decimals: int, unit: str) -> str:
    """How a published number lies to ours: ``within our interval``, ``lower than ours by 1.9 points``, ``not comparable because …``."""
    kind = str(row["relation"])
    if kind in ("lower", "higher"):
        return f"{kind} than ours by {number(abs(row['difference']), decimals)} {unit}".rstrip()
    if kind == "not comparable":
        return f"not comparable: {row['why']}" if str(row["why"]).startswith("short budget") else f"not comparable because {row['why']}"
    return {"within": "within our interval", "no interval": f"no interval: {row['why']}"}.get(kind, f"not run: {row['why']}")


def _decimals(row: dict[str, Any], percent: bool) -> int:
    """Those that our spread asks for, and at least the print's own for a loss."""
    from contrast.compare.rounding import decimals_for

    if str(row["metric"]) == "best_epoch":
        return 1
    by_spread = decimals_for(row["sd"]) if is_number(row["sd"]) and row["sd"] > 0 else 0
    return max(1, by_spread) if percent else min(6, max(2, by_spread))


def _as_printed(value: float) -> str:
    """As many digits as were printed, which a float keeps: ``79.3``, ``7.408e-05``."""
    return f"{value:g}" if abs(value) < 1e-3 and value else f"{value:.12g}"


def _conclusion(row: dict[str, Any]) -> dict[str, str]:
    from contrast.compare.rounding import decimals_apart, decimals_for

    unit = " points" if str(row["metric"]).endswith(IN_PERCENT) else ""
    ends = (row["interval_low"], row["interval_high"])
    known = is_number(ends[0])
    decimals = decimals_apart(ends, decimals_for(row["standard_error"])) if known else 2
    return {
        "row": str(row["row"]),
        "says": str(row["says"]),
        "claim": f"{row['arm']} {DIRECTIONS[str(row['direction'])]} than {row['against']} in {str(row['metric']).replace('_', ' ')}",
        "printed": signed(row["printed"], _places(row["printed"])) + unit if is_number(row["printed"]) else NOTHING,
        "ours": signed(row["effect"], decimals) + unit if is_number(row["effect"]) else NOTHING,
        "interval": f"{signed(ends[0], decimals)} … {signed(ends[1], decimals)}" if known else NOTHING,
        "seeds": str(row["seeds"]),
        "stands": str(row["stands"]),
        "mark": MARKS[str(row["stands"])],
        "sentence": str(row["sentence"]),
    }


def _places(value: float) -> int:
    return len(f"{value:.12g}".partition(".")[2])


def in_short(study: StudyTables) -> list[str]:
    """A few lines for a terminal: how many published numbers lie within our intervals, and each conclusion with its verdict."""
    found = section(study)
    lines = []
    if found.numbers:
        lines.append(f"published {numbers_in_short(published(study), is_short(study))}")
    for one in found.conclusions:
        where = " at the short budget" if is_short(study) and one["stands"] in ("stands", "contradicted") else ""
        lines.append(f"{one['stands']:<12} {one['row']}, {one['says']}: {one['sentence']}{where}")
    return lines


def numbers_in_short(table: pd.DataFrame, short: bool) -> str:
    """``2 of 3 numbers within our intervals``; at the short budget, that they are not comparable."""
    judged = table[table["relation"].isin(["within", "lower", "higher"])]
    others = len(table) - len(judged)
    told = [f"{int((judged['relation'] == 'within').sum())} of {plural(len(judged), 'number')} within our intervals"] if len(judged) else []
    if others:
        told.append(f"{plural(others, 'number')} not comparable" + (" at the short budget" if short else ""))
    return "; ".join(told)
