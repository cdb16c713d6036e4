"""What every augmentation promises; the class finds the files of the folder by itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.augment.made import augment, batch, draws, images_of, labels
from torch import Tensor

from contrast import catalog, keyed
from contrast.augment import _chosen
from contrast.changes import apply as change
from contrast.errors import InputError
from contrast.protocols import AugmentIngredient

NAMES = [name for name in catalog.names("augment") if not augment(use=name).always]
MORE = [
    {"use": "crop", "mode": "reflect", "padding": 3},
    {"use": "rotate", "interpolation": "bilinear", "fill": 9},
    {"use": "affine", "shear": 20.0, "interpolation": "bilinear"},
    {"use": "erase", "value": "random", "p": 1.0},
    {"use": "cutout", "value": 7},
    {"use": "color_jitter", "brightness": 1.5, "contrast": 1.5, "saturation": 1.5, "hue": 0.5},
    {"use": "one_of", "options": ["mixup", "cutmix", {"use": "rotate", "degrees": 180}], "weights": [1, 2, 3]},
    {"use": "randaugment", "magnitude": 30, "num_ops": 3},
]
EVERY = [{"use": name} for name in NAMES] + MORE
every_augmentation = pytest.mark.parametrize("settings", EVERY, ids=[f"{each['use']}{'' if len(each) == 1 else '-more'}" for each in EVERY])


def mixes(item: AugmentIngredient) -> bool:
    return item.mixes


@every_augmentation
class TestEveryAugmentation:
    def out(self, settings: dict[str, Any], images: Tensor, drawn: keyed.Draws, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
        step = augment(**settings).prepare(images_of(batch(channels=images.shape[1])))
        return step(images, labels(len(images)) if rows is None else rows, drawn)

    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize(("height", "width"), [(12, 10), (17, 23)])
    def test_keeps_shape_and_dtype_for_gray_and_colored_images(self, settings: dict[str, Any], channels: int, height: int, width: int) -> None:
        images = batch(9, channels, height, width)
        for given in (images, images.contiguous()):
            out, rows = self.out(settings, given, draws(9))
            assert (out.shape, out.dtype) == (images.shape, torch.uint8)
            assert (rows.shape, rows.dtype) == ((9, 3), torch.float32)
            torch.testing.assert_close(rows.sum(1), torch.ones(9))

    def test_changes_nothing_in_place_and_follows_from_its_draws_alone(self, settings: dict[str, Any]) -> None:
        images, rows = batch(), labels()
        first, first_rows = self.out(settings, images, draws(), rows)
        assert torch.equal(images, batch())
        assert torch.equal(rows, labels())
        state = torch.random.get_rng_state()
        again, again_rows = self.out(settings, images.contiguous(), keyed.Draws(draws().keys.clone()), rows)
        assert torch.equal(first, again)
        assert torch.equal(first_rows, again_rows)
        assert torch.equal(state, torch.random.get_rng_state())
        assert not torch.equal(first, self.out(settings, images, draws(epoch=2))[0])

    def test_equal_images_of_one_batch_come_out_different(self, settings: dict[str, Any]) -> None:
        images = batch()[:1].expand(64, -1, -1, -1)
        if mixes(augment(**settings)):  # what is mixed must differ for the mixture to differ
            images = torch.stack((images[0], 255 - images[0])).repeat(32, 1, 1, 1)
        out, _ = self.out(settings, images, draws())
        assert len(out[::2].flatten(1).unique(dim=0)) > 1

    def test_image_comes_out_the_same_alone_in_a_small_batch_and_in_one_of_128(self, settings: dict[str, Any]) -> None:
        images, drawn = batch(128, height=13), draws(128)
        whole, rows = self.out(settings, images, drawn)
        if mixes(augment(**settings)):  # partners are of the batch, in whichever order it stands
            order = torch.arange(128).flip(0)
            turned, turned_rows = self.out(settings, images[order], keyed.Draws(drawn.keys[order]), labels(128)[order])
            assert torch.equal(turned, whole[order])
            torch.testing.assert_close(turned_rows, rows[order], rtol=0, atol=0)
            return
        for some in (torch.tensor([7]), torch.tensor([90]), torch.tensor([127, 3, 64, 65, 0])):
            part, _ = self.out(settings, images[some], keyed.Draws(drawn.keys[some]))
            assert torch.equal(part, whole[some])

    def test_image_drawn_twice_in_an_epoch_comes_out_as_its_two_occurrences(self, settings: dict[str, Any]) -> None:
        ids, images = torch.arange(16).repeat(2), batch(16).repeat(2, 1, 1, 1)
        out, _ = self.out(settings, images, keyed.Draws.of(0, 0, ids, torch.arange(2).repeat_interleave(16)))
        assert not torch.equal(out[:16], out[16:])
        if not mixes(augment(**settings)):
            assert torch.equal(out[:16], self.out(settings, images[:16], keyed.Draws.of(0, 0, ids[:16]))[0])
            assert torch.equal(out[16:], self.out(settings, images[16:], keyed.Draws.of(0, 0, ids[16:], 1))[0])

    def test_device_that_the_host_must_not_wait_for_gives_the_same(self, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """There, what is not chosen is computed too."""
        wanted = self.out(settings, batch(), draws())
        for module in ("_chosen", "color_jitter"):
            monkeypatch.setattr(f"contrast.augment.{module}.host_sees", lambda images: False)
        assert not _chosen.host_sees(batch())
        out = self.out(settings, batch(), draws())
        assert torch.equal(out[0], wanted[0])
        assert torch.equal(out[1], wanted[1])

    def test_off_takes_it_out_of_a_recipe(self, settings: dict[str, Any]) -> None:
        spec = {"data": "synthetic", "model": "mlp", "augment": [{"use": "normalize"}, settings]}
        changed, _ = change(spec, {f"augment.{settings['use']}": "off"})
        assert [step["use"] for step in changed["augment"]] == ["normalize"]


WRONG = [
    ({"use": "vflip", "p": 1.5}, r"p: 1.5 is wrong"),
    ({"use": "rotate", "degrees": 0}, r"degrees: 0 is wrong"),
    ({"use": "rotate", "interpolation": "cubic"}, r"interpolation: .cubic. is wrong; .*nearest"),
    ({"use": "rotate", "fill": 256}, r"fill: 256 is wrong"),
    ({"use": "translate", "fraction": 1.2}, r"fraction: 1.2 is wrong"),
    ({"use": "affine", "scale": [1.2, 0.8]}, r"scale: .* it should rise: write \[0.8, 1.2\]"),
    ({"use": "affine", "scale": [0, 1]}, r"scale.0: 0 is wrong"),
    ({"use": "affine", "shear": 90}, r"shear: 90 is wrong"),
    ({"use": "grayscale", "p": -0.1}, r"p: -0.1 is wrong"),
    ({"use": "color_jitter", "hue": 0.6}, r"hue: 0.6 is wrong"),
    ({"use": "color_jitter", "brightness": -1}, r"brightness: -1 is wrong"),
    ({"use": "erase", "scale": [0.5, 1.5]}, r"scale.1: 1.5 is wrong"),
    ({"use": "erase", "value": "noise"}, r"value.*random"),
    ({"use": "cutout", "size": 7}, r"size: 7 is wrong; .*an even number"),
    ({"use": "random_resized_crop", "ratio": [2]}, r"ratio"),
    ({"use": "mixup", "alpha": 0}, r"alpha: 0 is wrong"),
    ({"use": "cutmix", "alpha": -1}, r"alpha: -1 is wrong"),
    ({"use": "randaugment", "magnitude": 31}, r"magnitude 31 is above the last of 31, which is 30"),
    ({"use": "trivialaugment", "num_magnitude_bins": 1}, r"num_magnitude_bins: 1 is wrong"),
    ({"use": "one_of", "options": "flip"}, r"options: is not a list of augmentations; write \[\{use: flip"),
    ({"use": "one_of", "options": []}, r"options: .* at least 1 item"),
    ({"use": "one_of", "options": ["flop"]}, r"options.0: there is no augment 'flop'; did you mean 'flip'"),
    ({"use": "one_of", "options": ["flip", {"use": "rotate", "degrees": 200}]}, r"options.1.degrees: 200 is wrong"),
    ({"use": "one_of", "options": ["normalize"]}, r"options.0: normalize holds for every image, at evaluation too; name it beside one_of"),
    ({"use": "one_of", "options": ["mylab.augment:Blur"]}, r"options.0: is code from outside the package"),
    ({"use": "one_of", "options": ["flip", "vflip"], "weights": [1]}, r"there are 1 weights for 2 options"),
    ({"use": "one_of", "weights": [1, 0]}, r"weights.1: 0 is wrong"),
]


@pytest.mark.parametrize(("settings", "told"), WRONG, ids=[f"{settings['use']}-{list(settings)[-1]}" for settings, _ in WRONG])
def test_wrong_setting_is_named_in_one_line(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        catalog.parse("augment", settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["grayscale", "color_jitter", "randaugment", "trivialaugment"])
def test_colors_of_images_that_are_neither_gray_nor_rgb_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(InputError, match=rf"augment.{name}: is for images of 1 channel \(gray\) or 3 \(RGB\), these have 4; leave it out"):
        augment(use=name).apply(batch(channels=4), labels(), draws())


@pytest.mark.parametrize("name", ["grayscale", "color_jitter"])
def test_gray_images_keep_what_only_colors_have(name: str) -> None:
    settings = {"p": 1.0} if name == "grayscale" else {"brightness": 0, "contrast": 0, "saturation": 1.0, "hue": 0.5}
    images = batch(channels=1)
    assert torch.equal(augment(use=name, **settings).apply(images, labels(), draws())[0], images)
