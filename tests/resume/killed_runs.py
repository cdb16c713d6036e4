"""Carries out one small run many times: whole, and killed with SIGKILL at an event, twice, then resumed.

Run as a program by `test_resume.py`. It imports torch once and forks a process for each try, so that a kill is a real
kill and a try costs no new start. It prints JSON: for each event, whether each kill hit its event, and the folders.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from contrast import conduct, doors, store, study
from contrast.engine import finish as finishing
from contrast.engine.training import Training
from contrast.errors import ContrastError

SPEC = {
    "question": "Does a killed run go on as if nothing had been?",
    "base": {
        "data": {"use": "synthetic", "images": 120, "size": 8, "validation": 24},
        "augment": [{"use": "flip"}, {"use": "crop", "padding": 1}],
        "model": {"use": "convnet", "channels": [8], "head": [16], "norm": "batch", "dropout": 0.3},
        "optimizer": {"use": "sgd", "lr": 0.05, "momentum": 0.9},
        "schedule": {"use": "cosine"},
        "averaging": {"use": "ema", "decay": 0.8},
        "epochs": 4,
        "batch_size": 8,
    },
    "seeds": 1,
}
TRIES = 2


def kill(marker: Path) -> None:
    """Leave word that the event was reached, then die as `kill -9` would."""
    with marker.open("a") as stream:
        stream.write("reached\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.kill(os.getpid(), signal.SIGKILL)


def nth(
    function: Callable, number: int, act: Callable[[], None], *, when: Callable[..., bool] = lambda *a, **k: True, after: bool = False
) -> Callable:
    """`function`, but at its `number`-th call that fits `when`, `act` comes before (or after) it."""
    calls = 0

    def wrapped(*args, **kwargs):
        nonlocal calls
        calls += bool(when(*args, **kwargs))
        now = calls == number and when(*args, **kwargs)
        if now and not after:
            act()
        made = function(*args, **kwargs)
        if now:
            act()
        return made

    return wrapped


def is_checkpoint(source: object, target: object) -> bool:
    return Path(str(target)).name[:1].isdigit() and "checkpoint" in str(target)


def mid_epoch(act, attempt):
    Training.keep_now_and_then = nth(Training.keep_now_and_then, 10 + 3 * attempt, act)


def mid_epoch_after_a_checkpoint_there(act, attempt):
    from contrast.engine import training

    training.CHECKPOINT_SECONDS = 0.0  # every step keeps
    Training.keep_now_and_then = nth(Training.keep_now_and_then, 3 + attempt, act, after=True)


def inside_a_checkpoint_write(act, attempt):
    store.os.replace = nth(store.os.replace, 2, act, when=is_checkpoint)


def checkpoint_written_old_one_not_pruned(act, attempt):
    store.os.replace = nth(store.os.replace, 2, act, when=is_checkpoint, after=True)


def between_a_row_and_its_checkpoint(act, attempt):
    Training.keep = nth(Training.keep, 1 + attempt, act)


def half_a_row_written(act, attempt):
    whole = store.Rows.append

    def torn(self, rows):
        if self.path.name == "epochs.csv" and rows[0]["epoch"] == 2 + attempt:
            with self.path.open("a") as stream:
                stream.write(f"{rows[0]['epoch']},99,0.5")
                stream.flush()
            act()
        whole(self, rows)

    store.Rows.append = torn


def during_test(act, attempt):
    finishing.image_rows = nth(finishing.image_rows, 2, act)


def before_the_summary(act, attempt):
    store.RunFolder.finish = nth(store.RunFolder.finish, 1, act)


def after_the_summary(act, attempt):
    store.RunFolder.tidy = nth(store.RunFolder.tidy, 1, act)


EVENTS = [
    mid_epoch,
    mid_epoch_after_a_checkpoint_there,
    inside_a_checkpoint_write,
    checkpoint_written_old_one_not_pruned,
    between_a_row_and_its_checkpoint,
    half_a_row_written,
    during_test,
    before_the_summary,
    after_the_summary,
]


def forked(act: Callable[[], None]) -> int:
    """Do something in a process of its own; its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        act()
    except ContrastError as error:
        print(error, file=sys.stderr)
        os._exit(1)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def carry_out(folder: Path) -> None:
    asked = study.Study.parse(SPEC | {"name": "killed"})
    doing = doors.Doing.of(asked, runs=folder, executor="inline", level="quiet")
    prepared = doors.plan(asked, doing)
    one_thread = {**prepared.lock["machine"], "threads": 1}
    orders = [conduct.dataclasses.replace(order, machine=one_thread) for order in prepared.orders]
    conduct.write_down(prepared, store.StudyFolder(folder), doing.places)
    for order in orders:
        conduct.carry_out(order, lambda event: None)


def main(root: Path) -> dict:
    told = {"whole": forked(lambda: carry_out(root / "whole"))}
    for event in EVENTS:
        folder, marker = root / event.__name__, root / f"{event.__name__}.marker"
        statuses = []
        for attempt in range(TRIES):

            def killed(event=event, folder=folder, marker=marker, attempt=attempt) -> None:
                event(lambda: kill(marker), attempt)
                carry_out(folder)

            statuses.append(forked(killed))
        reached = len(marker.read_text().splitlines()) if marker.exists() else 0
        told[event.__name__] = {"killed": statuses, "reached": reached, "resumed": forked(lambda folder=folder: carry_out(folder))}
    return told


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
