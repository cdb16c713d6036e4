"""One measurement in a process of its own: `work.py SUBJECT WORK SECONDS` prints JSON with images per second.

Subjects do the same work: net, data, batch size and augmentation of a row of the reports.

* contrast   what a user gets: our loop, rows and all, machine plan as resolved
* bare       forward, backward, update on one fixed batch in the same plan: what our loop is held against
* plain      the plain PyTorch loop of a course report: torchvision transforms a image, DataLoader, fp32
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

WORKS = {
    "u3-b32": {"channels": [[32, 32], [64, 64]], "padding": 0, "head": [512], "batch": 32, "augment": False},
    "u3-b32-flip-crop": {"channels": [[32, 32], [64, 64]], "padding": 0, "head": [512], "batch": 32, "augment": True},
    "u3-b256": {"channels": [[32, 32], [64, 64]], "padding": 0, "head": [512], "batch": 256, "augment": False},
    "u3-b256-flip-crop": {"channels": [[32, 32], [64, 64]], "padding": 0, "head": [512], "batch": 256, "augment": True},
    "s1-bn-b128-flip-crop": {"channels": [128, 512, 512, 512, 512], "norm": "batch", "batch": 128, "augment": True},
}


class Enough(Exception):
    """The measurement has taken long enough."""


def recipe(work: dict):
    from contrast import Recipe

    model = {"use": "convnet", **{key: work[key] for key in ("channels", "padding", "head", "norm") if key in work}}
    augment = [{"use": "flip"}, {"use": "crop", "padding": 4}] if work["augment"] else []
    optimizer = {"use": "sgd", "lr": 0.001, "momentum": 0.9}
    return Recipe(
        data={"use": "cifar10", "validation": 5000}, augment=augment, model=model, optimizer=optimizer, epochs=1000, batch_size=work["batch"]
    )


def timed_training(work: dict, seconds: float):
    """A training of ours whose loop stops after some seconds; the clock starts after a warm-up."""
    from contrast.engine.machine import resolve
    from contrast.engine.training import Training, load
    from contrast.protocols import Places
    from contrast.store import RunFolder

    made = recipe(work)
    machine = resolve().for_recipe(made)
    machine.prepare()
    data = load(made, Places.usual(), machine.device)
    folder = RunFolder(Path(tempfile.mkdtemp()))
    return Training.begin(made, machine, data, folder, lambda progress: None), seconds


def contrast(work: dict, seconds: float) -> dict:
    training, seconds = timed_training(work, seconds)
    warm, began, first = max(5, 1000 // work["batch"]), 0.0, 0
    whole = training.keep_now_and_then

    def watch() -> None:
        nonlocal began, first
        whole()
        if training.state.step == warm:
            began, first = time.perf_counter(), training.state.step
        elif began and time.perf_counter() - began > seconds:
            raise Enough

    training.keep_now_and_then = watch
    with contextlib.suppress(Enough):
        training.recipe.loop.train(training)
    return {"images_per_second": (training.state.step - first) * work["batch"] / (time.perf_counter() - began)}


def bare(work: dict, seconds: float) -> dict:
    training, seconds = timed_training(work, seconds)
    images, labels = next(iter(training.batches.of_epoch(0)))
    model, optimizer, loss, machine = training.state.model, training.state.optimizer, training.recipe.loss, training.machine

    def step() -> None:
        with machine.autocast():
            logits = model(images)
        loss.value(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return _timed(step, work["batch"], seconds)


def plain(work: dict, seconds: float) -> dict:
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms

    from contrast.protocols import Places

    made = recipe(work)
    images = made.data.read(Places.usual())
    steps = [transforms.RandomHorizontalFlip(), transforms.RandomCrop(32, padding=4)] if work["augment"] else []
    transform = transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261))])
    pictures = images.pixels[:50000]
    labels = images.labels[:50000].tolist()

    class Cifar(Dataset):
        def __len__(self) -> int:
            return len(labels)

        def __getitem__(self, index: int):
            return transform(Image.fromarray(pictures[index])), labels[index]

    loader = DataLoader(Cifar(), batch_size=work["batch"], shuffle=True)
    model = made.model.build((3, 32, 32), 10)
    for module in model.modules():
        if hasattr(module, "moment"):
            module.moment = None
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    batches = iter(loader)

    def step() -> None:
        inputs, targets = next(batches)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        loss.item()

    return _timed(step, work["batch"], seconds)


def _timed(step, batch: int, seconds: float) -> dict:
    for _ in range(max(5, 1000 // batch)):
        step()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        step()
        done += 1
    return {"images_per_second": done * batch / (time.perf_counter() - began)}


if __name__ == "__main__":
    subject, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    print(json.dumps({"contrast": contrast, "bare": bare, "plain": plain}[subject](WORKS[name], seconds)))
