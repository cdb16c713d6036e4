"""What stands on the page, section by section, as words: every number is formatted here, nothing is marked up."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contrast.numbers import NOTHING, clock, duration, number, plural, share, significant, size
from contrast.report import designs, methods, published, settings, speed
from contrast.report.result_rows import rows
from contrast.report.tables import records
from contrast.report.terminal import machine_line
from contrast.report.threats import threats
from contrast.study_published import VERBS
from contrast.study_tables import by_arm, designs_of, in_words, watched

if TYPE_CHECKING:
    import pandas as pd

    from contrast.compare import Comparison
    from contrast.design_values import Answer
    from contrast.study_tables import StudyTables

MARKS = {"helps": "+", "hurts": "−", "no difference": "=", "diverged": "×"}  # in every font
RUN_COLUMNS = {
    "arm": "arm", "seed": "seed", "status": "status", "test_accuracy": "test", "validation_accuracy": "validation",
    "train_accuracy": "train", "test_loss": "test loss", "best_epoch": "best epoch", "seconds": "time",
    "loading_share": "loading, % of step time", "folder": "folder",
}  # fmt: skip
MACHINE_WORDS = {"compile": "compiled", "memory_format": "memory format", "instruction_set": "instructions", "device_name": "device name"}


def contents(study: StudyTables, comparison: Comparison, answers: Sequence[Answer] = (), pictured: Iterable[str] = ()) -> dict[str, Any]:
    """Everything that the page's template names, but for figures and downloads.

    Args:
        study: its tables.
        comparison: its answer.
        answers: those of its designs.
        pictured: names of the methods that the figures name.
    """
    arms = by_arm(study.runs())
    sections = designs.parts(study, comparison, answers)
    reported = published.section(study)
    lock = study.lock
    return {
        "name": study.name,
        "question": str(lock["question"] or study.name),
        "command": str(lock["command"]),
        "answer": answer(comparison),
        "facts": facts(study),
        "unfinished": unfinished(study),
        "verdicts": verdicts(comparison),
        "results": rows(comparison, arms),
        "metric": comparison.metric.words,
        "level": f"{100 * comparison.level:g} %",
        "tested": sum(contrast.p is not None for contrast in comparison.contrasts),
        "equal": any(contrast.verdict.kind == "no difference" for contrast in comparison.contrasts),
        "baseline": comparison.baseline.arm,
        "seeds": seeds(comparison),
        "seeds_differ": len({len(arm.seeds) for arm in (comparison.baseline, *comparison.arms) if not arm.pruned}) > 1,
        "points": comparison.metric.unit == "points",
        "changes": settings.changes(lock),
        "lost": settings.lost(lock),
        "held": settings.held_fixed(lock),
        "pruned": any(arm.pruned for arm in comparison.arms),
        "choose": str(lock["choose"]).replace("_", " "),
        "watched": watched(study.epochs()),
        "designs": sections,
        "reported": reported,
        "methods": methods.used([*_of_results(comparison), *pictured, *reported.methods, *(name for part in sections for name in part.methods)]),
        "data": [data_in_short(entry, lock) for entry in _data_entries(lock)],
        "audited": audited(lock),
        "threats": threats(study, comparison, arms, answers),
        "cost": cost(study, arms),
        "runs": runs(study.runs()),
        "run_columns": RUN_COLUMNS,
        "environment": environment(study),
    }


def _of_results(comparison: Comparison) -> list[str]:
    """The methods behind the verdicts and the main table."""
    found = ["mean"]
    found += ["paired-t", "holm", "sign-flip", "seeds-needed"] if comparison.contrasts else []
    found += ["two-way"] if any(contrast.images_interval for contrast in comparison.contrasts) else []
    return [*found, *(["tost"] if comparison.contrasts and comparison.margin else [])]


def _data_entries(lock: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The data sets; of one that is split anew with every seed, the first split stands for all."""
    entries = list(lock["data"])
    if not designs_of(lock, "splits"):
        return entries
    firsts = {json.dumps([entry["use"], entry["fingerprint"]]): entry for entry in reversed(entries)}
    note = f"{plural(len(entries), 'split')} in all; this is the first"
    return [{**entry, "notes": [*(entry.get("notes") or ()), note]} for entry in reversed(firsts.values())]


def audited(lock: Mapping[str, Any]) -> list[str]:
    """What the plan found when it looked over the images, which it does before every study (`contrast.cautions`)."""
    found = [str(remark) for remark in lock.get("remarks") or () if "--audit" in str(remark) or "classes are of unequal size" in str(remark)]
    return found or ["no image stands in two parts, pixel for pixel, and no class is much larger than another; contrast data --audit looks closer"]


def answer(comparison: Comparison) -> str:
    """Two sentences: the comparison's own, and what the baseline reaches."""
    sentence = comparison.answer
    told = [sentence[:1].upper() + sentence[1:]]
    if comparison.baseline.mean is not None:
        unit = "% " if comparison.metric.unit == "points" else ""
        decimals = 1 if unit else 3
        told.append(f"The baseline reaches {number(comparison.baseline.mean, decimals)} {unit}{comparison.metric.words}.")
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
    to_come = ("running", "waiting", "interrupted", "planned", "failed")
    open_ones = [f"{counts[word]} {word}" for word in to_come if word in counts]
    ended = len(status) - sum(int(counts.get(word, 0)) for word in to_come)
    if not open_ones:
        return ""
    begins, ends = ("Running: ", " This page does not refresh itself; load it again to see more.") if "running" in counts else ("", "")
    return f"{begins}{ended} of {plural(len(status), 'run')} ended; {', '.join(open_ones)}. What follows is what is known so far.{ends}"


def seeds(comparison: Comparison) -> str:
    """``3 seeds``, ``2 to 3 seeds``."""
    counts = sorted({len(arm.seeds) for arm in (comparison.baseline, *comparison.arms) if not arm.pruned})
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
        "settings": [(str(key), in_words(value)) for key, value in (entry.get("settings") or {}).items()],
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
            "achieved": speed.achieved(row),
            "loading": share(row.get("loading_share")),
            "memory": speed.memory(row),
            "parameters": number(row["parameters"], 0),
            "trainable": number(row["trainable_parameters"], 0),
            "frozen": number(row["parameters"] - row["trainable_parameters"], 0),
            "share": number(100 * row["trainable_parameters"] / row["parameters"], 2) if row["parameters"] else NOTHING,
        }
        for row in arms.to_dict("records")
    ]


def runs(table: pd.DataFrame) -> list[dict[str, str]]:
    """Every run, fit for the eye."""
    percent = ("test_accuracy", "validation_accuracy", "train_accuracy")
    rows = []
    for row in records(table.reindex(columns=list(RUN_COLUMNS))):
        told = {column: str(value) for column, value in row.items()}
        told |= {column: NOTHING if row[column] is None else number(100 * row[column], 2) for column in percent}
        told |= {"loading_share": NOTHING if row["loading_share"] is None else number(100 * row["loading_share"], 1)}
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
    return size(value) if key.endswith("_bytes") else in_words(value)
