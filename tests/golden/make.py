"""Three real training steps on a CPU in fp32, written down. See README.md beside this file."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch

NUMBERS = Path(__file__).with_name("three_steps.json")
RECIPES = {
    "convnet, batch norm, dropout, flip and crop, momentum": {
        "data": {"use": "mnist5k"},
        "augment": [{"use": "flip"}, {"use": "crop", "padding": 2}],
        "model": {"use": "convnet", "channels": [4, 8], "head": [16], "norm": "batch", "dropout": 0.2},
        "optimizer": {"use": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
        "schedule": {"use": "onecycle"},
        "steps": 3,
        "batch_size": 32,
        "seed": 3,
    },
    "mlp, adam, label smoothing, average": {
        "data": {"use": "mnist5k", "train": 500},
        "model": {"use": "mlp", "hidden": [32]},
        "optimizer": {"use": "adam", "lr": 0.01},
        "loss": {"use": "cross_entropy", "label_smoothing": 0.1},
        "averaging": {"use": "ema", "decay": 0.5},
        "steps": 3,
        "batch_size": 32,
        "seed": 4,
    },
}


def three_steps(settings: dict) -> dict[str, list[float] | float]:
    """Loss and accuracy of each step, the sum of squares of all weights after the last, and the validation loss."""
    from contrast.recipe import Recipe
    from tests.engine.made import trained

    with tempfile.TemporaryDirectory() as folder:
        training = trained(Recipe(**settings), Path(folder))
        rows = [line.split(",") for line in (Path(folder) / "steps.csv").read_text().splitlines()[1:]]
    squares = sum(float((value.double() ** 2).sum()) for value in training.state.weights().values() if value.dtype == torch.float32)
    return {
        "losses": [float(row[2]) for row in rows],
        "accuracies": [float(row[3]) for row in rows],
        "sum_of_squares": squares,
        "validation_loss": training.state.last["last_validation_loss"],
    }


if __name__ == "__main__":
    NUMBERS.write_text(json.dumps({name: three_steps(settings) for name, settings in RECIPES.items()}, indent=1) + "\n")
    print(f"wrote {NUMBERS}; say in the commit why the numbers had to change")
