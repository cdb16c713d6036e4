"""What `--dry-run` prints: the runs to come, what each arm changes and loses, and the disk that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contrast.numbers import duration, plural
from contrast.shown import shown

if TYPE_CHECKING:
    from rich.console import Console

MOST_RUNS_SHOWN = 60


def render(lock: Mapping[str, Any], to_do: int, bytes_needed: int, seconds: float, console: Console, pilot: str | None = None) -> None:
    """Print a plan.

    Args:
        lock: what `study.lock` would say.
        to_do: runs that are not finished yet.
        bytes_needed: disk that these take.
        seconds: time that these take, expected.
        console: where to.
        pilot: a sentence on what the design could show, where something is known.
    """
    from rich.text import Text

    for line in lines(lock, to_do, bytes_needed, seconds, pilot):
        console.print(Text(line))


def lines(lock: Mapping[str, Any], to_do: int, bytes_needed: int, seconds: float, pilot: str | None = None) -> list[str]:
    """The lines that `render` prints."""
    machine, runs = lock["machine"], lock["runs"]
    folders = {run["folder"] for run in runs}
    where = f"{machine['device']}, {machine['precision']}, {machine['memory_format'].replace('_', ' ')}, threads {machine['threads']}"
    head = [shown(lock["question"] or lock["name"], 2000), ""]
    counts = f"{plural(len(lock['arms']), 'arm')} × {plural(len(lock['seeds']), 'seed')}: {plural(len(folders), 'run')}, {to_do} to do"
    size = f"{counts}; about {duration(seconds)} and {bytes_needed / 1e6:,.0f} MB of disk; {where}"
    told = [size, *_budget(lock), *_more(lock, seconds), *([pilot] if pilot else [])]
    return [*head, *told, "", *_data(lock), "", *_arms(lock), "", *_order(runs), *_remarks(lock)]


def _budget(lock: Mapping[str, Any]) -> list[str]:
    """What the short budget gives up, where the plan is of that one; else that there is one."""
    reported = lock.get("reported") or {}
    if not reported.get("short"):
        return []
    if reported.get("budget") == "short":
        return [f"short budget, which gives up: {shown(reported['short']['gives_up'], 2000)}"]
    return ["full budget; budget=short takes the short one"]


def _more(lock: Mapping[str, Any], seconds: float) -> list[str]:
    """What is not planned yet, because it depends on what will be found."""
    designs = lock.get("designs") or {}
    made = []
    if "race" in designs:
        looks = ", ".join(map(str, designs["race"]["looks"]))
        longest = duration(seconds * designs["race"]["up to"] / designs["race"]["start"])
        made.append(
            f"race: looks at {looks} seeds; after each, only undecided arms go on, with the baseline; {longest} if none is settled before the last"
        )
    if "search" in designs:
        made.append("search: its trials come first and choose by validation; what they find joins the arms")
    if "prune" in designs:
        made.append(_pruning(designs["prune"]))
    return made


def _pruning(prune: Mapping[str, Any]) -> str:
    if not prune["rungs"]:
        return f"prune: no rung lies below {plural(prune['epochs'], 'epoch')}, so nothing is pruned"
    rungs, spared = " and ".join(map(str, prune["rungs"])), 100 * prune["saves"] / max(1, prune["of"])
    rule = f"after {rungs} of {prune['epochs']} epochs the best one in {prune['reduction']} by validation goes on"
    return f"prune: {rule}, which saves at most {prune['saves']:,} of {prune['of']:,} epochs ({spared:.0f} %)"


def _data(lock: Mapping[str, Any]) -> list[str]:
    def line(entry: Mapping[str, Any]) -> str:
        shape = "×".join(str(side) for side in entry["shape"])
        counts = entry["counts"]
        split = f"{counts['train']:,} train, {counts['validation']:,} validation, {counts['test']:,} test"
        return f"data  {shown(entry['use'], 80)}: {split}; {len(entry['classes'])} classes; {shape}"

    return [line(entry) for entry in lock["data"]]


def _arms(lock: Mapping[str, Any]) -> list[str]:
    made = []
    for arm in lock["arms"]:
        share = arm["initial_share"]
        common = "" if share is None or arm["name"] == lock["baseline"] else f"; {100 * share:.1f} % of them start as in the baseline"
        made.append(f"arm   {shown(arm['name'], 80)}: {arm['parameters']:,} parameters{_trained(arm)}{common}")
        made += [f"        {shown(path, 120)}: {_value(before)} → {_value(after)}" for path, (before, after) in arm["differences"].items()]
        made += [f"        loses {shown(text, 200)}" for text in arm["lost"]]
        made += [f"        shares the runs of {shown(arm['twin'], 80)}"] if arm["twin"] else []
    return made


def _trained(arm: Mapping[str, Any]) -> str:
    """How many are trained, where some are frozen."""
    total, trained = arm["parameters"], arm["trainable_parameters"]
    return f": {trained:,} trainable, {total - trained:,} frozen ({100 * trained / max(1, total):.2f} % trainable)" if trained < total else ""


def _value(value: Any) -> str:
    return "—" if value is None else shown(str(value), 80)


def _order(runs: list[Mapping[str, Any]]) -> list[str]:
    made = [f"run   {number:>3}  {run['folder']}" for number, run in enumerate(runs[:MOST_RUNS_SHOWN], 1)]
    return [*made, f"      … and {len(runs) - MOST_RUNS_SHOWN} more"] if len(runs) > MOST_RUNS_SHOWN else made


def _remarks(lock: Mapping[str, Any]) -> list[str]:
    return ["", *(f"note  {shown(remark, 400)}" for remark in lock["remarks"])] if lock["remarks"] else []
