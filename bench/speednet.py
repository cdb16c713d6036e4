"""Where a step of speednet goes: milliseconds by operation, forward, backward, optimizer and evaluation, on random images.

`python bench/speednet.py [--images 2000] [--part 500] [--threads 2] [--steps 3]`, on a quiet machine. Shares are of torch's
own times of operations (self time, children taken off), so that they hold on a busy machine too, milliseconds do not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import torch
from torch.profiler import ProfilerActivity, profile

from contrast import catalog, keyed, views
from contrast.engine.learning import Learning
from contrast.engine.machine import resolve
from contrast.engine.step import change, gradients
from contrast.recipe import Recipe

WARM_UP = 2


def recipe() -> Recipe:
    """The shipped network and optimizer."""
    from contrast import study_file

    return study_file.read(study_file.shipped()["cifar10-best"]).base


def batches(recipe: Recipe, images: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Augmented random images, as bytes would come."""
    pixels = torch.randint(0, 256, (images, 32, 32, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    labels, steps = torch.eye(10)[torch.arange(images) % 10], [step.apply for step in recipe.augment if not step.always]
    normalize = catalog.parse("augment", {"use": "normalize", "statistics": "given", "mean": [0.49, 0.48, 0.45], "std": [0.25, 0.24, 0.26]})
    for epoch in range(1_000_000):
        draws, batch = keyed.Draws.of(0, epoch, torch.arange(images)), pixels
        for step in (*steps, normalize.apply):
            batch, _ = step(batch, labels, draws)
        yield batch, labels


def seconds(work: Callable[[], object], times: int) -> float:
    """Mean time of a work, after warm-up."""
    for number in range(WARM_UP + times):
        if number == WARM_UP:
            began = time.perf_counter()
        work()
    return (time.perf_counter() - began) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("images", 2000), ("part", 500), ("threads", 2), ("steps", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    base, machine = recipe(), resolve(given.threads)
    machine.prepare()
    model = base.model.build((3, 32, 32), 10)
    base.model.initialize(model, 0)
    model = model.to(memory_format=machine.format).train()
    learning, source = Learning(base, model, 10, fused=True), batches(base, given.images)
    images, labels = next(source)

    def forward_backward() -> None:
        gradients(model, base.loss, images, labels, machine, given.part)

    def whole_step() -> None:
        gradients(model, base.loss, *next(source), machine, given.part)
        change(model, learning.optimizer)

    @torch.inference_mode()
    def evaluation() -> None:
        with machine.autocast():
            for part in images.split(500):
                views.logits(model, part, "none")

    print(f"{machine.device_name}, {machine.precision}, {given.threads} threads, batches of {given.images} in parts of {given.part}")
    parts = {"augmentation": lambda: next(source), "forward and backward": forward_backward, "whole step": whole_step}
    for name, work in parts.items():
        taken = seconds(work, given.steps)
        print(f"{name:22} {1000 * taken:9.1f} ms   {given.images / taken:8.0f} images/s")
    gradients(model, base.loss, images, labels, machine, given.part)
    print(f"{'optimizer':22} {1000 * seconds(learning.optimizer.step, given.steps):9.1f} ms")
    model.eval()
    taken = seconds(evaluation, given.steps)
    print(f"{'evaluation, one view':22} {1000 * taken:9.1f} ms   {given.images / taken:8.0f} images/s")
    model.train()
    learning.optimizer.zero_grad()
    with profile(activities=[ProfilerActivity.CPU]) as told:
        whole_step()
    rows = sorted(told.key_averages(), key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows)
    for row in rows[:24]:
        print(f"  {100 * row.self_cpu_time_total / total:5.1f} %  {row.self_cpu_time_total / 1000:9.1f} ms  {row.count:5} ×  {row.key}")


if __name__ == "__main__":
    main()
