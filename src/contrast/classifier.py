"""A trained network ready to judge images: its weights, its classes, and what is done to an image before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from contrast import catalog, keyed, networks, views, weights
from contrast.errors import InputError
from contrast.image_files import as_evaluated
from contrast.images import Images
from contrast.protocols import Places
from contrast.recipe import Recipe

if TYPE_CHECKING:
    from contrast.evaluation import Views
    from contrast.protocols import AugmentFunction
    from contrast.run_files import RunFiles

BATCH = 250
"""Images that pass the network together; it changes no result but by rounding."""
RESIZES = ("crop", "whole", "pad", "ragged")


@dataclass(frozen=True)
class Preprocessing:
    """What turns an image file into what the network takes, as plain data.

    Attributes:
        shape: channels, height, width.
        resize: how an image is brought to that size (`contrast.decode.Look`).
        mean: of each channel of the training images, in [0, 1].
        std: standard deviation likewise; what `normalize` uses where its statistics are the data's own.
        shorter_side: pixels that an image's shorter side is brought to before its middle is taken; None for the network's own size.
    """

    shape: tuple[int, int, int]
    resize: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    shorter_side: int | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Preprocessing:
        """What a study's lock says of its data."""
        channels, height, width = entry["shape"]
        settings = entry.get("settings", {})
        resize = settings.get("resize", "crop")
        known = resize if resize in RESIZES else "crop"
        return cls((channels, height, width), known, tuple(entry["mean"]), tuple(entry["std"]), settings.get("shorter_side"))

    def read(self, paths: Sequence[Path]) -> tuple[NDArray[np.uint8], dict[int, str]]:
        """Image files as the study's evaluation saw them: ``uint8 [N, H, W, C]``, and position → why a file can't be used.

        Raises:
            InputError: the network takes neither gray nor color images.
        """
        channels, height, width = self.shape
        if channels not in (1, 3):
            raise InputError(f"the network takes images of {channels} channels, and image files have 1 or 3")
        return as_evaluated(paths, (height, width, channels), self.resize, self.shorter_side)  # type: ignore[arg-type]

    def steps(self, recipe: Recipe) -> list[AugmentFunction]:
        """The recipe's augmentations that hold at evaluation too, bound to the training images' statistics.

        Raises:
            InputError: one comes from outside the package: what it would learn of the training images is not kept.
        """
        channels, height, width = self.shape
        no_pixels, no_labels = np.zeros((0, height, width, channels), np.uint8), np.zeros(0, np.int64)
        trained = Images(no_pixels, no_labels, (), (), np.zeros(0, np.str_))
        # The lock keeps what the training images' own statistics were, so that no image is needed to bind them.
        trained.__dict__["own_statistics"] = (np.array(self.mean), np.array(self.std))
        always = [step for step in recipe.augment if step.always]
        outside = next((step.use for step in always if catalog.is_outside(step.use)), None)
        if outside is not None:
            raise InputError(f"{outside} would have to see the training images again", where="augment", right="evaluate within the study")
        return [step.prepare(trained) for step in always]


@dataclass(frozen=True)
class Classifier:
    """A trained network, its classes, and its preprocessing.

    Attributes:
        model: in evaluation mode, on the CPU.
        recipe: what it was trained by.
        classes: their names, in the order of the outputs.
        preprocessing: what turns an image file into what the network takes.
        steps: bound augmentations that hold at evaluation (normalization).
    """

    model: nn.Module
    recipe: Recipe
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    steps: Sequence[AugmentFunction]

    @classmethod
    def of_run(cls, run: RunFiles, *, trust: bool = True) -> Classifier:
        """Open a finished run.

        Args:
            run: its folder.
            trust: whether code outside the package that the recipe names may be imported.

        Raises:
            InputError: its weights were not kept or do not fit, or its data is not in the study's lock.
        """
        path = run.folder / "best.safetensors"
        if not path.exists():
            raise InputError("the chosen weights were not kept", where=str(run.folder), right="run the study with keep: best or keep: both")
        return cls.built(Recipe.parse(run.recipe["base"], trust=trust), data_entry(run), path)

    @classmethod
    def built(cls, recipe: Recipe, entry: Mapping[str, Any], path: Path) -> Classifier:
        """Build a recipe's network and put weights into it.

        Args:
            recipe: what it was trained by.
            entry: shape, classes, mean, std and settings of the data, as a study's lock has them.
            path: a safetensors file.

        Raises:
            InputError: the file is damaged, or holds another network's weights.
        """
        preprocessing, classes = Preprocessing.of(entry), tuple(map(str, entry["classes"]))
        model = recipe.model.build(preprocessing.shape, len(classes))
        try:
            model.load_state_dict(weights.read(path))
        except RuntimeError as error:
            told = " ".join(str(error).split())[:160]
            raise InputError(f"does not hold the weights of this network ({told})", where=str(path), right="get both from one run") from error
        return cls(model.eval().requires_grad_(False), recipe, classes, preprocessing, preprocessing.steps(recipe))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width of what the network takes."""
        return self.preprocessing.shape

    @property
    def views(self) -> Views:
        """Over which views of an image logits are averaged (`contrast.views`)."""
        return self.recipe.evaluate.views if self.recipe.evaluate is not None else "none"

    def read(self, paths: Sequence[Path]) -> tuple[NDArray[np.uint8], dict[int, str]]:
        """Image files by the decoder that training used: ``uint8 [N, H, W, C]``, and position → why a file can't be used."""
        return self.preprocessing.read(paths)

    def inputs(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Pixels ``uint8 [N, H, W, C]`` as the network takes them, ``float32 [N, C, H, W]``."""
        images = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
        nothing, draws = torch.zeros(0, len(self.classes)), keyed.Draws(torch.zeros(len(images), dtype=torch.int64))
        for step in self.steps:
            images, _ = step(images, nothing, draws)
        return images.float()

    @torch.inference_mode()
    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probability of each class, ``float32 [N, classes]``, computed in float32 whatever precision the run was trained in.

        Images are judged in the views in which the run was.

        Args:
            pixels: ``uint8 [N, H, W, C]``.
        """
        batches = (self.inputs(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH))
        parts = [views.logits(self.model, images, self.views).softmax(1) for images in batches]
        return torch.cat(parts).numpy() if parts else np.zeros((0, len(self.classes)), np.float32)

    def before_training(self, places: Places) -> nn.Module:
        """The network as it was before its first step: initial values from the seed, then the weights that it started from.

        What it took from the training images (`ModelIngredient.settled`) training left as it was, and so it is taken from the trained network.

        Args:
            places: where a file of weights is looked for.
        """
        with keyed.seeded(self.recipe.seed, "construct"):
            model, _ = networks.started(self.recipe.model, self.shape, len(self.classes), self.recipe.seed, places)
        trained = self.model.state_dict()
        model.load_state_dict({name: trained[name] for name in self.recipe.model.settled()}, strict=False)
        return model.eval().requires_grad_(False)

    def randomized(self) -> nn.Module:
        """The same network with values drawn anew: nothing that it or a file of weights ever learnt is left."""
        seed = keyed.derive(self.recipe.seed, "randomized") >> 32
        with keyed.seeded(seed, "construct"):
            model = self.recipe.model.build(self.shape, len(self.classes))
            self.recipe.model.initialize(model, seed)
        return model.eval().requires_grad_(False)


def data_entry(run: RunFiles) -> Mapping[str, Any]:
    """What the study's lock says of the data that a run saw.

    Raises:
        InputError: the lock does not know it.
    """
    seen = (run.environment or {}).get("data_fingerprint")
    entry = next((data for data in run.data if data["fingerprint"] == seen), None)
    if entry is None:
        raise InputError("the data that the run saw is not in study.lock", where=str(run.folder), right="was the study planned anew since?")
    return entry
