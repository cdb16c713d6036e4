"""Draws that augmentations need besides uniform ones and integers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from contrast import keyed

DRAWS = keyed.Draws.of(0, 0, torch.arange(4000))


@given(st.lists(st.text(max_size=8), min_size=1, max_size=5).map(tuple))
def test_several_purposes_at_once_draw_what_each_draws_alone(purposes: tuple[str, ...]) -> None:
    some = keyed.Draws(DRAWS.keys[:5])
    for many, one in ((some.bits, some.bits), (some.uniform, some.uniform)):
        assert torch.equal(many(purposes), torch.stack([one(purpose) for purpose in purposes]))
    assert torch.equal(some.integers(purposes, 3, 99), torch.stack([some.integers(purpose, 3, 99) for purpose in purposes]))


def test_integers_keep_to_each_images_own_span() -> None:
    high = torch.arange(4000) % 7 + 1
    drawn = DRAWS.integers("span", 0, high)
    assert ((drawn >= 0) & (drawn < high)).all()
    assert stats.chisquare(torch.bincount(drawn[high == 7]).numpy()).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 5.0])
def test_beta_has_its_mean_variance_and_symmetry_over_all_its_quantiles(alpha: float) -> None:
    quantiles = keyed._beta_quantiles(alpha, torch.device("cpu")).double()
    assert abs(quantiles.mean() - 0.5) < 1e-5
    assert abs(quantiles.var() - 1 / (4 * (2 * alpha + 1))) < 1e-4
    torch.testing.assert_close(quantiles + quantiles.flip(0), torch.ones(65536, dtype=torch.double), rtol=0, atol=1e-6)
    assert len(DRAWS.beta("share", alpha).unique()) > 1500


def test_bytes_are_all_as_frequent_and_their_first_ones_do_not_depend_on_how_many_are_wanted() -> None:
    drawn = DRAWS.bytes("noise", 21)
    assert (drawn.shape, drawn.dtype) == ((4000, 21), torch.uint8)
    assert torch.equal(drawn[:, :5], DRAWS.bytes("noise", 5))
    assert stats.chisquare(torch.bincount(drawn.long().view(-1), minlength=256).numpy()).pvalue > 1e-3
    columns = drawn.double().T
    assert (torch.corrcoef(columns) - torch.eye(21)).abs().max() < 5 / 4000**0.5


def test_draws_within_a_part_are_apart_from_the_whole_from_other_parts_and_from_other_counters() -> None:
    parts = [DRAWS, DRAWS.within("one"), DRAWS.within("one", 1), DRAWS.within("two"), DRAWS.within("one").within("two")]
    drawn = torch.stack([part.uniform("x") for part in parts]).double()
    assert (torch.corrcoef(drawn) - torch.eye(5)).abs().max() < 5 / 4000**0.5
    counted = DRAWS.within("one", torch.arange(3)[:, None])
    assert torch.equal(counted.uniform("x")[1], DRAWS.within("one", 1).uniform("x"))
