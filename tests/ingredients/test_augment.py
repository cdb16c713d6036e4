"""Flip, crop and normalization give what torchvision gives for the same draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional

from contrast import catalog, keyed
from contrast.errors import InputError
from contrast.images import Images
from contrast.protocols import AugmentIngredient

LABELS = torch.zeros(1, 2)


def pixels(count: int = 64, channels: int = 3, height: int = 12, width: int = 10) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(count).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def images_of(values: np.ndarray[Any, np.dtype[np.uint8]]) -> Images:
    count = len(values)
    return Images(values, np.zeros(count, dtype=np.int64), tuple(map(str, range(count))), ("a", "b"), np.array(["train"] * count))


def batch(**sizes: int) -> Tensor:
    return torch.from_numpy(pixels(**sizes)).permute(0, 3, 1, 2)


def draws(count: int = 64) -> keyed.Draws:
    return keyed.Draws.of(3, 1, torch.arange(count))


def augment(**settings: Any) -> AugmentIngredient:
    item = catalog.parse("augment", settings)
    assert isinstance(item, AugmentIngredient)
    return item


def apply(images: Tensor, **settings: Any) -> Tensor:
    return augment(**settings).apply(images, LABELS, draws(len(images)))[0]


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_flip_mirrors_the_images_drawn_and_no_others(channels: int, p: float) -> None:
    images = batch(channels=channels)
    drawn = draws().uniform("flip") < p
    wanted = torch.stack([functional.hflip(image) if flipped else image for image, flipped in zip(images, drawn, strict=True)])
    assert torch.equal(apply(images, use="flip", p=p), wanted)


def test_flip_happens_at_its_rate() -> None:
    drawn = keyed.Draws.of(0, 0, torch.arange(20000)).uniform("flip") < 0.3
    assert abs(drawn.double().mean().item() - 0.3) < 4 * (0.21 / 20000) ** 0.5


@pytest.mark.parametrize("contiguous", [True, False])
@pytest.mark.parametrize(("mode", "torchvisions"), [("zero", "constant"), ("reflect", "reflect")])
@pytest.mark.parametrize(("channels", "padding"), [(3, 4), (1, 2), (3, 9)])
def test_crop_equals_torchvisions_pad_and_crop_with_the_same_offsets(
    channels: int, padding: int, mode: str, torchvisions: str, contiguous: bool
) -> None:
    images = batch(channels=channels)
    images = images.contiguous() if contiguous else images
    top, left = (draws().integers(f"crop {axis}", 0, 2 * padding + 1).tolist() for axis in ("row", "column"))
    height, width = images.shape[2:]
    padded = functional.pad(images.float(), [padding], padding_mode=torchvisions).to(torch.uint8)
    wanted = torch.stack([functional.crop(image, y, x, height, width) for image, y, x in zip(padded, top, left, strict=True)])
    assert torch.equal(apply(images, use="crop", padding=padding, mode=mode), wanted)


def test_crop_offsets_reach_every_shift_in_both_directions() -> None:
    many = keyed.Draws.of(0, 0, torch.arange(4000))
    rows, columns = (many.integers(f"crop {axis}", 0, 9) for axis in ("row", "column"))
    assert (torch.bincount(rows * 9 + columns, minlength=81) > 20).all()


def test_reflection_further_than_the_image_is_refused() -> None:
    with pytest.raises(InputError, match=r"12×10 can't be reflected 10 pixels far; give at most 9"):
        apply(batch(), use="crop", padding=10, mode="reflect")


def normalized(values: np.ndarray[Any, np.dtype[np.uint8]], **settings: Any) -> Tensor:
    step = augment(use="normalize", **settings).prepare(images_of(values))
    return step(torch.from_numpy(values).permute(0, 3, 1, 2), LABELS, draws(len(values)))[0]


@pytest.mark.parametrize(
    ("settings", "mean", "std"),
    [
        ({"statistics": "imagenet"}, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ({"statistics": "given", "mean": [0.1, 0.2, 0.3], "std": [1, 0.5, 2.0]}, (0.1, 0.2, 0.3), (1, 0.5, 2)),
        ({"statistics": "none"}, (0, 0, 0), (1, 1, 1)),
    ],
)
def test_normalization_equals_torchvisions(settings: dict[str, Any], mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    wanted = functional.normalize(batch().float() / 255, list(mean), list(std))
    torch.testing.assert_close(normalized(pixels(), **settings), wanted, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(apply(batch(), use="normalize", **settings), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_own_statistics_bring_the_training_images_to_mean_0_and_deviation_1(channels: int) -> None:
    out = normalized(pixels(channels=channels) // 3 + 40).double()
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(channels, dtype=torch.double), rtol=0, atol=1e-6)
    torch.testing.assert_close(out.std((0, 2, 3), correction=0), torch.ones(channels, dtype=torch.double), rtol=1e-6, atol=0)


def test_own_statistics_are_those_of_the_images_it_was_prepared_with() -> None:
    step = augment(use="normalize").prepare(images_of(pixels()))
    mean, std = images_of(pixels()).statistics(np.arange(64))
    black, _ = step(torch.zeros(1, 3, 12, 10, dtype=torch.uint8), LABELS, draws(1))
    np.testing.assert_allclose(black[0, :, 0, 0].numpy(), -mean / std, rtol=1e-6)


def test_constants_made_in_inference_can_be_used_in_training() -> None:
    step = augment(use="normalize").prepare(images_of(pixels()))
    with torch.inference_mode():
        step(batch(), LABELS, draws())
    out, _ = step(batch(), LABELS, draws())
    weight = torch.ones(3, 1, 1, requires_grad=True)
    (out * weight).sum().backward()
    assert weight.grad is not None


def test_own_statistics_need_the_data_first() -> None:
    with pytest.raises(ValueError, match="prepare"):
        apply(batch(), use="normalize")


def test_channel_that_never_changes_is_named() -> None:
    flat = pixels()
    flat[..., 1] = 7
    with pytest.raises(InputError, match="channel 1 has one value"):
        normalized(flat)


def test_statistics_for_another_number_of_channels_are_refused() -> None:
    with pytest.raises(InputError, match="imagenet statistics are for 3 channels, the images have 1"):
        normalized(pixels(channels=1), statistics="imagenet")


@pytest.mark.parametrize(
    "settings",
    [
        {"statistics": "given"},
        {"statistics": "given", "mean": [0.1, 0.2], "std": [1.0]},
        {"statistics": "given", "mean": [0.1], "std": [0.0]},
        {"mean": [0.5], "std": [0.5]},
    ],
)
def test_incomplete_or_contradictory_statistics_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        augment(use="normalize", **settings)
