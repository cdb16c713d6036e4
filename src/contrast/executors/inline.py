"""One run after another, in this process."""

from __future__ import annotations

from collections.abc import Sequence

from contrast.orders import ExecutorIngredient, Order, Tell, Work


class Inline(ExecutorIngredient):
    """One run after another, each with all cores."""

    def threads(self, cores: int) -> int:
        return cores

    def carry_out(self, orders: Sequence[Order], work: Work, tell: Tell) -> None:
        for order in orders:
            work(order, tell)
