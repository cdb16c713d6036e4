"""Parameters have the distribution of those that torchvision draws: both are drawn many times, from fixed seeds, and compared.

Continuous parameters by Kolmogorov and Smirnov's test, counts by Pearson's. The seeds are fixed, so the outcome is too:
a p-value above 0.001 says no more than that nothing is visibly wrong; a wrong range or a wrong density gives 10⁻²⁰.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from tests.augment.made import augment
from torch import Tensor
from torchvision.transforms import v2

from contrast import keyed
from contrast.augment._partners import partners
from contrast.augment._policy import OPERATIONS
from contrast.augment.color_jitter import BLENDS

MANY, THEIRS = 20_000, 1500
HEIGHT, WIDTH = 24, 20
DRAWS = keyed.Draws.of(5, 0, torch.arange(MANY))
IMAGE = torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8)


def theirs(transform: Any, read: Callable[[dict[str, Any]], Any], count: int = THEIRS) -> np.ndarray[Any, Any]:
    """What torchvision draws, in torch's own generator under a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return np.array([read(transform.make_params([IMAGE])) for _ in range(count)], dtype=float)


def alike(ours: Tensor, others: np.ndarray[Any, Any]) -> None:
    assert stats.ks_2samp(ours.double().numpy(), others).pvalue > 1e-3


def as_often(ours: Tensor, others: np.ndarray[Any, Any]) -> None:
    """The same whole numbers, as often."""
    bottom, top = int(min(ours.min(), others.min())), int(max(ours.max(), others.max()))
    counts = [np.bincount(np.asarray(values, dtype=int) - bottom, minlength=top - bottom + 1) for values in (ours.numpy(), others)]
    often = np.stack(counts)[:, sum(counts) > 20]
    assert stats.chi2_contingency(often).pvalue > 1e-3


def test_rotation_angle() -> None:
    alike(augment(use="rotate", degrees=30).angles(DRAWS), theirs(v2.RandomRotation(30), lambda params: params["angle"]))


def test_shifts() -> None:
    right, down = augment(use="translate", fraction=0.2).shifts(DRAWS, HEIGHT, WIDTH)
    others = theirs(v2.RandomAffine(0, translate=(0.2, 0.2)), lambda params: params["translate"])
    as_often(right, others[:, 0])
    as_often(down, others[:, 1])
    assert (right.abs().max(), down.abs().max()) == (4, 5)


def test_affine_motion() -> None:
    motion = augment(use="affine", degrees=20, translate=0.3, scale=[0.7, 1.2], shear=15).motion(DRAWS, HEIGHT, WIDTH)
    transform = v2.RandomAffine(20, translate=(0.3, 0.3), scale=(0.7, 1.2), shear=15)
    others = theirs(transform, lambda params: [params["angle"], params["scale"], params["shear"][0], *params["translate"]])
    for place, ours in enumerate((motion.angle, motion.scale, motion.shear_x)):
        alike(ours, others[:, place])
    as_often(motion.right, others[:, 3])
    as_often(motion.down, others[:, 4])
    several = torch.stack((motion.angle, motion.right, motion.down, motion.scale, motion.shear_x))
    assert (torch.corrcoef(several) - torch.eye(5)).abs().max() < 5 / MANY**0.5


@pytest.mark.parametrize("amount", [0.4, 1.5])
def test_jitter_factors_and_shift(amount: float) -> None:
    drawn = augment(use="color_jitter", brightness=amount, contrast=amount, saturation=amount, hue=0.3).jitter(DRAWS)
    names = [f"{name}_factor" for name in (*BLENDS, "hue")]
    others = theirs(v2.ColorJitter(amount, amount, amount, 0.3), lambda params: [params[name] for name in names])
    own = torch.empty(3, MANY).scatter_(0, drawn.order, drawn.factors)
    for place in range(3):
        alike(own[place], others[:, place])
    alike(drawn.turns, others[:, 3])


def test_jitter_has_every_order_alike_and_apart_from_the_factors() -> None:
    drawn = augment(use="color_jitter").jitter(DRAWS)
    order = drawn.order[0] * 3 + drawn.order[1] + 9 * drawn.before
    counts = torch.bincount(order)
    assert (counts > 0).sum() == 24
    assert stats.chisquare(counts[counts > 0].numpy()).pvalue > 1e-3
    first = drawn.factors[0, drawn.order[0] == 0]
    assert stats.kstest(first.numpy(), stats.uniform(0.9, 0.2).cdf).pvalue > 1e-3


def test_erased_rectangle() -> None:
    item = augment(use="erase", p=1.0)
    boxes = item.boxes(DRAWS, HEIGHT, WIDTH)
    others = theirs(v2.RandomErasing(p=1.0), lambda params: [params[side] for side in "ijhw"])
    for ours, place in zip(boxes, range(4), strict=True):
        as_often(ours, others[:, place])


def test_erased_share_of_images() -> None:
    erased = (augment(use="erase", p=0.25).boxes(DRAWS, HEIGHT, WIDTH).height > 0).double().mean().item()
    assert abs(erased - 0.25) < 4 * (0.1875 / MANY) ** 0.5


def test_erasing_that_never_fits_erases_nothing() -> None:
    boxes = augment(use="erase", p=1.0, scale=[1.0, 1.0]).boxes(DRAWS, HEIGHT, WIDTH)
    assert not (boxes.height > 0).any()


@pytest.mark.parametrize("ratio", [(3 / 4, 4 / 3), (3.0, 4.0), (0.2, 0.3)])
def test_resized_crop(ratio: tuple[float, float]) -> None:
    boxes = augment(use="random_resized_crop", ratio=ratio).boxes(DRAWS, HEIGHT, WIDTH)
    others = theirs(v2.RandomResizedCrop(8, ratio=ratio), lambda params: [params[side] for side in ("top", "left", "height", "width")])
    for ours, place in zip(boxes, range(4), strict=True):
        as_often(ours, others[:, place])


def test_resized_crop_that_never_fits_is_the_middle() -> None:
    boxes = augment(use="random_resized_crop", scale=[1.0, 1.0], ratio=[4.0, 4.0]).boxes(DRAWS, HEIGHT, WIDTH)
    params = v2.RandomResizedCrop(8, scale=(1.0, 1.0), ratio=(4.0, 4.0)).make_params([IMAGE])
    assert [part.unique().tolist() for part in boxes] == [[params[side]] for side in ("top", "left", "height", "width")]


def test_cutout_middle_is_anywhere_alike() -> None:
    boxes = augment(use="cutout", size=8).boxes(DRAWS, HEIGHT, WIDTH)
    assert stats.chisquare(torch.bincount(boxes.top + 4, minlength=HEIGHT).numpy()).pvalue > 1e-3
    assert stats.chisquare(torch.bincount(boxes.left + 4, minlength=WIDTH).numpy()).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_cutmix_box(alpha: float) -> None:
    boxes = augment(use="cutmix", alpha=alpha).boxes(DRAWS, HEIGHT, WIDTH)
    others = theirs(v2.CutMix(alpha=alpha, num_classes=2), lambda params: params["box"])
    for ours, theirs_too in ((boxes.left, others[:, 0]), (boxes.top, others[:, 1]), (boxes.width, others[:, 2] - others[:, 0])):
        as_often(ours, theirs_too)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 5.0])
def test_mixup_share_is_beta(alpha: float) -> None:
    """The lower half of it: the upper half is its mirror image, but that float32 rounds what is close to 1."""
    share = DRAWS.beta("mixup share", alpha).double()
    low = share[share < 0.5].numpy()
    assert abs(len(low) / MANY - 0.5) < 4 * 0.5 / MANY**0.5
    assert stats.kstest(low, lambda x: 2 * stats.beta(alpha, alpha).cdf(x)).pvalue > 1e-3


@pytest.mark.parametrize("count", [2, 3, 64])
def test_partners_are_a_permutation_without_a_fixed_point_that_the_order_of_the_batch_does_not_change(count: int) -> None:
    some = keyed.Draws(DRAWS.keys[:count])
    found = partners(some, "mixup partner")
    assert found.sort().values.tolist() == list(range(count))
    assert (found != torch.arange(count)).all()
    turned = partners(keyed.Draws(some.keys.flip(0)), "mixup partner").flip(0)
    assert torch.equal(count - 1 - turned, found)
    assert partners(keyed.Draws(DRAWS.keys[:1]), "mixup partner").tolist() == [0]


def test_every_other_image_is_as_often_the_partner() -> None:
    counts = np.zeros(6, dtype=int)
    for epoch in range(1000):
        counts[partners(keyed.Draws.of(0, epoch, torch.arange(6)), "mixup partner")[0]] += 1
    assert counts[0] == 0
    assert stats.chisquare(counts[1:]).pvalue > 1e-3


def test_one_of_draws_by_weight() -> None:
    item = augment(use="one_of", options=["flip", "rotate", "vflip"], weights=[0.85, 1.0, 0.15])
    counts = torch.bincount(item.choice(DRAWS), minlength=3).numpy()
    assert stats.chisquare(counts, MANY * np.array([0.425, 0.5, 0.075])).pvalue > 1e-3
    alike_too = torch.bincount(augment(use="one_of", options=["flip", "rotate", "vflip"]).choice(DRAWS)).numpy()
    assert stats.chisquare(alike_too).pvalue > 1e-3


class Spy(v2.RandAugment):
    """RandAugment that keeps what it draws."""

    def _apply_image_or_video_transform(self, image: Any, transform_id: str, magnitude: float, **more: Any) -> Any:
        self.kept.append((list(self._AUGMENTATION_SPACE).index(transform_id), magnitude))
        return image


class TrivialSpy(v2.TrivialAugmentWide):
    """TrivialAugment that keeps what it draws."""

    _apply_image_or_video_transform = Spy._apply_image_or_video_transform


@pytest.mark.parametrize("use", ["randaugment", "trivialaugment"])
def test_policy_draws_torchvisions_operations_and_magnitudes(use: str) -> None:
    spy = Spy(num_ops=1, magnitude=20) if use == "randaugment" else TrivialSpy()
    spy.kept = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(2500):
            spy(IMAGE)
    item = augment(use=use, **({"magnitude": 20} if use == "randaugment" else {}))
    ours = item.drawn(DRAWS, 0, HEIGHT, WIDTH) if use == "randaugment" else item.drawn(DRAWS)
    operation, magnitude = np.array(spy.kept).T
    as_often(ours.operation, operation)
    for number, name in enumerate(OPERATIONS):
        mine, other = ours.magnitude[ours.operation == number].double(), magnitude[operation == number]
        assert set(np.float32(other)) <= set(mine.float().numpy()), name
        assert stats.ks_2samp(mine.numpy(), other).pvalue > 1e-4, name


def test_rows_of_randaugment_are_drawn_apart() -> None:
    item = augment(use="randaugment")
    one, two = (item.drawn(DRAWS, place, HEIGHT, WIDTH).operation for place in (0, 1))
    assert stats.chi2_contingency(np.histogram2d(one.numpy(), two.numpy(), bins=14)[0]).pvalue > 1e-3
