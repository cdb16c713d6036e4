"""A Study: a question as data. One base Recipe, named Arms, and the seeds that each Arm repeats."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, ValidationInfo, field_validator, model_validator

from contrast import catalog, designs, faults, rungs
from contrast import changes as change
from contrast.budgets import BUDGETS, Budget, Short
from contrast.designs import BASELINE, SEARCH_SEEDS, Declared, Factorial, Ladder, Prune, Race, Search, Spaced, Splits, Trial, Values
from contrast.errors import InputError, nearest
from contrast.planned import Arm, Plan, PlannedRun
from contrast.published import Conclusion, Published, Row, arms_named, written
from contrast.recipe import Recipe

MOST_SEEDS, MOST_RUNS, LARGEST_SEED = 10_000, 100_000, 2**31
REPORTED = ("source", "published", "conclusions", "choices", "short")
"""Keys of a study that tell where its question comes from; without them a study is whole."""

DESIGNS = ("base", "arms", "sweep", "grid", "factorial", "ladder", "search", *REPORTED)
"""Keys of a study that are set in its file, not on the command line."""

SPLIT_SETTINGS = ("split_seed", "folds", "fold")
"""What a study with `splits` sets for itself in every run."""


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


def _check_name(one: Declared) -> None:
    if not one.name.strip() or len(one.name) > 255 or not _is_text(one.name):
        raise InputError("is no name for an arm", where=f"{one.origin}.{one.name[:20]!r}", right="give it 1 to 255 characters")
    if one.name == BASELINE and one.origin != "base":
        raise InputError("is the base itself", where=f"{one.origin}.{one.name}", right="give the arm another name")


def _is_text(name: str) -> bool:
    """Whether a name can be written to a file; a lone surrogate can't."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


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
    sweep: dict[str, Values] = Field(default_factory=dict, description="dotted path → values, or linspace, logspace; each value is an arm")
    grid: dict[str, Values] = Field(default_factory=dict, description="dotted path → values; every combination is an arm")
    factorial: Factorial | None = Field(default=None, description="factors with levels: main effects and interactions")
    ladder: Ladder | None = Field(default=None, description="changes added one by one, or left out one by one")
    search: Search | None = Field(default=None, description="settings looked for by validation; what is found joins the arms")
    prune: Prune | None = Field(default=None, description="give up what validation holds hopeless: values of a sweep, a grid, trials of a search")
    seeds: tuple[int, ...] | Race = Field(default=(0,), description="how many seeds, or which, or {start, up to, until: settled}")
    splits: Splits | None = Field(default=None, description="another split with every seed: {folds: k}, or {} for a new split a seed")
    margin: float = Field(default=0.5, gt=0, description="points below which a difference does not matter")
    keep: Literal["both", "best", "none"] = Field(default="both", description="which weights stay when a run is finished")
    source: Annotated[tuple[Row, ...], Field(strict=False)] = Field(default=(), description="rows of the reports that it repeats, e.g. [S3, N6]")
    published: Annotated[tuple[Published, ...], Field(strict=False)] = Field(default=(), description="numbers that the reports printed")
    conclusions: Annotated[tuple[Conclusion, ...], Field(strict=False)] = Field(default=(), description="what the reports concluded")
    choices: Annotated[tuple[str, ...], Field(strict=False)] = Field(default=(), description="ours where the reports are silent, in sentences")
    short: Short | None = Field(default=None, description="a budget of minutes; `budget=short` on the command line takes it")
    budget: Budget = Field(default="full", description="which budget the base stands for; a file's is the full one")

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
        if made.short is not None:
            made.with_budget("short")
        return made

    @model_validator(mode="before")
    @classmethod
    def _base_given_plainly(cls, given: Any) -> Any:
        return {**given, "base": _base(given.get("base"), True)}

    @field_validator("factorial", mode="before")
    @classmethod
    def _factors_alone(cls, given: Any) -> Any:
        """Factors may stand for the whole: ``factorial: {model.norm: [none, batch], …}``."""
        return {"factors": given} if isinstance(given, Mapping) and not set(given) & set(Factorial.model_fields) else given

    @field_validator("arms", "sweep", "grid", mode="before")
    @classmethod
    def _nothing_is_empty(cls, given: Any) -> Any:
        return {} if given is None else given

    @field_validator("sweep", "grid", mode="before")
    @classmethod
    def _spaced(cls, given: Any, info: ValidationInfo) -> Any:
        if not isinstance(given, Mapping):
            return given
        where = str(info.field_name)
        return {path: designs.parsed(Spaced, v, f"{where}.{path}") if isinstance(v, Mapping) else v for path, v in given.items()}

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, given: Any) -> Any:
        if isinstance(given, (Mapping, Race)):
            return designs.parsed(Race, given, "seeds")
        right = "give a count, e.g. 5, a list in which each stands once, e.g. [0, 1, 2], or {start: 3, up to: 20, until: settled}"
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

    @model_validator(mode="after")
    def _fit_together(self) -> Study:
        if self.search is not None and any(seed >= SEARCH_SEEDS for seed in self.first_seeds):
            raise InputError(f"a search has the seeds from {SEARCH_SEEDS:,} on for itself", where="seeds", right="give smaller ones")
        if self.splits is not None and self.splits.folds is not None:
            if isinstance(self.seeds, Race):
                raise InputError("a race can't end between two folds", where="splits.folds", right="give a fixed number of seeds, or splits: {}")
            if len(self.seeds) % self.splits.folds:
                right = f"give a multiple of {self.splits.folds}, so that every image is held out equally often"
                raise InputError(f"{len(self.seeds)} seeds do not go through {self.splits.folds} folds", where="seeds", right=right)
        return self

    @model_validator(mode="after")
    def _something_to_prune(self) -> Study:
        if self.prune is not None and not (self.sweep or self.grid or self.search):
            raise InputError("there is nothing to prune", where="prune", right="declare a sweep, a grid or a search, or leave it out")
        return self

    @model_validator(mode="after")
    def _speaks_of_its_arms(self) -> Study:
        if not (self.published or self.conclusions or self.short):
            return self
        self._check_count()
        known = [BASELINE, *(one.name for one in self._declared()), *([self.search.name] if self.search else [])]
        only = {f"short.only.{i}": name for i, name in enumerate(self.short.only)} if self.short else {}
        for where, name in (arms_named(self.published, self.conclusions) | only).items():
            if name not in known:
                raise InputError(f"there is no arm {name!r}", where=where, right=nearest(name, known))
        if only and (self.factorial or self.ladder):
            raise InputError("a factorial or ladder is whole or not at all", where="short.only", right="leave it out")
        if self.budget == "short" and not (self.short and self.short.is_taken):
            raise InputError("the base of a file is the full budget", where="budget", right="leave it out, and say budget=short to the command")
        return self

    @property
    def first_seeds(self) -> tuple[int, ...]:
        """The seeds of every arm; of a race, those of the first look."""
        return tuple(range(self.seeds.start)) if isinstance(self.seeds, Race) else self.seeds

    def with_changes(self, overrides: Mapping[str, Any]) -> Study:
        """The study with settings of its base (or `budget`, `seeds`, `margin`, `keep` …) overridden, as the command line does.

        Raises:
            InputError: a path leads nowhere.
        """
        if "budget" in overrides:
            rest = {path: value for path, value in overrides.items() if path != "budget"}
            return self.with_budget(overrides["budget"]).with_changes(rest)
        own = {path: value for path, value in overrides.items() if path in type(self).model_fields and path not in DESIGNS}
        for_base = {path.removeprefix("base."): value for path, value in overrides.items() if path not in own}
        for path in for_base:
            if path.partition(".")[0] not in Recipe.model_fields:
                raise InputError("unknown setting", where=path, right=nearest(path, [*Recipe.model_fields, "budget", "seeds", "margin", "keep"]))
        return self._changed(for_base, own)

    def with_budget(self, budget: Budget) -> Study:
        """The study at a budget: in full, or as its `short` says, under the name ``NAME-short``.

        Raises:
            InputError: there is no such budget, or the way back from the short one is asked for.
        """
        if budget not in BUDGETS:
            raise InputError(f"{faults.shown(budget)} is wrong", where="budget", right="give full or short")
        if budget == self.budget:
            return self
        if self.short is None or budget == "full":
            told = "the study has no short budget" if self.short is None else "the study was cut to its short budget"
            raise InputError(told, where="budget", right="leave budget out" if self.short is None else "read its file again")
        short = self.short
        own = {"name": f"{self.name[:249]}-short", "budget": "short", "short": short.taken(), "arms": short.changed(self.arms)}
        try:
            return self._changed(short.base, own | ({"seeds": short.seeds} if short.seeds is not None else {}))
        except InputError as error:
            raise (error.below("short") if error.where.startswith("seeds") else error.below("short.base")) from None

    def _changed(self, for_base: Mapping[str, Any], own: Mapping[str, Any]) -> Study:
        base, _ = change.apply(self.base.given(), for_base)
        made = {name: getattr(self, name) for name in type(self).model_fields} | dict(own)
        made["base"] = Recipe.parse(base, trust=self._trust)
        changed = type(self)(**made)
        object.__setattr__(changed, "_trust", self._trust)
        return changed

    def spec(self) -> dict[str, Any]:
        """The study as plain data; `Study.parse` of it gives an equal Study."""
        own = self.model_dump(mode="json", by_alias=True, exclude={"base", "budget", *REPORTED}, exclude_none=True)
        return own | self.reported() | {"base": self.base.given()}

    def reported(self) -> dict[str, Any]:
        """What the study says of reports and budgets, as plain data; only what it does say."""
        told = {"source": list(self.source), "published": written(self.published), "conclusions": written(self.conclusions)}
        short = self.short.model_dump(mode="json", exclude_unset=True) if self.short else {}
        told |= {"choices": list(self.choices), "short": short, "budget": self.budget if self.budget != "full" else ""}
        return {key: value for key, value in told.items() if value}

    def plan(self, *, seeds: Mapping[str, int] | None = None, found: Mapping[str, Any] | None = None, trials: Sequence[Trial] = ()) -> Plan:
        """List every (arm, seed, Recipe) before anything starts.

        Args:
            seeds: of a race, arm → how many seeds it has by now; the start for arms that are not named.
            found: what the study's search found, once it has.
            trials: what the search has tried so far.

        Raises:
            InputError: an arm's changes lead nowhere, change nothing, or its recipe is wrong.
        """
        self._check_count()
        kept = self.short.kept(self.arms) if self.short and self.budget == "short" else ()
        arms = {BASELINE: Arm(BASELINE, {}, self.base, origin="base")}
        first = {self.base.id: BASELINE}
        for one in chain(self._declared(kept), self._found(found)):
            made = self._arm(one, arms)
            if made.name in arms:
                raise InputError("two arms have this name", where=f"{made.origin}.{made.name}", right="give each arm a name, and each value once")
            twin = first.setdefault(made.recipe.id, made.name)
            if twin == BASELINE and made.origin in ("factorial", "search"):
                continue  # the reference cell is the baseline; a search may find that nothing beats it
            if twin == BASELINE and made.origin != "grid":
                where = f"{made.origin}.{made.name}"
                raise InputError("changes nothing: its recipe is the baseline's", where=where, right="change a setting, or leave it out")
            arms[made.name] = made if twin == made.name else replace(made, twin=twin)
        tried = tuple(self._trial(trial) for trial in trials)
        return self._planned(list(arms.values()), seeds or {}, tried)

    def _check_count(self) -> None:
        declared = 1 + len(self.arms) + designs.count(self.sweep, self.grid, self.factorial, self.ladder)
        if declared * len(self.first_seeds) > MOST_RUNS:
            raise InputError(f"{declared:,} arms × {len(self.first_seeds):,} seeds are too many runs", right=f"at most {MOST_RUNS:,}")

    def _declared(self, kept: Collection[str] = ()) -> Iterator[Declared]:
        """The arms of the file's designs; where any are named, only those."""
        every = chain(designs.named(self.arms), designs.swept(self.sweep), designs.gridded(self.grid), self._rungs(), self._cells())
        return (one for one in every if not kept or one.name in kept)

    def _planned(self, arms: list[Arm], seeds: Mapping[str, int], trials: tuple[Arm, ...]) -> Plan:
        most = max([len(self.first_seeds), *seeds.values()])
        everyone = tuple(range(most)) if isinstance(self.seeds, Race) else self.seeds
        has = {arm.name: seeds.get(arm.name, len(self.first_seeds)) for arm in arms} | {BASELINE: most}
        runs = tuple(
            PlannedRun(arm.name, seed, self._replicate(arm, number, seed))
            for number, seed in enumerate(everyone)
            for arm in arms
            if number < has[arm.name]
        )
        if self.prune is not None:
            rungs.check(self.prune, self.base, [*(arm for arm in arms if arm.origin in rungs.PRUNABLE), *trials])
        tried = tuple(PlannedRun(arm.name, SEARCH_SEEDS, arm.recipe.with_seed(SEARCH_SEEDS)) for arm in trials)
        return Plan(self, tuple(arms), runs, tuple(self._remarks(arms)), self._layout(arms), trials, tried)

    def _replicate(self, arm: Arm, number: int, seed: int) -> Recipe:
        recipe = arm.recipe.with_seed(seed)
        return recipe if self.splits is None else recipe.with_data(self.splits.settings(number))

    def _arm(self, one: Declared, arms: Mapping[str, Arm]) -> Arm:
        _check_name(one)
        where = f"{one.origin}.{one.name}"
        if self.splits is not None and (path := next((p for c in one.changes for p in c if p.split(".")[-1] in SPLIT_SETTINGS), None)):
            raise InputError("an arm can't set the split", where=f"{where}.{path}", right="every arm runs with the study's splits")
        if any("seed" in changes for changes in one.changes):
            raise InputError("an arm can't set the seed", where=f"{where}.seed", right="every arm runs with the study's seeds")
        recipe, lost = (arms[one.parent].recipe if one.parent else self.base), list[str]()
        try:
            for changes in one.changes:
                spec, gone = change.apply(recipe.given(), changes)
                recipe, lost = Recipe.parse(spec, trust=self._trust), [*lost, *gone]
        except InputError as error:
            raise error.below(where) from None
        together = {path: value for changes in one.changes for path, value in changes.items()}
        return Arm(one.name, together, recipe, tuple(lost), one.origin, one.axis, parent=one.parent)

    def _trial(self, trial: Trial) -> Arm:
        """A setting that is tried; whatever the study evaluates besides waits for the arms, since a trial never opens test."""
        arm = self._arm(Declared(trial.arm, (trial.changes,), "search"), {})
        return replace(arm, recipe=arm.recipe.model_copy(update={"evaluate": None}))

    def _rungs(self) -> Iterator[Declared]:
        return self.ladder.arms() if self.ladder else iter(())

    def _cells(self) -> Iterator[Declared]:
        return (Declared(name, changes, "factorial") for _, name, changes in self.factorial.cells()) if self.factorial else iter(())

    def _found(self, found: Mapping[str, Any] | None) -> Iterator[Declared]:
        if self.search is not None and found is not None:
            yield Declared(self.search.name, (found,), "search")

    def _layout(self, arms: list[Arm]) -> dict[str, Any]:
        """How the arms hang together, as plain data for the study's lock."""
        known = {arm.name for arm in arms}
        layout: dict[str, Any] = {}
        if self.factorial is not None:
            cells = [{"levels": list(at), "arm": name if name in known else BASELINE} for at, name, _ in self.factorial.cells()]
            factors = [{"name": name, "levels": levels} for name, levels in self.factorial.levels().items()]
            layout["factorial"] = {"fraction": self.factorial.fraction, "factors": factors, "cells": cells}
        if self.ladder is not None:
            layout["ladder"] = self.ladder.steps()
        if isinstance(self.seeds, Race):
            layout["race"] = {"start": self.seeds.start, "up to": self.seeds.up_to}
        if self.splits is not None:
            layout["splits"] = {"folds": self.splits.folds}
        if self.search is not None:
            winner = next((arm for arm in arms if arm.origin == "search"), None)
            layout["search"] = {
                "metric": self.base.choose,
                "winner": winner.name if winner else None,
                "changes": dict(winner.changes) if winner else {},
            }
        if self.prune is not None:
            layout["prune"] = rungs.layout(self.prune, self.base, arms, len(self.first_seeds), self.search)
        return layout

    def _remarks(self, arms: list[Arm]) -> Iterable[str]:
        if len(self.first_seeds) == 1 and len(arms) > 1:
            yield "One seed gives no verdict: a difference could be luck. Give at least 3 seeds."
        live = dict.fromkeys(part.use for arm in arms for part in (arm.recipe.model, arm.recipe.data) if catalog.is_live(part.use))
        for use in live:
            yield f"{use.removeprefix(catalog.LIVE)!r} was given as an object: its runs can't be repeated from the study's file."
        for arm in arms:
            if arm.twin is not None:
                yield f"{arm.name!r} and {arm.twin!r} are one recipe: they share their runs."
            if arm.lost:
                yield f"{arm.name!r} replaces an ingredient and loses: {', '.join(arm.lost)}."
