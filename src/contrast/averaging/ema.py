"""Exponential moving average of the weights."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from contrast.protocols import AveragingIngredient


class EMA(AveragingIngredient):
    """Evaluate ``decay · average + (1 − decay) · weights`` (Polyak & Juditsky 1992)."""

    decay: float = Field(default=0.999, ge=0, lt=1, description="share of the average that each step keeps")
    ramp: bool = Field(
        default=True, description="let the decay rise as (1 + n) / (10 + n) over the first steps n, so that the first weights are soon forgotten"
    )
    statistics: Literal["averaged", "recomputed"] = Field(
        default="averaged",
        description="batch norm's running statistics: averaged like the weights, or recomputed from training images before each evaluation",
    )

    def build(self, model: nn.Module) -> MovingAverage:
        """Make the average of a model, which it equals at first."""
        return MovingAverage(model, self)


class MovingAverage:
    """A second model that follows the trained one.

    Args:
        model: the trained model; it is copied.
        settings: how it is followed.

    Attributes:
        model: the average, a plain module with the same names; in evaluation mode, without gradients.
    """

    def __init__(self, model: nn.Module, settings: EMA) -> None:
        self.settings = settings
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self._updates = 0

    def update(self, trained: nn.Module) -> None:
        """Take in the weights after an optimizer step."""
        decay = self.settings.decay
        if self.settings.ramp:
            decay = min(decay, (1 + self._updates) / (10 + self._updates))
        real, counts = _tensors(self.model)
        new_real, new_counts = _tensors(trained)
        get_ema_multi_avg_fn(decay)(real, new_real, self._updates)  # type: ignore[no-untyped-call]
        for kept, new in zip(counts, new_counts, strict=True):
            kept.copy_(new)
        self._updates += 1

    def settle(self, batches: Iterable[Tensor]) -> None:
        """Recompute batch norm's running statistics where the settings ask for it; else nothing is read.

        The statistics become the mean over the batches of each batch's statistics, all other layers being in evaluation mode.

        Args:
            batches: training images as the model takes them, ``float [B, C, H, W]``.

        Raises:
            ValueError: statistics are to be recomputed and there is no batch.
        """
        norms = [module for module in self.model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats]
        if self.settings.statistics != "recomputed" or not norms:
            return
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # torch's spelling of a plain mean over all batches
            norm.train()
        try:
            seen = self._read(batches)
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum
                norm.eval()
        if not seen:
            raise ValueError("there is no batch to recompute the statistics from")

    @torch.no_grad()
    def _read(self, batches: Iterable[Tensor]) -> int:
        count = 0
        for batch in batches:
            self.model(batch)
            count += 1
        return count

    def state_dict(self) -> dict[str, Tensor]:
        """All that `load_state_dict` needs to go on exactly: ``updates`` and the model's tensors as ``model.<name>``."""
        kept = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        return {"updates": torch.tensor(self._updates), **kept}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` gave.

        Raises:
            KeyError, RuntimeError: the state is of another model.
        """
        self._updates = int(state["updates"])
        self.model.load_state_dict({name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")})


def _tensors(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Parameters and buffers, in order: those that can be averaged, and the integers, which can't."""
    tensors = [tensor.detach() for tensor in (*model.parameters(), *model.buffers())]
    return [t for t in tensors if t.is_floating_point()], [t for t in tensors if not t.is_floating_point()]
