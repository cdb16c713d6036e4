"""Designs: ways to ask more than one thing at a time, as plain settings of a study, and the arms that each declares."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from contrast import faults
from contrast.errors import InputError
from contrast.recipe import KINDS, augment_name

Origin = Literal["base", "arms", "sweep", "grid", "factorial", "ladder", "search"]
Changes = Mapping[str, Any]
ParentKey = "from"
"""In an arm's changes: the arm that it builds on."""

BASELINE = "baseline"
ALL = "all"
SEARCH_SEEDS = 1_000_000
"""Seeds of a search begin here, so that what it found is judged on seeds that did not choose it."""


class Design(BaseModel):
    """Settings of a design; a wrong key or type is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True)


_Design = TypeVar("_Design", bound=Design)


@dataclass(frozen=True)
class Declared:
    """An arm as a design declares it, before it is a recipe.

    Attributes:
        name: what people call it.
        changes: one or more sets of changes, applied one after the other.
        origin: the part of the study that declares it.
        parent: the arm that it builds on; the base where there is none.
        axis: path and value, for arms of a one-dimensional sweep over numbers.
    """

    name: str
    changes: tuple[Changes, ...]
    origin: Origin
    parent: str | None = None
    axis: tuple[str, float] | None = None


class Spaced(Design):
    """Values of a sweep in even steps; both ends are the values themselves, and belong to it."""

    linspace: Annotated[tuple[float, float, int], Field(strict=False)] | None = Field(default=None, description="first, last, how many: even steps")
    logspace: Annotated[tuple[float, float, int], Field(strict=False)] | None = Field(
        default=None, description="first, last, how many: even factors; both ends above 0"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.linspace is None) == (self.logspace is None):
            raise ValueError("give one of linspace: [first, last, how many] and logspace: [first, last, how many]")
        first, last, count = self._given
        if not 2 <= count <= 1000 or first == last:
            raise ValueError("an axis has 2 to 1000 values, and two ends that differ")
        if self.logspace is not None and not (first > 0 and last > 0):
            raise ValueError("logspace has both ends above 0, e.g. [0.0001, 0.1, 4]")
        return self

    @property
    def _given(self) -> tuple[float, float, int]:
        return self.linspace or self.logspace or (0, 0, 0)

    def values(self) -> list[float | int]:
        """The values, rounded to six digits; whole numbers where every even step is one (channels, batch sizes)."""
        first, last, count = self._given
        shares = [index / (count - 1) for index in range(count)]
        if self.linspace is not None:
            made = [first * (1 - share) + last * share for share in shares]  # exact at both ends
        else:
            made = [first * (last / first) ** share for share in shares]
        rounded = [float(f"{value:.6g}") for value in made]
        whole = all(value.is_integer() and abs(value) >= 1 for value in rounded)
        return [int(value) for value in rounded] if whole else rounded


def parsed(kind: type[_Design], given: Any, where: str) -> _Design:
    """A design from plain data, with a message of its own where the field that holds it allows other things too.

    Raises:
        InputError: a setting is wrong; names the key path below `where`.
    """
    if isinstance(given, kind):
        return given
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise faults.told(error, kind).below(where) from None


Values = list[Any] | Spaced


def values_of(given: Values) -> list[Any]:
    """The values that a sweep or grid gives to one setting."""
    return given.values() if isinstance(given, Spaced) else given


class Factorial(Design):
    """Several factors at once: what does each do by itself, and do they work together?

    A factor is a dotted path with its values, or a name with its levels, each a set of changes. The first level of each
    is the reference of its effects.
    """

    factors: dict[str, list[Any] | dict[str, dict[str, Any]]] = Field(description="dotted path → values, or name → {level → changes}")
    fraction: Literal["full", "half"] = Field(default="full", description="every cell, or half of them (three or more factors of two levels)")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.factors) < 2:
            raise ValueError("a factorial has two factors or more; a single one is a sweep")
        few = next((name for name, levels in self.factors.items() if len(levels) < 2), None)
        if few is not None:
            raise ValueError(f"factor {few!r} needs two levels or more; the first is the reference")
        if self.fraction == "half" and (len(self.factors) < 3 or any(len(levels) != 2 for levels in self.factors.values())):
            raise ValueError("half a factorial needs three or more factors of two levels each")
        return self

    def levels(self) -> dict[str, list[str]]:
        """Factor → names of its levels."""
        return {name: [level for level, _ in self._levels(name)] for name in self.factors}

    def cells(self) -> Iterator[tuple[tuple[int, ...], str, tuple[Changes, ...]]]:
        """Level indices, name and changes of every cell; of half a factorial, those with the reference cell among them.

        The half is the one with the defining relation I = ± (product of all factors), which keeps main effects apart from
        each other and mixes each with the interaction of all others (Box, Hunter & Hunter, Statistics for Experimenters).
        """
        choices = [list(enumerate(self._levels(name))) for name in self.factors]
        for chosen in itertools.product(*choices):
            indices = tuple(index for index, _ in chosen)
            if self.fraction == "half" and sum(indices) % 2:
                continue
            names = [self._cell_part(factor, level) for factor, (_, (level, _)) in zip(self.factors, chosen, strict=True)]
            yield indices, ", ".join(names), tuple(changes for _, (_, changes) in chosen)

    def _levels(self, factor: str) -> list[tuple[str, Changes]]:
        given = self.factors[factor]
        if isinstance(given, dict):
            return list(given.items())
        return [(level_name(value), {factor: value}) for value in given]

    def _cell_part(self, factor: str, level: str) -> str:
        given = self.factors[factor]
        value = None if isinstance(given, dict) else next(value for value in given if level_name(value) == level)
        return f"{factor} {level}" if isinstance(given, dict) else value_name(factor, value, self.factors)


class Ladder(Design):
    """Changes added one on top of the other, and taken away one by one from all of them."""

    add: dict[str, dict[str, Any]] = Field(default_factory=dict, description="name → changes; each arm has those of all before it too")
    drop: dict[str, dict[str, Any]] = Field(default_factory=dict, description="name → changes; one arm has all, each other one leaves one out")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.add and not self.drop:
            raise ValueError("give add: or drop: with name → changes")
        if len(self.drop) == 1:
            raise ValueError("dropping one by one needs two changes or more")
        return self

    def arms(self) -> Iterator[Declared]:
        """The arms ``+ NAME``, then ``all`` and ``all but NAME``."""
        steps = list(self.add.items())
        for index, (name, _) in enumerate(steps):
            yield Declared(f"+ {name}", tuple(changes for _, changes in steps[: index + 1]), "ladder")
        if self.drop:
            yield Declared(ALL, tuple(self.drop.values()), "ladder")
        for left_out in self.drop:
            yield Declared(f"{ALL} but {left_out}", tuple(changes for name, changes in self.drop.items() if name != left_out), "ladder")

    def steps(self) -> dict[str, list[dict[str, str]]]:
        """Which arm is held against which, by ``add`` and ``drop``: what one change does on top of the others."""
        befores = [BASELINE, *(f"+ {name}" for name in self.add)]
        return {
            "add": [{"name": name, "arm": f"+ {name}", "against": before} for name, before in zip(self.add, befores, strict=False)],
            "drop": [{"name": name, "arm": ALL, "against": f"{ALL} but {name}"} for name in self.drop],
        }


class Race(Design):
    """Seeds until settled: further seeds go to the undecided arms only, and the error promised holds at every look."""

    start: int = Field(ge=2, le=10_000, description="seeds at the first look")
    up_to: int = Field(alias="up to", ge=2, le=10_000, description="seeds at the last look")
    until: Literal["settled"] = Field(default="settled", description="what ends it for an arm")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.up_to < self.start:
            raise ValueError(f"up to {self.up_to} is less than the start, {self.start}")
        return self


class Splits(Design):
    """Another split of the data with every seed, so that the answer is not about one split alone."""

    folds: int | None = Field(default=None, ge=2, le=100, description="k: each run of k seeds holds out every image once; None: a new split a seed")

    def settings(self, number: int) -> dict[str, int]:
        """The data settings of the `number`-th seed (from 0): repeated k-fold, or repeated splits."""
        if self.folds is None:
            return {"split_seed": number}
        return {"split_seed": number // self.folds, "folds": self.folds, "fold": number % self.folds}


class Range(Design):
    """Where a search may look along one setting."""

    low: float | int = Field(description="the least value")
    high: float | int = Field(description="the greatest value")
    log: bool = Field(default=False, description="even in factors, for learning rates and the like")
    step: int | float | None = Field(default=None, gt=0, description="values in such steps only")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.low < self.high:
            raise ValueError("low must be below high")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs low above 0, and no step")
        return self


class Search(Design):
    """A search over settings by validation alone; what it finds joins the arms, with seeds that did not choose it."""

    over: dict[str, list[Any] | Range] = Field(description="dotted path → values, or {low, high, log, step}", min_length=1)
    trials: int = Field(ge=1, le=10_000, description="budget: settings tried")
    sampler: Literal["tpe", "random"] = Field(default="tpe", description="tpe: learns from the trials before (Bergstra et al. 2011); random")
    at_once: int = Field(alias="at once", default=4, ge=1, le=100, description="trials chosen together, which may run side by side")
    seed: int = Field(default=0, ge=0, le=2**31, description="what the sampler draws from")
    name: str = Field(default="best found", min_length=1, max_length=255, description="what the arm is called")

    @field_validator("over", mode="before")
    @classmethod
    def _ranges(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {path: parsed(Range, values, f"search.over.{path}") if isinstance(values, Mapping) else values for path, values in given.items()}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        empty = next((path for path, values in self.over.items() if values == []), None)
        if empty is not None:
            raise ValueError(f"{empty} has no values to choose from")
        return self


class Prune(Design):
    """Hopeless settings given up early: at each rung the best by validation go on (successive halving, Jamieson & Talwalkar 2016)."""

    reduction: int = Field(
        default=3, ge=2, le=100, description="one setting in so many goes on from a rung to the next, which is so many times as far"
    )
    least_epochs: int = Field(default=1, ge=1, description="epochs before the first rung")

    def rungs(self, epochs: int) -> tuple[int, ...]:
        """Epochs after which settings are given up, all below the whole budget."""
        rungs, rung = list[int](), self.least_epochs
        while rung < epochs:
            rungs.append(rung)
            rung *= self.reduction
        return tuple(rungs)

    def saves(self, settings: int, epochs: int) -> int:
        """Epochs that are spared at most, of `settings` that are held against each other, one seed each."""
        saved = 0
        for rung in self.rungs(epochs):
            going_on = math.ceil(settings / self.reduction)
            saved, settings = saved + (settings - going_on) * (epochs - rung), going_on
        return saved


def level_name(value: Any) -> str:
    """What a factor's level is called in a table."""
    if isinstance(value, Mapping) and "use" in value:
        return " ".join([augment_name(value), *(f"{key}={item}" for key, item in value.items() if key != "use")])
    return str(value)


def value_name(path: str, value: Any, paths: Mapping[str, Any]) -> str:
    """What an arm of a sweep, grid or factorial is called: ``dropout 0.1``, ``lr 0.01``, ``adam``, ``sgd momentum=0.9``.

    Args:
        path: the setting.
        value: its value.
        paths: all paths beside which it stands; where two end alike, the whole path names the arm.
    """
    last = path.rpartition(".")[2]
    if sum(other.rpartition(".")[2] == last for other in paths) > 1:
        last = path
    if (isinstance(value, Mapping) and "use" in value) or (path in KINDS and isinstance(value, str)):
        return level_name(value)
    return f"{last} {value}"


def swept(sweep: Mapping[str, Values]) -> Iterator[Declared]:
    """An arm a value; the numeric axis is kept for figures."""
    for path, given in sweep.items():
        values = values_of(given)
        numeric = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        for value in values:
            yield Declared(value_name(path, value, sweep), ({path: value},), "sweep", axis=(path, float(value)) if numeric else None)


def gridded(grid: Mapping[str, Values]) -> Iterator[Declared]:
    """An arm a combination of values."""
    for chosen in itertools.product(*(values_of(given) for given in grid.values())) if grid else ():
        pairs = dict(zip(grid, chosen, strict=True))
        yield Declared(", ".join(value_name(path, value, grid) for path, value in pairs.items()), (pairs,), "grid")


def named(arms: Mapping[str, Mapping[str, Any]]) -> Iterator[Declared]:
    """The arms that have names, each after the one that it builds on.

    Raises:
        InputError: an arm builds on one that is not there, or on itself in the end.
    """
    parents = {name: changes.get(ParentKey) for name, changes in arms.items()}
    for name, parent in parents.items():
        if parent is not None and parent not in parents:
            raise InputError(f"there is no arm {parent!r} to build on", where=f"arms.{name}.from", right=f"name one of: {', '.join(parents)}")
    for name in _parents_first(parents):
        changes = {path: value for path, value in arms[name].items() if path != ParentKey}
        yield Declared(name, (changes,), "arms", parent=parents[name])


def _parents_first(parents: Mapping[str, str | None]) -> Iterator[str]:
    done: set[str] = set()
    for name in parents:
        chain = [name]
        while (parent := parents[chain[-1]]) is not None and parent not in done:
            if parent in chain:
                raise InputError("builds on itself in the end", where=f"arms.{name}.from", right="let one of these arms build on the base")
            chain.append(parent)
        for one in reversed(chain):
            if one not in done:
                done.add(one)
                yield one


def count(sweep: Mapping[str, Values], grid: Mapping[str, Values], factorial: Factorial | None, ladder: Ladder | None) -> int:
    """How many arms these designs declare at most, without making them.

    Raises:
        InputError: a setting of a sweep or grid has no values.
    """
    for origin, values in (("sweep", sweep), ("grid", grid)):
        empty = next((path for path, given in values.items() if not values_of(given)), None)
        if empty is not None:
            raise InputError("has no values", where=f"{origin}.{empty}", right="give a list of values, each of which makes an arm")
    lengths = [len(values_of(given)) for given in grid.values()]
    cells = math.prod(len(levels) for levels in factorial.factors.values()) if factorial else 0
    rungs = len(ladder.add) + len(ladder.drop) + 1 if ladder else 0
    return sum(len(values_of(given)) for given in sweep.values()) + (math.prod(lengths) if lengths else 0) + cells + rungs


@dataclass(frozen=True)
class Trial:
    """One setting that a search tries: its number and its changes."""

    number: int
    changes: Changes = field(hash=False)

    @property
    def arm(self) -> str:
        """The name of its runs."""
        return f"search {self.number}"
