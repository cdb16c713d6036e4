"""Studies of every design, made without training."""

from __future__ import annotations

from typing import Any

from tests.reading.made_study import Made


def factorial(**more: Any) -> Made:
    """Batch norm × learning rate: both help, and together more than the sum."""
    gains = {"baseline": 0.0, "none, lr 0.1": 0.2, "batch": 0.6, "batch, lr 0.1": 1.4}
    places = {"baseline": [0, 0], "none, lr 0.1": [0, 1], "batch": [1, 0], "batch, lr 0.1": [1, 1]}
    factors = [{"name": "model.norm", "levels": ["none", "batch"]}, {"name": "optimizer.lr", "levels": ["0.05", "0.1"]}]
    question = "Do batch norm and a larger learning rate work together?"
    given = {"seeds": range(5), "images": 400, "epochs": 2, "name": "factorial", "question": question}
    design = {"factorial": {"fraction": "full", "factors": factors, "cells": [{"levels": place, "arm": arm} for arm, place in places.items()]}}
    return Made(**given | {"gains": gains, "origins": dict.fromkeys(gains, "factorial"), "designs": design} | more)


def half(**more: Any) -> Made:
    """Half of three factors of two levels: a helps."""
    places = [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]
    arms = ["baseline", "b on, c on", "a on, c on", "a on, b on"]
    factors = [{"name": f"model.{name}", "levels": ["off", "on"]} for name in "abc"]
    cells = [{"levels": list(place), "arm": arm} for place, arm in zip(places, arms, strict=True)]
    gains = {arm: 1.2 * place[0] + 0.05 * index for index, (place, arm) in enumerate(zip(places, arms, strict=True))}
    design = {"factorial": {"fraction": "half", "factors": factors, "cells": cells}}
    given = {"seeds": range(4), "images": 200, "epochs": 1}
    return Made(**given | {"gains": gains, "origins": dict.fromkeys(arms, "factorial"), "designs": design} | more)


def ladder(**more: Any) -> Made:
    """Batch norm, then dropout on top; and both, with each left out."""
    gains = {"baseline": 0.0, "+ batch norm": 0.9, "+ dropout": 0.95, "all": 1.3, "all but batch norm": 0.3, "all but dropout": 1.25}
    add = [("batch norm", "+ batch norm", "baseline"), ("dropout", "+ dropout", "+ batch norm")]
    drop = [(name, "all", f"all but {name}") for name in ("batch norm", "dropout")]
    design = {kind: [dict(zip(("name", "arm", "against"), step, strict=True)) for step in each] for kind, each in (("add", add), ("drop", drop))}
    given = {"seeds": range(4), "images": 300, "epochs": 2, "name": "ladder", "question": "What does each change do on top of the others?"}
    return Made(**given | {"gains": gains, "origins": dict.fromkeys(gains, "ladder"), "designs": {"ladder": design}} | more)


def grid(**more: Any) -> Made:
    """Three optimizers × three learning rates; SGD at the largest diverges."""
    gains, changes = {"baseline": 0.0}, {}
    for i, optimizer in enumerate(("rmsprop", "adam", "sgd")):
        for j, rate in enumerate((0.01, 0.001, 0.00001)):
            arm = f"{optimizer}, lr {rate}"
            gains[arm] = 0.8 - 0.6 * abs(j - (1 if i < 2 else 0)) - 0.1 * i
            changes[arm] = {"optimizer": {"use": optimizer}, "optimizer.lr": rate}
    given = {"seeds": range(4), "images": 200, "epochs": 2, "name": "grid", "question": "Which optimizer, at which learning rate?"}
    states = {("sgd, lr 0.01", seed): "diverged" for seed in range(4)}
    return Made(**given | {"gains": gains, "changes": changes, "origins": dict.fromkeys(changes, "grid"), "states": states} | more)


def swept(rates: tuple[float, ...] = (0.0001, 0.001, 0.01), **more: Any) -> Made:
    """Learning rates; larger is better."""
    gains = {"baseline": 0.0} | {f"lr {rate}": 0.3 * (index + 1) for index, rate in enumerate(rates)}
    axes = {f"lr {rate}": ("optimizer.lr", rate) for rate in rates}
    changes = {arm: {path: rate} for arm, (path, rate) in axes.items()}
    return Made(**{"gains": gains, "axes": axes, "changes": changes, "seeds": range(4), "images": 100, "epochs": 1} | more)


def everything(**more: Any) -> Made:
    """A factorial, a grid with a combination that diverged, a sweep, a ladder and a search in one small study."""
    cells = {"baseline": [0, 0], "b": [0, 1], "a": [1, 0], "a, b": [1, 1]}
    combinations = {f"{one}, {other}": {"x": one, "y": other} for one in (1, 2) for other in (3, 4)}
    axes = {f"dropout {rate}": ("model.dropout", rate) for rate in (0.1, 0.3, 0.6)}
    factors = [{"name": f"model.{name}", "levels": ["off", "on"]} for name in "ab"]
    trials = [({"optimizer.lr": 0.01 * number}, 0.8 + 0.001 * number if number else None) for number in range(14)]
    gains = dict.fromkeys([*cells, *combinations, *axes, "+ c", "best found"], 0.0) | {"a": 0.5, "a, b": 1.2, "1, 3": 0.3, "+ c": 0.4}
    design = {
        "factorial": {"fraction": "full", "factors": factors, "cells": [{"levels": place, "arm": arm} for arm, place in cells.items()]},
        "ladder": {"add": [{"name": "c", "arm": "+ c", "against": "baseline"}]},
    }
    origins = dict.fromkeys(cells, "factorial") | dict.fromkeys(combinations, "grid") | {"+ c": "ladder", "best found": "search"}
    changes = combinations | {arm: {path: rate} for arm, (path, rate) in axes.items()} | {"best found": dict(trials[-1][0])}
    given = {"seeds": range(2), "images": 60, "epochs": 1, "states": {("2, 4", seed): "diverged" for seed in range(9)}}
    return Made(**given | {"gains": gains, "changes": changes, "origins": origins, "axes": axes, "designs": design, "trials": trials} | more)
