"""The convolutional network and the perceptron: exact sizes, the reports' networks, names by role, errors that name the layer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from contrast import catalog, keyed
from contrast.errors import InputError
from contrast.protocols import ModelIngredient

S1 = [128, 512, 512, 512, 512]
M5 = {"norm": "batch", "head": [1024, 1024], "head_norm": "batch"}
CIFAR, PETS, DIGIT = (3, 32, 32), (3, 64, 64), (1, 28, 28)

REPORTS: dict[str, tuple[int, dict[str, Any], tuple[int, int, int], int]] = {
    "S1": (7_678_474, {"channels": S1}, CIFAR, 10),
    "S1 with batch norm": (7_682_826, {"channels": S1, "norm": "batch"}, CIFAR, 10),
    "U3": (890_410, {"channels": [[32, 32], [64, 64]], "padding": 0, "head": [512]}, CIFAR, 10),
    "U6": (1_702_186, {"channels": [[32, 32], [64, 64], [128, 128], [256, 256]], "dropout": 0.2, "head": [512]}, CIFAR, 10),
    "M1": (1_276_810, {"use": "mlp", "hidden": [800, 800]}, DIGIT, 10),
    "M5 shallow": (5_274_882, {"channels": [16, 32, 64], **M5}, PETS, 2),
    "M5 fat": (9_539_074, {"channels": [32, 64, 128], **M5}, PETS, 2),
    "M5 deep": (1_373_986, {"channels": [32, 64, 128, 64, 32], **M5}, PETS, 2),
    "N2": (390_410, {"channels": [32, 64, 128], "kernel": 5, "head": [64]}, CIFAR, 10),
}
N4 = {"channels": [32, 128, 256], "norm": "batch", "norm_place": "after", "dropout": 0.1, "head": [64]}
N5 = {
    "channels": [32, 64, 128, 256],
    "activation": "mish",
    "norm": "batch",
    "norm_place": "after",
    "dropout": 0.1,
    "head": [512],
    "head_activation": "relu",
    "output_activation": "relu",
}
N7 = {
    "channels": [[32, 64], [128, 128], [256, 256]],
    "norm": "batch",
    "norm_on": "first",
    "activation": "mish",
    "head": [1024, 1024],
    "output_activation": "mish",
}


def net(shape: tuple[int, int, int] = CIFAR, classes: int = 10, **settings: Any) -> nn.Module:
    item = catalog.parse("model", {"use": "convnet", **settings})
    assert isinstance(item, ModelIngredient)
    with torch.device("meta"):
        return item.build(shape, classes)


def order(model: nn.Module) -> list[str]:
    """``name:kind`` of the modules in the order in which an image passes them, plain containers left out."""
    passed: list[str] = []
    for name, module in model.named_modules():
        if not isinstance(module, nn.Sequential):
            module.register_forward_hook(lambda m, _, __, name=name: passed.append(f"{name}:{type(m).__name__}"))
    model(torch.empty(2, *CIFAR, device="meta"))
    return passed


@pytest.mark.parametrize("report", REPORTS)
def test_networks_of_the_reports_have_exactly_their_number_of_parameters(report: str) -> None:
    count, settings, shape, classes = REPORTS[report]
    model = net(shape, classes, **settings)
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    assert model(torch.empty(2, *shape, device="meta")).shape == (2, classes)


def test_n2_has_the_reports_number_of_parameters_in_every_layer() -> None:
    model = net(**REPORTS["N2"][1])
    layers = [name for name, module in model.named_modules() if next(module.parameters(recurse=False), None) is not None]
    counts = [sum(p.numel() for p in model.get_submodule(name).parameters()) for name in layers]
    assert layers == ["block1.conv", "block2.conv", "block3.conv", "head.linear", "head.output"]
    assert counts == [2_432, 51_264, 204_928, 131_136, 650]


def block(number: int, *layers: str) -> list[str]:
    return [f"block{number}.{layer}" for layer in layers]


def test_n4_normalizes_after_the_activation_and_drops_after_pooling() -> None:
    layers = ("conv:Conv2d", "activation:ReLU", "norm:BatchNorm2d", "pool:MaxPool2d", "dropout:Dropout")
    head = ["flatten:Flatten", "head.linear:Linear", "head.activation:ReLU", "head.output:Linear"]
    assert order(net(**N4)) == [*block(1, *layers), *block(2, *layers), *block(3, *layers), *head]


def test_n5_has_mish_in_its_blocks_and_relu_in_its_head_and_on_its_output() -> None:
    layers = ("conv:Conv2d", "activation:Mish", "norm:BatchNorm2d", "pool:MaxPool2d", "dropout:Dropout")
    blocks = [name for number in (1, 2, 3, 4) for name in block(number, *layers)]
    head = ["head.linear:Linear", "head.activation:ReLU", "head.output:Linear", "head.output_activation:ReLU"]
    model = net(**N5)
    assert order(model) == [*blocks, "flatten:Flatten", *head]
    assert model.get_submodule("head.linear").in_features == 1024  # the first number of the report's 1024-512-10


def test_n7_normalizes_after_the_first_convolution_of_each_pair_alone() -> None:
    layers = ("conv:Conv2d", "norm:BatchNorm2d", "activation:Mish", "conv2:Conv2d", "activation2:Mish", "pool:MaxPool2d")
    head = ["linear:Linear", "activation:Mish", "linear2:Linear", "activation2:Mish", "output:Linear", "output_activation:Mish"]
    blocks = [name for number in (1, 2, 3) for name in block(number, *layers)]
    assert order(net(**N7)) == [*blocks, "flatten:Flatten", *(f"head.{layer}" for layer in head)]


def test_norm_on_all_names_the_norms_by_their_convolution() -> None:
    layers = ("conv:Conv2d", "norm:BatchNorm2d", "activation:ReLU", "conv2:Conv2d", "norm2:BatchNorm2d", "activation2:ReLU", "pool:MaxPool2d")
    assert order(net(channels=[[4, 4]], norm="batch"))[:7] == block(1, *layers)


@pytest.mark.parametrize(
    ("place", "where"),
    [
        ("block", ["block1.dropout", "block2.dropout"]),
        ("convolution", ["block1.dropout", "block1.dropout2", "block2.dropout"]),
        ("head", ["dropout"]),
    ],
)
def test_dropout_stands_where_it_is_placed(place: str, where: list[str]) -> None:
    model = net(channels=[[4, 4], 8], dropout=0.3, dropout_place=place)
    found = {name: module.p for name, module in model.named_modules() if isinstance(module, keyed.Dropout)}
    assert found == dict.fromkeys(where, 0.3)


def test_head_has_its_own_norm_and_dropout() -> None:
    layers = order(net(channels=[4], head=[16, 8], head_norm="batch", head_dropout=0.5))[4:]
    one = ["head.linear:Linear", "head.norm:BatchNorm1d", "head.activation:ReLU", "head.dropout:Dropout"]
    two = ["head.linear2:Linear", "head.norm2:BatchNorm1d", "head.activation2:ReLU", "head.dropout2:Dropout"]
    assert layers == [*one, *two, "head.output:Linear"]


def test_stride_acts_on_the_first_convolution_of_a_block_and_average_pooling_or_none_follows() -> None:
    model = net(channels=[[4, 6]], stride=2, pool="average", pool_size=4)
    assert (model.get_submodule("block1.conv").stride, model.get_submodule("block1.conv2").stride) == ((2, 2), (1, 1))
    assert isinstance(model.get_submodule("block1.pool"), nn.AvgPool2d)
    assert model.get_submodule("head.output").in_features == 6 * 4 * 4
    assert net(channels=[4], pool="none").get_submodule("head.output").in_features == 4 * 32 * 32


def test_one_convolution_may_be_written_as_a_list_and_is_the_same_recipe() -> None:
    assert catalog.parse("model", {"use": "convnet", "channels": [[32], 64]}) == catalog.parse("model", {"use": "convnet", "channels": [32, 64]})


@pytest.mark.parametrize("name", ["group", "layer"])
def test_other_norms_work_in_blocks_and_head(name: str) -> None:
    model = net(channels=[8, 16], norm=name, head=[24], head_norm=name, groups=4)
    kinds = {path: type(module).__name__ for path, module in model.named_modules() if path.endswith("norm")}
    features = "GroupNorm" if name == "group" else "LayerNorm"
    assert kinds == {"block1.norm": "GroupNorm", "block2.norm": "GroupNorm", "head.norm": features}
    assert model.get_submodule("block1.norm").num_groups == (4 if name == "group" else 1)


@pytest.mark.parametrize(
    ("settings", "shape", "layer", "size"),
    [
        ({"channels": [4] * 6}, CIFAR, "block6.pool", "1×1"),
        ({"channels": [4, [4, 4]], "kernel": 9, "padding": 0}, DIGIT, "block2.conv2", "2×2"),
        ({"channels": [4, 4], "kernel": 5, "padding": 0}, (3, 12, 9), "block2.conv", "4×2"),
        ({"channels": [4], "pool": "average", "pool_size": 8}, (1, 4, 4), "block1.pool", "4×4"),
    ],
)
def test_network_that_does_not_fit_names_the_layer_and_the_size_that_arrives_there(
    settings: dict[str, Any], shape: tuple[int, int, int], layer: str, size: str
) -> None:
    with pytest.raises(InputError, match=rf"layer '{layer}': a .* does not fit the {size} maps"):
        net(shape, **settings)


def test_size_arithmetic_is_torchs_own() -> None:
    for extent in range(8, 40):
        for kernel, padding, stride, pool in ((3, "same", 1, 2), (4, 1, 2, 2), (5, 0, 2, 3), (1, 2, 3, 2)):
            settings = {"channels": [[2, 2], 3], "kernel": kernel, "padding": padding, "stride": stride, "pool_size": pool}
            try:
                model = net((1, extent, extent + 3), **settings)
            except InputError:
                continue
            assert model(torch.empty(1, 1, extent, extent + 3, device="meta")).shape == (1, 10)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"kernel": 4}, "odd kernel, 4 is even"),
        ({"norm": "group", "groups": 8, "channels": [8, 12]}, "multiples of 8, 12 is not"),
        ({"head": [20], "head_norm": "group"}, "multiples of 8, 20 is not"),
        ({"channels": []}, "channels"),
        ({"channels": [[]]}, "channels"),
        ({"channels": [0]}, "channels.*from 1"),
        ({"channels": ["32"]}, "channels.*whole number"),
        ({"dropout": 1.0}, "dropout"),
        ({"norm": "batchnorm"}, "norm.*batch, group, layer, none"),
        ({"padding": "valid"}, "padding"),
    ],
)
def test_settings_that_make_no_network_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        net(**settings)


def test_groups_are_checked_only_where_they_are_used() -> None:
    net(channels=[[8, 12]], norm="group", norm_on="first", groups=8)
    net(channels=[12], norm="batch", groups=8)


def test_perceptron_names_its_layers_by_role() -> None:
    model = net(DIGIT, use="mlp", hidden=[16, 8], norm="batch", dropout=0.5)
    one, two = (["linear", "norm", "activation", "dropout"], ["linear2", "norm2", "activation2", "dropout2"])
    assert [name for name, _ in model.named_children()] == ["flatten", *one, *two, "output"]


def test_perceptron_without_hidden_layers_is_a_linear_classifier() -> None:
    assert [name for name, _ in net(DIGIT, use="mlp", hidden=[]).named_children()] == ["flatten", "output"]
