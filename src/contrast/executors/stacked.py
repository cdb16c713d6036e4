"""Runs of one shape as one stacked network, in this process."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from contrast.orders import ExecutorIngredient, Order, Tell, Work

OF_NO_WEIGHT = ("split_seed", "fold", "validation")
"""Settings of data that change which images train and not what a network does with them; fractions are left out anyway."""


class Stacked(ExecutorIngredient):
    """Several runs at a time, whose networks go through each step together where they are of one shape; others one by one.

    Made for small networks on a GPU, which one run does not fill. A run gives what it gives by itself but for rounding.
    """

    at_most: int = Field(default=8, ge=1, le=1024, description="runs at a time; their weights and batches are on the device together")

    @property
    def side_by_side(self) -> int:
        return self.at_most

    def threads(self, cores: int) -> int:
        return cores

    def carry_out(self, orders: Sequence[Order], work: Work, tell: Tell) -> None:
        """Carry orders out, those of networks alike after each other, each kind in the order given."""
        from contrast.engine import in_turns

        kinds = {kind: number for number, kind in enumerate(dict.fromkeys(_kind(order.recipe) for order in orders))}
        ordered = sorted(orders, key=lambda order: kinds[_kind(order.recipe)])
        in_turns.carry_out([functools.partial(work, order, tell) for order in ordered], self.at_most, _told)


def _kind(recipe: Mapping[str, Any]) -> str:
    """What networks alike mostly have in common. It decides which runs begin together; which are stacked, the networks themselves do."""
    parts = {name: recipe[name] for name in ("model", "data", "batch_size", "micro_batch", "precision", "memory_format", "device")}
    weighing = {name: value for name, value in parts["data"].items() if name not in OF_NO_WEIGHT}
    return json.dumps(_without_fractions(parts | {"data": weighing}), sort_keys=True)


def _without_fractions(value: Any) -> Any:
    """Settings without dropout rates, momenta and the like."""
    if isinstance(value, Mapping):
        return {name: _without_fractions(part) for name, part in value.items() if not isinstance(part, float)}
    return value


def _told(line: str) -> None:
    print(f"contrast: {line}", file=sys.stderr)
