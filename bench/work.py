"""One measurement in a process of its own: `work.py SUBJECT WORK SECONDS` prints JSON with images per second.

Subjects do the same work: net, data, batch size and augmentation of a row of the reports.

* contrast   what a user gets: our loop, rows and all, machine plan as resolved
* bare       forward, backward, update on one fixed batch in the same plan, the network as the peers have it: eager PyTorch
* over-own   the share of our loop's time that the bare steps of its own network would take, both in one process, taking turns (no speed)
* over-bare  the same with the network as the peers have it
* evaluate   our evaluation of 10,000 images, and `plain-evaluate` the plain loop's
* operations floating-point operations of training on one image (no speed)
* peak-bf16, peak-fp32: operations a second of one large convolution, forward and backward: what the machine can do
* the rest   `peers.py`
"""

from __future__ import annotations

import contextlib
import functools
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import peers

U3 = {"use": "convnet", "channels": [[32, 32], [64, 64]], "padding": 0, "head": [512]}
N7 = {
    "use": "convnet",
    "channels": [[32, 64], [128, 128], [256, 256]],
    "norm": "batch",
    "norm_on": "first",
    "activation": "mish",
    "head": [1024, 1024],
    "output_activation": "mish",
}
S1 = {"use": "convnet", "channels": [128, 512, 512, 512, 512], "norm": "batch"}
RESNET18 = {"use": "torchvision/resnet18"}
NETS = {"u3-b32": (U3, 32), "u3-b256": (U3, 256), "n7-b64": (N7, 64), "s1-bn-b128": (S1, 128), "resnet18-64px-b64": (RESNET18, 64)}
LISTS = {"none": "none", "flip-crop": "flip + crop", "seven": "seven"}
WORKS = {f"{net}-{short}": (*NETS[net], augment) for net in NETS for short, augment in LISTS.items()}
SEVEN = [
    {"use": "flip"},
    {"use": "vflip"},
    {"use": "rotate", "degrees": 5},
    {"use": "grayscale", "p": 0.1},
    {"use": "translate", "fraction": 0.2},
    {"use": "color_jitter", "brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "hue": 0.05},
]


class Enough(Exception):
    """The measurement has taken long enough."""


def recipe(name: str):
    from contrast import Recipe

    model, batch, augment = WORKS[name]
    small = name.startswith("resnet")
    crop = {"use": "crop", "padding": 8 if small else 4}
    steps = {"none": [], "flip + crop": [{"use": "flip"}, crop], "seven": [crop, *SEVEN]}
    data = {"use": "cats_vs_dogs"} if small else {"use": "cifar10", "validation": 5000}
    optimizer = {"use": "sgd", "lr": 0.001, "momentum": 0.9}
    return Recipe(data=data, augment=steps[augment], model=model, optimizer=optimizer, epochs=1000, batch_size=batch)


def training_of(name: str):
    """A training of ours, ready for its first step."""
    from contrast.engine.machine import resolve
    from contrast.engine.training import Training, load
    from contrast.protocols import Places
    from contrast.store import RunFolder

    made = recipe(name)
    machine = resolve().for_recipe(made)
    machine.prepare()
    data = load(made, Places.usual(), machine.device)
    return Training.begin(made, machine, data, RunFolder(Path(tempfile.mkdtemp())), lambda progress: None)


def task(name: str) -> peers.Task:
    """The same for the peers."""
    from contrast.protocols import Places

    made = recipe(name)
    images = made.data.read(Places.usual())
    train = images.parts == "train"
    pictures, labels, classes = images.pixels[train], images.labels[train].tolist(), len(images.classes)
    as_written()
    return peers.Task(lambda: made.model.build(images.shape, classes), pictures, labels, made.batch_size, WORKS[name][2], dict(WORKS[name][0]))


def as_written() -> None:
    """Have this process compute every layer in its place, as a network of torch's own layers does: what pools before a ReLU is ours."""
    from torch import nn

    from contrast.layers import PooledFirst

    PooledFirst.forward = nn.Sequential.forward


def contrast(name: str, seconds: float) -> float:
    training = training_of(name)
    watch, whole = peers.Watch(training.recipe.batch_size, seconds), training.keep_now_and_then

    def stepped() -> None:
        whole()
        if watch.step():
            raise Enough

    training.keep_now_and_then = stepped
    with contextlib.suppress(Enough):
        training.recipe.loop.train(training)
    return watch.images_per_second


def bare(name: str, seconds: float) -> float:
    as_written()
    training = training_of(name)
    images, labels = next(iter(training.batches.of_epoch(0)))
    model, optimizer, loss, machine = training.state.model, training.state.optimizer, training.recipe.loss, training.machine
    watch = peers.Watch(training.recipe.batch_size, seconds)
    while True:
        with machine.autocast():
            logits = model(images)
        loss.value(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if watch.step():
            return watch.images_per_second


def over_bare(name: str, seconds: float, *, own: bool = False) -> float:
    """Bare steps' time over our loop's for as many steps, the median of turns; both move the same weights, and so lie in the same memory."""
    from contrast.engine.step import change, gradients
    from contrast.layers import PooledFirst

    training, ours = training_of(name), PooledFirst.forward
    images, labels = (one.clone() for one in next(iter(training.batches.of_epoch(0))))
    state, loss, machine = training.state, training.recipe.loss, training.machine
    kept, ratios = training.keep_now_and_then, list[float]()
    began, done, turn = time.perf_counter(), 0, 3
    end = began + 2 * seconds

    def stepped() -> None:
        nonlocal began, done, turn
        kept()
        done += 1
        if done < turn:
            return
        looped = time.perf_counter() - began
        if not own:
            as_written()
        began = time.perf_counter()
        for _ in range(turn):
            gradients(state.model, loss, images, labels, machine)
            change(state.model, state.optimizer)
        ratios.append((time.perf_counter() - began) / looped)
        PooledFirst.forward = ours
        if time.perf_counter() > end and len(ratios) > 1:
            raise Enough
        began, done, turn = time.perf_counter(), 0, max(2, round(turn * 0.5 / looped))

    training.keep_now_and_then = stepped
    with contextlib.suppress(Enough):
        training.recipe.loop.train(training)
    return statistics.median(ratios[1:])  # the first turn is warm-up


def evaluate(name: str, seconds: float) -> float:
    training = training_of(name)
    part = training.data.test
    training.evaluator.outcomes(training.state.model, part)
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        training.evaluator.outcomes(training.state.model, part)
        done += len(part)
    return done / (time.perf_counter() - began)


def plain_evaluate(name: str, seconds: float) -> float:
    import torch

    made = task(name)
    model, watch = made.net().eval(), peers.Watch(made.batch, seconds)
    with torch.no_grad():
        for inputs, _ in peers.loader(made):
            model(inputs).argmax(1)
            if watch.step():
                break
    return watch.images_per_second


def operations(name: str, seconds: float) -> float:
    """Operations of an image, forward and backward: a multiply-accumulate is two, the backward pass twice the forward."""
    from contrast.engine.macs import macs

    training = training_of(name)
    return 6.0 * (macs(training.state.model, training.data.shape) or float("nan"))


def peak(dtype: str, seconds: float) -> float:
    """Operations a second of a convolution of 256 channels over 28×28 maps of 16 images, channels last: forward and backward."""
    import torch

    from contrast.engine.machine import resolve

    resolve().prepare()
    layer = torch.nn.Conv2d(256, 256, 3, padding=1, bias=False).to(memory_format=torch.channels_last)
    maps = torch.randn(16, 256, 28, 28).to(memory_format=torch.channels_last)
    maps, layer = (maps.bfloat16(), layer.bfloat16()) if dtype == "bf16" else (maps, layer)
    maps.requires_grad_()
    watch = peers.Watch(1, seconds)
    watch.warm = 5
    while not watch.step():
        outputs = layer(maps)
        outputs.backward(outputs.detach())
    return watch.images_per_second * 3 * 2 * maps.numel() * 9 * 256


OURS = {
    "operations": operations,
    "peak-bf16": lambda name, seconds: peak("bf16", seconds),
    "peak-fp32": lambda name, seconds: peak("fp32", seconds),
    "contrast": contrast,
    "bare": bare,
    "over-own": functools.partial(over_bare, own=True),
    "over-bare": over_bare,
    "evaluate": evaluate,
    "plain-evaluate": plain_evaluate,
}

if __name__ == "__main__":
    subject, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    value = OURS[subject](name, seconds) if subject in OURS else peers.SUBJECTS[subject](task(name), seconds)
    print(json.dumps({"images_per_second": value}))
