"""What a study's designs answer besides each arm against the baseline: factors, trends, the best of many, steps of a ladder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from contrast.design_values import LEVEL, Answer, Measured, decimals_of, evidence, shows, with_holm
from contrast.errors import InputError, nearest
from contrast.study_metrics import judged, scores
from contrast.study_published import conclusions, published
from contrast.study_tables import by_arm, designs_of, final, latest, setting_at

if TYPE_CHECKING:
    import pandas as pd

    from contrast.compare import Comparison, Contrast, FactorialEffect
    from contrast.design_values import Floats
    from contrast.study_tables import StudyTables

LOG_FROM = 20.0
"""A sweep over positive values that span more than this factor is judged on a logarithmic axis."""
MANY = 3
"""From so many arms on, the best of them needs to be estimated on seeds that did not choose it."""
TOO_FEW = "fewer than two seeds have all that this needs"
FAMILIES = {"sweep": "values of {}", "grid": "combinations", "arms": "arms", "factorial": "cells"}


def answers(study: StudyTables, metric: str = "test_accuracy") -> list[Answer]:
    """All that the study's designs answer, those without a single figure left out.

    Raises:
        InputError: there is no such metric.
    """
    measured = Measured(study, metric)
    return [answer for answer in (*factors(measured), *trends(measured), *bests(measured), *steps(measured)) if len(answer.table) or answer.remarks]


def table(study: StudyTables, by: str) -> pd.DataFrame:
    """The study as a table; see `contrast.results.Results.table`."""
    makers: dict[str, Callable[[], pd.DataFrame]] = {
        "arm": lambda: by_arm(study.runs()),
        "run": study.runs,
        "epoch": study.epochs,
        "image": study.images,
        "ablation": lambda: judged(study).table(),
        "factors": lambda: factor_table(study),
        "final": lambda: final(study.runs()),
        "latest": lambda: latest(study.runs(), study.epochs()),
        "published": lambda: published(study),
        "conclusions": lambda: conclusions(study),
    }
    if by not in makers:
        raise InputError(f"there is no table by {by!r}", right=nearest(by, makers))
    return makers[by]()


def factor_table(study: StudyTables) -> pd.DataFrame:
    """The table of main effects and interactions.

    Raises:
        InputError: the study has no factorial.
    """
    found = list(factors(Measured(study)))
    if not found:
        raise InputError(
            "this study has no factorial, so there is no table of factors", right="declare `factorial` in the study, or ask for another table"
        )
    return found[0].table


def factors(measured: Measured) -> Iterator[Answer]:
    """Main effects and interactions, where the study has a factorial."""
    design = designs_of(measured.study.lock, "factorial")
    if not design:
        return
    cells = {tuple(map(int, cell["levels"])): str(cell["arm"]) for cell in design["cells"]}
    picked = measured.picked(list(cells.values()), needed=list(cells.values()))
    half = design.get("fraction") == "half"
    rows: list[dict[str, Any]] = []
    if len(picked.seeds) >= 2:
        levels = {str(factor["name"]): [str(level) for level in factor["levels"]] for factor in design["factors"]}
        found = (_of_fraction if half else _of_all)(picked.values, cells, levels, measured.overlap)
        numbers = [{"name": effect_name(effect), **_effect_row(effect), "seeds": len(picked.seeds)} for effect in found]
        rows = with_holm(numbers, [effect.estimate for effect in found])
    few = [] if rows else [f"Main effects can't be told yet: {TOO_FEW}"]
    gone = [f"{arm} diverged in {len(seeds)} of its seeds" for arm, seeds in measured.diverged.items() if arm in cells.values()]
    methods = ("factorial", "holm", *(("aliases",) if half else ()))
    told = tuple(_of_factor(row, measured) for row in rows)
    yield _answer("factors", "Factors", measured, rows, told, [*gone, *picked.remarks, *few, *measured.not_allowed_for()], methods)


def _of_all(values: Any, cells: Mapping[tuple[int, ...], str], levels: Mapping[str, Sequence[str]], overlap: float) -> Sequence[FactorialEffect]:
    from contrast.compare import factorial_effects

    table: Floats = np.full((len(values), *(len(names) for names in levels.values())), np.nan)
    for column, place in enumerate(cells):
        where: Any = (slice(None), *place)
        table[where] = values[:, column]
    return factorial_effects(table, levels, level=LEVEL, overlap=overlap) if np.isfinite(table).all() else ()


def _of_fraction(values: Any, cells: Mapping[tuple[int, ...], str], levels: Mapping[str, Sequence[str]], overlap: float) -> Sequence[FactorialEffect]:
    from contrast.compare import fractional_effects

    found = fractional_effects(values, [list(place) for place in cells], list(levels), level=LEVEL, overlap=overlap)
    return [dataclasses.replace(effect, levels=(levels[effect.factors[0]][1],)) for effect in found]


def effect_name(effect: FactorialEffect) -> str:
    """``norm batch``, ``norm batch × lr 0.1``: the last word of each path and the level."""
    return " × ".join(_named(factor, level) for factor, level in zip(effect.factors, effect.levels, strict=True))


def _named(factor: str, level: str) -> str:
    return f"{factor.rpartition('.')[2]} {level}"


def _effect_row(effect: FactorialEffect) -> dict[str, Any]:
    aliases = " + ".join(" × ".join(part.rpartition(".")[2] for part in alias.split(" × ")) for alias in effect.aliases)
    return {"effect": effect.effect, "factors": len(effect.factors), "aliases": aliases}


def _of_factor(row: Mapping[str, Any], measured: Measured) -> str:
    return _of_interaction(row, measured) if row["factors"] > 1 else _of_main_effect(row, measured)


def _of_main_effect(row: Mapping[str, Any], measured: Measured) -> str:
    mixed = f"; mixed with {row['aliases']}, which this half cannot tell from it" if row["aliases"] else ""
    return f"{row['name']}, on average over the other factors, {_verdict(row, measured)}{mixed}"


def _of_interaction(row: Mapping[str, Any], measured: Measured) -> str:
    from contrast.compare.rounding import number

    parts = " and ".join(row["name"].split(" × "))
    if np.isnan(row["p"]):
        return f"{parts}: all seeds agree to the last digit, so nothing can be said about other seeds"
    if not shows(row):
        return f"{parts}: whether their effects simply add up is undecided ({evidence(row)})"
    amount = measured.metric.amount(number(abs(row["effect"]), decimals_of(row)))
    return f"{parts} together: {amount} {'more' if row['effect'] > 0 else 'less'} than the sum of what each does alone ({evidence(row)})"


def _verdict(row: Mapping[str, Any], measured: Measured, per: str = "") -> str:
    """``helps by 2.3 points (…)``; for a metric other than accuracy ``helps: 0.31 lower``."""
    from contrast.compare.rounding import number, signed

    metric = measured.metric
    if np.isnan(row["p"]):
        return f"has no verdict: all seeds agree to the last digit ({metric.amount(signed(row['effect'], 2))})"
    decimals = decimals_of(row)
    if not shows(row):
        return f"is undecided: {metric.amount(signed(row['effect'], decimals))}{per} ({evidence(row)})"
    word = "helps" if (row["effect"] > 0) == metric.greater_is_better else "hurts"
    amount = metric.amount(number(abs(row["effect"]), decimals))
    way = f" by {amount}" if metric.unit == "points" else f": {amount} {'higher' if row['effect'] > 0 else 'lower'}"
    return f"{word}{way}{per} ({evidence(row)})"


def swept(lock: Mapping[str, Any]) -> dict[str, list[tuple[str, float]]]:
    """Path → (arm, value) of each sweep over numbers, values ascending; the baseline among them where the base recipe has a number there."""
    found: dict[str, list[tuple[str, float]]] = {}
    for arm in lock["arms"]:
        if arm.get("axis"):
            found.setdefault(str(arm["axis"]["path"]), []).append((str(arm["name"]), float(arm["axis"]["value"])))
    for path, points in found.items():
        own = setting_at(lock["base"], path)
        if isinstance(own, (int, float)) and not isinstance(own, bool) and float(own) not in [value for _, value in points]:
            points.append((str(lock["baseline"]), float(own)))
        points.sort(key=lambda point: point[1])
    return found


def trends(measured: Measured) -> Iterator[Answer]:
    """The trend along each sweep over three numbers or more; Holm over the sweeps."""
    from contrast.compare import trend

    rows: list[dict[str, Any]] = []
    estimates, remarks = [], []
    for path, points in swept(measured.study.lock).items():
        if len(points) < MANY:
            continue
        values, logarithmic = _axis(points, str(measured.study.lock["baseline"]))
        picked = measured.picked(list(values))
        remarks += list(picked.remarks)
        if len(picked.seeds) < 2 or len(picked.arms) < MANY:
            remarks.append(f"The trend along {path} can't be told yet: {TOO_FEW}")
            continue
        found = trend(picked.values, [values[arm] for arm in picked.arms], logarithmic, LEVEL, measured.overlap)
        rows.append({"name": path, "effect": found.slope, "per": found.per, "values": len(picked.arms), "seeds": len(picked.seeds)})
        estimates.append(found.estimate)
    if rows or remarks:
        told = with_holm(rows, estimates)
        words = tuple(_of_trend(row, measured) for row in told)
        yield _answer("trend", "Trend", measured, told, words, [*remarks, *measured.not_allowed_for()], ("slope", "holm"))


def _axis(points: Sequence[tuple[str, float]], baseline: str) -> tuple[dict[str, float], bool]:
    """Arm → value, and whether the axis is logarithmic; a baseline at zero has no place on such an axis."""
    own = [value for arm, value in points if arm != baseline]
    logarithmic = min(own) > 0 and max(own) / min(own) > LOG_FROM
    return {arm: value for arm, value in points if not logarithmic or value > 0}, logarithmic


def _of_trend(row: Mapping[str, Any], measured: Measured) -> str:
    from contrast.compare.rounding import number

    metric, per = measured.metric, f"per {row['per']} of {row['name']}"
    if np.isnan(row["p"]):
        return f"{row['name']}: all seeds have one slope, so nothing can be said about other seeds"
    if not shows(row):
        return f"{row['name']}: no straight trend in {metric.words} to be seen ({evidence(row)}, {per}); a best value in the middle would show none"
    amount = metric.amount(number(abs(row["effect"]), decimals_of(row)))
    return f"{row['name']}: {metric.words} {'rises' if row['effect'] > 0 else 'falls'} by {amount} {per} ({evidence(row)})"


def families(lock: Mapping[str, Any]) -> dict[tuple[str, str], list[str]]:
    """(origin, path) → names of the arms from which a best one may be picked: a sweep each, the grid, the named arms, the cells."""
    found: dict[tuple[str, str], list[str]] = {}
    for arm in lock["arms"]:
        origin, axis = str(arm.get("origin")), arm.get("axis")
        path = str(axis["path"]) if axis else next(iter(arm.get("changes") or {}), "") if origin == "sweep" else ""
        if origin in FAMILIES and arm["name"] != lock["baseline"]:
            found.setdefault((origin, path), []).append(str(arm["name"]))
    return {family: arms for family, arms in found.items() if len(arms) >= MANY}


def bests(measured: Measured) -> Iterator[Answer]:
    """The best arm of each family, chosen by validation on half of the seeds and estimated on test by the others."""
    from contrast.compare import best_of_sweep

    lock, rows, estimates = measured.study.lock, [], []
    remarks: list[str] = []
    for (origin, path), arms in families(lock).items():
        words = FAMILIES[origin].format(path)
        picked = measured.picked([measured.baseline, *arms], needed=[measured.baseline])
        remarks += list(picked.remarks)
        if len(picked.seeds) < 2 or len(picked.arms) <= MANY:
            remarks.append(f"The best of {len(arms)} {words} can't be told yet: {TOO_FEW}")
            continue
        choose = str(lock["choose"])
        seeds, validation = measured.of(picked.arms[1:], choose)
        validation = validation[np.isin(seeds, picked.seeds)]
        if not np.isfinite(validation).all():
            remarks.append(f"The best of {len(arms)} {words} can't be told: {choose} is missing in some runs")
            continue
        best = best_of_sweep(validation, picked.values[:, 1:] - picked.values[:, :1], choose.endswith("accuracy"), LEVEL, measured.overlap)
        row = {"name": picked.arms[1:][best.index], "effect": best.effect, "of": len(picked.arms) - 1, "among": words, "seeds": best.estimated_on}
        rows.append(row | {"chosen_on": best.chosen_on, "same_seeds": bool(best.remark)})
        estimates.append(best.estimate)
    if rows or remarks:
        told = with_holm(rows, estimates)
        sentences = tuple(_of_best(row, measured) for row in told)
        yield _answer("best", "Best", measured, told, sentences, [*remarks, *measured.not_allowed_for()], ("sample-splitting", "paired-t", "holm"))


def _of_best(row: Mapping[str, Any], measured: Measured) -> str:
    where = f"Best of {row['of']} {row['among']}"
    if row["same_seeds"]:
        honest = "validation picked it on the seeds that measure it, expect somewhat less (four seeds or more would keep them apart)"
    else:
        honest = f"validation picked it on {row['chosen_on']} seeds, test measured it on the other {row['seeds']}"
    return f"{where}: {row['name']} {_verdict(row, measured)}; {honest}"


def steps(measured: Measured) -> Iterator[Answer]:
    """Each step of a ladder against the one below, or what is lost where one change is left out; Holm over all steps."""
    from contrast.compare import judged_together

    design = designs_of(measured.study.lock, "ladder")
    wanted = [(kind, step) for kind in ("add", "drop") for step in design.get(kind) or ()]
    if not wanted:
        return
    outcomes = scores(measured.study, measured.metric.name) or {}
    made = [(kind, step, _step(measured, step, outcomes)) for kind, step in wanted]
    found = [(kind, step, one) for kind, step, one in made if one is not None]
    gone = [f"The step {step['name']} can't be told: {step['arm']} or {step['against']} is not in the plan" for _, step, one in made if one is None]
    contrasts = [one.contrasts[0] for one in judged_together([one for _, _, one in found])] if found else []
    family = sum(one.p is not None for one in contrasts)
    rows = [_step_row(kind, step, one, family) for (kind, step, _), one in zip(found, contrasts, strict=True)]
    told = tuple(f"{_of_step(row)}: {row['sentence']}" for row in rows)
    yield _answer("steps", "Ladder", measured, rows, told, gone, ("paired-t", "holm", "tost"))


def _step(measured: Measured, step: Mapping[str, str], outcomes: Mapping[str, Any]) -> Comparison | None:
    from contrast.compare import compare

    pair = (step["against"], step["arm"])
    runs = measured.runs[measured.runs["arm"].isin(pair)]
    if runs["arm"].nunique() < 2:
        return None
    own = {arm: outcomes[arm] for arm in pair if arm in outcomes}
    return compare(runs, baseline=pair[0], metric=measured.metric.name, outcomes=own or None, **measured.terms)


def _step_row(kind: str, step: Mapping[str, str], contrast: Contrast, family: int) -> dict[str, Any]:
    row: dict[str, Any] = {"name": step["name"], "ladder": kind, "arm": step["arm"], "against": step["against"]}
    row |= {name: _float(getattr(contrast, name)) for name in ("effect", "standard_error", "p", "p_holm")}
    for name in ("interval", "images_interval", "deciding", "equivalence_interval"):
        for end in ("low", "high"):
            row[f"{name}_{end}"] = _float(getattr(getattr(contrast, name), end, None))
    row |= {"deciding_level": _float(getattr(contrast.deciding, "level", None)), "seeds": len(contrast.seeds), "family": family}
    return row | {"verdict": contrast.verdict.kind, "sentence": contrast.verdict.sentence}


def _float(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _of_step(row: Mapping[str, Any]) -> str:
    return f"{row['name']} on top of {row['against']}" if row["ladder"] == "add" else f"{row['name']} on top of all others"


def _answer(
    design: str, title: str, measured: Measured, rows: list[dict[str, Any]], told: Sequence[str], remarks: Sequence[str], methods: tuple[str, ...]
) -> Answer:
    import pandas as pd

    return Answer(design, title, pd.DataFrame(rows), tuple(told), tuple(dict.fromkeys(remarks)), methods, measured.metric)
