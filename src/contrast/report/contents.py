"""What stands on the page, section by section, as words: every number is formatted here, nothing is marked up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from contrast.numbers import NOTHING, clock, duration, number, plural, significant, size
from contrast.report import settings
from contrast.report.tables import records
from contrast.report.terminal import machine_line
from contrast.report.threats import threats
from contrast.study_tables import by_arm

if TYPE_CHECKING:
    import pandas as pd

    from contrast.compare import Comparison
    from contrast.compare.comparison import ArmSummary
    from contrast.compare.contrast import Contrast
    from contrast.compare.estimate import Interval
    from contrast.study_tables import StudyTables

MARKS = {"helps": "+", "hurts": "−", "no difference": "=", "diverged": "×"}  # in every font
RUN_COLUMNS = {
    "arm": "arm", "seed": "seed", "status": "status", "test_accuracy": "test", "validation_accuracy": "validation",
    "train_accuracy": "train", "test_loss": "test loss", "best_epoch": "best epoch", "seconds": "time", "folder": "folder",
}  # fmt: skip
MACHINE_WORDS = {"compile": "compiled", "memory_format": "memory format", "instruction_set": "instructions", "device_name": "device name"}


def contents(study: StudyTables, comparison: Comparison) -> dict[str, Any]:
    """Everything that the page's template names, but for figures and downloads."""
    arms = by_arm(study.runs())
    lock = study.lock
    return {
        "name": study.name,
        "question": str(lock["question"] or study.name),
        "command": str(lock["command"]),
        "answer": answer(comparison),
        "facts": facts(study),
        "unfinished": unfinished(study),
        "verdicts": verdicts(comparison),
        "results": results(comparison, arms),
        "metric": comparison.metric.words,
        "level": f"{100 * comparison.level:g} %",
        "tested": sum(contrast.p is not None for contrast in comparison.contrasts),
        "equal": any(contrast.verdict.kind == "no difference" for contrast in comparison.contrasts),
        "baseline": comparison.baseline.arm,
        "seeds": seeds(comparison),
        "seeds_differ": len({len(arm.seeds) for arm in (comparison.baseline, *comparison.arms)}) > 1,
        "points": comparison.metric.unit == "points",
        "changes": settings.changes(lock),
        "lost": settings.lost(lock),
        "held": settings.held_fixed(lock["base"]),
        "choose": str(lock["choose"]).replace("_", " "),
        "data": [data_in_short(entry, lock) for entry in lock["data"]],
        "threats": threats(study, comparison, arms),
        "cost": cost(study, arms),
        "runs": runs(study.runs()),
        "run_columns": RUN_COLUMNS,
        "environment": environment(study),
    }


def answer(comparison: Comparison) -> str:
    """Two sentences: the comparison's own, and what the baseline reaches."""
    sentence = comparison.answer
    told = [sentence[:1].upper() + sentence[1:]]
    if comparison.baseline.mean is not None:
        unit = "% " if comparison.metric.unit == "points" else ""
        decimals = 1 if unit else 3
        told.append(f"The baseline reaches {_mean(comparison.baseline, decimals)} {unit}{comparison.metric.words}.")
    return " ".join(told)


def facts(study: StudyTables) -> list[str]:
    """The line below the title."""
    table = study.runs().drop_duplicates("folder")
    arms = plural(len(study.arms), "arm")
    over = f"{arms} × {plural(len(study.lock['seeds']), 'seed')}" if study.lock.get("seeds") else arms
    began = sorted(str(environment["started"]) for environment in study.environments() if environment.get("started"))
    day = [began[-1][:10]] if began else []
    return [over, plural(len(table), "run"), f"{clock(float(table['seconds'].sum()))} of training", machine_line(study.lock["machine"]), *day]


def unfinished(study: StudyTables) -> str:
    """A sentence where runs are still to come, else nothing."""
    status = study.status().drop_duplicates("folder")
    counts = status["status"].value_counts()
    open_ones = [f"{counts[word]} {word}" for word in ("running", "interrupted", "planned", "failed") if word in counts]
    ended = len(status) - sum(int(counts.get(word, 0)) for word in ("running", "interrupted", "planned", "failed"))
    return f"{ended} of {plural(len(status), 'run')} ended; {', '.join(open_ones)}. What follows is what is known so far." if open_ones else ""


def seeds(comparison: Comparison) -> str:
    """``3 seeds``, ``2 to 3 seeds``."""
    counts = sorted({len(arm.seeds) for arm in (comparison.baseline, *comparison.arms)})
    return plural(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"


def verdicts(comparison: Comparison) -> list[dict[str, str]]:
    """One sentence an arm, with its kind and a mark."""
    return [
        {
            "arm": contrast.arm,
            "kind": contrast.verdict.kind,
            "mark": MARKS.get(contrast.verdict.kind, "?" if contrast.verdict.kind == "undecided" else "–"),
            "sentence": VERBS.get(contrast.verdict.kind, "") + contrast.verdict.sentence,
        }
        for contrast in comparison.contrasts
    ]


VERBS = {"undecided": "is ", "no difference": "makes ", "one seed": "has ", "zero variance": "has "}
"""What makes a sentence of an arm's name and the words of its verdict."""


def results(comparison: Comparison, arms: pd.DataFrame) -> list[dict[str, str]]:
    """The rows of the main table, the baseline first; a column has one number of decimals."""
    contrasts = {contrast.arm: contrast for contrast in comparison.contrasts}
    summaries = (comparison.baseline, *comparison.arms)
    costs = arms.set_index("arm")
    apart = _decimals(contrast.standard_error for contrast in comparison.contrasts)
    alone = _decimals(summary.sd / math.sqrt(len(summary.seeds)) if summary.sd else None for summary in summaries)
    rows = []
    for summary in summaries:
        own = costs.loc[summary.arm]
        row = _difference(contrasts[summary.arm], apart) if summary.arm in contrasts else dict.fromkeys(DIFFERENCE, "")
        row |= {"arm": summary.arm, "mean": _mean(summary, alone), "seeds": str(len(summary.seeds))}
        row |= {"sd": number(summary.sd, alone) if summary.sd is not None else ""}
        row |= {"validation": number(100 * own["validation_accuracy"], 1), "seconds": duration(own["seconds"])}
        rows.append(row)
    return rows


DIFFERENCE = ("effect", "interval", "deciding", "level", "images", "p", "kind")


def agreeing(contrast: Contrast) -> Interval | None:
    """The interval that agrees with the verdict: Holm's, but for "no difference" that of the two one-sided tests."""
    return contrast.equivalence_interval if contrast.verdict.kind == "no difference" else contrast.deciding


def percent(interval: Interval | None) -> str:
    """``97.5 %``."""
    return f"{round(100 * interval.level, 1):g} %" if interval else ""


def _difference(contrast: Contrast, decimals: int) -> dict[str, str]:
    from contrast.compare.rounding import p_text, signed

    def ends(interval: Interval | None) -> str:
        return f"{signed(interval.low, decimals)} … {signed(interval.high, decimals)}" if interval else NOTHING

    return {
        "effect": signed(contrast.effect, decimals) if contrast.effect is not None else NOTHING,
        "interval": ends(contrast.interval),
        "deciding": ends(agreeing(contrast)),
        "level": percent(agreeing(contrast)),
        "images": ends(contrast.images_interval),
        "p": p_text(contrast.p_holm).removeprefix("p ").removeprefix("= ") if contrast.p_holm is not None else NOTHING,
        "kind": contrast.verdict.kind,
    }


def _decimals(errors: Iterable[float | None]) -> int:
    """As many as the best known number of a column needs, at most two more than none."""
    from contrast.compare.rounding import decimals_for

    needed = [decimals_for(error) for error in errors if error]
    return min(2 if min(needed) < 2 else max(needed), max(1, *needed)) if needed else 2


def _mean(summary: ArmSummary, decimals: int) -> str:
    return number(summary.mean, decimals)


def data_in_short(entry: Mapping[str, Any], lock: Mapping[str, Any]) -> dict[str, Any]:
    """One data set: what it is called, its shape, counts, classes and channel statistics; its arms where there are several sets."""
    channels, height, width = entry["shape"]
    return {
        "name": str(entry["use"]),
        "arms": [str(arm["name"]) for arm in lock["arms"] if arm.get("data") == entry.get("key")] if len(lock["data"]) > 1 else [],
        "shape": f"{height} × {width} pixels, {plural(int(channels), 'channel')}",
        "counts": [(part, number(count, 0)) for part, count in entry["counts"].items()],
        "classes": [str(name) for name in entry["classes"]],
        "mean": ", ".join(f"{value:.4f}" for value in entry["mean"]),
        "std": ", ".join(f"{value:.4f}" for value in entry["std"]),
        "fingerprint": str(entry["fingerprint"]),
        "split": str(entry["split"]),
        "notes": [str(note) for note in entry.get("notes") or ()],
        "settings": [(str(key), settings.in_words(value)) for key, value in (entry.get("settings") or {}).items()],
    }


def cost(study: StudyTables, arms: pd.DataFrame) -> list[dict[str, str]]:
    """What each arm cost: means over its finished runs, and their sum."""
    every = study.runs()
    return [
        {
            "arm": str(row["arm"]),
            "seconds": duration(row["seconds"]),
            "sum": duration(float(every.loc[every["arm"] == row["arm"], "seconds"].sum())),
            "speed": number(row["images_per_second"], 0),
            "memory": size(row["peak_memory_bytes"]),
            "parameters": number(row["parameters"], 0),
            "trainable": number(row["trainable_parameters"], 0),
        }
        for row in arms.to_dict("records")
    ]


def runs(table: pd.DataFrame) -> list[dict[str, str]]:
    """Every run, fit for the eye."""
    percent = ("test_accuracy", "validation_accuracy", "train_accuracy")
    rows = []
    for row in records(table[list(RUN_COLUMNS)]):
        told = {column: str(value) for column, value in row.items()}
        told |= {column: NOTHING if row[column] is None else number(100 * row[column], 2) for column in percent}
        told |= {"seconds": duration(row["seconds"]), "test_loss": number(row["test_loss"], 4), "best_epoch": significant(row["best_epoch"])}
        rows.append(told)
    return rows


def environment(study: StudyTables) -> list[tuple[str, str]]:
    """What the runs ran on; a value that differs between runs is told as several."""
    found: dict[str, dict[str, None]] = {}
    for kept in study.environments():
        for key, value in {**kept, **(kept.get("machine") or {})}.items():
            if key not in ("machine", "started", "data_fingerprint"):
                found.setdefault(key, {})[_environment_value(key, value)] = None
    for key, value in study.lock["machine"].items():
        found.setdefault(key, {_environment_value(key, value): None})
    return [(MACHINE_WORDS.get(key, key.replace("_bytes", "").replace("_", " ")), " / ".join(values)) for key, values in found.items()]


def _environment_value(key: str, value: Any) -> str:
    if key == "git":
        return "not under git" if not value else f"{str(value.get('commit'))[:12]}{' with changes' if value.get('dirty') else ''}"
    return size(value) if key.endswith("_bytes") else settings.in_words(value)
