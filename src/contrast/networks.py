"""A recipe's network as training meets it: built, frozen where asked, initialized, and its weights loaded."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from contrast import freezing, heads, weights
from contrast.errors import InputError
from contrast.protocols import ModelIngredient, Places

SIDES = (16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 240, 256, 288, 299, 320, 384, 448, 512, 640)
"""Image sizes that are tried, smallest first, to say which a network takes."""

Shape = tuple[int, int, int]


def network(config: ModelIngredient, shape: Shape, classes: int) -> nn.Module:
    """Build a network and freeze what its settings say.

    Raises:
        InputError: it can't be built, its head can't be found, or what is to be frozen is not there.
    """
    model = config.build(shape, classes)
    freezing.freeze(model, frozen_names(config, model, classes))
    for setting in ("lr_factor", "freeze_out"):
        by_parameter(config, model, setting)
    if next(model.parameters(), None) is not None and not freezing.count(model).trainable:
        raise InputError("everything is frozen, and nothing is left to train", where="model.freeze", right="freeze less")
    return model


def frozen_names(config: ModelIngredient, model: nn.Module, classes: int) -> list[str]:
    """The parameters that a model's settings freeze, by name.

    Raises:
        InputError: what is to be frozen is not there, or the head can't be found.
    """
    return freezing.chosen(model, config.freeze, _head(config, model, classes))


def head_names(config: ModelIngredient, model: nn.Module, classes: int) -> tuple[str, ...]:
    """Names of the modules that make a network's head.

    Raises:
        InputError: it can't be found; says how to name it.
    """
    own = config.head_of(model)
    if own:
        return own
    return ("head",) if isinstance(getattr(model, "head", None), nn.Module) else (heads.find(model, classes),)


def _head(config: ModelIngredient, model: nn.Module, classes: int) -> tuple[str, ...]:
    if config.freeze == "features" and isinstance(getattr(model, "features", None), nn.Module):
        return ()
    if config.freeze in ("head", "all but head", "features"):
        return head_names(config, model, classes)
    return ()


def fitted(config: ModelIngredient, model: nn.Module, classes: int, places: Places) -> weights.Fit | None:
    """Find the weights that a network is to start from, and their places in it; changes nothing yet.

    Raises:
        InputError: the file is not there, damaged, hostile, or of another network; or there are no published weights.
    """
    if config.weights == "none" or getattr(config, "takes_weights", False):
        return None
    published = config.published_weights()
    if config.weights == "default" and published is None:
        raise InputError("no weights are published for this network", where="model.weights", right="name a .safetensors or .pth file, or none")
    path = weights.fetch(published, places) if published is not None else weights.locate(config.weights, places)
    renamed = getattr(config, "renamed", lambda name: name)
    tensors = {renamed(name): tensor for name, tensor in _read(path, path.stat().st_mtime_ns).items()}
    head = getattr(config, "head", None)
    fresh = isinstance(head, heads.Head) and head.weights == "fresh"
    return weights.fit(model, path, tensors, _places(config, model, classes), fresh=fresh, strict_head=published is None)


def _places(config: ModelIngredient, model: nn.Module, classes: int) -> tuple[str, ...]:
    """The head, where there is one that can be found: a file may fit a network that has none."""
    try:
        return head_names(config, model, classes)
    except InputError:
        return ()


@lru_cache(maxsize=1)
def _read(path: Path, changed: int) -> dict[str, Tensor]:
    """The file read last, which the arms and seeds of a study share."""
    return weights.read(path)


def started(config: ModelIngredient, shape: Shape, classes: int, seed: int, places: Places) -> tuple[nn.Module, weights.Loaded | None]:
    """A network before its first step: initial values from the seed, then weights from a file where one is named.

    The caller seeds torch's global generator, from which foreign constructors draw.

    Raises:
        InputError: see `network` and `fitted`.
    """
    model = network(config, shape, classes)
    config.initialize(model, seed)
    fit = fitted(config, model, classes, places)
    return model, fit.apply(model) if fit is not None else None


def by_parameter(config: ModelIngredient, model: nn.Module, setting: Literal["lr_factor", "freeze_out"]) -> dict[str, float]:
    """Parameter → what a setting by patterns says of it, for those of which it says something.

    Raises:
        InputError: a pattern matches nothing, or two match one parameter.
    """
    found: dict[str, float] = {}
    for pattern, value in getattr(config, setting):
        for name in freezing.matching(model, pattern, f"model.{setting}"):
            if name in found:
                raise InputError(f"two patterns match {name!r}", where=f"model.{setting}", right="let each parameter be matched by one pattern")
            found[name] = value
    return found


def check_output(config: ModelIngredient, model: nn.Module, shape: Shape, classes: int) -> None:
    """Run a network on two images on the meta device, where that costs nothing.

    Raises:
        InputError: it needs larger images (says how large), or does not give a row of logits an image.
    """
    try:
        logits: Any = _run(model, shape)
    except Exception as error:
        told = f"does not run on images of {shape[1]}×{shape[2]} ({str(error).strip().partition(chr(10))[0][:160]})"
        raise InputError(told, where="model", right=_right_size(config, shape, classes)) from error
    if not isinstance(logits, Tensor) or tuple(logits.shape) != (2, classes):
        given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(f"gives {given} for two images", where="model", right=f"it must give (2, {classes})")


def _run(model: nn.Module, shape: Shape) -> Any:
    with torch.device("meta"), torch.no_grad():
        return model.eval()(torch.empty(2, *shape))


def _right_size(config: ModelIngredient, shape: Shape, classes: int) -> str:
    """Which square images the network takes, found by trying."""

    def runs(side: int) -> bool:
        try:
            with torch.device("meta"):
                _run(config.build((shape[0], side, side), classes), (shape[0], side, side))
        except Exception:
            return False
        return True

    works = next((side for side in SIDES if runs(side)), None)
    if works is None:
        return "give images that its layers can take, or change its settings"
    if not runs(works + 1):
        return f"it takes images of {works}×{works} (data.size: {works})"
    below = max((side for side in SIDES if side < works), default=1)
    while works - below > 1:
        middle = (works + below) // 2
        works, below = (middle, below) if runs(middle) else (works, middle)
    return f"it takes images of at least {works}×{works} (data.size: {works})"
