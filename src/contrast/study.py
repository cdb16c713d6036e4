"""A Study: a question as data. One base Recipe, named Arms, and the seeds that each Arm repeats."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from contrast import changes as change
from contrast import faults
from contrast.errors import InputError, nearest
from contrast.recipe import KINDS, Recipe, augment_name

BASELINE = "baseline"
MOST_SEEDS, MOST_RUNS, LARGEST_SEED = 10_000, 100_000, 2**31


@dataclass(frozen=True)
class Arm:
    """A named set of changes to the base Recipe.

    Attributes:
        name: what people call it.
        changes: dotted path → value.
        recipe: the base with the changes applied.
        lost: settings that a replacement lost, e.g. ``optimizer.weight_decay 0.0005``.
        origin: the part of the study that declares it.
        axis: path and value, for arms of a one-dimensional sweep over numbers.
        twin: the earlier arm with the same recipe, whose runs this one shares.
    """

    name: str
    changes: Mapping[str, Any]
    recipe: Recipe
    lost: tuple[str, ...] = ()
    origin: Literal["base", "arms", "sweep", "grid"] = "arms"
    axis: tuple[str, float] | None = None
    twin: str | None = None


@dataclass(frozen=True)
class PlannedRun:
    """One recipe to be carried out: an arm's with one seed."""

    arm: str
    seed: int
    recipe: Recipe = field(repr=False)

    @cached_property
    def folder(self) -> str:
        """The run folder's name: words for people, then the identity."""
        return f"{slug(self.arm)}-seed{self.seed}-{self.recipe.id[:8]}"


@dataclass(frozen=True)
class Plan:
    """Every run of a study, arms interleaved inside each seed, so that drift of the machine hits all arms alike."""

    study: Study
    arms: tuple[Arm, ...]
    runs: tuple[PlannedRun, ...]
    remarks: tuple[str, ...]

    @cached_property
    def distinct(self) -> tuple[PlannedRun, ...]:
        """The runs to carry out: recipes that stand under two names once."""
        return tuple({run.recipe.id: run for run in reversed(self.runs)}.values())[::-1]

    def folder_of(self, run: PlannedRun) -> str:
        """The folder that holds a run, which a twin arm may have named."""
        return self._folders[run.recipe.id]

    @cached_property
    def _folders(self) -> dict[str, str]:
        return {run.recipe.id: run.folder for run in reversed(self.runs)}


def _base(given: Any, trust: bool) -> Recipe:
    if not isinstance(given, (Mapping, Recipe)):
        told = "is missing" if given is None else f"{faults.shown(given)} is wrong"
        raise InputError(told, where="base", right="give the recipe of the baseline: data, model, optimizer …")
    try:
        base = given if isinstance(given, Recipe) else Recipe.parse(given, trust=trust)
    except InputError as error:
        raise error.below("base") from None
    if base.seed != Recipe.model_fields["seed"].default:
        raise InputError("a study has its seeds for all arms", where="base.seed", right=f"write seeds: [{base.seed}]")
    return base


def _is_text(name: str) -> bool:
    """Whether a name can be written to a file; a lone surrogate can't."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def slug(name: str) -> str:
    """Words of a name that are safe in a file name: ``Batch norm!`` → ``batch-norm``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "arm"


class Study(BaseModel):
    """A question as data.

    Raises:
        InputError: the study can't be planned; names the key path and what would be right.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    question: str = Field(default="", max_length=2000, description="what the study asks, one sentence")
    name: str = Field(default="study", min_length=1, max_length=255, description="what the runs' folder is called; a file's own name by default")
    base: Recipe = Field(description="the recipe of the baseline")
    arms: dict[str, dict[str, Any]] = Field(default_factory=dict, description="name → changes (dotted path → value)")
    sweep: dict[str, list[Any]] = Field(default_factory=dict, description="dotted path → values; each value is an arm")
    grid: dict[str, list[Any]] = Field(default_factory=dict, description="dotted path → values; every combination is an arm")
    seeds: tuple[int, ...] = Field(default=(0,), description="how many seeds, or which")
    margin: float = Field(default=0.5, gt=0, description="points below which a difference does not matter")
    keep: Literal["both", "best", "none"] = Field(default="both", description="which weights stay when a run is finished")

    _trust: bool = PrivateAttr(default=True)

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise faults.told(error, Study) from None

    @classmethod
    def parse(cls, given: Mapping[str, Any], *, trust: bool = True) -> Study:
        """Make a Study from plain data, such as a study file.

        Args:
            given: keys as in a study file.
            trust: whether code outside the package may be imported.
        """
        unknown = [key for key in given if key not in cls.model_fields]
        if unknown:
            raise InputError("unknown key", where=str(unknown[0]), right=nearest(str(unknown[0]), cls.model_fields))
        made = cls(**{**given, "base": _base(given.get("base"), trust)})
        object.__setattr__(made, "_trust", trust)
        return made

    @model_validator(mode="before")
    @classmethod
    def _base_given_plainly(cls, given: Any) -> Any:
        return {**given, "base": _base(given.get("base"), True)}

    @field_validator("arms", "sweep", "grid", mode="before")
    @classmethod
    def _nothing_is_empty(cls, given: Any) -> Any:
        return {} if given is None else given

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, given: Any) -> Any:
        right = "give a count, e.g. 5, or a list in which each stands once, e.g. [0, 1, 2]"
        wrong = InputError(f"{faults.shown(given)} is wrong", where="seeds", right=right)
        if isinstance(given, bool) or not isinstance(given, (int, list, tuple, range)):
            raise wrong
        count = given if isinstance(given, int) else len(given)
        if not 1 <= count <= MOST_SEEDS:
            raise InputError(f"{count} is wrong", where="seeds", right=f"give 1 to {MOST_SEEDS:,}")
        seeds = tuple(range(given)) if isinstance(given, int) else tuple(given)
        if not all(type(seed) is int and 0 <= seed <= LARGEST_SEED for seed in seeds) or len(set(seeds)) != len(seeds):
            raise wrong
        return seeds

    def with_changes(self, overrides: Mapping[str, Any]) -> Study:
        """The study with settings of its base (or `seeds`, `margin`, `keep` …) overridden, as the command line does.

        Raises:
            InputError: a path leads nowhere.
        """
        own = {path: value for path, value in overrides.items() if path in type(self).model_fields and path not in ("base", "arms", "sweep", "grid")}
        for_base = {path.removeprefix("base."): value for path, value in overrides.items() if path not in own}
        for path in for_base:
            if path.partition(".")[0] not in Recipe.model_fields:
                raise InputError("unknown setting", where=path, right=nearest(path, [*Recipe.model_fields, "seeds", "margin", "keep"]))
        base, _ = change.apply(self.base.given(), for_base)
        made = {name: getattr(self, name) for name in type(self).model_fields} | own
        made["base"] = Recipe.parse(base, trust=self._trust)
        changed = type(self)(**made)
        object.__setattr__(changed, "_trust", self._trust)
        return changed

    def spec(self) -> dict[str, Any]:
        """The study as plain data; `Study.parse` of it gives an equal Study."""
        written = {name: getattr(self, name) for name in type(self).model_fields if name != "base"}
        return written | {"base": self.base.given(), "seeds": list(self.seeds)}

    def plan(self) -> Plan:
        """List every (arm, seed, Recipe) before anything starts.

        Raises:
            InputError: an arm's changes lead nowhere, change nothing, or its recipe is wrong.
        """
        self._check_count()
        arms = {BASELINE: Arm(BASELINE, {}, self.base, origin="base")}
        first = {self.base.id: BASELINE}
        for made in itertools.chain(self._named(), self._swept(), self._gridded()):
            if made.name in arms:
                raise InputError("two arms have this name", where=f"{made.origin}.{made.name}", right="give each arm a name, and each value once")
            twin = first.setdefault(made.recipe.id, made.name)
            if twin == BASELINE and made.origin != "grid":
                where = f"{made.origin}.{made.name}"
                raise InputError("changes nothing: its recipe is the baseline's", where=where, right="change a setting, or leave it out")
            arms[made.name] = made if twin == made.name else replace(made, twin=twin)
        return self._planned(list(arms.values()))

    def _check_count(self) -> None:
        for origin, values_of in (("sweep", self.sweep), ("grid", self.grid)):
            empty = next((path for path, values in values_of.items() if not values), None)
            if empty is not None:
                raise InputError("has no values", where=f"{origin}.{empty}", right="give a list of values, each of which makes an arm")
        arms = 1 + len(self.arms) + sum(map(len, self.sweep.values())) + (math.prod(map(len, self.grid.values())) if self.grid else 0)
        if arms * len(self.seeds) > MOST_RUNS:
            raise InputError(f"{arms:,} arms × {len(self.seeds):,} seeds are too many runs", right=f"at most {MOST_RUNS:,}")

    def _planned(self, arms: list[Arm]) -> Plan:
        runs = tuple(PlannedRun(arm.name, seed, arm.recipe.with_seed(seed)) for seed in self.seeds for arm in arms)
        return Plan(self, tuple(arms), runs, tuple(self._remarks(arms)))

    def _arm(self, name: str, changes: Mapping[str, Any], origin: Literal["arms", "sweep", "grid"], axis: tuple[str, float] | None = None) -> Arm:
        if "seed" in changes:
            raise InputError("an arm can't set the seed", where=f"{origin}.{name}.seed", right="every arm runs with the study's seeds")
        try:
            spec, lost = change.apply(self.base.given(), changes)
            recipe = Recipe.parse(spec, trust=self._trust)
        except InputError as error:
            raise error.below(f"{origin}.{name}") from None
        return Arm(name, changes, recipe, tuple(lost), origin, axis)

    def _named(self) -> Iterable[Arm]:
        for name, changes in self.arms.items():
            if not name.strip() or len(name) > 255 or not _is_text(name):
                raise InputError("is no name for an arm", where=f"arms.{name[:20]!r}", right="give it 1 to 255 characters")
            if name == BASELINE:
                raise InputError("is the base itself", where=f"arms.{name}", right="give the arm another name")
            yield self._arm(name, changes, "arms")

    def _swept(self) -> Iterable[Arm]:
        for path, values in self.sweep.items():
            numeric = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
            for value in values:
                axis = (path, float(value)) if numeric else None
                yield self._arm(value_name(path, value, self.sweep), {path: value}, "sweep", axis)

    def _gridded(self) -> Iterable[Arm]:
        if not self.grid:
            return
        for values in itertools.product(*self.grid.values()):
            chosen = dict(zip(self.grid, values, strict=True))
            yield self._arm(", ".join(value_name(path, value, self.grid) for path, value in chosen.items()), chosen, "grid")

    def _remarks(self, arms: list[Arm]) -> Iterable[str]:
        if len(self.seeds) == 1 and len(arms) > 1:
            yield "One seed gives no verdict: a difference could be luck. Give at least 3 seeds."
        for arm in arms:
            if arm.twin is not None:
                yield f"{arm.name!r} and {arm.twin!r} are one recipe: they share their runs."
            if arm.lost:
                yield f"{arm.name!r} replaces an ingredient and loses: {', '.join(arm.lost)}."


def value_name(path: str, value: Any, paths: Iterable[str] = ()) -> str:
    """What an arm of a sweep or grid is called: ``dropout 0.1``, ``lr 0.01``, ``adam``, ``sgd momentum=0.9``.

    Args:
        path: the setting.
        value: its value.
        paths: all paths beside which it stands; where two end alike, the whole path names the arm.
    """
    last = path.rpartition(".")[2]
    if sum(other.rpartition(".")[2] == last for other in paths) > 1:
        last = path
    if isinstance(value, Mapping) and "use" in value:
        return " ".join([augment_name(value), *(f"{key}={item}" for key, item in value.items() if key != "use")])
    if path in KINDS and isinstance(value, str):
        return value
    return f"{last} {value}"
