"""A Comparison told as a sentence, a table, aligned text, HTML, and plain data."""

from __future__ import annotations

import dataclasses
import html
import math
from typing import TYPE_CHECKING, Any

from .rounding import decimals_for, number, p_text, signed

if TYPE_CHECKING:
    import pandas

    from .comparison import ArmSummary, Comparison
    from .contrast import Contrast
    from .metrics import Metric

GROUPS = {
    "helps": ("helps", "help"),
    "hurts": ("hurts", "hurt"),
    "no difference": ("makes no difference that matters", "make no difference that matters"),
    "undecided": ("is undecided", "are undecided"),
    "diverged": ("diverged", "diverged"),
    "baseline diverged": ("has no verdict, since the baseline diverged", "have no verdict, since the baseline diverged"),
    "zero variance": ("has no verdict", "have no verdict"),
    "one seed": ("has one seed only", "have one seed only"),
    "pruned": ("was pruned unfinished", "were pruned unfinished"),
    "not yet": ("is not finished", "are not finished"),
}
MOST_NAMES = 3
NUMBERS = ("effect", "standard_error", "p", "p_holm", "p_equivalence")


def answer(comparison: Comparison) -> str:
    """The study in one sentence: the arm's own where there is one arm, otherwise how many help, hurt, are undecided."""
    contrasts = comparison.contrasts
    if not contrasts:
        return f"{comparison.baseline.arm} alone: nothing to compare it with."
    if len(contrasts) == 1:
        only = contrasts[0]
        return f"{only.arm}{'' if only.verdict.kind in ('helps', 'hurts') else ':'} {only.verdict.sentence}."
    parts = []
    for kind, (one, many) in GROUPS.items():
        group = [contrast for contrast in contrasts if _group(contrast) == kind]
        if group:
            group.sort(key=lambda contrast: -abs(contrast.effect or 0.0))
            parts.append(f"{len(group)} {one if len(group) == 1 else many} ({_names(group, comparison.metric)})")
    return f"Of {len(contrasts)} arms, {', '.join(parts)}."


def _group(contrast: Contrast) -> str:
    # One diverged run of the baseline leaves every arm without a verdict; that is no fault of the arms.
    return "baseline diverged" if contrast.verdict.kind == "diverged" and not contrast.diverged else contrast.verdict.kind


def _names(group: list[Contrast], metric: Metric) -> str:
    names = [contrast.arm + _gain(contrast, metric) for contrast in group]
    rest = len(names) - MOST_NAMES
    return ", ".join([*names[:MOST_NAMES], *([f"and {rest} more"] if rest > 0 else [])])


def _gain(contrast: Contrast, metric: Metric) -> str:
    """What follows an arm's name: " by 2.3 points" of a verdict, " +2.3 points" where the baseline diverged beside it."""
    if contrast.verdict.kind in ("helps", "hurts"):
        return contrast.verdict.short.removeprefix(contrast.verdict.kind).replace(":", "", 1)
    if _group(contrast) == "baseline diverged" and contrast.effect is not None:
        return f" {metric.amount(signed(contrast.effect, decimals_for(contrast.standard_error)))}"
    return ""


def as_table(comparison: Comparison) -> pandas.DataFrame:
    """See `Comparison.table`."""
    import pandas

    contrasts = {contrast.arm: contrast for contrast in comparison.contrasts}
    rows = []
    for summary in (comparison.baseline, *comparison.arms):
        row: dict[str, Any] = {
            "arm": summary.arm,
            "metric": comparison.metric.name,
            "mean": _float(summary.mean),
            "sd": _float(summary.sd),
            "seeds": len(summary.seeds),
            "diverged": len(summary.diverged),
        }
        rows.append(row | _contrast_columns(contrasts.get(summary.arm)) | {"margin": _float(comparison.margin)})
    table = pandas.DataFrame(rows)
    return table.astype({"pairs": "Int64", "seeds_needed_fewest": "Int64", "seeds_needed_most": "Int64"})


def _contrast_columns(contrast: Contrast | None) -> dict[str, Any]:
    columns: dict[str, Any] = {"pairs": len(contrast.seeds) if contrast else None}
    for name in NUMBERS:
        columns[name] = _float(getattr(contrast, name, None))
    for name in ("interval", "images_interval", "deciding", "equivalence_interval"):
        for end in ("low", "high", "level"):
            columns[f"{name}_{end}"] = _float(getattr(getattr(contrast, name, None), end, None))
    flip = contrast.sign_flip if contrast else None
    needed = contrast.seeds_needed if contrast and contrast.verdict.kind == "undecided" else None
    return columns | {
        "p_sign_flip": flip.p if flip else math.nan,
        "p_sign_flip_least": flip.least if flip else math.nan,
        "seeds_needed_fewest": needed.fewest if needed else None,
        "seeds_needed_most": needed.most if needed else None,
        "verdict": contrast.verdict.kind if contrast else "baseline",
        "sentence": contrast.verdict.sentence if contrast else "",
    }


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def cells(comparison: Comparison) -> list[tuple[str, ...]]:
    """The printed table: arm, mean ± sd, difference with interval and p, short verdict; the baseline first, numbers rounded."""
    contrasts = {contrast.arm: contrast for contrast in comparison.contrasts}
    rows: list[tuple[str, ...]] = []
    for summary in (comparison.baseline, *comparison.arms):
        contrast = contrasts.get(summary.arm)
        difference, p = _difference_text(contrast) if contrast else ("", "")
        rows.append((summary.arm, _mean_text(summary), difference, p, contrast.verdict.short if contrast else ""))
    return rows


def _mean_text(summary: ArmSummary) -> str:
    if summary.mean is None:
        return "none"
    if summary.sd is None:
        return number(summary.mean, 2)
    decimals = max(1, decimals_for(summary.sd / math.sqrt(len(summary.seeds))))
    return f"{number(summary.mean, decimals)} ± {number(summary.sd, decimals)}"


def _difference_text(contrast: Contrast) -> tuple[str, str]:
    if contrast.effect is None:
        return "", ""
    decimals = max(1, decimals_for(contrast.standard_error))
    effect = signed(contrast.effect, decimals)
    if contrast.interval is None or contrast.p_holm is None:
        return effect, ""
    low, high = signed(contrast.interval.low, decimals), signed(contrast.interval.high, decimals)
    return f"{effect}  ({low} … {high})", p_text(contrast.p_holm)


def as_text(comparison: Comparison) -> str:
    """See `Comparison.text`."""
    level = f"{100 * comparison.level:g}"
    heads = ("arm", comparison.metric.words, f"against {comparison.baseline.arm}, {level} % interval", "", "verdict")
    rows = [heads, *cells(comparison)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    # The third heading may run on over the column of p values.
    widths[2] = max([len(row[2]) for row in rows[1:]] + [len(heads[2]) - 2 - widths[3]])
    lines = []
    for row in rows:
        middle = f"{row[2]:<{widths[2]}}  {row[3]:<{widths[3]}}" if row[3] or row is not heads else row[2]
        middle = f"{middle:<{widths[2] + 2 + widths[3]}}"
        lines.append(f"  {row[0]:<{widths[0]}}   {row[1]:<{widths[1]}}   {middle}   {row[4]}".rstrip())
    return "\n".join(lines)


def as_html(comparison: Comparison) -> str:
    """A small table and the answer, everything escaped."""
    heads = ("arm", comparison.metric.words, f"against {comparison.baseline.arm}", "p (Holm)", "verdict")
    head = "".join(f"<th>{html.escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>" for row in cells(comparison))
    notes = "".join(f"<li>{html.escape(remark)}</li>" for remark in comparison.remarks)
    return f"<p>{html.escape(comparison.answer)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" + (
        f"<ul>{notes}</ul>" if notes else ""
    )


def as_plain(value: object) -> Any:
    """Dataclasses, tuples and numbers as JSON-ready data: no NaN, no infinity, no numpy."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
