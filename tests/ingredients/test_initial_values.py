"""Initial values by scheme: each follows its paper's formula, from the seed and the parameter's own name."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from contrast import catalog, layers
from contrast.errors import InputError
from contrast.recipe import Recipe

FAN_IN, FAN_OUT = 64 * 9, 96 * 9  # of block2's convolution
GLOROT, HE = math.sqrt(2 / (FAN_IN + FAN_OUT)), math.sqrt(1 / FAN_IN)
VECTORS = ("block1.conv.bias", "block2.conv.bias", "head.linear.bias", "head.output.bias")
SMALL: dict[str, Any] = {"data": "mnist5k", "model": {"use": "mlp"}}


def started(initial: Any, seed: int = 0, **settings: Any) -> dict[str, Tensor]:
    config = catalog.parse("model", {"use": "convnet", "channels": [64, 96], "head": [32], "initial": initial, **settings})
    model = config.build((3, 16, 16), 10)
    config.initialize(model, seed)
    return model.state_dict()


@pytest.mark.parametrize(
    ("initial", "deviation"),
    [
        ("normal", 1.0),
        ({"scheme": "normal", "std": 0.02}, 0.02),
        ("glorot_normal", GLOROT),
        ("glorot_uniform", GLOROT),
        ({"scheme": "glorot_uniform", "gain": "relu"}, math.sqrt(2) * GLOROT),  # the Mila report's own code
        ({"scheme": "glorot_normal", "gain": 3}, 3 * GLOROT),
        ("he_normal", math.sqrt(2) * HE),
        ("he_uniform", math.sqrt(2) * HE),
        ({"scheme": "he_uniform", "gain": "tanh"}, 5 / 3 * HE),
        ({"scheme": "he_normal", "gain": "linear"}, HE),
        ("orthogonal", math.sqrt(1 / FAN_IN)),  # 96 rows of length 1 in 576 dimensions
    ],
)
def test_a_matrix_has_the_mean_and_the_deviation_of_its_formula(initial: Any, deviation: float) -> None:
    weight = started(initial)["block2.conv.weight"]
    assert weight.mean().item() == pytest.approx(0, abs=6 * deviation / math.sqrt(weight.numel()))
    assert weight.std().item() == pytest.approx(deviation, rel=6 / math.sqrt(weight.numel()))


@pytest.mark.parametrize(("scheme", "deviation"), [("glorot_uniform", GLOROT), ("he_uniform", math.sqrt(2) * HE)])
def test_uniform_schemes_stay_within_their_bound_and_fill_it(scheme: str, deviation: float) -> None:
    greatest = started(scheme)["block2.conv.weight"].abs().max().item()
    assert 0.999 * math.sqrt(3) * deviation < greatest <= math.sqrt(3) * deviation * (1 + 1e-6)


def test_rows_of_an_orthogonal_matrix_are_orthogonal_and_as_long_as_the_gain() -> None:
    rows = started({"scheme": "orthogonal", "gain": 2.5})["block2.conv.weight"].flatten(1)
    torch.testing.assert_close(rows @ rows.T, 2.5**2 * torch.eye(96), rtol=0, atol=1e-4)


def test_zero_is_zero_everywhere_but_in_the_scale_of_a_norm() -> None:
    assert not any(value.any() for value in started("zero").values())
    normed = started("zero", norm="batch")
    assert torch.equal(normed.pop("block1.norm.weight"), torch.ones(64))
    assert torch.equal(normed.pop("block2.norm.weight"), torch.ones(96))
    assert not any(value.any() for name, value in normed.items() if "running_var" not in name)


@pytest.mark.parametrize("scheme", ["glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "orthogonal"])
def test_biases_are_zero_with_all_parameters_and_torchs_with_matrices_alone(scheme: str) -> None:
    every, matrices, plain = started(scheme), started({"scheme": scheme, "of": "matrices"}), started("default")
    for name in VECTORS:
        assert not every[name].any()
        assert torch.equal(matrices[name], plain[name])
    for name in plain.keys() - set(VECTORS):
        assert torch.equal(every[name], matrices[name])
        assert not torch.equal(every[name], plain[name])


def test_normal_draws_biases_too() -> None:
    assert started("normal")["block2.conv.bias"].std().item() == pytest.approx(1, abs=0.4)


def test_the_same_name_has_the_same_values_in_every_arm_and_other_values_with_another_seed() -> None:
    small, large = started("he_normal"), started("he_normal", channels=[64, [96, 96]], norm="batch", dropout=0.5)
    for name in ("block1.conv.weight", "block2.conv.weight", "head.output.weight"):
        assert torch.equal(small[name], large[name])
        assert not torch.equal(small[name], started("he_normal", seed=1)[name])


def test_uniform_schemes_are_the_default_draw_scaled_so_that_arms_stay_paired() -> None:
    plain, glorot = started("default")["block2.conv.weight"], started("glorot_uniform")["block2.conv.weight"]
    torch.testing.assert_close(glorot, plain * math.sqrt(3) * GLOROT / HE)


def test_the_gain_of_the_activation_is_that_of_the_networks_own() -> None:
    assert torch.equal(started({"scheme": "glorot_normal", "gain": "activation"})["head.linear.weight"], started_with_gain("relu"))
    tanh = started({"scheme": "glorot_normal", "gain": "activation"}, activation="tanh")
    assert torch.equal(tanh["head.linear.weight"], started_with_gain("tanh"))


def started_with_gain(gain: str) -> Tensor:
    return started({"scheme": "glorot_normal", "gain": gain})["head.linear.weight"]


@pytest.mark.parametrize("activation", ["gelu", "mish", "silu", "elu"])
def test_an_activation_for_which_torch_knows_no_gain_is_named(activation: str) -> None:
    with pytest.raises(InputError, match=f"initial.gain: torch knows no gain for {activation}; give a number"):
        started({"scheme": "he_normal", "gain": "activation"}, activation=activation)


@pytest.mark.parametrize(
    ("initial", "told"),
    [
        ({"gain": 2}, "default has no gain"),
        ({"scheme": "zero", "gain": "relu"}, "zero has no gain"),
        ({"scheme": "he_normal", "std": 0.1}, "std is for normal"),
        ({"of": "matrices"}, "default is for all parameters"),
        ({"scheme": "normal", "std": 0}, "above 0"),
        ({"scheme": "he_normal", "gain": "gelu"}, 'model.initial.gain: "gelu" is wrong'),
        ({"scheme": "zero", "of": "matrix"}, "model.initial.of: \"matrix\" is wrong; did you mean 'matrices'"),
        (3, "model.initial: 3 is wrong"),
        ("xavier", "glorot_uniform"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_one_line(initial: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Recipe(**{**SMALL, "model": {"use": "mlp", "initial": initial}})


def test_default_changes_neither_the_id_nor_a_value_and_any_other_scheme_does() -> None:
    plain = Recipe(**SMALL)
    assert plain.id == "7eb4649a343240e6e48ec21138861e3b941092dfc611c40a7acb6472167e7a07"
    assert Recipe(**{**SMALL, "model": {"use": "mlp", "initial": "default"}}).id == plain.id
    assert Recipe(**{**SMALL, "model": {"use": "mlp", "initial": "zero"}}).id != plain.id
    model = catalog.parse("model", {"use": "convnet"}).build((3, 16, 16), 10)
    layers.initialize(model, 0)
    unchanged = {name: value.clone() for name, value in model.state_dict().items()}
    catalog.parse("model", {"use": "convnet"}).initialize(model, 0)  # type: ignore[attr-defined]
    assert all(torch.equal(value, unchanged[name]) for name, value in model.state_dict().items())


def test_short_and_long_forms_are_one_recipe_that_reads_back() -> None:
    short, long = (Recipe(**{**SMALL, "model": {"use": "mlp", "initial": given}}) for given in ("he_normal", {"scheme": "he_normal"}))
    assert short == long
    assert short.id == long.id
    full = Recipe(**{**SMALL, "model": {"use": "mlp", "initial": {"scheme": "orthogonal", "gain": 0.5, "of": "matrices"}}})
    assert Recipe.parse(full.spec(), trust=False) == full


def perceptron(classes: int, initial_width: int = 8) -> nn.Module:
    """A factory as anyone would write it."""
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, initial_width), nn.PReLU(), nn.Linear(initial_width, classes))


def test_a_network_from_outside_is_left_alone_by_default_and_drawn_by_name_when_asked() -> None:
    plain, drawn = (
        catalog.OutsideModel.of("tests.somewhere:perceptron", perceptron, {"initial_width": 16, **more}) for more in ({}, {"initial": "he_normal"})
    )
    model = plain.build((3, 8, 8), 10)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plain.initialize(model, 0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    drawn.initialize(model, 0)
    assert not torch.equal(model.state_dict()["1.weight"], before["1.weight"])
    assert not model.state_dict()["1.bias"].any()
