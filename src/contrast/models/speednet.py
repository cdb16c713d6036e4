"""Small network that learns CIFAR-10 fast: whitened patches, three groups of convolutions, batch norm without scale."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from contrast import keyed
from contrast.errors import InputError
from contrast.layers import Activation, Layer, Scale, activation, initialize, sequence
from contrast.protocols import ModelIngredient

Width = Annotated[int, Field(ge=1, le=65536)]
Widths = Annotated[tuple[Width, ...], Field(strict=False, min_length=1, max_length=16)]

PATCH = 2
"""Height and width of the patches that are whitened."""
FLOOR = 5e-4
"""Added to the variances that patches are divided by, so that directions of hardly any variance are not blown up to noise."""


class SpeedNet(ModelIngredient):
    """The network of `airbench94_muon` (Jordan 2024, github.com/KellerJordan/cifar10-airbench, MIT) and of those it descends from.

    Whitened 2×2 patches, activation, then groups of convolution, pooling, batch norm, activation, convolution, batch norm
    and activation; the greatest value of each last map; a linear head without bias whose output is divided by its number
    of features. What is unusual can be switched off.
    """

    channels: Widths = Field(default=(64, 256, 256), description="output channels of the groups, of two convolutions each")
    whiten: bool = Field(
        default=True,
        description="take the first filters, frozen, from the patches of the training images, so that their outputs are uncorrelated (Coates & Ng "
        "2012, Page 2018); false: train them",
    )
    identity: bool = Field(
        default=True,
        description="start each 3×3 convolution's first outputs as copies of its inputs (Zagoruyko & Komodakis 2017, in part: Jordan 2024)",
    )
    norm_scale: bool = Field(default=False, description="give batch norm a trained scale too, not a bias alone")
    norm_momentum: float = Field(default=0.4, gt=0, le=1, description="share of each batch in batch norm's running statistics")
    activation: Activation = Field(default="gelu", description="nonlinearity after the whitening and after each batch norm")

    def build(self, shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Make the network; see `ModelIngredient.build`."""
        colors, *size = shape
        width = 2 * colors * PATCH**2
        first = Whitening(colors, width) if self.whiten else nn.Conv2d(colors, width, PATCH)
        layers: list[Layer] = [("whiten", first), ("activation", activation(self.activation))]
        size = [side - PATCH + 1 for side in size]
        for number, channels in enumerate(self.channels, start=1):
            layers.append((f"group{number}", self._group(width, channels)))
            width, size = channels, [side // 2 for side in size]
            if min(size) < 1:
                raise InputError(
                    f"nothing is left of images of {shape[1]}×{shape[2]}", where=f"model, layer 'group{number}.pool'", right="use fewer groups"
                )
        pool = nn.MaxPool2d((size[0], size[1]))
        head = [("head", nn.Linear(width, classes, bias=False)), ("scale", Scale(1 / width))]
        return sequence([*layers, ("pool", pool), ("flatten", nn.Flatten()), *head])

    def _group(self, entering: int, channels: int) -> nn.Sequential:
        return sequence(
            [
                ("conv", nn.Conv2d(entering, channels, 3, padding=1, bias=False)),
                ("pool", nn.MaxPool2d(2)),
                ("norm", self._norm(channels)),
                ("activation", activation(self.activation)),
                ("conv2", nn.Conv2d(channels, channels, 3, padding=1, bias=False)),
                ("norm2", self._norm(channels)),
                ("activation2", activation(self.activation)),
            ]
        )

    def _norm(self, channels: int) -> nn.BatchNorm2d:
        kind = nn.BatchNorm2d if self.norm_scale else Centered
        return kind(channels, eps=1e-12, momentum=self.norm_momentum)

    def initialize(self, model: nn.Module, seed: int) -> None:
        """Set every initial value from (seed, name): torch's own, a head of standard deviation 1, and copies of inputs where asked.

        The whitening's filters are drawn too; `settle` puts others in their place.
        """
        initialize(model, seed)
        self.redraw(model, seed)
        with torch.no_grad():
            head = model.get_submodule("head").get_parameter("weight")
            if self.initial == "default":
                head.div_(head.std())
            for name, module in model.named_modules():
                if isinstance(module, Whitening):
                    module.draw(keyed.generator(seed, "initial", f"{name}.weight"))
                elif self.identity and isinstance(module, nn.Conv2d) and name.startswith("group"):
                    nn.init.dirac_(module.weight[: module.in_channels])

    def settle(self, model: nn.Module, batches: Iterable[Tensor]) -> None:
        """Take the whitening's filters from training images; see `ModelIngredient.settle`."""
        if self.whiten:
            model.get_submodule("whiten").settle(batches)  # type: ignore[operator]

    def settled(self) -> tuple[str, ...]:
        """The whitening's filters; see `ModelIngredient.settled`."""
        return ("whiten.weight",) if self.whiten else ()


class Whitening(nn.Conv2d):
    """Convolution with frozen filters and a trained bias: patches in the directions of their covariance's eigenvectors, each and its negative.

    Args:
        channels: of the images.
        outputs: twice the values of a patch.
    """

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__(channels, outputs, PATCH)
        shape = self.weight.shape
        del self.weight
        self.register_buffer("weight", torch.zeros(shape))
        self.weight: Tensor

    @torch.no_grad()
    def draw(self, generator: torch.Generator) -> None:
        """Random filters, as those of a convolution, for as long as no images are known."""
        bound = self.weight[0].numel() ** -0.5
        self.weight.copy_(torch.empty(self.weight.shape).uniform_(-bound, bound, generator=generator))

    @torch.no_grad()
    def settle(self, batches: Iterable[Tensor]) -> None:
        """Take the filters from the patches of images ``float32 [B, C, H, W]``: eigenvectors over the roots of their eigenvalues.

        The second moments are summed up in float64, and each eigenvector's greatest value is made positive, so that the
        filters are the same wherever the images are.
        """
        size = self.weight[0].numel()
        moments, count = torch.zeros(size, size, dtype=torch.float64), 0
        for images in batches:
            patches = functional.unfold(images, PATCH).transpose(1, 2).reshape(-1, size).double()
            moments += (patches.T @ patches).cpu()
            count += len(patches)
        variances, directions = torch.linalg.eigh(moments / count)
        rows = directions.T
        rows = rows * rows.gather(1, rows.abs().argmax(1, keepdim=True)).sign()
        filters = (rows / (variances.clamp(min=0) + FLOOR).sqrt()[:, None]).reshape(-1, *self.weight.shape[1:])
        self.weight.copy_(torch.cat([filters, -filters]))


class Centered(nn.BatchNorm2d):
    """Batch norm with a trained bias and a scale that stays 1."""

    def __init__(self, channels: int, eps: float, momentum: float) -> None:
        super().__init__(channels, eps=eps, momentum=momentum)
        del self.weight
        self.register_buffer("weight", torch.ones(channels), persistent=False)

    def reset_parameters(self) -> None:
        """Bias 0, fresh running statistics."""
        self.reset_running_stats()
        nn.init.zeros_(self.bias)
