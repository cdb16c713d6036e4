"""An arm's network before anything is trained: what it holds, what is frozen, which weights it starts from, and what contradicts them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from contrast import freezing, networks
from contrast.catalog import is_outside
from contrast.engine import features, learning, mc_dropout
from contrast.engine.cutting import NoCut, cut
from contrast.engine.training import LoadedData
from contrast.errors import ContrastError, InputError
from contrast.evaluation import PASSES
from contrast.initial import written_out
from contrast.recipe import Recipe
from contrast.weights import Loaded, Preprocessing

BY_NAME = "by name"


@dataclass(frozen=True)
class PlannedModel:
    """What an arm's network holds.

    Attributes:
        shapes: of every parameter, by name.
        origins: where each parameter's initial values come from: its name, a file, or a constructor that drew them in its own order.
        weight_bytes: of parameters and buffers.
        counts: total and trainable.
        loaded: what of a weights file matches, was missing, was left over.
        preprocessing: of the images that the weights were trained on.
        remarks: what a reader should know of weights, data and frozen part.
    """

    shapes: Mapping[str, torch.Size]
    origins: Mapping[str, str]
    weight_bytes: int
    counts: freezing.Counts
    loaded: Loaded | None
    preprocessing: Preprocessing | None
    remarks: tuple[str, ...]

    def entry(self) -> dict[str, Any]:
        """What `study.lock` says of it."""
        return {
            "parameters": self.counts.total,
            "trainable_parameters": self.counts.trainable,
            "frozen_parameters": self.counts.frozen,
            "weights": self.loaded.to_dict() if self.loaded is not None else None,
            "preprocessing": self.preprocessing.model_dump(mode="json") if self.preprocessing is not None else None,
        }


def planned_model(recipe: Recipe, data: LoadedData) -> PlannedModel:
    """Build a network on the meta device, where it costs nothing, find its weights, and run its optimizer's constructor.

    Raises:
        InputError: it can't be built, does not run on the images, or its weights don't fit; begins with ``model``.
    """
    try:
        return _planned(recipe, data)
    except InputError as error:
        raise (error if error.where.startswith(("model", "optimizer", "evaluate")) else error.within("model")) from None
    except ContrastError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise InputError(f"can't be built: {what}", where="model", right="mend its settings") from error


def _planned(recipe: Recipe, data: LoadedData) -> PlannedModel:
    config, classes = recipe.model, len(data.classes)
    with torch.device("meta"):
        model = networks.network(config, data.shape, classes)
    if config.foreign or is_outside(config.use):  # our own check their arithmetic when they are built
        networks.check_output(config, model, data.shape, classes)
    learning.check(recipe, model, classes)
    mc_dropout.check(recipe, model)
    fit = networks.fitted(config, model, classes, data.places)
    loaded = fit.loaded if fit is not None else None
    held = [*model.parameters(), *model.buffers()]
    return PlannedModel(
        shapes={name: p.shape for name, p in model.named_parameters()},
        origins=_origins(recipe, model, loaded),
        weight_bytes=sum(t.numel() * t.element_size() for t in held),
        counts=freezing.count(model),
        loaded=loaded,
        preprocessing=config.preprocessing(),
        remarks=tuple(_remarks(recipe, model, data, loaded)),
    )


def _origins(recipe: Recipe, model: nn.Module, loaded: Loaded | None) -> dict[str, str]:
    config = recipe.model
    drawn = f"{config.use} {getattr(config, 'name', '')}" if config.foreign else BY_NAME
    head = config.head_of(model)
    names = [name for name, _ in model.named_parameters()]
    found = dict.fromkeys(names, drawn)
    found |= {name: BY_NAME for name in names if any(name.startswith(f"{place}.") for place in head)}
    found |= _redrawn(recipe, model, found)
    return found | ({name: f"file {loaded.sha256}" for name in loaded.matched if name in found} if loaded is not None else {})


def _redrawn(recipe: Recipe, model: nn.Module, found: Mapping[str, str]) -> dict[str, str]:
    """Origins of the parameters that `initial` draws by another scheme than torch's own."""
    initial = written_out(recipe.model.initial)
    if initial.scheme == "default":
        return {}
    drawn = (name for name, parameter in model.named_parameters() if initial.of == "all" or parameter.ndim >= 2)
    return {name: f"{found[name]}, {initial.model_dump_json()}" for name in drawn}


def initial_share(arm: PlannedModel, baseline: PlannedModel) -> float:
    """Share of an arm's parameters that start from the baseline's values: same name, shape and origin, same seed."""
    common = [
        shape.numel() for name, shape in arm.shapes.items() if baseline.shapes.get(name) == shape and baseline.origins[name] == arm.origins[name]
    ]
    return sum(common) / max(1, arm.counts.total)


def _remarks(recipe: Recipe, model: nn.Module, data: LoadedData, loaded: Loaded | None) -> Iterator[str]:
    if loaded is not None:
        yield f"{loaded}."
    optimizer = recipe.optimizer
    if optimizer.scale_with_batch is not None:
        given, factor = float(optimizer.settings()["lr"]), optimizer.scale_with_batch.factor(recipe.batch_size)
        of = optimizer.scale_with_batch.of
        yield f"The learning rate {given:g} is for batches of {of}; batches of {recipe.batch_size} train at {given * factor:.4g}."
    if optimizer.find_lr is not None:
        yield "The learning rate is found by a range test before the first step of each run; its summary tells which."
    views = recipe.evaluate.views if recipe.evaluate is not None else "none"
    if views != "none":
        yield f"Validation and test are judged over {PASSES[views]} views of each image ({views}), training images over one."
    wanted = recipe.model.preprocessing()
    if wanted is not None:
        yield from contradictions(recipe, data.shape, wanted)
    if recipe.model.freeze != "none":
        reason = _reason_against(recipe, model, data)
        if reason is not None:
            yield f"The frozen part is run anew at each step, not once an image: {reason}."


def contradictions(recipe: Recipe, shape: tuple[int, int, int], wanted: Preprocessing) -> Iterator[str]:
    """Where the data's size and normalization are not those of the images that the weights were trained on."""
    _, height, width = shape
    if wanted.size is not None and (height, width) != (wanted.size, wanted.size):
        how = f"{wanted.interpolation} resizing" + (f" to {wanted.resize} and the middle {wanted.size}" if wanted.resize else "")
        yield f"The weights were trained on images of {wanted.size}×{wanted.size} ({how}), the data has {height}×{width}: data.size can change that."
    settings: dict[str, Any] = next((step.settings() for step in recipe.augment if step.use == "normalize"), {})
    if not _same_statistics(settings, wanted):
        mean, std = ([round(value, 4) for value in values] for values in (wanted.mean, wanted.std))
        told = f"statistics: given, mean: {mean}, std: {std}"
        yield f"The weights were trained with other statistics than normalize's {settings.get('statistics')}: augment.normalize: {{{told}}} fits."


def _same_statistics(settings: Mapping[str, Any], wanted: Preprocessing) -> bool:
    from contrast.augment.normalize import IMAGENET

    known = {"imagenet": IMAGENET, "given": (settings.get("mean") or (), settings.get("std") or ())}
    mean, std = known.get(str(settings.get("statistics")), ((), ()))
    pairs = [*zip(mean, wanted.mean, strict=False), *zip(std, wanted.std, strict=False)]
    return len(mean) == len(wanted.mean) and all(abs(a - b) < 0.002 for a, b in pairs)


def _reason_against(recipe: Recipe, model: nn.Module, data: LoadedData) -> str | None:
    reason = features.reason_against(recipe)
    if reason is not None:
        return reason
    try:
        features.check(model, cut(model), data.shape, len(data.train) + len(data.validation) + len(data.test))
    except NoCut as why:
        return str(why)
    return None
