"""Runs what is missing of the gallery, keeps what came out in docs/gallery, and writes its index: `make gallery`.

Studies go in the order of the reports' rows. What is kept of each: its page, its tables, its verdicts, and a record of how it was run.
Stop it when you like: finished runs are not run again, and a study that is kept is left alone until its recipes change.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from contrast import study_file
from contrast.budgets import BUDGETS, Budget
from contrast.planned import slug
from contrast.report import cards, embedded
from contrast.report.page import build
from contrast.report.tables import render
from contrast.report.terminal import lines
from contrast.results import Results
from contrast.study import Study

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "gallery"
MOST_BYTES = 1_000_000
"""No kept page is larger."""


def studies() -> list[Study]:
    """The shipped studies that claim something of the reports, in their order."""
    every = (study_file.read(path) for path in study_file.shipped().values())
    return sorted((study for study in every if study.source or study.published), key=cards.order)


def at_budget(study: Study, budget: Budget) -> Study:
    """The study at a budget; a study without a short one is short enough as it is."""
    return study.with_budget(budget) if study.short is not None else study


def recipes(study: Study) -> str:
    """SHA-256 (hex) of the recipes that it would run."""
    return hashlib.sha256("".join(sorted(run.recipe.id for run in study.plan().runs)).encode()).hexdigest()


def record_of(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """What was noted when a study was kept or tried; empty where it was not."""
    path = folder / name / "record.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def is_kept(study: Study, budget: Budget, folder: Path = FOLDER) -> bool:
    """Whether what is kept answers this budget, or the full one, with the study's recipes of today."""
    record = record_of(study.name, folder)
    if "recipes" not in record or not (folder / study.name / "report.html").is_file():
        return False
    return record["budget"] in (budget, "full") and record["recipes"] == recipes(at_budget(study, record["budget"]))


def command_of(study: Study, budget: Budget) -> list[str]:
    """What a person would type after `contrast`."""
    return ["run", study.name, *(["budget=short"] if at_budget(study, budget).budget == "short" else [])]


def run(study: Study, budget: Budget, options: list[str], folder: Path = FOLDER) -> str:
    """Carry a study out, or go on with it, and keep the result.

    Returns:
        Why it could not be run; empty where it was.
    """
    words, began = command_of(study, budget), time.monotonic()
    told = subprocess.run([sys.executable, "-m", "contrast", *words, *options], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    if told.returncode:
        why = without_places((told.stderr.strip().splitlines() or ["it ended without a word"])[-1].removeprefix("contrast: "))
        if told.returncode < 0 or told.returncode > 128:
            raise KeyboardInterrupt
        if not record_of(study.name, folder).get("recipes"):
            write_record(study, {"why_not": why, "date": f"{date.today():%Y-%m-%d}"}, folder)
        return why
    keep(study, budget, Results(ROOT / "runs" / slug(at_budget(study, budget).name)), time.monotonic() - began, folder)
    return ""


def without_places(message: str) -> str:
    """A message without what is this machine's alone."""
    for path, word in ((os.environ.get("CONTRAST_DATA", ""), "$CONTRAST_DATA"), (str(ROOT), "."), (str(Path.home()), "~")):
        message = message.replace(path, word) if path else message
    return message


def keep(study: Study, budget: Budget, results: Results, seconds: float, folder: Path = FOLDER) -> None:
    """Write page, tables, verdicts and record of a finished study below docs/gallery.

    Args:
        seconds: of the invocation that ended it; what was run before it is not in them, but in the runs' own.
    """
    place, comparison = folder / study.name, results.compare()
    place.mkdir(parents=True, exist_ok=True)
    tables = {"results": comparison.table(), "published": results.table("published"), "conclusions": results.table("conclusions")}
    for name, table in tables.items():
        (place / f"{name}.csv").write_text(str(render(table, "csv")), encoding="utf-8")
    (place / "verdicts.txt").write_text("\n".join(line.plain.rstrip() for line in lines(results, comparison)) + "\n", encoding="utf-8")
    page = build(results, comparison).encode("utf-8")
    if len(page) > MOST_BYTES:
        print(f"  {study.name}: its page has {len(page) / 1e6:.1f} MB, more than {MOST_BYTES / 1e6:.0f}")
    (place / "report.html").write_bytes(page)
    write_record(study, record(study, budget, results, seconds), folder)


def record(study: Study, budget: Budget, results: Results, seconds: float) -> dict[str, Any]:
    """How a study was run: nothing that names a machine or a person."""
    taken, runs, environments = at_budget(study, budget), results.runs().drop_duplicates("folder"), results.environments()
    versions = {name: environments[-1].get(name) for name in ("contrast", "torch", "numpy")} if environments else {}
    return {
        "command": "contrast " + " ".join(command_of(study, budget)),
        "budget": taken.budget,
        "recipes": recipes(taken),
        "seeds": results.lock["seeds"],
        "runs": len(runs),
        "seconds": round(float(runs["seconds"].sum()), 1),
        "wall_seconds": round(seconds, 1),
        "date": max((str(each["started"])[:10] for each in environments if each.get("started")), default=f"{date.today():%Y-%m-%d}"),
        "device": results.lock["machine"]["device"],
        "processor": results.lock["machine"].get("device_name"),
        "precision": results.lock["machine"]["precision"],
        "threads": results.lock["machine"]["threads"],
        "cores": os.cpu_count(),
        "versions": {**versions, "python": platform.python_version()},
    }


def write_record(study: Study, content: dict[str, Any], folder: Path) -> None:
    (folder / study.name).mkdir(parents=True, exist_ok=True)
    (folder / study.name / "record.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def card_of(study: Study, folder: Path = FOLDER) -> cards.Card:
    """A study's card, from its file and what is kept; with its picture it takes seconds."""
    page = folder / study.name / "report.html"
    return cards.card(study, embedded.restore(page) if page.is_file() else None, record_of(study.name, folder))


def write_index(made: Iterable[cards.Card], folder: Path = FOLDER) -> None:
    """Write index.html and index.md."""
    every = list(made)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(cards.page(every), encoding="utf-8")
    (folder / "index.md").write_text(cards.markdown(every), encoding="utf-8")


def main() -> int:
    """Run what is missing, and write the index after every study."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--budget", choices=BUDGETS, default="short")
    asked.add_argument("--only", nargs="*", default=[], metavar="NAME", help="only these studies")
    asked.add_argument("--index", action="store_true", help="run nothing, write the index")
    asked.add_argument("--executor", default="local")
    asked.add_argument("--workers", default="2", help="of the local executor")
    given = asked.parse_args()
    options = ["--quiet", "--executor", given.executor, *(["--workers", given.workers] if given.executor == "local" else [])]
    made = {study.name: card_of(study) for study in studies()}
    write_index(made.values())
    every = [study for study in studies() if not given.index and (not given.only or study.name in given.only)]
    try:
        return 1 if run_missing(every, given.budget, options, made) else 0
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it ended")
        return 130


def run_missing(every: list[Study], budget: Budget, options: list[str], made: dict[str, cards.Card]) -> int:
    """Run what is not kept yet, and write the index after every study.

    Args:
        every: the studies to look after.
        budget: full or short.
        options: of `contrast run`.
        made: the index's cards, by study; those of what is run are made anew.

    Returns:
        How many could not be run.
    """
    failed = 0
    for number, study in enumerate(every, 1):
        kept = is_kept(study, budget)
        print(f"{number:>3} of {len(every)}  {study.name}: {'kept' if kept else ' '.join(command_of(study, budget))}", flush=True)
        if kept:
            continue
        why = run(study, budget, options)
        if why:
            failed += 1
            print(f"    not run: {why}", flush=True)
        made[study.name] = card_of(study)
        write_index(made.values())
    return failed


if __name__ == "__main__":
    sys.exit(main())
