"""Which pixels a decision rests on: integrated gradients, Grad-CAM, occlusion; and whether that depends on anything learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from contrast.explain.colors import signs
from contrast.explain.filters import convolutions
from contrast.explain.maps import activations
from contrast.explain.sheets import Sheet, Tile
from contrast.shown import shown

Maps = NDArray[np.float32]
STEPS = 24
METHODS = ("integrated gradients", "Grad-CAM", "occlusion")
HEADS = {"integrated gradients": "int. gradients"}
FAITHFUL = 0.5
"""Rank correlation with a random network's map above which a method says little of what was learnt."""


@dataclass(frozen=True)
class Attribution:
    """One method's maps for some images, of the trained network and of the same with random values.

    Attributes:
        method: one of `METHODS`.
        trained: signed importance of each pixel for the predicted class, ``float32 [N, H, W]``.
        randomized: the same of the network with random values, for the same class.
    """

    method: str
    trained: Maps
    randomized: Maps

    @property
    def correlations(self) -> NDArray[np.float64]:
        """Spearman's rank correlation between the magnitudes of both maps, ``float64 [N]``; not a number where a map is constant.

        Near 0: the map depends on what was learnt. Near 1: it would look so without any training, as an edge detector's would.
        Source: Adebayo et al. 2018.
        """
        from scipy.stats import rankdata

        pairs = [[rankdata(np.abs(each)) for each in pair] for pair in zip(self.trained, self.randomized, strict=True)]
        return np.array([_correlation(first, second) for first, second in pairs])

    @property
    def correlation(self) -> float | None:
        """Their mean over the images for which there is one; None where there is none."""
        known = self.correlations[np.isfinite(self.correlations)]
        return float(known.mean()) if len(known) else None


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def attributions(model: nn.Module, randomized: nn.Module, images: Tensor) -> list[Attribution]:
    """Attribute each image's predicted class by every method that the network allows (Grad-CAM needs a convolution).

    Args:
        model: in evaluation mode.
        randomized: the same network with random values.
        images: as the network takes them, ``float32 [N, C, H, W]``.
    """
    with torch.inference_mode():
        targets = model(images).argmax(1).clone()
    layer = last_convolution(model, images[:1])
    made = []
    for method in METHODS:
        if method != "Grad-CAM" or layer is not None:
            trained, random = (_maps(method, network, images.clone(), targets.clone(), layer) for network in (model, randomized))
            made.append(Attribution(method, trained, random))
    return made


def last_convolution(model: nn.Module, image: Tensor) -> str | None:
    """The last convolution whose output still has places, by name; None where there is none."""
    outputs = activations(model, image, list(convolutions(model)))
    wide = [name for name, output in outputs.items() if output.ndim == 4 and output.shape[2] * output.shape[3] > 1]
    return wide[-1] if wide else None


def _maps(method: str, model: nn.Module, images: Tensor, targets: Tensor, layer: str | None) -> Maps:
    """One method's maps, ``float32 [N, H, W]``: summed over the channels of the image."""
    from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam, Occlusion

    side = tuple(images.shape[2:])
    if method == "integrated gradients":
        found = IntegratedGradients(model).attribute(images.requires_grad_(), target=targets, n_steps=STEPS, internal_batch_size=100)
    elif method == "Grad-CAM":
        coarse = LayerGradCam(model, dict(model.named_modules())[layer or ""]).attribute(
            images.requires_grad_(), target=targets, relu_attributions=True
        )
        found = LayerAttribution.interpolate(coarse, side, "bilinear")
    else:
        window = tuple(max(1, round(extent / 5)) for extent in side)
        strides = tuple(max(1, extent // 2) for extent in window)
        channels = images.shape[1]
        with torch.inference_mode():
            found = Occlusion(model).attribute(
                images, sliding_window_shapes=(channels, *window), strides=(channels, *strides), target=targets, baselines=0.0
            )
    return np.asarray(found.detach().sum(1).numpy(), np.float32)


def sheet(pixels: NDArray[np.uint8], made: Sequence[Attribution], captions: Sequence[str]) -> Sheet:
    """A row an image: itself, then each method's map of the trained network and, beside it, of the random one.

    Args:
        pixels: ``uint8 [N, H, W, C]``.
        made: what was attributed.
        captions: what each image is said to be.
    """
    tiles = []
    for at, image in enumerate(pixels):
        tiles.append(Tile(image, captions[at]))
        for one in made:
            for maps in (one.trained[at], one.randomized[at]):
                tiles.append(Tile(signs(maps, float(np.quantile(np.abs(maps), 0.995))), ""))
    heads = ("image", *(head for one in made for head in (HEADS.get(one.method, one.method), "random")))
    said = (
        "Where the evidence for the predicted class lies: vermillion speaks for it, blue against; each map has its own scale. "
        "Beside each map stands what the same method draws for this network with random values: what both share was not learnt. "
        f"Rank correlations: {told(made)}. Occlusion and integrated gradients replace pixels by the mean of the training images' channels."
    )
    return Sheet("attribution", "Attribution", said, tuple(tiles), columns=1 + 2 * len(made), size=96, heads=heads, scale=("signs", "against", "for"))


def told(made: Sequence[Attribution]) -> str:
    """Each method's rank correlation with the random network's maps, in words."""
    numbers = {one.method: one.correlation for one in made}
    return ", ".join(f"{shown(method)} {'none' if value is None else f'{value:.2f}'.replace('-', '−')}" for method, value in numbers.items())


def findings(made: Sequence[Attribution]) -> list[str]:
    """What a reader must know before believing the maps."""
    doubtful = [one for one in made if (one.correlation or 0.0) > FAITHFUL]
    return [
        f"{one.method}: its maps resemble those of a random network (rank correlation {one.correlation:.2f}), so they show the images more than what "
        "was learnt."
        for one in doubtful
    ]
