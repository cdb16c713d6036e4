"""What watching norms at every step costs, as a share of the step: `python bench/norms.py`."""

import statistics
import time

import torch

from contrast import catalog
from contrast.engine.machine import resolve
from contrast.engine.step import change, gradients

NETS = {
    "mlp 784-800-800-10, batch 64": ({"use": "mlp"}, (1, 28, 28), 64),
    "convnet 128-512×4, batch 128": ({"use": "convnet", "channels": [128, 512, 512, 512, 512]}, (3, 32, 32), 128),
}
WATCH = {"nothing": (), "weight_norm": ("weight_norm",), "all three": ("gradient_norm", "weight_norm", "update_ratio")}
ROUNDS = 30


def main() -> None:
    machine = resolve(torch.get_num_threads())
    machine.prepare()
    for title, (settings, shape, batch) in NETS.items():
        model = catalog.parse("model", settings).build(shape, 10).to(machine.device, memory_format=machine.format)
        optimizer = catalog.parse("optimizer", {"use": "sgd", "momentum": 0.9}).build(list(model.named_parameters()), fused=True)
        loss = catalog.parse("loss", "cross_entropy")
        images, labels = torch.rand(batch, *shape, device=machine.device), torch.eye(10, device=machine.device)[torch.arange(batch) % 10]
        seconds = {name: [] for name in WATCH}
        for _ in range(ROUNDS):  # the ways take turns, so that a busy machine is busy for all of them
            for name, watch in WATCH.items():
                start = time.perf_counter()
                gradients(model, loss, images, labels, machine)
                change(model, optimizer, None, watch).tolist()
                seconds[name].append(time.perf_counter() - start)
        plain = statistics.median(seconds["nothing"])
        print(f"{title}: {1000 * plain:.2f} ms a step on {machine.device}, {machine.threads} threads")
        for name in list(WATCH)[1:]:
            more = [100 * (b - a) / plain for a, b in zip(seconds["nothing"], seconds[name], strict=True)]
            low, middle, high = statistics.quantiles(more, n=4)
            print(f"  {name}: {middle:+.1f} % of the step (quartiles {low:+.1f} … {high:+.1f})")


if __name__ == "__main__":
    main()
