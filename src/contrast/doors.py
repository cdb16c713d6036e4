"""The door to a study: search → plan → conduct → compare → more seeds → results."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from contrast import catalog
from contrast.errors import InputError, RunFailed
from contrast.planned import slug
from contrast.protocols import Places
from contrast.store import RunFolder, StudyFolder
from contrast.study import Study

if TYPE_CHECKING:
    from contrast.designs import Trial
    from contrast.orders import ExecutorIngredient, LoggerIngredient, Order
    from contrast.planned import Plan
    from contrast.prepare import Prepared
    from contrast.pruning import Pruning, Wanted
    from contrast.results import Results


FASTEST = "fastest"
"""Stands in place of an executor's name: the fastest is found by trying."""


@dataclass(frozen=True)
class Doing:
    """How a study is to be carried out.

    Attributes:
        runs: its folder; ``runs/<name>`` where none is given.
        places: where data is looked for.
        executor: what carries the runs out.
        logger: what tells how they go on.
        command: how a person would repeat it.
        relock: set old runs aside and plan anew for this machine.
    """

    runs: Path
    places: Places
    executor: ExecutorIngredient
    logger: LoggerIngredient
    command: str = ""
    relock: bool = False

    @classmethod
    def of(cls, study: Study, *, runs: str | Path | None = None, data: str | Path | None = None, executor: str = "inline", **more: Any) -> Doing:
        """Fill in what is not said.

        Args:
            executor: its name, or ``fastest``, for which some steps are tried with each that fits.
            more: `workers` (runs at a time, for the local and the stacked executor), `level` (quiet, normal, verbose), `command`, `relock`.
        """
        workers, level = more.pop("workers", None), more.pop("level", "normal")
        folder, places = _folder(Path(runs) if runs is not None else Path("runs") / slug(study.name)), Places.usual(data)
        if executor == FASTEST and workers is None:
            made = _fastest(study, folder, places, tell=level != "quiet", relock=more.get("relock", False))
        else:
            made = _executor(executor, workers)
        logger: Any = catalog.parse("logger", {"use": "console", "level": level})
        return cls(folder, places, made, logger, **more)


def _executor(name: str, workers: int | None) -> ExecutorIngredient:
    known = [*catalog.names("executor"), FASTEST]
    if name not in known:
        raise InputError(f"there is no executor {name!r}", where="--executor", right=f"one of: {', '.join(known)}")
    if workers is not None and (name == FASTEST or "workers" not in catalog.ingredient("executor", name).model_fields):
        raise InputError("is for runs side by side", where="--workers", right="add --executor local")
    settings = {"workers": workers} if workers is not None else {}
    try:
        made = catalog.parse("executor", {"use": name, **settings})
    except InputError as error:
        raise InputError(error.what, where="--workers", right=error.right) from None
    return cast("ExecutorIngredient", made)


def _fastest(study: Study, folder: Path, places: Places, *, tell: bool, relock: bool) -> ExecutorIngredient:
    """The executor that a study's runs are carried out fastest with, found by trying."""
    from contrast import fastest

    executor, tries = fastest.fastest(study.plan(), StudyFolder(folder), places, relock=relock)
    if tell:
        print(f"contrast: {fastest.told(executor, tries)}", file=sys.stderr)
    return executor


def _folder(path: Path) -> Path:
    """The study's folder, which need not be there yet."""
    standing = next((place for place in (path, *path.absolute().parents) if place.exists()), path)
    if standing.exists() and not standing.is_dir():
        raise InputError("is a file, not a folder", where=f"--runs {standing}", right="name another folder")
    return path


def plan(study: Study, doing: Doing) -> Prepared:
    """Plan a study and check it against data and machine; nothing is written.

    Of a race, the runs up to its first look are planned; of a search, the arms without what it will find.

    Raises:
        InputError: it can't be carried out.
    """
    prepared = _prepared(study.plan(), doing)
    left = tuple(order for order in prepared.orders if study.prune is None or not RunFolder(order.folder).finished)
    return replace(prepared, orders=left)


def expected_seconds(prepared: Prepared, doing: Doing) -> float:
    """About how long what is left of a plan will take, from a few timed steps of each distinct network."""
    from contrast.probe import expected

    return expected(prepared, doing.places, doing.executor).seconds


def profiled(prepared: Prepared, doing: Doing) -> Iterator[dict[str, Any]]:
    """Where a step's time goes in each distinct network of a plan, as plain data; traces go to ``profile/`` in the study's folder."""
    from contrast.profiling import profiles

    for profile in profiles(prepared, doing.places, doing.runs / "profile"):
        yield profile.to_dict()


def _prepared(planned: Plan, doing: Doing) -> Prepared:
    from contrast.prepare import prepare

    return prepare(planned, StudyFolder(doing.runs), doing.places, doing.executor, command=doing.command, relock=doing.relock)


def carry_out(study: Study, doing: Doing) -> Results:
    """Carry out what is left of a study: its search, then its arms, then, in a race, more seeds for what is undecided.

    Returns:
        What its folder says afterwards.

    Raises:
        InputError: the study can't be carried out.
        RunFailed: a run failed; the others were carried out all the same.
    """
    from contrast.racing import more_seeds

    def at_work(planned: Plan, wanted: Wanted) -> Results:
        nonlocal doing
        results = _carried_out(planned, doing, wanted)
        doing = replace(doing, relock=False)  # old runs are set aside once
        return results

    pruning = _pruning(study, doing)
    found, trials = _found(study, at_work, pruning)
    planned = study.plan(found=found, trials=trials)
    if pruning is not None:
        pruning.arms(planned, at_work)
    wanted = pruning.to_the_end if pruning is not None else _as_planned
    results = at_work(planned, wanted)
    seeds: dict[str, int] | None = None
    while (seeds := more_seeds(study, results, seeds)) is not None:
        results = at_work(study.plan(seeds=seeds, found=found, trials=trials), wanted)
    return results


def _as_planned(order: Order) -> Order | None:
    return order


def _pruning(study: Study, doing: Doing) -> Pruning | None:
    if study.prune is None:
        return None
    from contrast.pruning import Pruning

    return Pruning(study.prune, study.base, doing.runs)


def _found(study: Study, at_work: Callable[[Plan, Wanted], Results], pruning: Pruning | None) -> tuple[Mapping[str, Any] | None, tuple[Trial, ...]]:
    """What the study's search finds, and everything that it tried; its trials are carried out here, round by round."""
    if study.search is None:
        return None, ()
    from contrast.searching import Searching

    def choosing(planned: Plan, wanted: Wanted) -> Results:
        return at_work(planned, lambda order: None if order.judged else wanted(order))

    searching = Searching(study.search, study.base.choose)
    while searching.ask():
        planned = study.plan(trials=searching.trials)
        if pruning is not None:
            pruning.trials(planned, choosing)
        searching.tell(choosing(planned, pruning.to_the_end if pruning is not None else _as_planned))
    return searching.best(), searching.trials


def _carried_out(planned: Plan, doing: Doing, wanted: Wanted) -> Results:
    """Carry out what is left of a plan, as far as it is wanted in this pass."""
    from contrast.conduct import carry_out as work
    from contrast.conduct import write_down
    from contrast.live_page import LivePage
    from contrast.results import Results

    prepared = _prepared(planned, doing)
    try:
        write_down(prepared, StudyFolder(doing.runs), doing.places, relock=doing.relock)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunFailed(f"{doing.runs}: can't be written: {error.strerror}") from None
        raise InputError(f"can't be written: {error.strerror or error}", where=f"--runs {doing.runs}", right="name another folder") from None
    orders = tuple(order for each in prepared.orders if (order := wanted(each)) is not None)
    failures: list[str] = []
    page = LivePage(doing.runs)
    with doing.logger.listening(orders) as tell:

        def noted(event: Any) -> None:
            if event.kind == "failed":
                failures.append(f"{event.arm} seed {event.seed}: {event.detail['cause']}")
            tell(event)
            page.noted(event)

        if orders:
            doing.executor.carry_out(orders, work, noted)
            page.ended()
    if failures:
        raise RunFailed(f"{len(failures)} of {len(orders)} runs failed: {failures[0]}" + (" (and others)" if len(failures) > 1 else ""))
    return Results(doing.runs)


def run(
    study: Study, *, runs: str | Path | None = None, data: str | Path | None = None, executor: str = "inline", workers: int | None = None
) -> Results:
    """Carry out a study, or go on with it: finished runs are skipped.

    Args:
        study: the question.
        runs: its folder; ``runs/<name>`` by default.
        data: where data sets lie; then ``$CONTRAST_DATA`` and the user's cache folder are searched.
        executor: inline, local for several processes, stacked for several networks as one, or fastest for what a short trial of these finds.
        workers: runs at a time: processes of the local executor, networks of the stacked one.

    Raises:
        InputError: the study can't be carried out; says what would be right.
        RunFailed: a run failed; the others were carried out all the same.
    """
    return carry_out(study, Doing.of(study, runs=runs, data=data, executor=executor, workers=workers))
