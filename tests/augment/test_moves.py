"""Neighboring steps that move whole pixels, carried out in one copy, give what they give one after the other; so do draws of many batches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.augment.made import augment, batch, draws, images_of, labels
from torch import Tensor

from contrast import keyed
from contrast.augment._moves import merged
from contrast.errors import InputError

STEP = st.one_of(
    st.fixed_dictionaries({"use": st.sampled_from(["flip", "vflip"]), "p": st.sampled_from([0.0, 0.5, 1.0])}),
    st.fixed_dictionaries({"use": st.just("crop"), "padding": st.integers(1, 6), "mode": st.sampled_from(["zero", "reflect"])}),
    st.fixed_dictionaries({"use": st.just("translate"), "fraction": st.sampled_from([0.0, 0.1, 0.4, 1.0]), "fill": st.sampled_from([0, 9])}),
)


def one_after_the_other(steps: list[dict[str, Any]], images: Tensor, drawn: keyed.Draws) -> Tensor:
    rows = labels(len(images))
    for step in steps:
        images, rows = augment(**step).apply(images, rows, drawn)
    return images


def together(steps: list[dict[str, Any]], images: Tensor, every: list[keyed.Draws]) -> list[Tensor]:
    """What the one function for all steps makes of a batch, draws after draws."""
    ((function, at_evaluation, _),) = merged([augment(**step) for step in steps], images_of(images))
    assert not at_evaluation
    return [function(images, labels(len(images)), drawn)[0] for drawn in every]


@settings(deadline=None, max_examples=60)
@given(
    steps=st.lists(STEP, min_size=2, max_size=4),
    count=st.integers(1, 5),
    channels=st.sampled_from([1, 3, 4]),
    size=st.tuples(st.integers(7, 12), st.integers(7, 12)),
    as_planes=st.booleans(),
)
def test_steps_in_one_copy_give_what_they_give_one_after_the_other(
    steps: list[dict[str, Any]], count: int, channels: int, size: tuple[int, int], as_planes: bool
) -> None:
    images = batch(count, channels, *size)
    images = images.contiguous() if as_planes else images
    before, every = images.clone(), keyed.Draws.of(3, 1, torch.arange(3 * count)).batches(count)
    for out, drawn in zip(together(steps, images, every), every, strict=True):
        assert torch.equal(out, one_after_the_other(steps, images, keyed.Draws(drawn.keys)))
        assert out.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, before)


@pytest.mark.parametrize("mode", ["zero", "reflect"])
def test_device_that_the_host_must_not_wait_for_gives_the_same_in_one_copy(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [{"use": "flip"}, {"use": "crop", "mode": mode}, {"use": "vflip"}]
    wanted = one_after_the_other(steps, batch(), draws())
    monkeypatch.setattr("contrast.augment._moves.host_sees", lambda images: False)
    assert torch.equal(together(steps, batch(), [draws()])[0], wanted)


def test_batches_that_are_kept_do_not_change_when_the_memory_is_used_again() -> None:
    steps = [{"use": "crop"}, {"use": "flip"}]
    first, second = together(steps, batch(), [draws(epoch=1), draws(epoch=2)])
    assert torch.equal(first, one_after_the_other(steps, batch(), draws(epoch=1)))
    assert not torch.equal(first, second)


def test_only_neighbors_are_joined_and_the_others_keep_their_place() -> None:
    steps = [augment(use=name) for name in ("crop", "flip", "grayscale", "vflip", "normalize")]
    bound = merged(steps, images_of(batch()))
    assert [step.always for step in bound] == [False, False, False, True]
    assert bound[1].function == steps[2].apply
    assert bound[2].function == steps[3].apply


def test_image_too_small_to_be_reflected_is_told_as_by_the_step_alone() -> None:
    with pytest.raises(InputError, match=r"augment.crop.padding: images of 3×9 can't be reflected 3 pixels far; give at most 2"):
        together([{"use": "crop", "mode": "reflect", "padding": 3}, {"use": "flip"}], batch(4, 3, 3, 9), [draws(4)])


def everything(drawn: keyed.Draws, span: Tensor) -> list[Tensor]:
    """All that draws are asked for."""
    inner = drawn.within("part", 2)
    return [
        drawn.keys, drawn.bits("x"), drawn.bits(("x", "y")), drawn.uniform("x"), drawn.uniform(("x", "y"), -2.0, 3.0), drawn.integers("n", 3, 99),
        drawn.integers(("n", "m"), 0, 9), drawn.integers("n", 0, span), drawn.beta("b", 0.4), drawn.bytes("noise", 11), inner.uniform("x"),
        inner.within("deeper").integers("n", 0, 5), drawn.within("part", torch.arange(3)[:, None]).uniform("x"),
        drawn.within("other", 2).uniform("x"),
    ]  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(count=st.integers(1, 40), size=st.integers(1, 17))
def test_draws_of_many_batches_are_those_of_each_batch_alone(count: int, size: int) -> None:
    span = torch.arange(count) % 7 + 1
    parts = keyed.Draws.of(0, 1, torch.arange(count)).batches(size)
    assert sum(len(part) for part in parts) == count
    for number, part in enumerate(parts):
        some = slice(number * size, (number + 1) * size)
        alone = keyed.Draws.of(0, 1, torch.arange(count)[some])
        assert all(torch.equal(one, other) for one, other in zip(everything(part, span[some]), everything(alone, span[some]), strict=True))
