"""Sections of a run's page that look into its network: filters, activations, what units want, attribution, how training went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrast import weights
from contrast.errors import ContrastError
from contrast.explain import attribution, diagnosis, filters, maps, units
from contrast.explain.page import One, Pair, Part, Section
from contrast.explain.sheets import Sheet, Tile
from contrast.shown import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrast.classifier import Classifier
    from contrast.explain.filters import Weights
    from contrast.opened import Opened

MOST_IMAGES, MOST_ARMS = 8, 6


def sections(opened: Opened) -> list[Section]:
    """All that can be shown of the network, and what training made of it; findings and omissions are told to `opened`."""
    _diagnose(opened)
    if opened.classifier is None:
        return []
    if opened.asked.layer is not None:
        filters.chosen(opened.classifier.model, opened.asked.layer)
    _look_for_dead_units(opened, opened.classifier)
    made = [_filters(opened, opened.classifier), _activations(opened, opened.classifier), _units(opened, opened.classifier)]
    return [section for section in (*made, _attribution(opened, opened.classifier)) if section is not None]


def _diagnose(opened: Opened) -> None:
    choose = str(opened.results.lock["choose"])
    run, steps = opened.run, opened.run.rows("steps.csv", ())
    opened.findings += diagnosis.about_epochs(run.rows("epochs.csv", ("epoch", "train_loss", "validation_loss", "validation_accuracy")), choose)
    opened.findings += diagnosis.about_updates(steps)
    runs = opened.results.runs()
    finished = runs[runs["status"] == "finished"]
    figures = finished.groupby("arm")[choose].mean().dropna().to_dict()
    less = choose.endswith("loss")
    lock = opened.results.lock
    opened.findings += diagnosis.about_edges(lock["arms"], lock["base"], {str(arm): float(value) for arm, value in figures.items()}, less=less)


def _look_for_dead_units(opened: Opened, classifier: Classifier) -> None:
    watched = opened.watched("validation")
    if watched is not None:
        opened.findings += diagnosis.about_silence(diagnosis.silence(classifier.model, watched[1]))


def _filters(opened: Opened, classifier: Classifier) -> Section | None:
    layers = list(filters.convolutions(classifier.model))
    if not layers:
        opened.left_out.append("The network has no convolution: no filters, activations, wanted patches or Grad-CAM are shown.")
        return None
    first, parts = layers[0], list[Part]()
    after = filters.kernels(classifier.model, first)
    if after.shape[1] in (1, 3):
        before = _before(opened, classifier, first)
        sheets = filters.before_and_after(before, after, first) if before is not None else filters.before_and_after(after, after, first)[1:]
        parts.append(Pair(tuple(sheets)))
        arms = _over_arms(opened, first, after)
        parts += [Pair(tuple(filters.over_arms(arms, first)))] if len(arms) > 1 else []
    else:
        parts.append(One(filters.per_channel(after, first)))
    deep = opened.asked.layer or layers[-1]
    if deep != first or opened.asked.layer is not None:
        parts.append(One(filters.per_channel(filters.kernels(classifier.model, deep), deep)))
    return Section("filters", "Filters", parts=tuple(parts))


def _before(opened: Opened, classifier: Classifier, layer: str) -> Weights | None:
    """The first filters before training; the initial values are computed anew, and no file is needed."""
    try:
        return filters.kernels(classifier.before_training(opened.places), layer)
    except ContrastError as error:
        opened.left_out.append(f"The filters before training: the weights that the run started from could not be had ({error}).")
        return None


def _over_arms(opened: Opened, layer: str, own: Weights) -> dict[str, Weights]:
    """The same layer of the same seed in every arm that kept its weights and has filters of the same size."""
    found = dict[str, np.ndarray]()
    for run in opened.results.planned():
        path = run.folder / "best.safetensors"
        if run.seed == opened.run.seed and run.summary is not None and path.exists() and len(found) < MOST_ARMS:
            kernel = weights.read(path).get(f"{layer}.weight")
            if kernel is not None and kernel.shape[1:] == own.shape[1:]:
                found[run.arm] = kernel.float().numpy()
    return found


def _subjects(opened: Opened) -> tuple[list[str], NDArray[np.uint8]]:
    """What activations and attribution are shown for: the images asked for, else a test image that the run is surest of and a few more."""
    names, pixels = opened.given
    if names:
        return names[:MOST_IMAGES], pixels[:MOST_IMAGES]
    test = opened.test
    if test is None:
        return [], pixels
    sure = test.confidence if test.confidence is not None else np.zeros(len(test))
    order = np.argsort(-sure, kind="stable")
    chosen = [*order[test.right[order]][:2].tolist(), *order[~test.right[order]][:2].tolist()]
    ids = [test.ids[at] for at in chosen]
    found = opened.pixels(ids)
    return (ids, found) if found is not None else ([], pixels)


def _activations(opened: Opened, classifier: Classifier) -> Section | None:
    layers, (names, pixels) = list(filters.convolutions(classifier.model)), _subjects(opened)
    if not layers or not names:
        return None
    seen = Sheet("looked-at", "The image", f"{shown(names[0], 120)}, as the network sees it.", (Tile(pixels[0]),), 1, size=160)
    image, parts = classifier.inputs(pixels[:1]), list[Part]((One(seen),))
    wanted = dict.fromkeys([layers[0], *([opened.asked.layer] if opened.asked.layer else []), layers[-1]])
    outputs = maps.activations(classifier.model, image, list(wanted))
    for layer, output in outputs.items():
        if output.ndim != 4:
            continue
        kernel = filters.kernels(classifier.model, layer)
        if layer == layers[0] and kernel.shape[1] in (1, 3):
            parts.append(One(maps.beside_filters(kernel, output[0].numpy(), layer, names[0])))
        else:
            parts.append(One(maps.of_layer(output[0].numpy(), layer, names[0])))
    return Section("activations", "Activations", parts=tuple(parts)) if len(parts) > 1 else None


def _units(opened: Opened, classifier: Classifier) -> Section | None:
    layers, watched = list(filters.convolutions(classifier.model)), opened.watched("test")
    if not layers or watched is None:
        return None
    pixels, batches = watched
    parts = list[Part]()
    for layer in dict.fromkeys([layers[0], opened.asked.layer or layers[-1]]):
        found = units.excited(classifier.model, layer, batches)
        field = units.field_of(classifier.model, layer, batches[0][:1])
        if (found.values[:, 0] > 0).any():
            parts.append(One(units.sheet(found, pixels, layer, field)))
    return Section("units", "What units want", parts=tuple(parts)) if parts else None


def _attribution(opened: Opened, classifier: Classifier) -> Section | None:
    names, pixels = _subjects(opened)
    if not names:
        return None
    try:
        made = attribution.attributions(classifier.model, classifier.randomized(), classifier.inputs(pixels))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        # What stands in the way (an operation without a gradient, a module that changes its input in place) differs between foreign networks.
        opened.left_out.append(f"Attribution does not work on this network: {' '.join(str(error).split())[:200]}.")
        return None
    opened.findings += attribution.findings(made)
    predicted = classifier.probabilities(pixels).argmax(1)
    captions = [shown(classifier.classes[at], 40) for at in predicted.tolist()]
    return Section("attribution", "Attribution", parts=(One(attribution.sheet(pixels, made, captions)),))
