"""Does `contrast.compare` keep what it promises? Simulated studies whose truth is known, judged by the public `compare`.

Every run of a simulated study classifies N images; image i is classified right with probability
logistic(difficulty_i + image × arm + arm + seed). The truth for *these* images is the mean over seeds of that probability,
the truth over images is its mean over the population. Prints Markdown; writes nothing but `--out`.

    python bench/coverage.py                          the full table (issue 5, Numbers)
    python bench/coverage.py --studies 100            a quick look
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
import pandas
from numpy.typing import NDArray
from scipy import optimize, special, stats

from contrast.compare import Comparison, Contrast, Settling, compare, planned_looks

Floats = NDArray[numpy.float64]
NODES = 32
BASELINE = "baseline"


@dataclass(frozen=True)
class World:
    """How runs come about. Standard deviations are in logits, `effect` in points over the population of images."""

    name: str = "the model"
    effect: float = 0.0
    images: int = 2_000
    difficulty: float = 2.2
    spread: float = 3.2
    image_arm: float = 0.6
    seed: float = 0.06
    tails: float | None = None

    def seed_effects(self) -> Floats:
        """The equally likely seed effects: quantiles of a normal, or of Student's t with `tails` degrees of freedom."""
        places = (numpy.arange(NODES) + 0.5) / NODES
        quantiles = special.ndtri(places) if self.tails is None else special.stdtrit(self.tails, places)
        return numpy.asarray(self.seed * quantiles, dtype=numpy.float64)

    def shift(self) -> float:
        """The arm's logit shift that makes the population effect `effect`."""

        def gap(shift: float) -> float:
            return 100 * (self._population(shift, self.image_arm) - self._population(0.0, 0.0)) - self.effect

        return float(optimize.brentq(gap, -5, 5))

    def _population(self, shift: float, image_arm: float) -> float:
        grid = numpy.linspace(-9, 9, 4001)
        weights = stats.norm.pdf(grid) / stats.norm.pdf(grid).sum()
        sd = numpy.hypot(self.spread, image_arm)
        rows = special.expit(self.difficulty + shift + sd * grid[:, None] + self.seed_effects())
        return float(weights @ rows.mean(axis=1))


@dataclass(frozen=True)
class Simulated:
    """One study: outcomes of shape (arms, seeds, images), the baseline first, and per arm the truth for these images in points."""

    outcomes: NDArray[numpy.uint8]
    effects: Floats
    sds: Floats

    def compare(self, margin: float = 0.5, with_outcomes: bool = True, looks: tuple[int, ...] | None = None) -> Comparison:
        """The study as `contrast.compare` sees it."""
        arms, seeds, _ = self.outcomes.shape
        names = [BASELINE, *(f"arm {index}" for index in range(1, arms))]
        table = pandas.DataFrame(
            {
                "arm": numpy.repeat(names, seeds),
                "seed": numpy.tile(numpy.arange(seeds), arms),
                "status": "finished",
                "test_accuracy": self.outcomes.mean(axis=2).ravel(),
            }
        )
        scores = {name: dict(enumerate(rows)) for name, rows in zip(names, self.outcomes, strict=True)}
        return compare(table, baseline=BASELINE, margin=margin, outcomes=scores if with_outcomes else None, looks=looks)


def simulated(world: World, arms: int, seeds: int, generator: numpy.random.Generator) -> Iterator[Simulated]:
    """Endless studies with `arms` besides the baseline."""
    shift, nodes = world.shift(), world.seed_effects()
    while True:
        logits = numpy.tile(generator.normal(world.difficulty, world.spread, world.images), (arms + 1, 1))
        logits[1:] += shift + generator.normal(0, world.image_arm, (arms, world.images))
        effects, sds = _truth(logits, nodes, world.images)
        drawn = generator.choice(nodes, (arms + 1, seeds, 1))
        right = special.expit((logits[:, None] + drawn).astype(numpy.float32))
        outcomes = generator.random(right.shape, dtype=numpy.float32) < right
        yield Simulated(outcomes.view(numpy.uint8), effects, sds)


def _truth(logits: Floats, nodes: Floats, images: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation over seeds of each arm's difference to the baseline on these images, in points."""
    right = special.expit((logits[:, None] + nodes[:, None]).astype(numpy.float32)).astype(numpy.float64)
    accuracy = right.mean(axis=2)
    coins = (right * (1 - right)).mean(axis=(1, 2)) / images
    variance = accuracy.var(axis=1) + coins
    means = accuracy.mean(axis=1)
    return 100 * (means[1:] - means[0]), 100 * numpy.sqrt(variance[1:] + variance[0])


def coverage(world: World, seeds: int, studies: int, generator: numpy.random.Generator) -> dict[str, float]:
    """One arm: both intervals, the verdicts, and the range of seeds needed, against the truth."""
    margin = max(world.effect, 0.5)
    marks: dict[str, list[float]] = {}
    for _, study in zip(range(studies), simulated(world, 1, seeds, generator), strict=False):
        contrast = study.compare(margin).contrasts[0]
        for name, value in _marks(contrast, world, float(study.effects[0]), float(study.sds[0]), margin).items():
            marks.setdefault(name, []).append(value)
    return {name: float(numpy.nanmean(values)) if not numpy.isnan(values).all() else numpy.nan for name, values in marks.items()}


def _marks(contrast: Contrast, world: World, truth: float, sd: float, margin: float) -> dict[str, float]:
    """What one study got right (1) or wrong (0), or NaN where it does not count."""
    first, second, kind = contrast.interval, contrast.images_interval, contrast.verdict.kind
    if first is None or second is None or contrast.effect is None:
        return {"without interval": 1.0}
    wrong_way = (kind == "helps" and truth <= 0) or (kind == "hurts" and truth >= 0)
    known = _covers(contrast, Settling(contrast.effect, margin).pairs(sd))
    return {
        "without interval": 0.0,
        "interval 1": truth in first,
        "interval 2": world.effect in second,
        "half 1": (first.high - first.low) / 2,
        "half 2": (second.high - second.low) / 2,
        "settled": kind in ("helps", "hurts", "no difference"),
        "wrong way": wrong_way,
        "false no difference": kind == "no difference" if abs(truth) > margin else numpy.nan,
        "seeds": known,
        "seeds printed": known if kind == "undecided" else numpy.nan,
        "seeds, true effect": _covers(contrast, Settling(truth, margin).pairs(sd)) if kind == "undecided" else numpy.nan,
    }


def _covers(contrast: Contrast, pairs: int | None) -> float:
    needed, done = contrast.seeds_needed, len(contrast.seeds)
    if needed is None:
        return numpy.nan
    truth = numpy.inf if pairs is None else max(1, pairs - done)
    low = numpy.inf if needed.fewest is None else needed.fewest
    high = numpy.inf if needed.most is None else needed.most
    return float(low <= truth <= high)


def family(world: World, arms: int, seeds: int, studies: int, generator: numpy.random.Generator) -> float:
    """Share of studies in which some arm is said to help or to hurt."""
    said = 0
    for _, study in zip(range(studies), simulated(world, arms, seeds, generator), strict=False):
        said += any(contrast.verdict.kind in ("helps", "hurts") for contrast in study.compare().contrasts)
    return said / studies


@dataclass(frozen=True)
class Raced:
    """A race of several arms: share of studies with a false word, of arms settled, and the mean seeds an arm took."""

    false_difference: float
    false_equivalence: float
    settled: float
    seeds: float


def race(world: World, arms: int, margin: float, studies: int, generator: numpy.random.Generator) -> Raced:
    """Races from 3 up to 20 seeds; an arm that is settled gets no more."""
    looks = planned_looks(3, 20)
    false_difference = false_equivalence = settled = taken = 0
    for _, study in zip(range(studies), simulated(world, arms, looks[-1], generator), strict=False):
        stops = _stops(study, looks, margin)
        kinds = [kind for kind, _ in stops]
        false_difference += any(
            (kind == "helps" and truth <= 1e-9) or (kind == "hurts" and truth >= -1e-9) for kind, truth in zip(kinds, study.effects, strict=True)
        )
        false_equivalence += sum(kind == "no difference" and abs(truth) >= margin for kind, truth in zip(kinds, study.effects, strict=True))
        settled += sum(kind != "undecided" for kind in kinds)
        taken += sum(seeds for _, seeds in stops)
    arms_raced = arms * studies
    return Raced(false_difference / studies, false_equivalence / arms_raced, settled / arms_raced, taken / arms_raced)


def _stops(study: Simulated, looks: tuple[int, ...], margin: float) -> list[tuple[str, int]]:
    """For each arm, its verdict at the end of the race and the seeds it had."""
    arms = len(study.outcomes) - 1
    had = [looks[0]] * arms
    for look in looks:
        comparison = _at(study, had, margin, looks)
        open_arms = [index for index, c in enumerate(comparison.contrasts) if c.verdict.kind not in ("helps", "hurts", "no difference")]
        if look == looks[-1] or not open_arms:
            break
        for index in open_arms:
            had[index] = looks[looks.index(look) + 1]
    return [(contrast.verdict.kind, seeds) for contrast, seeds in zip(comparison.contrasts, had, strict=True)]


def _at(study: Simulated, had: list[int], margin: float, looks: tuple[int, ...]) -> Comparison:
    accuracy = study.outcomes.mean(axis=2)
    rows = [
        {"arm": f"arm {arm}" if arm else BASELINE, "seed": seed, "status": "finished", "test_accuracy": accuracy[arm, seed]}
        for arm, seeds in enumerate([max(had), *had])
        for seed in range(seeds)
    ]
    return compare(pandas.DataFrame(rows), baseline=BASELINE, margin=margin, looks=looks)


@dataclass(frozen=True)
class Splits:
    """How one sample is split for each seed: `repeats` times into `folds`, or `repeats` times at random, one part of `folds` held out."""

    name: str
    folds: int
    repeats: int
    random: bool = False

    @property
    def overlap(self) -> float:
        """Images held out per image trained on."""
        return 1 / (self.folds - 1)

    def held_out(self, images: int, generator: numpy.random.Generator) -> Iterator[NDArray[numpy.int64]]:
        """The images held out for each seed."""
        for _ in range(self.repeats):
            parts = numpy.array_split(generator.permutation(images), self.folds)
            yield from parts[:1] if self.random else parts


def nearest_mean(images: Floats, classes: Floats) -> Floats:
    """Weights (the last is the threshold) of the classifier that takes the nearer class mean; classes are −1 and 1."""
    high, low = images[classes > 0].mean(axis=0), images[classes < 0].mean(axis=0)
    return numpy.append(high - low, (low @ low - high @ high) / 2)


def ridge(images: Floats, classes: Floats) -> Floats:
    """Weights of ridge regression onto the classes, penalty 1."""
    wide = numpy.column_stack([images, numpy.ones(len(images))])
    return numpy.asarray(numpy.linalg.solve(wide.T @ wide + numpy.eye(wide.shape[1]), wide.T @ classes))


LEARNERS: dict[str, Callable[[Floats, Floats], Floats]] = {"nearest mean": nearest_mean, "ridge": ridge}
SAMPLE, FEATURES, APART = 200, 10, 0.25


def split_study(learner: str, splits: Splits, generator: numpy.random.Generator) -> pandas.DataFrame:
    """Runs of two arms that are equal by symmetry: one learns from one half of the features, the other from the other half.

    Classes differ by twice `APART` standard deviations in every feature, so accuracy is near 78 %.
    """
    classes = numpy.where(numpy.arange(SAMPLE) % 2, 1.0, -1.0)
    images = generator.normal(size=(SAMPLE, 2 * FEATURES)) + APART * classes[:, None]
    rows = []
    for seed, held in enumerate(splits.held_out(SAMPLE, generator)):
        trained = numpy.ones(SAMPLE, dtype=bool)
        trained[held] = False
        for arm, half in ((BASELINE, images[:, :FEATURES]), ("arm", images[:, FEATURES:])):
            weights = LEARNERS[learner](half[trained], classes[trained])
            right = (half[held] @ weights[:-1] + weights[-1] > 0) == (classes[held] > 0)
            rows.append((arm, seed, "finished", right.mean()))
    return pandas.DataFrame(rows, columns=["arm", "seed", "status", "test_accuracy"])


def false_with_splits(learner: str, splits: Splits, studies: int, generator: numpy.random.Generator) -> dict[str, float]:
    """Share of studies with a false "helps" or "hurts" as if seeds were independent, by flipping signs, and corrected."""
    marks: dict[str, list[float]] = {"plain": [], "flipped": [], "corrected": [], "half plain": [], "half corrected": []}
    for _ in range(studies):
        runs = split_study(learner, splits, generator)
        plain, corrected = (compare(runs, baseline=BASELINE, overlap=overlap).contrasts[0] for overlap in (0.0, splits.overlap))
        marks["flipped"].append(plain.sign_flip is not None and plain.sign_flip.p <= 0.05)
        for name, contrast in (("plain", plain), ("corrected", corrected)):
            marks[name].append(contrast.verdict.kind in ("helps", "hurts"))
            marks[f"half {name}"].append(contrast.interval.high - contrast.effect if contrast.interval and contrast.effect is not None else numpy.nan)
    return {name: float(numpy.nanmean(values)) for name, values in marks.items()}


SEEDS = (3, 5, 10)
SPLITS = (
    Splits("5 folds", 5, 1), Splits("5 folds, twice", 5, 2), Splits("5 folds, 10 times", 5, 10),
    Splits("10 random splits, 1/5 held out", 5, 10, random=True), Splits("10 folds", 10, 1), Splits("2 folds, 5 times", 2, 5),
)  # fmt: skip
HARDER = (
    World("500 images", images=500),
    World("accuracy near 99 %", difficulty=8.5),
    World("accuracy near 99 %, 500 images", difficulty=8.5, images=500),
    World("seed effects × 5, Student's t with 3 degrees of freedom", seed=0.3, tails=3.0),
)


def coverage_table(worlds: list[World], studies: int, generator: numpy.random.Generator) -> list[str]:
    """Markdown: a row per world and number of seeds."""
    lines = [
        '| model | effect | seeds | interval 1 | interval 2 | half-width 1 / 2 | no interval | wrong way | false "no difference" '
        "| seeds needed | … as printed | … against the true effect |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for world in worlds:
        for seeds in SEEDS:
            mark = coverage(world, seeds, studies, generator)
            cells = [world.name, f"{world.effect:g}", str(seeds), *(_three(mark[name]) for name in ("interval 1", "interval 2"))]
            cells += [f"{mark['half 1']:.2f} / {mark['half 2']:.2f}"]
            names = ("without interval", "wrong way", "false no difference", "seeds", "seeds printed", "seeds, true effect")
            cells += [_three(mark[name]) for name in names]
            lines.append(f"| {' | '.join(cells)} |")
            _say(lines[-1])
    return lines


def family_table(studies: int, generator: numpy.random.Generator) -> list[str]:
    """Markdown: false "helps" or "hurts" per family of arms that do nothing."""
    lines = ['| arms | images × arm | seeds | studies with a false "helps" or "hurts" |', "|---|---|---|---|"]
    for arms, image_arm in ((1, 0.0), (9, 0.0), (9, 0.6)):
        for seeds in SEEDS:
            rate = family(World(image_arm=image_arm), arms, seeds, studies, generator)
            lines.append(f"| {arms} | {image_arm:g} | {seeds} | {_three(rate)} |")
            _say(lines[-1])
    return lines


def race_table(studies: int, generator: numpy.random.Generator) -> list[str]:
    """Markdown: what racing from 3 up to 20 seeds gets wrong, and what it costs."""
    lines = [
        '| arms | effect | margin | studies with a false "helps" or "hurts" | arms with a false "no difference" | settled | mean seeds |',
        "|---|---|---|---|---|---|---|",
    ]
    for arms, effect, margin in ((1, 0.0, 0.5), (3, 0.0, 0.5), (9, 0.0, 0.5), (3, 2.0, 0.5), (3, 2.0, 2.0)):
        # No image × arm, so that an arm without effect has none on these images either, and truth is 0 or the margin itself.
        world = World(effect=effect, image_arm=0.0)
        raced = race(world, arms, margin, studies, generator)
        figures = [_three(raced.false_difference), _three(raced.false_equivalence), _three(raced.settled), f"{raced.seeds:.1f}"]
        lines.append(f"| {arms} | {effect:g} | {margin:g} | {' | '.join(figures)} |")
        _say(lines[-1])
    return lines


def splits_table(studies: int, generator: numpy.random.Generator) -> list[str]:
    """Markdown: false "helps" or "hurts" where seeds are overlapping splits of one sample."""
    lines = [
        "| learner | splits | seeds | as if independent | signs flipped | corrected | half-width as if independent / corrected |",
        "|---|---|---|---|---|---|---|",
    ]
    for learner in LEARNERS:
        for splits in SPLITS:
            mark = false_with_splits(learner, splits, studies, generator)
            seeds = splits.repeats * (1 if splits.random else splits.folds)
            rates = [_three(mark[name]) for name in ("plain", "flipped", "corrected")]
            lines.append(f"| {learner} | {splits.name} | {seeds} | {' | '.join(rates)} | {mark['half plain']:.2f} / {mark['half corrected']:.2f} |")
            _say(lines[-1])
    return lines


def _three(value: float) -> str:
    return "–" if numpy.isnan(value) else f"{value:.3f}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Simulate, print the tables, and write them to `--out` where it is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2_000, help="simulated studies per row")
    parser.add_argument("--seed", type=int, default=20261121, help="of the simulation")
    parser.add_argument("--only", choices=("coverage", "harder", "family", "race", "splits"), help="one table alone")
    parser.add_argument("--out", help="also write the tables to this file")
    given = parser.parse_args()
    main_worlds = [replace(World(), effect=effect) for effect in (0.0, 0.5, 2.0)]
    tables: dict[str, Callable[[numpy.random.Generator], list[str]]] = {
        "coverage": lambda generator: coverage_table(main_worlds, given.studies, generator),
        "harder": lambda generator: coverage_table(list(HARDER), given.studies, generator),
        "family": lambda generator: family_table(given.studies, generator),
        "race": lambda generator: race_table(given.studies, generator),
        "splits": lambda generator: splits_table(given.studies, generator),
    }
    started = time.perf_counter()
    lines: list[str] = []
    for index, (name, table) in enumerate(tables.items()):
        if given.only in (None, name):
            # Its own stream each, so that one table alone has the figures that it has in the whole.
            lines += [f"\n**{name}**\n", *table(numpy.random.default_rng([given.seed, index]))]
    lines.append(f"\n{given.studies} studies per row, seed {given.seed}, {time.perf_counter() - started:.0f} s.")
    text = "\n".join(lines) + "\n"
    print(text)
    if given.out:
        Path(given.out).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
