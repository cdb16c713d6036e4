"""Several runs as one stacked network, against one by one and against processes: bare steps of small networks.

`python bench/stacked.py [--runs 8] [--batch 32] [--nets u3,u3-bn] [--seconds 5] [--rounds 3]` prints images per second of all runs
together, the median over rounds (least … most), interleaved, and the stack's ratio to the better of the others. Every subject is a process of
its own, but for `processes`, which is as many as there are cores (on a GPU: as there are runs), of one thread each. It takes
the device, precision and memory format that a study would be planned with. Needs a quiet machine and no data.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

U3 = {"use": "convnet", "channels": [[32, 32], [64, 64]], "padding": 0, "head": [512]}
NETS = {
    "u3": U3,
    "u3-bn": {**U3, "norm": "batch"},
    "u3-dropout": {**U3, "dropout": 0.3, "head_dropout": 0.3},
    "s1-bn": {"use": "convnet", "channels": [128, 512, 512, 512, 512], "norm": "batch"},
    "speednet": {"use": "speednet"},
}
SUBJECTS = ("one by one", "processes", "stack")
WARM_UP = 3


def trainings(net: str, runs: int, batch: int, threads: int | None):
    """Trainings that differ in their seeds, ready for their first step."""
    from contrast import Recipe
    from contrast.engine.machine import resolve
    from contrast.engine.training import Training, load
    from contrast.protocols import Places
    from contrast.store import RunFolder

    made, data = [], None
    for seed in range(runs):
        synthetic = {"use": "synthetic", "images": 2 * batch + 64, "size": 32, "validation": 32}
        recipe = Recipe(data=synthetic, model=NETS[net], optimizer={"use": "sgd", "lr": 0.001, "momentum": 0.9}, batch_size=batch, seed=seed)
        machine = resolve().for_recipe(recipe)
        machine = dataclasses.replace(machine, threads=threads or machine.threads)
        machine.prepare()
        data = load(recipe, Places(), machine.device) if data is None else data
        made.append(Training.begin(recipe, machine, data, RunFolder(Path(tempfile.mkdtemp())), lambda progress: None))
    return made


def measured(subject: str, net: str, runs: int, batch: int, seconds: float, threads: int | None) -> float:
    """Images per second of all runs in this process."""
    from contrast.engine.stacked import Stacks
    from contrast.engine.step import Asked, alone, change

    begun = trainings(net, runs, batch, threads)
    asked = []
    for run in begun:
        images, labels = next(run.batches.of_epoch(0))
        asked.append(Asked(run.state.model.train(), run.recipe.loss, images, labels, run.machine, None, run.state.moment))
    stacks = Stacks()

    def step() -> None:
        if subject == "stack":
            stacks.gradients(asked)
            for run in begun:
                change(run.state.model, run.state.optimizer)
        else:
            for run, question in zip(begun, asked, strict=True):
                alone(question)
                change(run.state.model, run.state.optimizer)

    return runs * batch * _steps_per_second(step, seconds, begun[0].machine.device)


def _steps_per_second(step: Callable[[], None], seconds: float, device: str) -> float:
    import torch

    def now() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    for _ in range(WARM_UP):
        step()
    began, done = now(), 0
    while True:
        for _ in range(5):
            step()
        done += 5
        if (elapsed := now() - began) >= seconds:
            return done / elapsed


def apart(subject: str, net: str, runs: int, batch: int, seconds: float) -> float:
    """The same in processes of their own."""
    from contrast.engine.machine import cores, resolve

    together = resolve().device == "cuda"
    count = (runs if together else min(runs, cores())) if subject == "processes" else 1
    words = ["one by one" if subject == "processes" else subject, net, str(1 if count > 1 else runs), str(batch), str(seconds)]
    command = [sys.executable, __file__, "--work", *words, *(["1"] if count > 1 else [])]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    told = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit(f"{subject} of {net} failed")
    return sum(float(json.loads(text)) for text in told)


def compare(net: str, runs: int, batch: int, seconds: float, rounds: int) -> None:
    taken: dict[str, list[float]] = {subject: [] for subject in SUBJECTS}
    for _ in range(rounds):
        for subject in SUBJECTS:
            taken[subject].append(apart(subject, net, runs, batch, seconds))
    medians = {subject: statistics.median(values) for subject, values in taken.items()}
    figures = "; ".join(f"{subject} {medians[subject]:,.0f} ({min(values):,.0f} … {max(values):,.0f})" for subject, values in taken.items())
    ratio = medians["stack"] / max(medians["one by one"], medians["processes"])
    print(f"{net}, {runs} runs, batch {batch}: {figures} images/s; stack {ratio:.2f}× the better of the others", flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--work"]:
        subject, net, runs, batch, seconds, *threads = sys.argv[2:]
        print(json.dumps(measured(subject, net, int(runs), int(batch), float(seconds), int(threads[0]) if threads else None)))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nets", default="u3,u3-bn,u3-dropout")
    given = parser.parse_args()
    for net in given.nets.split(","):
        compare(net, given.runs, given.batch, given.seconds, given.rounds)


if __name__ == "__main__":
    main()
