"""A plan checked against data and machine: whatever can be found wrong is found here, before anything starts."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from contrast import changes
from contrast.catalog import is_outside
from contrast.engine.batches import Batches, bound
from contrast.engine.machine import RELOCK, Machine, cores, resolve, spare_the_compiler
from contrast.engine.training import LoadedData
from contrast.errors import ContrastError, InputError
from contrast.loaded import data_key, data_of
from contrast.orders import ExecutorIngredient, Order
from contrast.protocols import Places
from contrast.recipe import Recipe
from contrast.store import StudyFolder
from contrast.study import BASELINE, Arm, Plan

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
    data = {arm.name: _checked_data(arm, machine, places, kept, folder) for arm in plan.arms}
    counts = {arm.name: _checked_model(arm, machine, data[arm.name]) for arm in plan.arms}
    by_arm = {arm.name: arm for arm in plan.arms}
    waiting = [run for run in plan.distinct if relock or not folder.run(plan.folder_of(run)).finished]
    kept_bytes = sum(_bytes_of_run(counts[run.arm], data[run.arm], plan.study.keep) for run in waiting)
    passing_bytes = max((_bytes_of_checkpoints(counts[run.arm]) for run in waiting), default=0) * executor.side_by_side
    remarks = [*plan.remarks, *(machine.drifted() if kept else []), *_crowding(machine, executor)]
    lock = _lock(plan, machine, data, counts, command, remarks)
    orders = tuple(
        Order(
            arm=run.arm,
            seed=run.seed,
            recipe=run.recipe.spec(),
            folder=folder.run(plan.folder_of(run)).path,
            machine=machine.to_dict(),
            places=places.folders,
            split=folder.split_path(data_key(by_arm[run.arm].recipe)),
            fingerprint=data[run.arm].fingerprint,
            question=plan.study.question,
            study=plan.study.name,
            keep=plan.study.keep,
            import_path=tuple(sys.path) if any(is_outside(arm.recipe.model.use) for arm in plan.arms) else (),
        )
        for run in waiting
    )
    return Prepared(plan, orders, lock, kept_bytes + passing_bytes, tuple(remarks))


def _crowding(machine: Machine, executor: ExecutorIngredient) -> list[str]:
    """A remark where runs side by side would take more threads than there are cores, since threads that wait for each other are slow."""
    wanted = machine.threads * executor.side_by_side
    if executor.side_by_side == 1 or wanted <= cores():
        return []
    planned = f"the study was planned with {machine.threads} threads a run, and that holds"
    return [f"{planned}: {executor.side_by_side} runs side by side take {wanted} threads on {cores()} cores, which is slower than one by one"]


def _within_arm(arm: Arm, error: InputError) -> InputError:
    return error.below("base" if arm.name == BASELINE else f"{arm.origin}.{arm.name}")


def _checked_data(arm: Arm, machine: Machine, places: Places, kept: Mapping[str, Any] | None, folder: StudyFolder) -> LoadedData:
    recipe = arm.recipe
    try:
        path = folder.split_path(data_key(recipe)) if kept else None
        data = _found_data(recipe, places, machine.for_recipe(recipe).device, path)
        known = [entry for entry in (kept["data"] if kept else []) if entry["key"] == data_key(recipe)]
        if known and known[0]["fingerprint"] != data.fingerprint:
            raise InputError("the images or labels are not those that the study was planned with", where="data", right=RELOCK)
        if len(data.classes) < 2:
            raise InputError(f"there is only one class, {data.classes[0]!r}", where="data", right="give at least two classes")
        if recipe.batch_size > len(data.train):
            raise InputError(
                f"{recipe.batch_size} is more than the {len(data.train)} training images", where="batch_size", right="take a smaller batch"
            )
        _check_batch(recipe, data, machine.for_recipe(recipe))
    except InputError as error:
        raise _within_arm(arm, error) from None
    return data


def _check_batch(recipe: Recipe, data: LoadedData, machine: Machine) -> None:
    """Augment two images and measure a loss on them, which shows what settings do not fit the data."""
    augment, _ = bound(recipe.augment, data.training_images)
    _, labels = next(iter(Batches(data.train, augment, min(2, len(data.train)), recipe.seed, machine).of_epoch(0)))
    try:
        recipe.loss.value(torch.zeros(labels.shape, device=labels.device), labels)
    except RuntimeError as error:
        raise InputError(str(error).partition("\n")[0], where="loss", right=f"give settings for {len(data.classes)} classes") from None


def _found_data(recipe: Recipe, places: Places, device: str, split: Path | None) -> LoadedData:
    try:
        return data_of(recipe, places, device, split)
    except InputError as error:
        raise (error if error.where.startswith("data") else error.within("data")) from None


@dataclasses.dataclass(frozen=True)
class _Counts:
    """What an arm's network holds: name → shape of every parameter, bytes of weights and buffers, trainable values."""

    shapes: Mapping[str, torch.Size]
    weight_bytes: int
    trainable: int

    @property
    def parameters(self) -> int:
        return sum(shape.numel() for shape in self.shapes.values())


def _checked_model(arm: Arm, machine: Machine, data: LoadedData) -> _Counts:
    """Build an arm's network on the meta device, where it costs nothing, and run its optimizer's constructor."""
    try:
        model = _meta_model(arm.recipe, data)
        arm.recipe.optimizer.build(list(model.named_parameters()), fused=False)
    except InputError as error:
        raise _within_arm(arm, error if error.where.startswith("model") else error.within("model")) from None
    except ContrastError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise _within_arm(arm, InputError(f"can't be built: {what}", where="model", right="mend its settings")) from error
    held = [*model.parameters(), *model.buffers()]
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return _Counts({name: p.shape for name, p in model.named_parameters()}, sum(t.numel() * t.element_size() for t in held), trainable)


def _meta_model(recipe: Recipe, data: LoadedData) -> torch.nn.Module:
    """The network without storage. Our own check their arithmetic when they are built; others are run once."""
    with torch.device("meta"):
        model = recipe.model.build(data.shape, len(data.classes))
        if not is_outside(recipe.model.use):
            return model
        logits = model.eval()(torch.empty(2, *data.shape))
    if tuple(logits.shape) != (2, len(data.classes)):
        raise InputError(f"gives {tuple(logits.shape)} for two images", right=f"it must give (2, {len(data.classes)})")
    return model


def _bytes_of_run(counts: _Counts, data: LoadedData, keep: str) -> int:
    """Disk that a finished run takes: weights, rows per image, rows."""
    kept = {"both": 2, "best": 1, "none": 0}[keep] * counts.weight_bytes
    images = (len(data.validation) + len(data.test)) * (min(len(data.classes), 100) * 4 + 40)
    return kept + images + 100_000


def _bytes_of_checkpoints(counts: _Counts) -> int:
    """Disk that an unfinished run takes besides: two checkpoints at the moment of a change, each of weights, an average and
    two moments of an optimizer, and the best weights twice."""
    return (2 * 4 + 2) * counts.weight_bytes


def initial_share(counts: _Counts, baseline: _Counts) -> float:
    """Share of an arm's parameters that start from the baseline's values: same name, same shape, same seed."""
    common = sum(shape.numel() for name, shape in counts.shapes.items() if baseline.shapes.get(name) == shape)
    return common / max(1, counts.parameters)


def _lock(
    plan: Plan, machine: Machine, data: Mapping[str, LoadedData], counts: Mapping[str, _Counts], command: str, remarks: Sequence[str]
) -> dict[str, Any]:
    sets = {data_key(arm.recipe): _data_entry(arm.recipe, data[arm.name]) for arm in plan.arms}
    return {
        "version": LOCK_VERSION,
        "name": plan.study.name,
        "question": plan.study.question,
        "command": command,
        "baseline": BASELINE,
        "choose": plan.study.base.choose,
        "margin": plan.study.margin,
        "seeds": list(plan.study.seeds),
        "machine": machine.to_dict(),
        "base": plan.study.base.spec(),
        "arms": [_arm_entry(arm, plan, counts) for arm in plan.arms],
        "runs": [{"arm": run.arm, "seed": run.seed, "id": run.recipe.id, "folder": plan.folder_of(run)} for run in plan.runs],
        "data": list(sets.values()),
        "remarks": list(remarks),
    }


def _arm_entry(arm: Arm, plan: Plan, counts: Mapping[str, _Counts]) -> dict[str, Any]:
    outside = is_outside(arm.recipe.model.use) or is_outside(plan.study.base.model.use)
    return {
        "name": arm.name,
        "changes": dict(arm.changes),
        "differences": {path: list(pair) for path, pair in changes.differences(plan.study.base.spec(), arm.recipe.spec()).items()},
        "lost": list(arm.lost),
        "origin": arm.origin,
        "axis": {"path": arm.axis[0], "value": arm.axis[1]} if arm.axis else None,
        "twin": arm.twin,
        "data": data_key(arm.recipe),
        "parameters": counts[arm.name].parameters,
        "trainable_parameters": counts[arm.name].trainable,
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
