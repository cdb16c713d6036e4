"""From a plan to finished runs: check everything that can be checked before the first step, then carry the runs out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import sys
import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from contrast import changes, study_file
from contrast.catalog import is_outside
from contrast.engine.finish import finish
from contrast.engine.machine import RELOCK, Machine, cores, forget_peak_memory, resolve, spare_the_compiler
from contrast.engine.training import LoadedData, Training, load
from contrast.environment import environment
from contrast.errors import ContrastError, InputError, RunFailed
from contrast.orders import Event, ExecutorIngredient, Order, Tell
from contrast.protocols import Places
from contrast.recipe import Recipe
from contrast.store import RunFolder, StudyFolder, to_json, write_durably
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
    needed = sum(_bytes_of_run(counts[run.arm], data[run.arm], plan.study.keep) for run in waiting)
    remarks = [*plan.remarks, *(machine.drifted() if kept else [])]
    lock = _lock(plan, machine, data, counts, command, remarks)
    orders = tuple(
        Order(
            arm=run.arm,
            seed=run.seed,
            recipe=run.recipe.spec(),
            folder=folder.run(plan.folder_of(run)).path,
            machine=machine.to_dict(),
            places=places.folders,
            split=folder.split_path(_split_key(by_arm[run.arm].recipe)),
            fingerprint=data[run.arm].fingerprint,
            question=plan.study.question,
            study=plan.study.name,
            keep=plan.study.keep,
            import_path=tuple(sys.path) if any(is_outside(arm.recipe.model.use) for arm in plan.arms) else (),
        )
        for run in waiting
    )
    return Prepared(plan, orders, lock, needed, tuple(remarks))


def write_down(prepared: Prepared, folder: StudyFolder, places: Places, *, relock: bool = False) -> Path | None:
    """Write the study, its lock and its splits into the folder.

    Returns:
        Where old runs were set aside, with `relock`.

    Raises:
        RunFailed: the runs would not fit on the disk.
    """
    with folder.planning():
        free = shutil.disk_usage(folder.path).free
        if prepared.bytes_needed > free:
            sizes = f"the runs take {_size(prepared.bytes_needed)} and the disk has {_size(free)} left"
            raise RunFailed(f"{folder.path}: {sizes}; free some, or set keep: best or keep: none")
        aside = folder.set_aside(datetime.now().strftime("%Y%m%d-%H%M%S")) if relock and folder.lock() else None
        for arm in prepared.plan.arms:
            path = folder.split_path(_split_key(arm.recipe))
            if not path.exists():
                write_durably(path, json.dumps(_data(arm.recipe, places, prepared.lock["machine"]["device"]).split(), ensure_ascii=True))
        for run in prepared.plan.distinct:
            _tidy(folder.run(prepared.plan.folder_of(run)))
        study = study_file.write(prepared.plan.study)
        write_durably(folder.path / "study.yaml", study)
        write_durably(folder.lock_path, to_json(prepared.lock))
        return aside


def _tidy(run: RunFolder) -> None:
    """Take away what a kill between summary and clean-up left."""
    if run.finished and run.checkpoint_folder.exists():
        with run.owned() as mine:
            if mine:
                run.tidy()


def carry_out(order: Order, tell: Tell) -> None:
    """Carry one run out, or go on with it, in this process; a failure is kept in its folder and told, not raised."""
    sys.path[:] = [*sys.path, *(path for path in order.import_path if path not in sys.path)]
    folder = RunFolder(order.folder)

    def told(kind: Any, **detail: Any) -> None:
        tell(Event(kind, order.arm, order.seed, detail))

    try:
        if folder.finished:  # by another process, since the plan was made
            told("elsewhere")
            return
        with folder.owned() as mine:
            if not mine or folder.finished:
                told("elsewhere")
            else:
                told("started")
                summary = _carried_out(order, folder, lambda progress: told("progress", **dataclasses.asdict(progress)))
                told(summary["status"], **summary)
    except Exception as error:
        cause = str(error) if isinstance(error, (ContrastError, OSError)) else f"{type(error).__name__}: {error}"
        cause = " ".join(cause.split())[:500]
        told("failed", cause=cause)
        _keep_failure(folder, cause)


def _keep_failure(folder: RunFolder, cause: str) -> None:
    try:
        folder.fail(cause, traceback.format_exc())
    except OSError as error:
        print(f"{folder.path}: the failure could not be kept either: {error}", file=sys.stderr)


def _carried_out(order: Order, folder: RunFolder, listener: Any) -> dict[str, Any]:
    recipe = Recipe.parse(order.recipe, trust=True)
    machine = Machine.from_lock(order.machine).for_recipe(recipe)
    machine.prepare()
    forget_peak_memory()
    data = _data(recipe, Places(folders=order.places), machine.device, order.split)
    if data.fingerprint != order.fingerprint:
        raise InputError("is not the data that the study was planned with", where=f"data {recipe.data.use}", right=RELOCK)
    if not (folder.path / "environment.json").exists():
        folder.write("environment.json", to_json(environment(machine.to_dict(), data.fingerprint)))
        folder.write("recipe.yaml", study_file.write_run(recipe, order.question, order.study))
    training = Training.begin(recipe, machine, data, folder, listener)
    recipe.loop.train(training)
    return finish(training, order.arm, order.keep)


def _split_key(recipe: Recipe) -> str:
    return hashlib.sha256(json.dumps({"use": recipe.data.use, **recipe.data.settings()}, sort_keys=True).encode()).hexdigest()


def _data(recipe: Recipe, places: Places, device: str, split: Path | None = None) -> LoadedData:
    """A recipe's data; the set used last stays in memory, so that the runs of a study in one process share it."""
    return _loaded(_Key(_split_key(recipe), recipe, places, device, split))


@dataclasses.dataclass(frozen=True)
class _Key:
    key: str
    recipe: Recipe = dataclasses.field(compare=False)
    places: Places
    device: str
    split: Path | None = dataclasses.field(compare=False)


@lru_cache(maxsize=2)
def _loaded(key: _Key) -> LoadedData:
    kept = json.loads(key.split.read_text(encoding="utf-8")) if key.split is not None and key.split.exists() else None
    return load(key.recipe, key.places, key.device, kept)


def _within_arm(arm: Arm, error: InputError) -> InputError:
    return error.below("base" if arm.name == BASELINE else f"{arm.origin}.{arm.name}")


def _checked_data(arm: Arm, machine: Machine, places: Places, kept: Mapping[str, Any] | None, folder: StudyFolder) -> LoadedData:
    recipe = arm.recipe
    try:
        path = folder.split_path(_split_key(recipe)) if kept else None
        data = _found_data(recipe, places, machine.for_recipe(recipe).device, path)
        known = [entry for entry in (kept["data"] if kept else []) if entry["key"] == _split_key(recipe)]
        if known and known[0]["fingerprint"] != data.fingerprint:
            raise InputError("the images or labels are not those that the study was planned with", where="data", right=RELOCK)
        if len(data.classes) < 2:
            raise InputError(f"there is only one class, {data.classes[0]!r}", where="data", right="give at least two classes")
        if recipe.batch_size > len(data.train):
            raise InputError(
                f"{recipe.batch_size} is more than the {len(data.train)} training images", where="batch_size", right="take a smaller batch"
            )
    except InputError as error:
        raise _within_arm(arm, error) from None
    return data


def _found_data(recipe: Recipe, places: Places, device: str, split: Path | None) -> LoadedData:
    try:
        return _data(recipe, places, device, split)
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
    """Disk for one run: kept weights, the checkpoint while it lasts (twice at the moment of a change), rows per image."""
    kept = {"both": 2, "best": 1, "none": 0}[keep] * counts.weight_bytes
    images = (len(data.validation) + len(data.test)) * (min(len(data.classes), 100) * 4 + 40)
    return kept + images + 100_000


def initial_share(counts: _Counts, baseline: _Counts) -> float:
    """Share of an arm's parameters that start from the baseline's values: same name, same shape, same seed."""
    common = sum(shape.numel() for name, shape in counts.shapes.items() if baseline.shapes.get(name) == shape)
    return common / max(1, counts.parameters)


def _lock(
    plan: Plan, machine: Machine, data: Mapping[str, LoadedData], counts: Mapping[str, _Counts], command: str, remarks: Sequence[str]
) -> dict[str, Any]:
    sets = {_split_key(arm.recipe): _data_entry(arm.recipe, data[arm.name]) for arm in plan.arms}
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
        "data": _split_key(arm.recipe),
        "parameters": counts[arm.name].parameters,
        "trainable_parameters": counts[arm.name].trainable,
        "initial_share": None if outside else initial_share(counts[arm.name], counts[BASELINE]),
    }


def _data_entry(recipe: Recipe, data: LoadedData) -> dict[str, Any]:
    mean, std = data.training_images.own_statistics
    return {
        "key": _split_key(recipe),
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
        "split": f"splits/{_split_key(recipe)[:16]}.json",
    }


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
