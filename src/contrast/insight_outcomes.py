"""Sections of a run's page about what it said: probabilities, mistakes, confusion, classes, calibration, and the other arms' behavior."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from contrast.explain import behavior, confusion, learning, mistakes, probabilities, reliability
from contrast.explain.judged import Ints, Judged
from contrast.explain.page import Bars, Chart, Gallery, One, Part, Section, Table
from contrast.explain.sheets import Sheet, Tile
from contrast.numbers import plural
from contrast.shown import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrast.opened import Opened

MOST_ROWS, MOST_CHANGED = 40, 48


def sections(opened: Opened, causes: Path) -> list[Section]:
    """All that can be shown of what the run said; findings and omissions are told to `opened`."""
    if opened.test is None or not len(opened.test):
        opened.left_out.append("The run kept no outcomes of single images, so nothing is said of mistakes, classes and calibration.")
        return []
    made = [_probabilities(opened, opened.test), _mistakes(opened, opened.test, causes), _confusion(opened, opened.test)]
    made += [_calibration(opened, opened.test), _learning(opened), _between_arms(opened)]
    return [section for section in made if section is not None]


def given(opened: Opened) -> Section | None:
    """What the network says of the images that were asked for; None where there are none, or no weights."""
    names, pixels = opened.given
    if not names or opened.classifier is None:
        return None
    live = Judged.live(tuple(names), opened.classifier.probabilities(pixels).astype(np.float64))
    said = tuple(probabilities.said(live, at, pixels[at], opened.classes, name) for at, name in enumerate(names))
    group = probabilities.Group("given-images", "", "As the network sees them, and what it says of each.", said)
    return Section("yours", "Your images", parts=(Bars(group),))


def _probabilities(opened: Opened, test: Judged) -> Section | None:
    if test.confidence is None:
        opened.left_out.append("The run kept no probabilities, so nothing is said of how sure it is.")
        return None
    kinds = probabilities.notable(test)
    texts = (
        ("random-images", "Random images", "Drawn at random among the test images.", kinds.random),
        ("surest-right", "Surest and right", "The greatest probabilities that were given to the true class.", kinds.surest_right),
        ("surest-wrong", "Surest and wrong", "The greatest probabilities that were given to a wrong class.", kinds.surest_wrong),
        ("least-sure", "Least sure", "The images whose greatest probability is least.", kinds.least_sure),
    )
    groups = [_group(opened, test, *each) for each in texts]
    parts = tuple(Bars(group) for group in groups if group is not None and group.said)
    return Section("probabilities", "Probabilities", parts=parts) if parts else None


def _group(opened: Opened, test: Judged, name: str, title: str, caption: str, positions: NDArray[np.int64]) -> probabilities.Group | None:
    pixels = opened.pixels([test.ids[at] for at in positions])
    if pixels is None:
        return None
    said = tuple(probabilities.said(test, int(at), image, opened.classes) for at, image in zip(positions, pixels, strict=True))
    return probabilities.Group(name, title, caption, said)


def _mistakes(opened: Opened, test: Judged, causes: Path) -> Section | None:
    wrong = mistakes.positions(test)
    if not len(wrong):
        opened.findings.append("No test image is misclassified.")
        return None
    tags = mistakes.tagged(causes) if causes.exists() else {}
    pixels = opened.pixels([test.ids[at] for at in wrong[: mistakes.MOST]])
    counted = _causes_table(tags, test)
    told = f"{plural(len(wrong), 'test image')} of {len(test):,} {'is' if len(wrong) == 1 else 'are'} misclassified, the surest first."
    if pixels is None:
        return Section("mistakes", "Mistakes", (told,), parts=counted) if counted else None
    found = mistakes.gallery(test, wrong[: mistakes.MOST], pixels)
    more = f" The first {len(found)} are shown." if len(found) < len(wrong) else ""
    how = (
        " Write a cause below an image and save the list as causes.csv beside this page: the next contrast explain counts the causes."
        " Nothing that is written here leaves this page by itself."
    )
    part = Gallery(tuple(found), opened.classes, tags, mistakes.sheet(found, opened.classes, len(wrong)))
    return Section("mistakes", "Mistakes", (told + more + how,), parts=(*counted, part))


def _causes_table(tags: dict[str, str], test: Judged) -> tuple[Part, ...]:
    found = mistakes.causes(tags, test)
    if not found:
        return ()
    total = sum(count for _, count in found)
    rows = tuple((cause, str(count), f"{100 * count / total:.0f}") for cause, count in found)
    return (Table("Causes", f"What a reader saw in {plural(total, 'mistake')} of this run (causes.csv).", ("cause", "images", "%"), rows),)


def _confusion(opened: Opened, test: Judged) -> Section:
    names = opened.classes
    counts = confusion.matrix(test, len(names))
    pairs, table = confusion.most_confused(counts), confusion.class_table(test, names)
    parts: list[Part] = [_matrix(counts, names)]
    if pairs:
        worst = pairs[0]
        opened.findings.append(
            f"Most often confused: {shown(names[worst.true], 40)} taken for {shown(names[worst.predicted], 40)}, "
            f"{plural(worst.images, 'test image')}, {100 * worst.rate:.1f} % of that class."
        )
        rows = tuple((names[pair.true], names[pair.predicted], str(pair.images), f"{100 * pair.rate:.1f}") for pair in pairs)
        parts.append(Table("Most confused", "Rates are shares of the true class's test images.", ("true", "predicted", "images", "rate, %"), rows))
    parts += _blocks(counts, names) if len(names) > confusion.MOST_NAMED else []
    if len(table) <= MOST_ROWS:
        caption = "Accuracy of each class on test, worst above, with 95 % Wilson intervals over images: where it would lie with other images."
        parts.append(Chart("classes", "Classes", caption, confusion.draw_classes(table)))
    else:
        ends = [*table.head(15).itertuples(index=False), *table.tail(5).itertuples(index=False)]
        rows = tuple((str(row[0]), f"{row[1]:,}", f"{row[2]:.1f}", f"{row[3]:.1f} … {row[4]:.1f}") for row in ends)
        caption = f"The 15 worst and 5 best of {len(table):,} classes, with 95 % Wilson intervals over images."
        parts.append(Table("Classes", caption, ("class", "images", "accuracy, %", "interval"), rows))
    return Section("confusion", "Classes and confusion", parts=tuple(parts))


def _matrix(counts: Ints, names: Sequence[str]) -> Part:
    if len(names) <= confusion.MOST_NAMED:
        caption = "Test images of each true class (row) by prediction (column). Color is the share of the row; empty cells hold no image."
        return Chart("confusion", "Confusion matrix", caption, confusion.draw(confusion.prepare(counts, names)))
    arranged = confusion.order(counts)
    caption = (
        f"{len(names):,} classes, true ones downward, predicted ones to the right, in an order that puts classes that are mixed up beside each "
        "other. Color is the square root of the share of the row, so that rare confusions show."
    )
    drawn = Tile(confusion.raster(counts, arranged), exact=True)
    return One(Sheet("confusion", "Confusion matrix", caption, (drawn,), 1, size=560, scale=("amounts", "never", "always")))


def _blocks(counts: Ints, names: Sequence[str]) -> list[Part]:
    found = confusion.blocks(counts)[:12]
    rows = tuple((str(len(block)), ", ".join(shown(names[at], 30) for at in block[:8]) + (" …" if len(block) > 8 else "")) for block in found)
    caption = f"Groups of classes that are taken for one another at a mean rate of at least {100 * confusion.MIXED:.0f} % (average linkage)."
    return [Table("Blocks", caption, ("classes", "which"), rows, numbers=False)] if rows else []


def _calibration(opened: Opened, test: Judged) -> Section | None:
    data = reliability.prepare(test)
    if data.empty:
        return None
    validation = opened.judged("validation")
    fitted = reliability.fit(validation, test) if validation is not None else None
    found = reliability.error_of(data)
    told = f"Expected calibration error on test: {100 * found:.2f} points (15 bins of equal width)."
    if fitted is not None:
        way = "about as sure as it is right" if 0.95 < fitted.value < 1.05 else "too sure" if fitted.value > 1 else "not sure enough"
        told += f" A temperature of {fitted.value:.2f}, fitted on validation, makes it {100 * fitted.after:.2f}: the network is {way}."
        opened.findings.append(told)
    else:
        opened.left_out.append(
            "No temperature was fitted: that needs the probabilities of all classes of validation images, which are kept up to 100."
        )
    caption = "Each dot is a bin of test images, its size their number; the line to the diagonal is how far confidence and accuracy lie apart."
    parts: list[Part] = [Chart("reliability", "Reliability", caption, reliability.draw(data))]
    two = reliability.two_classes(test)
    if two is not None:
        second = shown(opened.classes[1], 40)
        roc = f"{second} against the other class; area {two.roc_area:.4f}. Dashed: guessing."
        parts.append(Chart("roc", "ROC", roc, reliability.draw_two_classes(two, "roc")))
        pr = f"{second}; average precision {two.average_precision:.4f}. Dashed: guessing."
        parts.append(Chart("precision-recall", "Precision and recall", pr, reliability.draw_two_classes(two, "pr")))
    return Section("calibration", "Calibration", (told,), parts=tuple(parts))


def _learning(opened: Opened) -> Section | None:
    held = opened.judged("validation")
    rows = opened.run.rows("learning.csv", learning.COLUMNS)
    found = learning.learning(rows, len(held), str(opened.run.folder / "learning.csv")) if held is not None else None
    if held is None or found is None or found.epochs < 3:
        return None
    told = learning.told(found)
    opened.findings.append(told)
    parts = tuple(One(sheet) for sheet in learning.sheets(found, held, opened.classes, opened.pixels))
    return Section("learning", "Learnt late or forgotten", (told,), parts=parts)


def _between_arms(opened: Opened) -> Section | None:
    predictions, labels = opened.predictions
    if sum(len(seeds) for seeds in predictions.values()) < 2:
        return None
    baseline = str(opened.results.lock["baseline"])
    found = [one for arm in predictions if arm != baseline and (one := behavior.changed(predictions, labels, baseline, arm)) is not None]
    own = next((one for one in found if one.arm == opened.run.arm), None)
    never = behavior.never_right(predictions, labels)
    parts: list[Part] = []
    if found:
        rows = tuple((one.arm, str(one.seeds), str(len(one.fixed)), str(len(one.broken)), f"{one.expected:.1f}") for one in found[:MOST_ROWS])
        caption = (
            "Fixed: the baseline is wrong and the arm right in every seed that both have; broken: the other way round. By chance: how many of each "
            "would be seen if both arms got each image right equally often."
        )
        parts.append(Table("Fixed and broken", caption, ("arm", "seeds", "fixed", "broken", "by chance"), rows))
    parts.append(_churn(predictions))
    if own is not None:
        opened.findings.append(behavior.told(own, len(labels)))
        fixed = "Right in every seed, where the baseline is wrong in every seed. True class ← what the baseline says."
        broken = "Wrong in every seed, where the baseline is right in every seed. True class → what this arm says."
        parts += _shown(opened, own.fixed, _Told("fixed", f"Fixed by {shown(own.arm, 60)}", fixed, "←", (baseline,)))
        parts += _shown(opened, own.broken, _Told("broken", f"Broken by {shown(own.arm, 60)}", broken, "→", (own.arm,)))
    runs = sum(len(seeds) for seeds in predictions.values())
    told = f"{plural(len(never), 'test image')} of {len(labels):,}: no run of {runs} gets {'it' if len(never) == 1 else 'them'} right."
    opened.findings.append(told)
    why = f"{told} They may be mislabeled, or beyond what these networks can learn. True class → what most runs say."
    parts += _shown(opened, never, _Told("never-right", "Never right", why, "→"))
    return Section("arms", "Between arms", parts=tuple(parts))


def _churn(predictions: behavior.Predictions) -> Part:
    table = behavior.churn(predictions)
    if len(table) > 12:
        return One(behavior.sheet_of_churn(table))
    rows = tuple((str(arm), *("–" if np.isnan(value) else f"{value:.1f}" for value in table.loc[arm])) for arm in table.index)
    caption = (
        "Percent of test images on which two runs predict different classes, averaged over pairs of runs; 100 minus it is their agreement. "
        "On the diagonal: seeds of one arm, which is what chance alone changes."
    )
    return Table("Churn", caption, ("arm", *map(str, table.columns)), rows)


class _Told(NamedTuple):
    """Words around some images, and the arms whose usual prediction stands behind the true class (none: all)."""

    name: str
    title: str
    caption: str
    arrow: str
    arms: tuple[str, ...] = ()


def _shown(opened: Opened, positions: NDArray[np.int64], told: _Told) -> list[Part]:
    """Some images of `predictions` with their class and what some runs say."""
    ids, (predictions, labels) = opened.baseline_ids, opened.predictions
    chosen = positions[:MOST_CHANGED].tolist()
    pixels = opened.pixels([ids[at] for at in chosen]) if chosen else None
    if pixels is None:
        return []
    said = [f"{opened.classes[int(labels[at])]} {told.arrow} {opened.classes[behavior.usual(predictions, at, told.arms)]}" for at in chosen]
    tiles = tuple(Tile(image, caption) for image, caption in zip(pixels, said, strict=True))
    more = f" The first {len(chosen)} of {len(positions)}." if len(chosen) < len(positions) else ""
    return [One(Sheet(told.name, told.title, told.caption + more, tiles, columns=min(12, len(tiles)), size=72))]
