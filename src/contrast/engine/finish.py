"""The end of a run: chosen weights, train, validation and test evaluated clean, one row per image, the summary."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from contrast import freezing
from contrast.engine import mc_dropout
from contrast.engine.batches import Part
from contrast.engine.evaluate import Outcomes
from contrast.engine.machine import peak_memory
from contrast.engine.macs import macs, training_operations
from contrast.engine.state import weights_to_bytes
from contrast.engine.training import Training

MOST_PROBABILITIES = 100
"""Up to so many classes every probability of an image is kept; beyond, the five greatest."""


def finish(training: Training, arm: str, keep: str, *, judged: bool = True) -> dict[str, Any]:
    """Evaluate and keep what a training led to; the summary is written last.

    Test is opened here, once, for the weights that validation chose; not at all for a run that is not `judged`.

    Returns:
        The summary.
    """
    state, folder = training.state, training.folder
    if keep == "both":
        folder.write("last.safetensors", weights_to_bytes(state.weights()))
    figures: dict[str, float | None] = dict.fromkeys(f"{part}_{what}" for part in ("train", "validation", "test") for what in ("loss", "accuracy"))
    if state.best is not None:
        figures |= _latest(training) if judged else {}
        if keep != "none":
            folder.write("best.safetensors", weights_to_bytes(state.best_weights))
        state.take(state.best_weights)
        with training.clock.on("evaluate"):
            for part in _parts(training, judged=judged):
                figures |= _evaluated(training, part)
            _average_over_masks(training, ("validation", "test") if judged else ("validation",))
    summary = _summary(training, arm, figures)
    folder.finish(summary)
    return summary


def _latest(training: Training) -> dict[str, float | None]:
    """Figures of the last epoch's weights, where the recipe asks for them; they choose nothing."""
    if training.recipe.evaluate is None or not training.recipe.evaluate.latest:
        return {}
    figures: dict[str, float | None] = {"last_train_loss": None, "last_train_accuracy": None}
    with training.clock.on("evaluate"):
        for part in _parts(training, judged=True):
            outcomes = _judged(training, part)
            figures |= {f"last_{part}_loss": _finite(outcomes.loss), f"last_{part}_accuracy": outcomes.accuracy}
    return figures


def _parts(training: Training, *, judged: bool) -> list[str]:
    """What is evaluated at the end: the training images too unless the recipe spares them, test only where the run is judged."""
    evaluation = training.recipe.evaluate
    wanted = {"train": evaluation is None or evaluation.train, "validation": True, "test": judged}
    return [part for part, asked in wanted.items() if asked]


def _evaluated(training: Training, part: str) -> dict[str, float | None]:
    images: Part = getattr(training.data, part)
    outcomes = _judged(training, part)
    if part != "train":
        training.folder.write(f"{part}.parquet", image_rows(outcomes, images))
    return {f"{part}_loss": _finite(outcomes.loss), f"{part}_accuracy": outcomes.accuracy}


def _judged(training: Training, part: str) -> Outcomes:
    """Outcomes of a part, over the recipe's views but for the training images, of which there are many and nothing is chosen or told by."""
    return training.evaluator.outcomes(training.state.evaluated, getattr(training.data, part), "none" if part == "train" else None)


def _average_over_masks(training: Training, parts: Sequence[str]) -> None:
    """Keep what dropout at test time gives, where the recipe asks for it."""
    evaluation = training.recipe.evaluate
    if evaluation is None or evaluation.mc_dropout is None:
        return
    rows = []
    for part in parts:
        images: Part = getattr(training.data, part)
        found = mc_dropout.measure(training.state.evaluated, training.evaluator, images, part, evaluation.mc_dropout, training.recipe.seed)
        rows += found.rows
        training.folder.write(f"mc_dropout_{part}.parquet", mc_dropout.image_rows(found, images))
    training.folder.write("mc_dropout.csv", mc_dropout.as_csv(rows))


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


def _gap(train: float | None, held_out: float | None) -> float | None:
    """Train accuracy minus that on images held out, both of the chosen weights and without augmentation or views."""
    return train - held_out if train is not None and held_out is not None else None


def _tflop_per_second(training: Training, images_per_second: float | None) -> float | None:
    """What the training steps achieved, in 10¹² floating-point operations a second; None where what is trained changed on the way."""
    state, model = training.state, training.recipe.model
    if images_per_second is None or model.unfreeze is not None or model.freeze_out:
        return None
    operations = training_operations(state.network, state.model.parameters(), training.data.shape)
    return operations * images_per_second / 1e12 if operations is not None else None


def _summary(training: Training, arm: str, figures: dict[str, float | None]) -> dict[str, Any]:
    state, recipe = training.state, training.recipe
    train = figures["train_accuracy"] if training.evaluator.views == "none" else None
    total = training.clock.total()
    train_seconds = state.seconds.get("train", 0.0)
    images_per_second = state.step * recipe.batch_size / train_seconds if train_seconds else None
    memory, counts = peak_memory(), freezing.count(state.network)
    return {
        "status": state.stopped if state.stopped in ("diverged", "pruned") else "finished",
        "arm": arm,
        "seed": recipe.seed,
        "id": recipe.id,
        "stopped_by": state.stopped,
        "epochs": state.epoch,
        "planned_epochs": training.total_epochs,
        "steps": state.step,
        "best_epoch": state.best.epoch if state.best else None,
        "chosen_by": recipe.choose,
        "diverged_step": state.diverged_step,
        "learning_rate": training.learning_rate,
        **figures,
        **{name: _finite(value) for name, value in state.last.items()},
        "generalization_gap": _gap(train, figures["test_accuracy"]),
        "validation_gap": _gap(train, figures["validation_accuracy"]),
        "seconds": total,
        "train_seconds": train_seconds,
        "loading_share": state.seconds.get("load", 0.0) / train_seconds if train_seconds else None,
        "evaluation_seconds": state.seconds.get("evaluate", 0.0),
        "keeping_seconds": state.seconds.get("keep", 0.0),
        **({"features_seconds": state.seconds["features"]} if state.whole is not None else {}),
        "images_per_second": images_per_second,
        "tflop_per_second": _tflop_per_second(training, images_per_second),
        **memory,
        "parameters": counts.total,
        "trainable_parameters": counts.trainable,
        "frozen_parameters": counts.frozen,
        "macs": macs(state.network, training.data.shape),
        **({"weights": training.loaded.to_dict()} if training.loaded is not None else {}),
    }
