"""What passes between conduct, executors and loggers: orders to carry out, and events that tell how they go."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from contrast.protocols import Ingredient

OF_NO_WEIGHT = ("split_seed", "fold", "validation")
"""Settings of data that change which images train and not what a network does with them; fractions are left out anyway."""


@dataclass(frozen=True)
class Order:
    """One run to carry out, as plain data that any process can take up.

    Attributes:
        arm, seed: which run of the study it is.
        recipe: the recipe's settings, seed included (`Recipe.spec`).
        folder: the run's folder.
        machine: the study's plan for the machine (`Machine.to_dict`).
        places: the folders in which data is looked for.
        split: the file that keeps the split by image id.
        fingerprint: what the data must be.
        question, study: for the recipe file.
        keep: which weights stay.
        import_path: folders that code from outside is imported from.
        judged: whether the run is evaluated on test at its end; runs that only choose settings are not.
        until_epoch: the epoch after which the run waits, its checkpoint kept, for another order; None to go to its end.
        gives_up: whether the run ends where it stands, as pruned.
    """

    arm: str
    seed: int
    recipe: dict[str, Any]
    folder: Path
    machine: dict[str, Any]
    places: tuple[Path, ...]
    split: Path
    fingerprint: str
    question: str
    study: str
    keep: Literal["both", "best", "none"]
    import_path: tuple[str, ...] = ()
    judged: bool = True
    until_epoch: int | None = None
    gives_up: bool = False


@dataclass(frozen=True)
class Event:
    """Something that happened to a run.

    Attributes:
        kind: started, progress, or how it ended; `paused` means that it waits for another order, `elsewhere` that another process owns it.
        arm, seed: which run.
        detail: numbers for `progress` and for the end (epoch, epochs, step, steps, images_per_second,
            validation_accuracy, best_accuracy, test_accuracy, seconds), or `cause` for `failed`.
    """

    kind: Literal["started", "progress", "finished", "diverged", "pruned", "paused", "failed", "elsewhere"]
    arm: str
    seed: int
    detail: dict[str, Any] = field(default_factory=dict)


Tell = Callable[[Event], None]
Work = Callable[[Order, Tell], None]


class ExecutorIngredient(Ingredient):
    """A way to carry out many runs. Its verb is `carry_out`."""

    @property
    def side_by_side(self) -> int:
        """Runs that are under way at a time."""
        return 1

    @property
    def elsewhere(self) -> bool:
        """Whether runs are carried out in other processes, which have nothing but what an order says."""
        return False

    @abstractmethod
    def threads(self, cores: int) -> int:
        """CPU threads for one run, so that runs side by side don't fight."""

    @abstractmethod
    def carry_out(self, orders: Sequence[Order], work: Work, tell: Tell) -> None:
        """Carry orders out; `work` never raises for a failed run, it tells.

        Args:
            orders: in the order in which they should start.
            work: an importable function that carries one order out.
            tell: takes events, in this process.
        """


class LoggerIngredient(Ingredient):
    """A way to tell how runs go on. Its verb is `listening`."""

    @abstractmethod
    def listening(self, orders: Sequence[Order]) -> AbstractContextManager[Tell]:
        """Listen to the events of some orders while the block runs."""


def kind_of(recipe: Mapping[str, Any]) -> str:
    """What runs whose networks are alike mostly have in common: whether one can be stacked on another, the networks themselves decide."""
    parts = {name: recipe[name] for name in ("model", "data", "batch_size", "micro_batch", "precision", "memory_format", "device")}
    weighing = {name: value for name, value in parts["data"].items() if name not in OF_NO_WEIGHT}
    return json.dumps(_without_fractions(parts | {"data": weighing}), sort_keys=True)


def _without_fractions(value: Any) -> Any:
    """Settings without dropout rates, momenta and the like."""
    if isinstance(value, Mapping):
        return {name: _without_fractions(part) for name, part in value.items() if not isinstance(part, float)}
    return value
