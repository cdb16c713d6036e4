"""Features once: what the frozen part of a network gives for an image is computed once, kept, and trained on.

The network is traced (`torch.fx`) and cut where its still part ends: the part that neither learns nor draws nor sees any
random augmentation. What crosses the cut is kept in a file named by all that it depends on, so that every arm, head
and seed that shares it reads it. The loop can't tell: its batches hold features instead of images.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor, nn

from contrast.engine.cutting import Cut, NoCut, cut, ends_with_head
from contrast.engine.evaluate import Evaluator
from contrast.recipe import Recipe
from contrast.store import write_durably

if TYPE_CHECKING:
    from contrast.engine.training import LoadedData

FOLDER = "features"
"""The folder in the last of the places (the user's cache) that keeps features."""
AT_ONCE = 64
"""Images that go through the frozen part together."""
LARGEST = 2 << 30
"""Bytes of features that are held in memory; a frozen part that gives more is run anew at each step."""
PROBES = 4
"""Images whose transformed pixels become part of the key, so that other statistics are another key."""


def reason_against(recipe: Recipe) -> str | None:
    """Why a recipe computes all features anew in every step, or None where those of its frozen part can be kept."""
    random = [step.use for step in recipe.augment if not step.always]
    if random:
        return f"images are augmented at random ({', '.join(random)})"
    if recipe.model.freeze == "none":
        return "nothing is frozen"
    if recipe.model.unfreeze is not None:
        return "the frozen part is trained later (unfreeze)"
    if recipe.evaluate is not None and recipe.evaluate.mc_dropout is not None:
        return "dropout is drawn in evaluation too (mc_dropout)"
    if recipe.evaluate is not None and recipe.evaluate.views != "none":
        return "images are judged in several views"
    if recipe.model.freeze_out:
        return "more is frozen later (freeze_out)"
    watched = [name for name in recipe.watch if name in ("weight_norm", "update_ratio")]
    return f"norms of all parameters are watched ({watched[0]})" if watched else None


def key_of(two: Cut, recipe: Recipe, data: LoadedData, evaluator: Evaluator) -> str:
    """SHA-256 (hex) of all that features depend on: weights and steps of the trunk, transform, images, arithmetic."""
    machine = evaluator.machine
    arithmetic = (machine.device, machine.precision, machine.memory_format, machine.instruction_set, torch.__version__)
    settings = [{"use": step.use, **step.settings()} for step in recipe.augment]
    digest = hashlib.sha256(json.dumps([two.steps, settings, arithmetic, data.fingerprint, sorted(_ids(data))]).encode())
    for name, tensor in _frozen(two).items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(_bytes(tensor))
    probe = next(iter(evaluator.inputs(data.train, PROBES)))[:PROBES]
    digest.update(_bytes(probe))
    return digest.hexdigest()


def _frozen(two: Cut) -> dict[str, Tensor]:
    """The tensors on which features depend."""
    trained = {tensor.data_ptr() for tensor in two.rest.state_dict().values()}
    return {name: tensor for name, tensor in two.trunk.state_dict().items() if tensor.data_ptr() not in trained}


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def _ids(data: LoadedData) -> list[str]:
    return [*data.train.ids, *data.validation.ids, *data.test.ids]


@torch.no_grad()
def computed(trunk: nn.Module, data: LoadedData, evaluator: Evaluator) -> Tensor:
    """The features of all images of a split, in the order of train, validation, test; maps as ``[N, H, W, C]``."""
    made = []
    for part in (data.train, data.validation, data.test):
        for images in evaluator.inputs(part, len(part)):
            with evaluator.machine.autocast():
                made += [_stored(trunk(images[start : start + AT_ONCE])).cpu() for start in range(0, len(images), AT_ONCE)]
    return torch.cat(made)


def _stored(features: Tensor) -> Tensor:
    """Maps as ``[B, H, W, C]``, like pixels, and features as they are, so that batches get back the memory layout in which they left.

    Raises:
        NoCut: maps lie in another order, in which dropout would draw otherwise.
    """
    if features.ndim != 4:
        return features
    if not features.is_contiguous(memory_format=torch.channels_last):
        raise NoCut("its features do not lie in memory as images do")
    return features.permute(0, 2, 3, 1)


def kept(path: Path | None, order: Sequence[int], compute: Callable[[], Tensor]) -> Tensor:
    """Features from their file, or computed and kept there; of several processes one computes and the others wait.

    Args:
        path: the file; None where nothing can be kept.
        order: position of each row that `compute` gives among the rows of the file, ``int64 [N]``.
        compute: gives the rows.

    Returns:
        The rows as `compute` orders them.
    """
    from safetensors.torch import save

    if path is None:
        return compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    positions = torch.as_tensor(order)
    with FileLock(path.with_suffix(".lock")):
        found = _read(path, len(positions))
        if found is not None:
            return found[positions]
        rows = compute().clone()
        placed = torch.empty_like(rows, memory_format=torch.contiguous_format)
        placed[positions] = rows
        write_durably(path, save({"features": placed}))
        return rows


def _read(path: Path, rows: int) -> Tensor | None:
    """The rows of a file, or None where it is not there or not whole: it is a cache, and is then made anew."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found = load_file(path)["features"]
    except (OSError, SafetensorError, KeyError):
        return None
    return found if len(found) == rows else None


def once(recipe: Recipe, model: nn.Module, data: LoadedData, evaluator: Evaluator) -> tuple[nn.Module, LoadedData] | None:
    """What is trained on kept features: the rest of the network, and the data with features in place of pixels.

    Returns:
        None where nothing is frozen or features can't be kept (`reason_against`, `cut`).
    """
    if reason_against(recipe) is not None:
        return None
    try:
        two = cut(model)
        check(model, two, data.shape, len(_ids(data)))
        return two.rest, on_features(two, recipe, data, evaluator)
    except NoCut:  # the plan has told the reason
        return None


@torch.no_grad()
def check(model: nn.Module, two: Cut, shape: tuple[int, int, int], images: int) -> None:
    """Refuse a cut that changes what the network gives, or whose features take too much memory.

    Raises:
        NoCut: they do; says how much.
    """
    image = torch.zeros(1, *shape, device=next(model.parameters()).device)
    if not ends_with_head(model, two, image):
        raise NoCut("its two parts do not give what the whole gives")
    one = two.trunk(image)
    needed = images * one.numel() * one.element_size()
    if needed > LARGEST:
        raise NoCut(f"they would take {needed / 1e9:.1f} GB")


def on_features(two: Cut, recipe: Recipe, data: LoadedData, evaluator: Evaluator) -> LoadedData:
    """The data set with features in place of pixels, ready for the rest of the network."""
    machine, folders = evaluator.machine, data.places.folders
    path = folders[-1] / FOLDER / f"{key_of(two, recipe, data, evaluator)}.safetensors" if folders else None
    ids = np.array(_ids(data))
    order = np.empty(len(ids), np.int64)
    order[np.argsort(ids, kind="stable")] = np.arange(len(ids))
    rows = kept(path, order.tolist(), lambda: computed(two.trunk, data, evaluator)).to(machine.device)
    ends = np.cumsum([len(data.train), len(data.validation), len(data.test)]).tolist()
    train, validation, test = (rows[start:end] for start, end in zip([0, *ends], ends, strict=False))
    return replace(
        data,
        train=replace(data.train, pixels=train),
        validation=replace(data.validation, pixels=validation),
        test=replace(data.test, pixels=test),
    )
