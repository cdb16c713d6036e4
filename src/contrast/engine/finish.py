"""The end of a run: chosen weights, train, validation and test evaluated clean, one row per image, the summary."""

from __future__ import annotations

import io
import math
from typing import Any

import torch
from torch import Tensor

from contrast.engine.batches import Part
from contrast.engine.evaluate import Outcomes
from contrast.engine.machine import peak_memory
from contrast.engine.state import weights_to_bytes
from contrast.engine.training import Training

MOST_PROBABILITIES = 100
"""Up to so many classes every probability of an image is kept; beyond, the five greatest."""


def finish(training: Training, arm: str, keep: str) -> dict[str, Any]:
    """Evaluate and keep what a training led to; the summary is written last.

    Test is opened here, once, for the weights that validation chose.

    Returns:
        The summary.
    """
    state, folder = training.state, training.folder
    if keep == "both":
        folder.write("last.safetensors", weights_to_bytes(state.weights()))
    figures: dict[str, float | None] = dict.fromkeys(f"{part}_{what}" for part in ("train", "validation", "test") for what in ("loss", "accuracy"))
    if state.best is not None:
        if keep != "none":
            folder.write("best.safetensors", weights_to_bytes(state.best_weights))
        state.evaluated.load_state_dict(state.best_weights)
        with training.clock.on("evaluate"):
            for part in ("train", "validation", "test"):
                figures |= _evaluated(training, part)
    summary = _summary(training, arm, figures)
    folder.finish(summary)
    return summary


def _evaluated(training: Training, part: str) -> dict[str, float | None]:
    images: Part = getattr(training.data, part)
    outcomes = training.evaluator.outcomes(training.state.evaluated, images)
    if part != "train":
        training.folder.write(f"{part}.parquet", image_rows(outcomes, images))
    return {f"{part}_loss": _finite(outcomes.loss), f"{part}_accuracy": outcomes.accuracy}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def image_rows(outcomes: Outcomes, part: Part) -> bytes:
    """One row per image as Parquet: id, label, prediction, loss, p(true), probabilities (or the five greatest)."""
    import pyarrow as pa
    from pyarrow import parquet

    probabilities = outcomes.log_probabilities.exp()
    columns: dict[str, Any] = {
        "id": pa.array(part.ids, pa.string()),
        "label": pa.array(outcomes.labels.numpy(), pa.int32()),
        "prediction": pa.array(outcomes.predictions.numpy(), pa.int32()),
        "loss": pa.array(outcomes.losses.numpy(), pa.float32()),
        "p_true": pa.array(torch.exp(-outcomes.losses).numpy(), pa.float32()),
    }
    if part.classes <= MOST_PROBABILITIES:
        columns["probabilities"] = _lists(probabilities)
    else:
        greatest = probabilities.topk(5, dim=1)
        columns |= {"top_classes": _lists(greatest.indices.int()), "top_probabilities": _lists(greatest.values)}
    stream = io.BytesIO()
    parquet.write_table(pa.table(columns), stream, compression="zstd")
    return stream.getvalue()


def _lists(rows: Tensor) -> Any:
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(rows.contiguous().numpy().ravel()), rows.shape[1])


def _summary(training: Training, arm: str, figures: dict[str, float | None]) -> dict[str, Any]:
    state, recipe = training.state, training.recipe
    train, test = figures["train_accuracy"], figures["test_accuracy"]
    total = training.clock.total()
    train_seconds = state.seconds.get("train", 0.0)
    parameters = list(state.model.parameters())
    return {
        "status": "diverged" if state.stopped == "diverged" else "finished",
        "arm": arm,
        "seed": recipe.seed,
        "id": recipe.id,
        "stopped_by": state.stopped,
        "epochs": state.epoch,
        "steps": state.step,
        "best_epoch": state.best.epoch if state.best else None,
        "chosen_by": recipe.choose,
        "diverged_step": state.diverged_step,
        **figures,
        **{name: _finite(value) for name, value in state.last.items()},
        "generalization_gap": train - test if train is not None and test is not None else None,
        "seconds": total,
        "train_seconds": train_seconds,
        "evaluation_seconds": state.seconds.get("evaluate", 0.0),
        "keeping_seconds": state.seconds.get("keep", 0.0),
        "images_per_second": state.step * recipe.batch_size / train_seconds if train_seconds else None,
        **peak_memory(),
        "parameters": sum(p.numel() for p in parameters),
        "trainable_parameters": sum(p.numel() for p in parameters if p.requires_grad),
    }
