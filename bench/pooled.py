"""What max pooling before the ReLU saves of a bare step, and what weights in bf16 would (decision 13): `python bench/pooled.py`."""

import copy
import statistics
import sys
import time

import torch
from torch import nn

import work
from contrast.layers import PooledFirst

ROUNDS, STEPS = 30, 10
ORDERS = {"every layer in its place": nn.Sequential.forward, "pooled first": PooledFirst.forward}


def main(name: str) -> None:
    training = work.training_of(name)
    images, labels = (one.clone() for one in next(iter(training.batches.of_epoch(0))))

    def way(forward, *, whole: bool):
        """Some steps with the layers in an order; `whole`: all in bf16, weights too, where else autocast makes copies of them."""
        model = copy.deepcopy(training.state.model)
        model = model.bfloat16() if whole else model
        optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, fused=True)
        given = images.bfloat16() if whole else images

        def steps() -> float:
            PooledFirst.forward = forward
            began = time.perf_counter()
            for _ in range(STEPS):
                with training.machine.autocast():
                    logits = model(given)
                nn.functional.cross_entropy(logits.float(), labels).backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            return (time.perf_counter() - began) / STEPS * 1e3

        return steps

    ways = {f"{order}{', all in bf16' if whole else ''}": way(forward, whole=whole) for whole in (False, True) for order, forward in ORDERS.items()}
    for steps in ways.values():
        steps()
    taken = {told: [] for told in ways}
    for _ in range(ROUNDS):  # the ways take turns, so that a busy machine is busy for all of them
        for told, steps in ways.items():
            taken[told].append(steps())
    usual = next(iter(taken.values()))
    for told, times in taken.items():
        ratio = statistics.median(before / now for before, now in zip(usual, times, strict=True))
        print(f"{name:14s} {told:40s} {statistics.median(times):6.2f} ms a step (least {min(times):.2f}), {ratio:.3f} times as fast")


if __name__ == "__main__":
    for work_name in sys.argv[1:] or ("u3-b32-none", "u3-b256-none"):
        main(work_name)
