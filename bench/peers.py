"""The same training as other tools do it, each the way its own documentation does: subjects of `work.py`.

Every subject takes a `Task` and seconds and gives images per second after a warm-up. All PyTorch tools train the module that
our recipe builds, on the same images, with torchvision's transforms in a DataLoader; Keras builds the same net of its own layers.

* plain, plain-2        the loop of a course report, fp32, DataLoader with 0 and 2 worker processes
* plain-bf16            the same with bf16 autocast and channels-last switched on by hand
* lightning, lightning-bf16, fastai, skorch, timm (its loader with its collation; then the plain loop)
* keras-torch, keras-jax
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch.utils.data import Dataset

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261)


@dataclass(frozen=True)
class Task:
    """What every subject trains.

    Attributes:
        net: makes a fresh module, float32 [B, C, H, W] to logits.
        pictures: uint8 [N, H, W, C].
        labels: one int an image.
        batch: images in a step.
        augment: none, flip + crop, or seven (S5's list).
        layers: the net's settings, for tools that build it of their own layers.
    """

    net: Callable[[], Any]
    pictures: Any
    labels: list[int]
    batch: int
    augment: str
    layers: dict[str, Any]

    @property
    def size(self) -> int:
        """Height and width of an image."""
        return int(self.pictures.shape[1])

    @property
    def classes(self) -> int:
        """Number of classes."""
        return max(self.labels) + 1


class Watch:
    """Counts steps: the first are warm-up, then it says when there is enough."""

    def __init__(self, batch: int, seconds: float) -> None:
        self.batch, self.seconds, self.warm = batch, seconds, max(5, 1000 // batch)
        self.done, self.began, self.ended = 0, 0.0, 0.0

    def step(self) -> bool:
        """Count one; true when the seconds are over."""
        self.done += 1
        if self.done == self.warm:
            self.began = time.perf_counter()
        self.ended = time.perf_counter()
        return bool(self.began) and self.ended - self.began > self.seconds

    @property
    def images_per_second(self) -> float:
        """After the warm-up."""
        return (self.done - self.warm) * self.batch / (self.ended - self.began)


def augmentations(task: Task) -> list[Any]:
    """torchvision's, for one PIL image."""
    from torchvision import transforms as t

    crop = t.RandomCrop(task.size, padding=task.size // 8)
    if task.augment == "none":
        return []
    if task.augment == "flip + crop":
        return [t.RandomHorizontalFlip(), crop]
    jitter = t.ColorJitter(0.1, 0.1, 0.1, 0.05)
    return [
        crop,
        t.RandomHorizontalFlip(),
        t.RandomVerticalFlip(),
        t.RandomRotation(5),
        t.RandomGrayscale(),
        t.RandomAffine(0, translate=(0.2, 0.2)),
        jitter,
    ]


class Pictures(Dataset):  # type: ignore[type-arg]
    """A map-style data set of transformed images."""

    def __init__(self, task: Task, last: list[Any] | None = None) -> None:
        from torchvision import transforms as t

        self.pictures, self.labels = task.pictures, task.labels
        self.transform = t.Compose([*augmentations(task), *([t.ToTensor(), t.Normalize(MEAN, STD)] if last is None else last)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        from PIL import Image

        return self.transform(Image.fromarray(self.pictures[index])), self.labels[index]


def loader(task: Task, workers: int = 0) -> Any:
    """PyTorch's, shuffled."""
    from torch.utils.data import DataLoader

    return DataLoader(Pictures(task), batch_size=task.batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0)


def plain(task: Task, seconds: float, *, workers: int = 0, bf16: bool = False) -> float:
    """The loop of a course report."""
    return _loop(task, seconds, loader(task, workers), bf16=bf16)


def timm(task: Task, seconds: float) -> float:
    """timm's loader, which brings bytes to the device and normalizes there."""
    import torch
    from timm.data.loader import PrefetchLoader, fast_collate
    from timm.data.transforms import ToNumpy
    from torch.utils.data import DataLoader

    collated = DataLoader(Pictures(task, [ToNumpy()]), batch_size=task.batch, shuffle=True, drop_last=True, collate_fn=fast_collate)
    return _loop(task, seconds, PrefetchLoader(collated, mean=MEAN, std=STD, device=torch.device("cpu")))


def _loop(task: Task, seconds: float, batches: Any, *, bf16: bool = False) -> float:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, watch = task.net().to(device), Watch(task.batch, seconds)
    memory_format = torch.channels_last if bf16 else torch.contiguous_format
    model = model.to(memory_format=memory_format)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    for inputs, targets in _endless(batches):
        taken, wanted = inputs.to(device, memory_format=memory_format), targets.to(device)
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            logits = model(taken)
        loss = torch.nn.functional.cross_entropy(logits.float(), wanted)
        loss.backward()
        optimizer.step()
        loss.item()
        if watch.step():
            break
    return watch.images_per_second


def _endless(batches: Any) -> Iterator[Any]:
    while True:
        yield from batches


def lightning(task: Task, seconds: float, *, precision: str = "32-true") -> float:
    """Lightning's Trainer without logger, checkpoints and progress bar."""
    import lightning as pl
    import torch

    watch = Watch(task.batch, seconds)

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = task.net()

        def training_step(self, batch: Any, number: int) -> Any:
            inputs, targets = batch
            return torch.nn.functional.cross_entropy(self.net(inputs), targets)

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.001, momentum=0.9)

    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            trainer.should_stop = watch.step()

    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    pl.Trainer(accelerator="cpu", max_epochs=1000, precision=precision, callbacks=[Stop()], **quiet).fit(Module(), loader(task))  # type: ignore[arg-type]
    return watch.images_per_second


def fastai(task: Task, seconds: float) -> float:
    """fastai's Learner over its own DataLoaders."""
    from fastai.basics import Callback, CancelFitException, DataLoader, DataLoaders, Learner
    from torch import nn

    watch = Watch(task.batch, seconds)

    class Stop(Callback):
        def after_batch(self) -> None:
            if watch.step():
                raise CancelFitException

    batches = DataLoader(Pictures(task), bs=task.batch, shuffle=True, drop_last=True, num_workers=0)
    learner = Learner(DataLoaders(batches, batches), task.net(), loss_func=nn.CrossEntropyLoss(), cbs=[Stop()])
    learner.remove_cbs([each for each in learner.cbs if type(each).__name__ in ("ProgressCallback", "Recorder")])
    learner.fit(1000, lr=0.001)
    return watch.images_per_second


def skorch(task: Task, seconds: float) -> float:
    """skorch's NeuralNetClassifier."""
    import torch
    from skorch import NeuralNetClassifier
    from skorch.callbacks import Callback

    watch = Watch(task.batch, seconds)

    class Stop(Callback):
        def on_batch_end(self, net: Any, **_: Any) -> None:
            if watch.step():
                raise KeyboardInterrupt

    settings = {"optimizer__momentum": 0.9, "iterator_train__shuffle": True, "iterator_train__drop_last": True}
    net = NeuralNetClassifier(
        task.net(),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        lr=0.001,
        batch_size=task.batch,
        max_epochs=1000,
        train_split=None,
        verbose=0,
        callbacks=[("stop", Stop())],
        **settings,
    )
    with contextlib.suppress(KeyboardInterrupt):
        net.fit(Pictures(task), y=None)
    return watch.images_per_second


def keras(task: Task, seconds: float, *, backend: str) -> float:
    """Keras 3: its own layers, its augmentation layers in the model, `fit` on arrays."""
    os.environ["KERAS_BACKEND"] = backend
    import keras as k
    import numpy as np

    watch = Watch(task.batch, seconds)

    class Stop(k.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if watch.step():
                self.model.stop_training = True
                raise KeyboardInterrupt

    model = k.Sequential([k.Input((task.size, task.size, 3)), *_keras_augmentation(k, task), *_keras_layers(k, task)])
    loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=k.optimizers.SGD(0.001, momentum=0.9), loss=loss)
    with contextlib.suppress(KeyboardInterrupt):
        model.fit(task.pictures, np.array(task.labels), batch_size=task.batch, epochs=1000, verbose=0, callbacks=[Stop()])
    return watch.images_per_second


def _keras_augmentation(k: Any, task: Task) -> list[Any]:
    if task.augment == "none":
        return [k.layers.Rescaling(1 / 255)]
    if task.augment == "seven":
        raise SystemExit("Keras has no vertical flip apart, no grayscale with a probability and no hue jitter that equal torchvision's: not measured")
    shift = k.layers.RandomTranslation(4 / task.size, 4 / task.size, fill_mode="constant", interpolation="nearest")
    return [k.layers.RandomFlip("horizontal"), shift, k.layers.Rescaling(1 / 255)]


def _keras_layers(k: Any, task: Task) -> list[Any]:
    settings, layers = task.layers, []
    same = "valid" if settings.get("padding", "same") == 0 else "same"
    for block in settings["channels"]:
        widths = block if isinstance(block, list) else [block]
        for index, width in enumerate(widths):
            layers.append(k.layers.Conv2D(width, 3, padding=same))
            if settings.get("norm") == "batch" and (index == 0 or settings.get("norm_on") != "first"):
                layers.append(k.layers.BatchNormalization())
            layers.append(k.layers.Activation(settings.get("activation", "relu")))
        layers.append(k.layers.MaxPooling2D())
    layers.append(k.layers.Flatten())
    for width in settings.get("head", []):
        layers += [k.layers.Dense(width), k.layers.Activation(settings.get("activation", "relu"))]
    return [*layers, k.layers.Dense(task.classes)]


SUBJECTS: dict[str, Callable[[Task, float], float]] = {
    "plain": plain,
    "plain-2": lambda task, seconds: plain(task, seconds, workers=2),
    "plain-bf16": lambda task, seconds: plain(task, seconds, bf16=True),
    "lightning": lightning,
    "lightning-bf16": lambda task, seconds: lightning(task, seconds, precision="bf16-mixed"),
    "fastai": fastai,
    "skorch": skorch,
    "timm": timm,
    "keras-torch": lambda task, seconds: keras(task, seconds, backend="torch"),
    "keras-jax": lambda task, seconds: keras(task, seconds, backend="jax"),
}
