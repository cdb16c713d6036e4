"""Runs of one shape as one stacked network, in this process."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence

from pydantic import Field

from contrast.orders import ExecutorIngredient, Order, Tell, Work, kind_of


class Stacked(ExecutorIngredient):
    """Several runs at a time, whose networks go through each step together where they are of one shape; others one by one.

    Made for small networks on a GPU, which one run does not fill. A run gives what it gives by itself but for rounding.
    """

    workers: int = Field(default=8, ge=1, le=1024, description="runs at a time; their weights and batches are on the device together")

    @property
    def side_by_side(self) -> int:
        return self.workers

    def threads(self, cores: int) -> int:
        return cores

    def carry_out(self, orders: Sequence[Order], work: Work, tell: Tell) -> None:
        """Carry orders out, those of networks alike after each other, each kind in the order given."""
        from contrast.engine import in_turns

        kinds = {kind: number for number, kind in enumerate(dict.fromkeys(kind_of(order.recipe) for order in orders))}
        ordered = sorted(orders, key=lambda order: kinds[kind_of(order.recipe)])
        in_turns.carry_out([functools.partial(work, order, tell) for order in ordered], self.workers, _told)


def _told(line: str) -> None:
    print(f"contrast: {line}", file=sys.stderr)
