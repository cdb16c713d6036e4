"""Convolutional network described by a few numbers: blocks of convolutions, then a fully connected head."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from torch import nn

from contrast.errors import InputError
from contrast.layers import Activation, Layer, Norm, NormPlace, activated, activation, check_groups, dense, dropout, map_norm, numbered, sequence
from contrast.protocols import ModelIngredient, Probability

Width = Annotated[int, Field(ge=1, le=65536)]
Widths = Annotated[tuple[Width, ...], Field(strict=False, max_length=64)]


def _plain(blocks: tuple[int | tuple[int, ...], ...]) -> tuple[int | tuple[int, ...], ...]:
    """``[[32], 64]`` and ``[32, 64]`` are one network, and so must be one recipe."""
    return tuple(block[0] if isinstance(block, tuple) and len(block) == 1 else block for block in blocks)


Block = Width | Annotated[tuple[Width, ...], Field(strict=False, min_length=1, max_length=64)]
Blocks = Annotated[tuple[Block, ...], Field(strict=False, min_length=1, max_length=64), AfterValidator(_plain)]


class ConvNet(ModelIngredient):
    """Blocks of convolution, normalization, activation and pooling, then a fully connected head.

    Spells every plain network of the five reports. Modules are named by role (``block2.conv``, ``block2.norm``,
    ``head.linear``), so that adding a norm, an activation or a dropout renames nothing and keeps all other initial values.
    """

    channels: Blocks = Field(
        default=(32, 64, 128), description="output channels: one number a block, or a list with one number a convolution of the block"
    )
    kernel: int = Field(default=3, ge=1, le=63, description="height and width of every convolution's kernel")
    padding: Literal["same"] | Annotated[int, Field(ge=0, le=63)] = Field(
        default="same", description="zeros around the maps before each convolution: same is (kernel - 1) / 2"
    )
    stride: int = Field(default=1, ge=1, le=64, description="stride of the first convolution of each block")
    norm: Norm = Field(default="none", description="normalization beside the convolutions: none, batch, group or layer")
    norm_place: NormPlace = Field(default="before", description="whether normalization stands before or after the activation, in blocks and head")
    norm_on: Literal["all", "first"] = Field(default="all", description="which convolutions of a block are normalized: all, or its first")
    groups: int = Field(default=8, ge=1, le=65536, description="number of groups where a norm is group; must divide the widths")
    activation: Activation = Field(default="relu", description="nonlinearity after each convolution")
    pool: Literal["max", "average", "none"] = Field(default="max", description="pooling at the end of each block: max, average or none")
    pool_size: int = Field(default=2, ge=2, le=64, description="height, width and stride of the pooling window")
    dropout: Probability = Field(default=0.0, description="share of values that dropout sets to 0 in training, at dropout_place")
    dropout_place: Literal["block", "convolution", "head"] = Field(
        default="block", description="where dropout acts: after each block's pooling, after each convolution, or on the features that enter the head"
    )
    head: Widths = Field(default=(), description="widths of the hidden fully connected layers between the last block and the output")
    head_norm: Norm = Field(default="none", description="normalization of the head's hidden layers: none, batch, group or layer")
    head_activation: Activation | None = Field(
        default=None, description="nonlinearity of the head's hidden layers; null for that of the convolutions"
    )
    head_dropout: Probability = Field(default=0.0, description="dropout after each hidden layer of the head")
    output_activation: Activation = Field(default="none", description="nonlinearity on the logits; usually none")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.padding == "same" and self.kernel % 2 == 0:
            raise ValueError(f"padding: same needs an odd kernel, {self.kernel} is even")
        check_groups({"norm": self.norm}, self.groups, self._normalized())
        check_groups({"head_norm": self.head_norm}, self.groups, self.head)
        return self

    def build(self, shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Make the network; see `ModelIngredient.build`."""
        channels, height, width = shape
        blocks: list[Layer] = []
        for number, widths in enumerate(self._blocks(), start=1):
            height, width = self._size_after(f"block{number}", len(widths), (height, width))
            blocks.append((f"block{number}", self._block(channels, widths)))
            channels = widths[-1]
        entry = dropout(self.dropout) if self.dropout_place == "head" else None
        head = self._head(channels * height * width, classes)
        return sequence([*blocks, ("flatten", nn.Flatten()), ("dropout", entry), ("head", head)])

    def _blocks(self) -> list[tuple[int, ...]]:
        return [block if isinstance(block, tuple) else (block,) for block in self.channels]

    def _normalized(self) -> Iterator[int]:
        for block in self._blocks():
            yield from block if self.norm_on == "all" else block[:1]

    @property
    def _padding(self) -> int:
        return (self.kernel - 1) // 2 if self.padding == "same" else self.padding

    def _block(self, channels: int, widths: tuple[int, ...]) -> nn.Sequential:
        layers: list[Layer] = []
        for index, width in enumerate(widths, start=1):
            stride = self.stride if index == 1 else 1
            layers.append((numbered("conv", index), nn.Conv2d(channels, width, self.kernel, stride, self._padding)))
            norm = self.norm if index == 1 or self.norm_on == "all" else "none"
            layers += activated(map_norm(norm, width, self.groups), activation(self.activation), self.norm_place, index)
            if self.dropout_place == "convolution":
                layers.append((numbered("dropout", index), dropout(self.dropout)))
            channels = width
        pools = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
        layers.append(("pool", pools[self.pool](self.pool_size) if self.pool != "none" else None))
        if self.dropout_place == "block":
            layers.append(("dropout", dropout(self.dropout)))
        return sequence(layers)

    def _head(self, features: int, classes: int) -> nn.Sequential:
        layers, features = dense(
            features,
            self.head,
            norm=self.head_norm,
            groups=self.groups,
            norm_place=self.norm_place,
            function=self.activation if self.head_activation is None else self.head_activation,
            rate=self.head_dropout,
        )
        return sequence([*layers, ("output", nn.Linear(features, classes)), ("output_activation", activation(self.output_activation))])

    def _size_after(self, block: str, convolutions: int, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width that leave a block.

        Raises:
            InputError: a convolution or the pooling gets maps smaller than its window.
        """
        for index in range(1, convolutions + 1):
            stride = self.stride if index == 1 else 1
            size = _slide(f"{block}.{numbered('conv', index)}", size, self.kernel, self._padding, stride)
        if self.pool == "none":
            return size
        return _slide(f"{block}.pool", size, self.pool_size, 0, self.pool_size)


def _slide(layer: str, size: tuple[int, int], window: int, padding: int, stride: int) -> tuple[int, int]:
    height, width = ((extent + 2 * padding - window) // stride + 1 for extent in size)
    if height < 1 or width < 1:
        raise InputError(
            f"a {window}×{window} window does not fit the {size[0]}×{size[1]} maps that arrive there",
            where=f"model, layer {layer!r}",
            right="use fewer blocks, a smaller window, more padding or larger images",
        )
    return height, width
