"""The layer table: shapes, parameters, multiplications and receptive fields, checked against known numbers and against gradients."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from contrast import catalog
from contrast.errors import InputError
from contrast.explain.layers import LayerTable, layer_table
from contrast.layers import initialize


def convnet(shape: tuple[int, int, int] = (3, 32, 32), device: str = "meta", **settings: Any) -> nn.Module:
    with torch.device(device):
        return catalog.parse("model", {"use": "convnet", **settings}).build(shape, 10)


def n2() -> LayerTable:
    return layer_table(convnet(channels=[32, 64, 128], kernel=5, head=[64]), (3, 32, 32))


def test_tells_the_reports_formulas_layer_by_layer() -> None:
    table = n2()
    assert [layer.formula for layer in table.layers if layer.parameters] == [
        "(5×5×3 + 1) × 32 = 2,432",
        "(5×5×32 + 1) × 64 = 51,264",
        "(5×5×64 + 1) × 128 = 204,928",
        "(2,048 + 1) × 64 = 131,136",
        "(64 + 1) × 10 = 650",
    ]
    assert (table.total, table.trainable, table.frozen) == (390_410, 390_410, 0)


def test_tells_shape_window_and_multiplications() -> None:
    first, _, pool, *_ = n2().layers
    assert (first.name, first.kind, first.output) == ("block1.conv", "Conv2d", (32, 32, 32))
    assert (first.kernel, first.stride, first.padding) == ((5, 5), (1, 1), (2, 2))
    assert (first.macs, pool.macs) == (5 * 5 * 3 * 32 * 32 * 32, 0)
    assert (pool.kernel, pool.stride, pool.output) == ((2, 2), (2, 2), (32, 16, 16))


def test_multiplications_of_resnet18_are_the_known_ones() -> None:
    """1.814 GMACs at 224×224 (torchvision's documentation of its weights says 1.81 GFLOPS)."""
    from torchvision.models import resnet18

    with torch.device("meta"):
        table = layer_table(resnet18(), (3, 224, 224))
    assert (table.macs, table.total) == (1_814_073_344, 11_689_512)
    fields = {layer.name: layer.receptive_field for layer in table.layers}
    assert fields["layer4.1.conv2"] == (435, 435)  # Araujo et al. 2019, table of receptive fields


@pytest.mark.slow
@pytest.mark.parametrize(("name", "extent"), [("alexnet", 195), ("vgg16", 212), ("inception_v3", 1311)])
def test_receptive_fields_are_those_of_the_literature(name: str, extent: int) -> None:
    """Araujo et al. 2019, *Computing receptive fields of convolutional neural networks*, for the last map before global pooling."""
    from torchvision import models

    more = {"init_weights": False, "transform_input": False} if name == "inception_v3" else {}
    with torch.device("meta"):
        model = models.get_model(name, **more)
    fields = [layer.receptive_field for layer in layer_table(model, (3, 299, 299)).layers if layer.kind in ("Conv2d", "MaxPool2d", "ReLU")]
    assert tuple(max(field[axis] for field in fields if field and field != (299, 299)) for axis in (0, 1)) == (extent, extent)


def seen_extent(model: nn.Module, name: str, shape: tuple[int, int, int]) -> tuple[int, int]:
    """Height and width of the pixels that the middle value of a layer's map depends on, by its gradient."""
    kept: dict[str, Tensor] = {}
    model.get_submodule(name).register_forward_hook(lambda _, __, out: kept.__setitem__("out", out))
    image = torch.rand(1, *shape, requires_grad=True)
    model(image)
    maps = kept["out"]
    maps[0, :, maps.shape[2] // 2, maps.shape[3] // 2].sum().backward()
    assert image.grad is not None
    touched = image.grad[0].abs().sum(0) > 0
    rows, columns = (touched.any(dim).nonzero().flatten() for dim in (1, 0))
    return int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1


@pytest.mark.parametrize(
    "settings",
    [
        {"channels": [[4, 4], 8], "activation": "none", "pool": "average"},
        {"channels": [4, 4, 4], "kernel": 5, "activation": "none", "pool": "average", "pool_size": 3},
        {"channels": [[4, 4], [4, 4]], "stride": 2, "padding": 0, "activation": "none", "pool": "none"},
    ],
)
def test_receptive_field_is_what_the_gradient_reaches(settings: dict[str, Any]) -> None:
    shape = (1, 90, 81)
    model = convnet(shape, "cpu", **settings).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
    for layer in layer_table(model, shape).layers:
        if layer.name.startswith("block"):
            assert layer.receptive_field == seen_extent(model.float(), layer.name, shape), layer.name
            model.double()


def test_linear_layers_see_the_whole_image() -> None:
    assert n2().layers[-1].receptive_field == (32, 32)


def test_receptive_field_counts_dilation_and_ends_where_sizes_change_in_unknown_ways() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3, dilation=4), nn.MaxPool2d(2, stride=1, dilation=3), nn.Upsample(scale_factor=2), nn.ReLU())
    fields = [layer.receptive_field for layer in layer_table(model, (1, 24, 24)).layers]
    assert fields == [(9, 9), (12, 12), None, None]


class Branches(nn.Module):
    """A block whose branches are added without a module, joined to another by concatenation, pooled by a function."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.conv2 = nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.side = nn.Conv2d(1, 2, 5, padding=2, bias=False)
        self.last = nn.Conv2d(4, 2, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv(x)
        both = torch.cat([inner + self.conv2(inner), self.side(x)], 1)
        return self.last(nn.functional.avg_pool2d(both, 2)).mean((2, 3))


def test_of_branches_that_join_the_widest_counts() -> None:
    model = Branches()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
    extent = layer_table(model, (1, 24, 24)).layers[-1].receptive_field
    assert extent == seen_extent(model, "last", (1, 24, 24)) == (10, 10)


class Gated(nn.Module):
    """A gate that sees all of the map weighs it: whoever looks at windows alone would tell too small a field."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x)
        return self.last(maps * maps.mean((2, 3), keepdim=True)).mean((2, 3))


class Stacked(Gated):
    """Maps that are laid one below the other lie on no common grid."""

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x)
        return self.last(torch.cat([maps, maps], 2)).mean((2, 3))


@pytest.mark.parametrize("kind", [Gated, Stacked])
def test_what_a_gate_or_a_stack_lets_a_value_see_is_not_known(kind: type[nn.Module]) -> None:
    table = layer_table(kind(), (1, 8, 8))
    assert table.layers[-1].receptive_field is None
    assert "–" in table.to_text().splitlines()[2]


class Joined(nn.Module):
    """Two ways that join in a function, which no hook sees."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(1, 2, 5, padding=2)
        self.last = nn.Conv2d(4, 2, 3)
        self.unused = nn.Linear(3, 3)
        self.scale = nn.Parameter(torch.ones(1))
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([self.activation(self.left(x)), self.activation(self.right(x))], 1)
        return self.last(both * self.scale).mean((2, 3))


def test_says_what_it_does_not_know_instead_of_guessing() -> None:
    table = layer_table(Joined(), (1, 8, 8))
    rows = {layer.name: layer for layer in table.layers}
    assert (rows["left"].receptive_field, rows["right"].receptive_field, rows["last"].receptive_field) == ((3, 3), (5, 5), None)
    assert rows["unused"].output is None
    assert rows[""].macs is None
    assert "scale 1 = 1" in rows[""].formula
    assert table.total == sum(layer.parameters for layer in table.layers)
    assert "not seen" in table.to_text()
    assert "without the layers marked ?" in table.to_text()


def test_tells_frozen_parameters_apart() -> None:
    model = convnet(channels=[4], head=[8])
    model.get_submodule("block1").requires_grad_(False)
    table = layer_table(model, (3, 32, 32))
    assert (table.frozen, table.trainable) == ((27 + 1) * 4, table.total - (27 + 1) * 4)
    assert "112 frozen" in table.to_text()


def test_leaves_the_model_as_it_was() -> None:
    model = convnet(device="cpu", channels=[4], norm="batch").train()
    initialize(model, 0)
    model.get_submodule("block1.norm").eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    layer_table(model, (3, 32, 32))
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_is_the_same_with_and_without_memory() -> None:
    settings = {"channels": [[4, 4], 8], "norm": "group", "groups": 2, "head": [8], "dropout": 0.5}
    assert layer_table(convnet(**settings), (3, 32, 32)) == layer_table(convnet(device="cpu", **settings), (3, 32, 32))


def test_plain_data_is_json_and_text_has_a_line_a_layer() -> None:
    table = n2()
    assert json.loads(json.dumps(table.to_dict()))["total"] == 390_410
    lines = table.to_text().splitlines()
    assert len(lines) == 1 + len(table.layers) + 4
    assert lines[-3:] == [
        "390,410 parameters: 390,410 trainable, 0 frozen",
        "28,803,712 multiply-accumulates an image",
        "1.489 MiB of parameters, 512.5 KiB of outputs an image (float32)",
    ]


def test_without_formulas_the_column_is_left_out() -> None:
    assert "(5×5×3 + 1) × 32 = 2,432" in n2().to_text()
    assert "(5×5×3 + 1)" not in n2().to_text(formulas=False)


def test_notebooks_show_a_table_in_which_names_are_escaped() -> None:
    model = nn.Sequential()
    model.add_module("<b>bold", nn.Conv2d(3, 2, 3))
    shown = layer_table(model, (3, 8, 8))._repr_html_()
    assert "&lt;b&gt;bold" in shown
    assert "<b>" not in shown
    assert shown.count("<tr>") == 2
    assert "56 parameters" in shown


def test_memory_is_that_of_the_outputs_in_float32() -> None:
    first, *_, last = n2().layers
    assert (first.memory, last.memory) == (4 * 32 * 32 * 32, 4 * 10)
    assert n2().memory == sum(4 * math.prod(layer.output) for layer in n2().layers if layer.output)


def test_sizes_are_those_that_the_norwegian_report_works_out_by_hand() -> None:
    """N1: 512 → 504 without padding is a 9×9 kernel; 504 pooled is 252; a 3×3 kernel makes it 250; same size needs (K − 1) / 2."""
    chain = nn.Sequential(nn.Conv2d(1, 1, 9), nn.MaxPool2d(2), nn.Conv2d(1, 1, 3))
    assert [layer.output for layer in layer_table(chain, (1, 512, 512)).layers] == [(1, 504, 504), (1, 252, 252), (1, 250, 250)]
    for kernel in (3, 5, 7, 9):
        first = layer_table(convnet(channels=[4], kernel=kernel), (3, 32, 32)).layers[0]
        assert (first.padding, first.output) == (((kernel - 1) // 2,) * 2, (4, 32, 32))


def test_image_that_does_not_fit_names_the_layer() -> None:
    with pytest.raises(InputError, match=r"layer 'head.output': does not run on a 3×16×16 image"):
        layer_table(convnet(channels=[4]), (3, 16, 16))
