"""Writes the folder of a finished study as training writes it, with believable figures, the same for the same arguments."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

BASE: dict[str, Any] = {
    "data": {"use": "mnist5k", "validation": 800, "test": 1000, "train": None, "split_seed": 0},
    "augment": [{"use": "crop", "padding": 2}, {"use": "normalize", "mean": "own", "std": "own"}],
    "model": {"use": "convnet", "channels": [16, 32], "kernel": 3, "norm": "none", "activation": "relu", "dropout": 0.0, "head": [64]},
    "optimizer": {"use": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.0005, "nesterov": False, "decay": "all"},
    "schedule": {"use": "cosine", "warmup": 0.0},
    "loss": {"use": "cross_entropy", "label_smoothing": 0.0},
    "averaging": {"use": "none"},
    "loop": {"use": "standard"},
    "epochs": 8,
    "batch_size": 64,
    "clip_norm": None,
    "choose": "validation_accuracy",
    "patience": None,
    "device": "auto",
    "precision": "auto",
    "deterministic": False,
    "seed": 0,
}  # fmt: skip
MACHINE = {
    "device": "cpu", "precision": "bf16", "memory_format": "channels_last", "compile": False, "threads": 2,
    "instruction_set": "AVX512_BF16", "device_name": "AMD EPYC 9R14", "torch": "2.15.0", "deterministic": True,
}  # fmt: skip
QUICKSTART = {"baseline": 0.0, "batch norm": 0.9, "dropout": 0.1}
"""Arm → its gain in the logit of being right."""


@dataclass
class Made:
    """What to write. `gains` names the arms, the baseline first."""

    gains: Mapping[str, float] = field(default_factory=lambda: dict(QUICKSTART))
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seeds: Sequence[int] = (0, 1, 2)
    epochs: int = 8
    images: int = 1000
    question: str = "Does batch norm or dropout help a small CNN on 5,000 digits?"
    name: str = "quickstart"
    states: Mapping[tuple[str, int], str] = field(default_factory=dict)
    axes: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    lost: Mapping[str, Sequence[str]] = field(default_factory=dict)
    remarks: Sequence[str] = ()
    classes: Sequence[str] = tuple("0123456789")
    shared: Mapping[str, str] = field(default_factory=dict)
    """Arm → the arm whose runs it shares."""
    origins: Mapping[str, str] = field(default_factory=dict)
    designs: Mapping[str, Any] = field(default_factory=dict)
    trials: Sequence[tuple[Mapping[str, Any], float | None]] = ()
    """(changes, validation accuracy) of each trial of a search; None where it diverged."""
    test_of_the_latest: bool = False
    test_watched: bool = False
    watched: Sequence[str] = ()
    """What the recipes watch at every update."""
    masks: Sequence[int] = ()
    """Numbers of masks that dropout at test time was averaged over."""

    def change_of(self, arm: str) -> dict[str, Any]:
        usual = {"batch norm": {"model.norm": "batch"}, "dropout": {"model.dropout": 0.2}}
        return {} if arm == self.baseline else dict(self.changes.get(arm, usual.get(arm, {"model.gain": self.gains[arm]})))

    @property
    def baseline(self) -> str:
        return next(iter(self.gains))


def write(folder: Path, made: Made | None = None) -> Path:
    """Write the study and return its folder."""
    made = made or Made()
    folder.mkdir(parents=True, exist_ok=True)
    lock = _lock(made)
    _json(folder / "study.lock", lock)
    (folder / "study.yaml").write_text("question: made\n", encoding="utf-8")
    (folder / "splits").mkdir(exist_ok=True)
    _json(folder / lock["data"][0]["split"], {"train": [], "validation": _ids("validation", made), "test": _ids("test", made)})
    for run in lock["runs"]:
        if run["arm"] not in made.shared:
            _run(folder / run["folder"], run, made)
    for trial, (_, figure) in zip(lock["designs"].get("search", {}).get("runs", ()), made.trials, strict=False):
        (folder / trial["folder"]).mkdir()
        _json(folder / trial["folder"] / "summary.json", {"status": "finished" if figure else "diverged", "validation_accuracy": figure})
    return folder


def _lock(made: Made) -> dict[str, Any]:
    arms = []
    for arm in made.gains:
        axis = made.axes.get(arm)
        origin = "base" if arm == made.baseline else "sweep" if axis else made.origins.get(arm, "arms")
        entry = {"name": arm, "changes": made.change_of(arm), "lost": list(made.lost.get(arm, ())), "origin": origin}
        arms.append(entry | {"axis": {"path": axis[0], "value": axis[1]} if axis else None, "initial_share": 1.0 if arm == made.baseline else 0.98})
    runs = [_planned(arm, seed, made) for seed in made.seeds for arm in made.gains]
    count = made.images
    data = {
        "use": "mnist5k", "settings": {"validation": 800, "test": count, "train": None, "split_seed": 0}, "fingerprint": "ab" * 32,
        "classes": list(made.classes), "shape": [1, 28, 28], "counts": {"train": 3200, "validation": 800, "test": count},
        "class_counts": [3200 // len(made.classes) + 3 * (i % 4) for i in range(len(made.classes))],
        "mean": [0.1309], "std": [0.3085], "notes": ["28×28 as they came"], "split": "splits/0011223344556677.json",
    }  # fmt: skip
    return {
        "version": 1, "name": made.name, "question": made.question, "command": f"contrast run {made.name}", "baseline": made.baseline,
        "choose": "validation_accuracy", "seeds": list(made.seeds), "machine": MACHINE, "arms": arms, "runs": runs, "data": [data],
        "base": BASE | {"epochs": made.epochs} | ({"watch": list(made.watched)} if made.watched else {}),
        "remarks": list(made.remarks), "designs": dict(made.designs) | _search(made),
    }  # fmt: skip


def _search(made: Made) -> dict[str, Any]:
    if not made.trials:
        return {}
    runs = [
        {"trial": number, "changes": dict(changes), "seed": 1_000_000, "id": f"{number:064x}", "folder": f"search-{number}-seed1000000"}
        for number, (changes, _) in enumerate(made.trials)
    ]
    winner = next((arm for arm, origin in made.origins.items() if origin == "search"), None)
    return {"search": {"metric": "validation_accuracy", "winner": winner, "changes": made.change_of(winner) if winner else {}, "runs": runs}}


def _planned(arm: str, seed: int, made: Made) -> dict[str, Any]:
    source = made.shared.get(arm, arm)
    identity = hashlib.sha256(f"{source}/{seed}".encode("utf-8", "surrogatepass")).hexdigest()
    words = "".join(c if c.isascii() and c.isalnum() else "-" for c in source.lower())[:40].strip("-") or "arm"
    return {"arm": arm, "seed": seed, "id": identity, "folder": f"{words}-seed{seed}-{identity[:8]}"}


def _run(folder: Path, run: Mapping[str, Any], made: Made) -> None:
    arm, seed = run["arm"], run["seed"]
    state = made.states.get((arm, seed), "finished")
    if state == "planned":
        return
    folder.mkdir()
    generator = np.random.default_rng([seed, list(made.gains).index(arm), 7])
    started = {
        "contrast": "0.1",
        "python": "3.11.2",
        "torch": "2.15.0",
        "numpy": "2.4.6",
        "platform": "Linux-6.1-x86_64",
        "processor": "AMD EPYC 9R14",
    }
    machine = {"cores": 2, "memory_bytes": 25769803776, "git": {"commit": "0123abcd" * 5, "dirty": False}, "machine": MACHINE}
    _json(folder / "environment.json", started | machine | {"data_fingerprint": "ab" * 32, "started": f"2026-11-2{seed % 10}T10:00:00+00:00"})
    (folder / "recipe.yaml").write_text("question: made\nbase: {data: {use: mnist5k}, model: {use: mlp}}\nseeds: [0]\n", encoding="utf-8")
    epochs = made.epochs if state == "finished" else max(1, made.epochs // 2)
    rows = _epochs(made.gains[arm], epochs, made.epochs, generator)
    if made.test_watched:
        rows = [row | {"test_loss": 1.1 * row["validation_loss"], "test_accuracy": row["validation_accuracy"] - 0.01} for row in rows]
    _csv(folder / "epochs.csv", rows)
    norms = dict.fromkeys(made.watched, 30.0 + made.gains[arm] + seed)
    _csv(
        folder / "steps.csv",
        [
            {"step": s + 1, "epoch": s // 50 + 1, "loss": 2.3 / (s + 1) ** 0.3, "accuracy": 0.5, "lr": 0.05}
            | {name: norm + 0.01 * s for name, norm in norms.items()}
            for s in range(50 * epochs)
        ],
    )
    if state == "failed":
        _json(folder / "failure.json", {"cause": "the disk is full", "when": "2026-11-21T10:00:00+00:00", "traceback": "Traceback …"})
    elif state == "interrupted":
        (folder / "checkpoint").mkdir()
        (folder / "checkpoint" / "000000000100.safetensors").write_bytes(b"weights")
    else:
        outcomes = {part: _outcomes(folder / f"{part}.parquet", part, arm, seed, made) for part in ("validation", "test")}
        figures = _summary(run, state, rows, outcomes, made)
        latest = {"last_test_accuracy": outcomes["test"][0] - 0.004, "last_test_loss": outcomes["test"][1] * 1.1} if made.test_of_the_latest else {}
        if made.masks:
            _csv(folder / "mc_dropout.csv", _masks(made.masks, outcomes, generator))
        _json(folder / "summary.json", figures | latest)


def _epochs(gain: float, count: int, planned: int, generator: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for epoch in range(1, count + 1):
        progress = epoch / planned
        loss = 2.1 * np.exp(-(4.2 + gain) * progress**0.8) + 0.015 + abs(generator.normal(0, 0.01))
        overfit = 0.35 * (1.4 - gain) * max(0.0, progress - 0.5) ** 1.6
        held = max(0.01, loss + 0.12 * (1.5 - gain) + overfit + generator.normal(0, 0.018))
        row = {"epoch": epoch, "step": 50 * epoch, "train_loss": loss, "train_accuracy": 1 - 0.42 * loss**0.9}
        row |= {"validation_loss": held, "validation_accuracy": 1 - 0.34 * held**0.85 + generator.normal(0, 0.004)}
        rows.append(
            row
            | {
                "lr": 0.05 * (1 + np.cos(np.pi * progress)) / 2,
                "seconds": (0.7 + 0.25 * (gain > 0.5)) * epoch,
                "images_per_second": 5200 + generator.normal(0, 90),
            }
        )
    return rows


def _masks(masks: Sequence[int], outcomes: Mapping[str, tuple[float, float]], generator: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for part, (accuracy, loss) in outcomes.items():
        rows.append({"part": part, "scheme": "scaling", "masks": 0, "repeat": 1, "accuracy": accuracy, "loss": loss})
        for scheme, count, repeat in itertools.product(("logits", "probabilities"), masks, (1, 2)):
            lost = (0.1 + generator.normal(0, 0.01)) / count
            rows.append({"part": part, "scheme": scheme, "masks": count, "repeat": repeat, "accuracy": accuracy - lost, "loss": loss + lost})
    return rows


def _ids(part: str, made: Made) -> list[str]:
    return [f"train/{i}" for i in range(made.images if part == "test" else 800)]


def _outcomes(path: Path, part: str, arm: str, seed: int, made: Made) -> tuple[float, float]:
    """Write one row an image; accuracy and mean loss."""
    ids = _ids(part, made)
    images = np.random.default_rng([1, len(part)])
    labels = images.integers(0, len(made.classes), len(ids)).astype(np.int32)
    difficulty = images.normal(2.6, 2.0, len(ids))
    noise = np.random.default_rng([2, len(part), seed, list(made.gains).index(arm)])
    logit = difficulty + made.gains[arm] + noise.normal(0, 0.05) + noise.normal(0, 0.4, len(ids))
    right = logit > 0
    prediction = np.where(right, labels, (labels + 1) % len(made.classes)).astype(np.int32)
    true = (1 / (1 + np.exp(-logit))).astype(np.float32)
    loss = -np.log(np.clip(true, 1e-6, 1))
    probabilities = np.zeros((len(ids), len(made.classes)), dtype=np.float32)
    probabilities[np.arange(len(ids)), prediction] = 1 - true
    probabilities[np.arange(len(ids)), labels] = true
    lists = pa.FixedSizeListArray.from_arrays(pa.array(probabilities.ravel()), len(made.classes))
    table = {"id": pa.array(ids), "label": labels, "prediction": prediction, "loss": loss, "p_true": true, "probabilities": lists}
    parquet.write_table(pa.table(table), path)
    return float(right.mean()), float(loss.astype(np.float64).mean())


def _summary(
    run: Mapping[str, Any], state: str, rows: list[dict[str, Any]], outcomes: Mapping[str, tuple[float, float]], made: Made
) -> dict[str, Any]:
    best = max(rows, key=lambda row: row["validation_accuracy"])
    figures: dict[str, Any] = {
        "status": state,
        "arm": run["arm"],
        "seed": run["seed"],
        "id": run["id"],
        "epochs": len(rows),
        "steps": rows[-1]["step"],
    }
    figures |= {"best_epoch": best["epoch"], "chosen_by": "validation_accuracy", "diverged_step": 117 if state == "diverged" else None}
    figures |= {
        "train_loss": best["train_loss"],
        "train_accuracy": best["train_accuracy"],
        "validation_loss": outcomes["validation"][1],
        "validation_accuracy": outcomes["validation"][0],
    }
    figures |= {
        "test_loss": outcomes["test"][1],
        "test_accuracy": outcomes["test"][0],
    }
    figures |= {"last_validation_loss": rows[-1]["validation_loss"], "last_validation_accuracy": rows[-1]["validation_accuracy"]}
    figures |= {
        "generalization_gap": best["train_accuracy"] - outcomes["test"][0],
        "validation_gap": best["train_accuracy"] - outcomes["validation"][0],
        "seconds": rows[-1]["seconds"] + 0.4,
        "train_seconds": rows[-1]["seconds"] * 0.9,
    }
    figures |= {"evaluation_seconds": 0.6, "images_per_second": 5210.0 + run["seed"], "peak_memory_bytes": 412_000_000 + run["seed"]}
    figures |= {"tflop_per_second": 0.186 + 0.001 * run["seed"]}
    return figures | {"parameters": 105_866 + 96 * (run["arm"] == "batch norm"), "trainable_parameters": 105_866 + 96 * (run["arm"] == "batch norm")}


def _csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
