"""What the page says of a study's designs: factors, trends, the best of many, ladders, a race, splits, a search."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contrast.numbers import NOTHING, number, plural
from contrast.report import presented
from contrast.study_tables import designs_of, in_words

if TYPE_CHECKING:
    from contrast.compare import Comparison
    from contrast.design_values import Answer
    from contrast.study_tables import StudyTables

TITLES = {
    "factors": "Main effects and interactions", "trend": "Trend along the sweep", "best": "The best of many",
    "steps": "What each step does",
}  # fmt: skip
COLUMN_METHODS = {"deciding interval": "holm", "p (Holm)": "holm", "mixed with": "aliases", "verdict": "tost"}
MOST_TRIALS = 10


@dataclass(frozen=True)
class Part:
    """One part of the section: words, and a table where there is one.

    Attributes:
        name: of its anchor, ``design-NAME``.
        title: its heading.
        sentences: what it says.
        heads: (words, method that the column comes from, or nothing; whether it holds words).
        rows: cells.
        remarks: what to bear in mind.
        methods: names of the methods behind it.
    """

    name: str
    title: str
    sentences: tuple[str, ...] = ()
    heads: tuple[tuple[str, str, bool], ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    remarks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()


def parts(study: StudyTables, comparison: Comparison, answers: Sequence[Answer]) -> list[Part]:
    """All parts of the section, in the order of reading; none for a study of plain arms."""
    told = [_of_answer(answer) for answer in answers]
    return [*told, *_race(study.lock, comparison), *_pruning(study, comparison), *_splits(study.lock), *_search(study)]


def _of_answer(answer: Answer) -> Part:
    sentences = tuple(f"{sentence}." for sentence in answer.sentences)
    remarks = tuple(f"{remark}." for remark in answer.remarks)
    name, title = answer.design, TITLES[answer.design]
    if not len(answer.table):
        return Part(name, title, remarks=remarks, methods=answer.methods)
    table = presented.answer(answer)
    numbers = {head: answer.methods[0] for head in table.heads if head not in table.left and head not in ("seeds", "of", "per")}
    heads = tuple((head, (numbers | COLUMN_METHODS).get(head, ""), head in table.left or head == "of") for head in table.heads)
    return Part(name, title, sentences, heads, table.rows, remarks, answer.methods)


def _race(lock: Mapping[str, Any], comparison: Comparison) -> list[Part]:
    race = designs_of(lock, "race")
    if not race:
        return []
    looks = list(race["looks"])
    sentence = (
        f"Seeds were added until an arm was settled: {looks[0]} to {looks[-1]}, looked at with {', '.join(map(str, looks))}. These looks were "
        "planned "
        "before the first, and each spends a share of the 5 % error; so verdicts hold whenever an arm stopped."
    )
    rows = []
    for contrast in comparison.contrasts:
        seen, kind = len(contrast.seeds), contrast.verdict.kind
        ended = (
            kind if kind in ("helps", "hurts", "no difference", "diverged") else "still open" if seen < looks[-1] else "not settled at the last look"
        )
        rows.append((contrast.arm, str(seen), ended))
    heads = (("arm", "", True), ("seeds so far", "", False), ("came to", "alpha-spending", True))
    return [Part("race", "Racing", (sentence,), heads, tuple(rows), methods=("alpha-spending",))]


def _pruning(study: StudyTables, comparison: Comparison) -> list[Part]:
    prune = designs_of(study.lock, "prune")
    gone = [contrast for contrast in comparison.contrasts if contrast.verdict.kind == "pruned"]
    if not prune or not prune["rungs"]:
        return []
    rungs, figure = " and ".join(map(str, prune["rungs"])), str(study.lock["choose"]).replace("_", " ")
    sentence = (
        f"After {rungs} of {plural(int(prune['epochs']), 'epoch')}, the best one in {prune['reduction']} by {figure} went on, mean over its seeds; "
        "the others were given up there. Test was not opened for them: they are unfinished and have no verdict and no p. Holm counts them."
    )
    what = "The values of one sweep are held against each other, and so are the combinations of the grid; the baseline and named arms never are."
    rows = tuple((contrast.arm, contrast.reached) for contrast in gone)
    heads = (("pruned", "", True), ("after", "successive-halving", True))
    return [Part("prune", "Pruning", (sentence, what), heads if rows else (), rows, methods=("successive-halving",))]


def _splits(lock: Mapping[str, Any]) -> list[Part]:
    splits = designs_of(lock, "splits")
    if not splits:
        return []
    folds, held = splits.get("folds"), str(splits.get("rotates", "validation"))
    how = f"Seeds go round {folds} folds: {folds} seeds hold out every image once" if folds else "Every seed has a random split of its own"
    images = (
        "Test images are others with every split, so there is no interval with other images: this one is about other images already."
        if held == "test"
        else "Test images are the same for all."
    )
    overlap = f"Training sets overlap; the variance of a mean is widened by {float(splits['overlap']):.2g}, the images held out for one trained on."
    return [Part("splits", "Splits", (f"{how} ({held}).", images, overlap), methods=("overlap",))]


def _search(study: StudyTables) -> list[Part]:
    design = designs_of(study.lock, "search")
    if not design:
        return []
    trials = study.search()
    figure = str(design.get("metric") or study.lock["choose"])
    percent = figure.endswith("accuracy")
    known = trials.dropna(subset="figure").sort_values("figure", ascending=not percent, kind="stable")
    winner = design.get("winner")
    sentences = [
        f"{plural(len(trials), 'setting')} tried, chosen by {figure.replace('_', ' ')} alone, one seed each. This was choosing, not judging: "
        "test was not opened."
    ]
    if winner:
        sentences.append(
            f"The best of them stands among the arms as {winner}, run anew with seeds that did not choose it. Only that run is evidence."
        )
    rows = tuple(
        (
            str(row["trial"]),
            changes_in_words(row["changes"]) + "; pruned" * (row["status"] == "pruned"),
            number(100 * row["figure"], 2) if percent else number(row["figure"], 4),
        )
        for row in known.head(MOST_TRIALS).to_dict("records")
    )
    heads = (("trial", "", True), ("settings", "", True), (f"{figure.replace('_', ' ')}{', %' if percent else ''}", "", False))
    lost = int((trials["status"] == "diverged").sum())
    waiting = int(trials["figure"].isna().sum()) - lost
    remarks = [f"{plural(len(known) - MOST_TRIALS, 'more setting')} in the table of trials."] if len(known) > MOST_TRIALS else []
    remarks += [f"{plural(lost, 'setting')} diverged."] if lost else []
    remarks += [f"{plural(waiting, 'setting')} not tried yet."] if waiting > 0 else []
    return [Part("search", "The search", tuple(sentences), heads if rows else (), rows, tuple(remarks))]


def changes_in_words(changes: str) -> str:
    """``optimizer.lr 0.01, model.dropout 0.2`` from the JSON of a trial's changes."""
    return ", ".join(f"{path} {in_words(value)}" for path, value in json.loads(changes).items()) or NOTHING
