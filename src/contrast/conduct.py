"""From a checked plan to finished runs."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import traceback
from datetime import datetime
from pathlib import Path
from typing import Any

from contrast import study_file
from contrast.engine.allocator import give_back_freed_memory
from contrast.engine.finish import finish
from contrast.engine.machine import RELOCK, Machine, forget_peak_memory
from contrast.engine.training import Training
from contrast.environment import environment
from contrast.errors import ContrastError, InputError, RunFailed
from contrast.loaded import data_key, data_of
from contrast.orders import Event, Order, Tell
from contrast.prepare import Prepared, size_in_words
from contrast.protocols import Places
from contrast.recipe import Recipe
from contrast.store import RunFolder, StudyFolder, to_json, write_durably


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
            sizes = f"the runs take {size_in_words(prepared.bytes_needed)} and the disk has {size_in_words(free)} left"
            raise RunFailed(f"{folder.path}: {sizes}; free some, or set keep: best or keep: none")
        aside = folder.set_aside(datetime.now().strftime("%Y%m%d-%H%M%S")) if relock and folder.lock() else None
        for key, recipe in prepared.plan.by_data(data_key).items():
            path = folder.split_path(key)
            if not path.exists():
                write_durably(path, json.dumps(data_of(recipe, places, prepared.lock["machine"]["device"]).split(), ensure_ascii=True))
        for run in (*prepared.plan.distinct, *prepared.plan.trial_runs):
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
        if done(order):  # by another process, since the plan was made
            told("elsewhere")
            return
        with folder.owned() as mine:
            if not mine or done(order):
                told("elsewhere")
            else:
                told("started")
                if folder.finished:  # it was pruned, as the study was declared then
                    folder.reopen()
                summary = _carried_out(order, folder, lambda progress: told("progress", **dataclasses.asdict(progress)))
                told(summary["status"], **summary)
    except Exception as error:
        cause = str(error) if isinstance(error, (ContrastError, OSError)) else f"{type(error).__name__}: {error}"
        cause = " ".join(cause.split())[:500]
        told("failed", cause=cause)
        _keep_failure(folder, cause)


def done(order: Order) -> bool:
    """Whether nothing of an order is left to do: its run is finished, or has come to the epoch at which it is to wait."""
    folder, until = RunFolder(order.folder), order.until_epoch
    if not folder.finished:
        return until is not None and folder.epochs_kept >= until
    return order.gives_up or not folder.pruned or (until is not None and folder.summary()["epochs"] >= until)


def _keep_failure(folder: RunFolder, cause: str) -> None:
    try:
        folder.fail(cause, traceback.format_exc())
    except OSError as error:
        print(f"{folder.path}: the failure could not be kept either: {error}", file=sys.stderr)


def _carried_out(order: Order, folder: RunFolder, listener: Any) -> dict[str, Any]:
    recipe = Recipe.parse(order.recipe, trust=True)
    machine = Machine.from_lock(order.machine).for_recipe(recipe)
    machine.prepare()
    give_back_freed_memory()  # of an earlier run in this process
    forget_peak_memory()
    data = data_of(recipe, Places(folders=order.places), machine.device, order.split)
    if data.fingerprint != order.fingerprint:
        raise InputError("is not the data that the study was planned with", where=f"data {recipe.data.use}", right=RELOCK)
    if not (folder.path / "environment.json").exists():
        folder.write("environment.json", to_json(environment(machine.to_dict(), data.fingerprint)))
        folder.write("recipe.yaml", study_file.write_run(recipe, order.question, order.study))
    training = Training.begin(recipe, machine, data, folder, listener)
    if order.gives_up:
        training.give_up()
    else:
        if order.until_epoch is not None:
            training.pause_after(order.until_epoch)
        recipe.loop.train(training)
    state, waits = training.state, order.until_epoch is not None
    if waits and state.stopped != "diverged":  # also where its patience or budget has ended: only what goes on opens test
        return {"status": "paused", "epoch": state.epoch, "epochs": training.total_epochs}
    return finish(training, order.arm, order.keep, judged=order.judged and not waits)
