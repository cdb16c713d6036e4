"""A finished run as a bundle that goes anywhere: weights, recipe, classes and preprocessing in a folder, or one ONNX graph."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor, nn

from contrast import faults, views
from contrast.classifier import RESIZES, Classifier, data_entry
from contrast.errors import InputError
from contrast.recipe import Recipe
from contrast.run_files import RunFiles, read_object
from contrast.store import to_json, write_durably

FORMAT = "contrast bundle 1"
WEIGHTS, RECIPE, ABOUT, GRAPH = "model.safetensors", "recipe.yaml", "bundle.json", "model.onnx"
OPSET = 18
CLOSE = 1e-4
"""Largest difference of a probability between torch and the graph."""
Extent = Annotated[int, Field(ge=1, le=65536)]


class About(BaseModel):
    """What bundle.json says: classes and preprocessing. It may come from anyone, and so is checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    format: Literal["contrast bundle 1"]
    study: str
    arm: str
    seed: int
    run: str
    test_accuracy: float | None = Field(description="of the run's chosen weights, a fraction")
    classes: list[str] = Field(min_length=1, max_length=1_000_000)
    shape: list[Extent] = Field(min_length=3, max_length=3, description="channels, height, width")
    resize: Literal["crop", "whole", "pad", "ragged"]
    shorter_side: Extent | None = Field(default=None, description="pixels that the shorter side is brought to before the middle is taken")
    mean: list[float] = Field(description="of each channel of the training images, in [0, 1]")
    std: list[float]

    @model_validator(mode="after")
    def _fits(self) -> About:
        if not len(self.mean) == len(self.std) == self.shape[0]:
            raise ValueError("mean and std need one number a channel")
        return self

    def entry(self) -> dict[str, Any]:
        """The same in the words of a study's lock."""
        plain = self.model_dump()
        return {
            **{key: plain[key] for key in ("classes", "shape", "mean", "std")},
            "settings": {"resize": self.resize, "shorter_side": self.shorter_side},
        }


def export_torch(run: RunFiles, study: str, target: Path, *, trust: bool = True) -> Path:
    """Write a folder of weights (safetensors), recipe.yaml and bundle.json; nothing in it is pickled.

    Args:
        run: a finished run that kept its weights.
        study: the study's name.
        target: the folder to make.
        trust: whether code outside the package that the recipe names may be imported.

    Raises:
        InputError: the run's weights do not open, or something else stands at `target`.
    """
    classifier = Classifier.of_run(run, trust=trust)
    _make(target)
    write_durably(target / WEIGHTS, (run.folder / "best.safetensors").read_bytes())
    write_durably(target / RECIPE, (run.folder / RECIPE).read_bytes())
    write_durably(target / ABOUT, to_json(_about(run, study, classifier).model_dump()))
    return target


def _about(run: RunFiles, study: str, classifier: Classifier) -> About:
    entry, known = data_entry(run), classifier.preprocessing
    return About(
        format="contrast bundle 1",
        study=study,
        arm=run.arm,
        seed=run.seed,
        run=run.folder.name,
        test_accuracy=(run.summary or {}).get("test_accuracy"),
        classes=list(classifier.classes),
        shape=list(known.shape),
        resize=known.resize if known.resize in RESIZES else "crop",  # type: ignore[arg-type]
        shorter_side=known.shorter_side,
        mean=[float(value) for value in entry["mean"]],
        std=[float(value) for value in entry["std"]],
    )


def _make(target: Path) -> None:
    """Make a folder, or take one that is empty or an older bundle."""
    if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not (target / ABOUT).is_file())):
        raise InputError("something else stands there", where=str(target), right="name a folder that is new or empty")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"can't be made: {error.strerror or error}", where=str(target), right="name another folder") from error


def is_bundle(path: Path) -> bool:
    """Whether a folder is what `export_torch` wrote."""
    return (path / ABOUT).is_file()


def read_bundle(path: Path, *, trust: bool = False) -> Classifier:
    """Open a bundle.

    Args:
        path: its folder; its files may come from anyone.
        trust: whether code outside the package that its recipe names may be imported.

    Raises:
        InputError: a file is missing or damaged, or it needs outside code without trust.
    """
    from contrast.study_file import read_yaml

    found = read_object(path / ABOUT)
    if found.get("format") != FORMAT:
        raise InputError(
            f"is a bundle of another format ({str(found.get('format'))[:40]!r})", where=str(path), right=f"this release reads {FORMAT!r}"
        )
    try:
        about = About.model_validate(found)
    except ValidationError as error:
        raise faults.told(error, About).within(str(path / ABOUT)) from None
    try:
        recipe = read_yaml((path / RECIPE).read_text(encoding="utf-8"), str(path / RECIPE))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot be read", where=str(path / RECIPE), right="export the run again") from error
    if not isinstance(recipe, dict) or not isinstance(recipe.get("base"), dict):
        raise InputError("is not the recipe of a run", where=str(path / RECIPE), right="export the run again")
    return Classifier.built(Recipe.parse(recipe["base"], trust=trust), about.entry(), path / WEIGHTS)


class Whole(nn.Module):
    """Network, preprocessing and the recipe's views of an image in one: ``uint8 [B, C, H, W]`` to logits.

    Args:
        classifier: the network.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.model, self.views = classifier.model, classifier.views
        # Every step that holds at evaluation is a scale and a shift a channel; two images tell which.
        _, height, width = classifier.shape
        black, white = (classifier.inputs(np.full((1, height, width, classifier.shape[0]), level, np.uint8))[0, :, 0, 0] for level in (0, 255))
        self.register_buffer("scale", ((white - black) / 255)[:, None, None])
        self.register_buffer("shift", black[:, None, None])
        self.scale: Tensor
        self.shift: Tensor

    def forward(self, images: Tensor) -> Tensor:
        return views.logits(self.model, images.float() * self.scale + self.shift, self.views)


def export_onnx(run: RunFiles, study: str, target: Path, *, trust: bool = True) -> float:
    """Write a folder with an ONNX graph that takes ``uint8 [B, C, H, W]`` and gives logits, preprocessing included, and bundle.json beside it.

    Returns:
        The largest difference of a probability between torch and the graph on random images; not a number where onnxruntime is not installed.

    Raises:
        InputError: the package onnx is missing, the network can't be exported, or the graph does not give what torch gives.
    """
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"needs the packages {' and '.join(missing)}", where="--to onnx", right="pip install onnx onnxscript onnxruntime")
    classifier = Classifier.of_run(run, trust=trust)
    whole = Whole(classifier).eval()
    images = torch.randint(0, 256, (2, *classifier.shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    _make(target)
    _check(whole, classifier, images)
    part = target / f".{GRAPH}.part"
    try:
        torch.onnx.export(
            whole, (images,), str(part), input_names=["images"], output_names=["logits"], dynamo=True, opset_version=OPSET,
            dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False, verbose=False,
        )  # fmt: skip
    except Exception as error:  # what torch can't export, it says in many ways
        part.unlink(missing_ok=True)
        told = " ".join(str(error).split())[:160]
        raise InputError(f"this network can't be written as ONNX ({told})", where="--to onnx", right="use --to torch") from error
    difference = _difference(whole, part, images)
    if difference > CLOSE:
        part.unlink()
        raise InputError(f"the graph differs from torch by {difference:.2g}", where="--to onnx", right="use --to torch, and report it")
    shutil.move(part, target / GRAPH)
    write_durably(target / ABOUT, to_json(_about(run, study, classifier).model_dump()))
    return difference


@torch.inference_mode()
def _check(whole: nn.Module, classifier: Classifier, images: Tensor) -> None:
    """Raises InputError where the preprocessing is more than a scale and a shift, which the graph could not hold."""
    expected = torch.from_numpy(classifier.probabilities(images.permute(0, 2, 3, 1).numpy()))
    difference = float((whole(images).softmax(1) - expected).abs().max())
    if difference > CLOSE:
        told = f"its preprocessing is more than a scale and a shift (probabilities differ by {difference:.2g})"
        raise InputError(told, where="--to onnx", right="use --to torch")


@torch.inference_mode()
def _difference(whole: nn.Module, graph: Path, images: Tensor) -> float:
    if importlib.util.find_spec("onnxruntime") is None:
        return float("nan")
    import onnxruntime  # type: ignore[import-not-found,unused-ignore]

    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    found = torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
    return float((found.softmax(1) - whole(images).softmax(1)).abs().max())
