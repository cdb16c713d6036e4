"""A plan checked against data and machine: whatever can be found wrong is found here, before anything starts."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from contrast import changes
from contrast.catalog import LIVE, is_live, is_outside
from contrast.designs import BASELINE
from contrast.engine.batches import Batches, bound
from contrast.engine.machine import RELOCK, Machine, cores, resolve, spare_the_compiler
from contrast.engine.sampling import order_of
from contrast.engine.training import LoadedData
from contrast.errors import InputError
from contrast.loaded import data_key, data_of
from contrast.orders import ExecutorIngredient, Order
from contrast.planned import Arm, Plan
from contrast.planned_model import PlannedModel, initial_share, planned_model
from contrast.protocols import Places
from contrast.recipe import Recipe
from contrast.store import RunFolder, StudyFolder

LOCK_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A plan that was checked against the data and the machine.

    Attributes:
        plan: what was planned.
        orders: what is left to carry out.
        lock: what `study.lock` says (or would).
        bytes_needed: disk that the runs to come take.
        remarks: what a reader should know, from the plan, the data and the machine.
    """

    plan: Plan
    orders: tuple[Order, ...]
    lock: dict[str, Any]
    bytes_needed: int
    remarks: tuple[str, ...]


def prepare(plan: Plan, folder: StudyFolder, places: Places, executor: ExecutorIngredient, *, command: str = "", relock: bool = False) -> Prepared:
    """Check a plan before anything starts: machine, data, splits, models, batch sizes, disk. Writes nothing.

    Raises:
        InputError: a recipe can't be carried out; names the arm and the key path.
    """
    spare_the_compiler()
    kept = None if relock else folder.lock()
    machine = Machine.from_lock(kept["machine"]) if kept else resolve(executor.threads(cores()))
    whole = (*plan.arms, *plan.trials)
    check_reach(plan, executor)
    check = _Check(machine, places, kept, folder)
    data = {arm.name: check.data(arm, plan.first_recipe(arm)) for arm in whole}
    counts = {arm.name: _checked_model(arm, data[arm.name], kept) for arm in whole}
    splits = [check.split(recipe) for recipe in plan.by_data(data_key).values()]
    waiting = [run for run in (*plan.distinct, *plan.trial_runs) if relock or _waits(folder.run(plan.folder_of(run)))]
    kept_bytes = sum(_bytes_of_run(counts[run.arm], data[run.arm], plan.study.keep) for run in waiting)
    checkpoints = sorted((_bytes_of_checkpoints(counts[run.arm]) for run in waiting), reverse=True)
    passing_bytes = sum(checkpoints) if plan.study.prune else sum(checkpoints[:1]) * executor.side_by_side  # between rungs all runs keep theirs
    seen = dict.fromkeys(caution for each in data.values() for caution in each.cautions)
    remarks = [*plan.remarks, *seen, *(machine.drifted() if kept else []), *_crowding(machine, executor), *_model_remarks(counts)]
    lock = _lock(plan, machine, splits, counts, command, remarks)
    choosing = {run.recipe.id for run in plan.trial_runs}
    orders = tuple(
        Order(
            arm=run.arm,
            seed=run.seed,
            recipe=run.recipe.spec(),
            folder=folder.run(plan.folder_of(run)).path,
            machine=machine.to_dict(),
            places=places.folders,
            split=folder.split_path(data_key(run.recipe)),
            fingerprint=data[run.arm].fingerprint,
            question=plan.study.question,
            study=plan.study.name,
            keep=plan.study.keep,
            import_path=tuple(sys.path) if any(is_outside(part.use) for arm in whole for part in (arm.recipe.model, arm.recipe.data)) else (),
            judged=run.recipe.id not in choosing,
        )
        for run in waiting
    )
    return Prepared(plan, orders, lock, kept_bytes + passing_bytes, tuple(remarks))


def _waits(run: RunFolder) -> bool:
    """Whether a run is left to carry out; one that was pruned may go on under another declaration."""
    return not run.finished or run.pruned


def check_reach(plan: Plan, executor: ExecutorIngredient) -> None:
    """Refuse objects of this process where runs are carried out in others.

    Raises:
        InputError: a network or data set is such an object; names it.
    """
    live = next((part.use for arm in (*plan.arms, *plan.trials) for part in (arm.recipe.model, arm.recipe.data) if is_live(part.use)), None)
    if live is not None and executor.elsewhere:
        right = "take the inline executor, or give an importable factory as module:function"
        raise InputError(f"{live.removeprefix(LIVE)!r} is an object of this process, and runs would be in others", where="--executor", right=right)


def _crowding(machine: Machine, executor: ExecutorIngredient) -> list[str]:
    """A remark where runs side by side would take more threads than there are cores, since threads that wait for each other are slow."""
    wanted = machine.threads * executor.side_by_side
    if not executor.elsewhere or wanted <= cores():  # runs in this process share its threads
        return []
    planned = f"the study was planned with {machine.threads} threads a run, and that holds"
    return [f"{planned}: {executor.side_by_side} runs side by side take {wanted} threads on {cores()} cores, which is slower than one by one"]


def _within_arm(arm: Arm, error: InputError) -> InputError:
    return error.below("base" if arm.name == BASELINE else f"{arm.origin}.{arm.name}")


@dataclasses.dataclass
class _Check:
    """Checks data against the machine and against the lock of a study that was begun; each set and split is described once."""

    machine: Machine
    places: Places
    kept: Mapping[str, Any] | None
    folder: StudyFolder
    _splits: dict[str, Split] = dataclasses.field(default_factory=dict)

    def data(self, arm: Arm, recipe: Recipe) -> LoadedData:
        """An arm's data, with its batch size, augmentations and loss tried on it."""
        try:
            data = self._found(recipe)
            if recipe.batch_size > len(data.train):
                told = f"{recipe.batch_size} is more than the {len(data.train)} training images"
                raise InputError(told, where="batch_size", right="take a smaller batch")
            _check_batch(recipe, data, self.machine.for_recipe(recipe))
        except InputError as error:
            raise _within_arm(arm, error) from None
        self._describe(recipe, data)
        return data

    def split(self, recipe: Recipe) -> Split:
        """What the lock says of a set and split, and the test images of it."""
        if data_key(recipe) not in self._splits:
            self._describe(recipe, self._found(recipe))
        return self._splits[data_key(recipe)]

    def _describe(self, recipe: Recipe, data: LoadedData) -> None:
        if data_key(recipe) not in self._splits:
            self._splits[data_key(recipe)] = Split(_data_entry(recipe, data), frozenset(data.test.ids))

    def _found(self, recipe: Recipe) -> LoadedData:
        path = self.folder.split_path(data_key(recipe)) if self.kept else None
        data = _found_data(recipe, self.places, self.machine.for_recipe(recipe).device, path)
        known = [entry for entry in (self.kept["data"] if self.kept else []) if entry["key"] == data_key(recipe)]
        if known and known[0]["fingerprint"] != data.fingerprint:
            raise InputError("the images or labels are not those that the study was planned with", where="data", right=RELOCK)
        if len(data.classes) < 2:
            raise InputError(f"there is only one class, {data.classes[0]!r}", where="data", right="give at least two classes")
        return data


@dataclasses.dataclass(frozen=True)
class Split:
    """A data set and its split: what the lock says of it, and the ids of its test images."""

    entry: dict[str, Any]
    test: frozenset[str]


def _check_batch(recipe: Recipe, data: LoadedData, machine: Machine) -> None:
    """Augment two images and measure a loss on them, which shows what settings do not fit the data."""
    augment = bound(recipe.augment, data.training_images)
    order = order_of(recipe.sampler, data, recipe.batch_size)
    _, labels = next(iter(Batches(data.train, augment, min(2, len(data.train)), recipe.seed, machine, order).of_epoch(0)))
    try:
        recipe.loss.value(torch.zeros(labels.shape, device=labels.device), labels)
    except RuntimeError as error:
        raise InputError(str(error).partition("\n")[0], where="loss", right=f"give settings for {len(data.classes)} classes") from None


def _found_data(recipe: Recipe, places: Places, device: str, split: Path | None) -> LoadedData:
    try:
        return data_of(recipe, places, device, split)
    except InputError as error:
        raise (error if error.where.startswith("data") else error.within("data")) from None


def _checked_model(arm: Arm, data: LoadedData, kept: Mapping[str, Any] | None) -> PlannedModel:
    """An arm's network, built on the meta device, its weights found and compared with those that the study was planned with."""
    try:
        planned = planned_model(arm.recipe, data)
        known = next((entry.get("weights") for entry in (kept["arms"] if kept else []) if entry["name"] == arm.name), None)
        if known is not None and planned.loaded is not None and known["sha256"] != planned.loaded.sha256:
            raise InputError(f"{planned.loaded.source} is not the file that the study was planned with", where="model.weights", right=RELOCK)
    except InputError as error:
        raise _within_arm(arm, error) from None
    return planned


def _model_remarks(models: Mapping[str, PlannedModel]) -> list[str]:
    """What there is to say of the arms' networks, each once, with the first arm that it is true of."""
    first: dict[str, str] = {}
    for name, planned in models.items():
        for remark in planned.remarks:
            first.setdefault(remark, name)
    return [remark if name == BASELINE else f"{name}: {remark}" for remark, name in first.items()]


def _bytes_of_run(counts: PlannedModel, data: LoadedData, keep: str) -> int:
    """Disk that a finished run takes: weights, rows per image, rows."""
    kept = {"both": 2, "best": 1, "none": 0}[keep] * counts.weight_bytes
    images = (len(data.validation) + len(data.test)) * (min(len(data.classes), 100) * 4 + 40)
    return kept + images + 100_000


def _bytes_of_checkpoints(counts: PlannedModel) -> int:
    """Disk that an unfinished run takes besides: two checkpoints at the moment of a change, each of weights, an average and
    two moments of an optimizer, and the best weights twice."""
    return (2 * 4 + 2) * counts.weight_bytes


def _lock(
    plan: Plan, machine: Machine, splits: Sequence[Split], counts: Mapping[str, PlannedModel], command: str, remarks: Sequence[str]
) -> dict[str, Any]:
    return {
        "version": LOCK_VERSION,
        "name": plan.study.name,
        "question": plan.study.question,
        "command": command,
        "baseline": BASELINE,
        "choose": plan.study.base.choose,
        "margin": plan.study.margin,
        "seeds": list(plan.seeds),
        "machine": machine.to_dict(),
        "base": plan.study.base.spec(),
        "unused": plan.study.base.unused(),
        "arms": [_arm_entry(arm, plan, counts) for arm in plan.arms],
        "runs": [{"arm": run.arm, "seed": run.seed, "id": run.recipe.id, "folder": plan.folder_of(run)} for run in plan.runs],
        "data": [split.entry for split in splits],
        "designs": _designs(plan, splits),
        "remarks": list(remarks),
        "reported": plan.study.reported(),
    }


def _designs(plan: Plan, splits: Sequence[Split]) -> dict[str, Any]:
    """The plan's layout, with what only data and statistics know: looks of a race, what a split holds out, a search's runs."""
    made = {name: dict(part) for name, part in plan.layout.items()}
    if "race" in made:
        from contrast.compare import planned_looks

        made["race"]["looks"] = list(planned_looks(made["race"]["start"], made["race"]["up to"]))
    if "splits" in made:
        rotates = "test" if len({split.test for split in splits}) > 1 else "validation"
        counts = splits[0].entry["counts"]
        made["splits"] |= {"rotates": rotates, "overlap": counts[rotates] / counts["train"]}
    if "search" in made:
        tried = {arm.name: arm for arm in plan.trials}
        made["search"]["runs"] = [
            {"trial": number, "changes": dict(tried[run.arm].changes), "seed": run.seed, "id": run.recipe.id, "folder": plan.folder_of(run)}
            for number, run in enumerate(plan.trial_runs)
        ]
    return made


def _arm_entry(arm: Arm, plan: Plan, counts: Mapping[str, PlannedModel]) -> dict[str, Any]:
    outside = is_outside(arm.recipe.model.use) or is_outside(plan.study.base.model.use)
    return {
        "name": arm.name,
        "changes": dict(arm.changes),
        "differences": {path: list(pair) for path, pair in changes.differences(plan.study.base.spec(), arm.recipe.spec()).items()},
        "lost": list(arm.lost),
        "origin": arm.origin,
        "axis": {"path": arm.axis[0], "value": arm.axis[1]} if arm.axis else None,
        "twin": arm.twin,
        "from": arm.parent,
        "data": data_key(plan.first_recipe(arm)),
        **counts[arm.name].entry(),
        "initial_share": None if outside else initial_share(counts[arm.name], counts[BASELINE]),
    }


def _data_entry(recipe: Recipe, data: LoadedData) -> dict[str, Any]:
    mean, std = data.training_images.own_statistics
    return {
        "key": data_key(recipe),
        "use": recipe.data.use,
        "settings": recipe.data.settings(),
        "fingerprint": data.fingerprint,
        "classes": list(data.classes),
        "shape": list(data.shape),
        "counts": {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
        "class_counts": torch.bincount(data.train.labels.cpu(), minlength=len(data.classes)).tolist(),
        "mean": mean.tolist(),
        "std": std.tolist(),
        "notes": list(data.notes),
        "split": f"splits/{data_key(recipe)[:16]}.json",
    }


def size_in_words(count: int) -> str:
    """Bytes as a person reads them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
