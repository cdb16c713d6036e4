"""All that changes during a run, in one object that can be kept and taken up again bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from contrast.keyed import Moment
from contrast.protocols import Average


@dataclass(frozen=True)
class Best:
    """The best epoch so far, by validation.

    Attributes:
        epoch: counts from 1.
        accuracy: validation accuracy in [0, 1].
        loss: validation loss in nats.
    """

    epoch: int
    accuracy: float
    loss: float

    def beats(self, other: Best | None, choose: str) -> bool:
        """Whether this epoch is chosen over another; a tie stays with the earlier."""
        if other is None:
            return True
        return self.accuracy > other.accuracy if choose == "validation_accuracy" else self.loss < other.loss


@dataclass
class TrainState:
    """All that changes during a Run.

    Attributes:
        model, optimizer, average: what learns; `average` is None where the weights themselves are evaluated.
        moment: tells keyed dropout the step.
        epoch: epochs finished.
        position: batches of the running epoch that are done.
        step: optimizer steps done.
        running: sums of loss and of accuracy over the running epoch's batches, ``float64 [2]``, on the device.
        best: the best epoch so far.
        best_weights: its weights.
        stale: epochs since the best one.
        stopped: why training has ended: budget, patience, diverged or pruned; paused where it waits; empty while it goes on.
        diverged_step: the first step whose loss was not finite.
        last: validation figures of the last epoch.
        seconds: time spent so far, by purpose.
        whole: the whole network, where `model` is only the rest of it, trained on kept features; else None.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average | None
    moment: Moment
    running: Tensor
    epoch: int = 0
    position: int = 0
    step: int = 0
    best: Best | None = None
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    stale: int = 0
    stopped: str = ""
    diverged_step: int | None = None
    last: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    whole: nn.Module | None = None

    _COUNTERS = ("epoch", "position", "step", "stale", "stopped", "diverged_step", "last", "seconds")

    @property
    def evaluated(self) -> nn.Module:
        """The model that evaluation uses: the average where there is one."""
        return self.average.model if self.average is not None else self.model

    @property
    def network(self) -> nn.Module:
        """The whole network, its frozen part included."""
        return self.model if self.whole is None else self.whole

    def weights(self) -> dict[str, Tensor]:
        """A copy of the weights and buffers of the whole network as it is evaluated."""
        tensors = self.network.state_dict() | self.evaluated.state_dict()
        return {name: tensor.detach().clone() for name, tensor in tensors.items()}

    def take(self, weights: Mapping[str, Tensor]) -> None:
        """Put weights that `weights` gave into the evaluated model."""
        own = self.evaluated.state_dict()
        self.evaluated.load_state_dict({name: tensor for name, tensor in weights.items() if name in own})

    def to_bytes(self) -> bytes:
        """A checkpoint: one safetensors file, the counters as JSON in its header. The best weights are not in it."""
        tensors = {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average/{name}": tensor for name, tensor in self.average.state_dict().items()}
        tensors["running"] = self.running
        plain: dict[str, Any] = {}
        for index, parameter in enumerate(self._parameters()):
            for name, value in self.optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{index}/{name}"] = value
                else:
                    plain[f"{index}/{name}"] = value
        counters = {name: getattr(self, name) for name in self._COUNTERS}
        header = {"counters": counters, "optimizer": plain, "best": asdict(self.best) if self.best else None}
        return save(_stored(tensors), metadata={"state": json.dumps(header)})

    def load(self, path: str, enter: Callable[[int], None] = lambda epoch: None) -> None:
        """Take a checkpoint up, in place.

        Args:
            path: the checkpoint.
            enter: told the epochs that were finished before the optimizer's state comes, so that it has what was unfrozen by then.
        """
        with safe_open(path, framework="pt", device="cpu") as kept:
            header = json.loads(kept.metadata()["state"])
            tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118 (safe_open is no mapping)
        self.model.load_state_dict(_under("model/", tensors))
        if self.average is not None:
            self.average.load_state_dict(_under("average/", tensors))
        self.running.copy_(tensors["running"])
        enter(header["counters"]["epoch"])
        parameters = self._parameters()
        for key, value in (_under("optimizer/", tensors) | header["optimizer"]).items():
            index, _, name = key.partition("/")
            parameter = parameters[int(index)]
            self.optimizer.state[parameter][name] = _like(parameter, value) if isinstance(value, Tensor) else value
        for name, value in header["counters"].items():
            setattr(self, name, value)
        self.best = Best(**header["best"]) if header["best"] else None

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]


def weights_to_bytes(weights: Mapping[str, Tensor]) -> bytes:
    """Weights as a safetensors file."""
    return save(_stored(weights))


def _stored(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    """A kept optimizer tensor in the parameter's own memory layout, which fused kernels take for granted."""
    if value.shape != parameter.shape:
        return value if value.ndim == 0 else value.to(parameter.device)
    return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
