"""Numbers are printed as exactly as their standard error allows, and never as what they are not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from contrast.compare.rounding import decimals_apart, decimals_for, number, p_text, percent, signed


@pytest.mark.parametrize(
    ("standard_error", "decimals"),
    [
        (0.24, 1),
        (0.14, 2),
        (0.02, 2),
        (0.1, 2),
        (0.2, 1),
        (2.4, 0),
        (1.4, 1),
        (12.0, 0),
        (300.0, 0),
        (1e-7, 6),
        (1e-16, 1),
        (0.0, 1),
        (None, 1),
        (math.inf, 1),
        (math.nan, 1),
    ],
)
def test_one_figure_of_the_standard_error_is_kept_and_two_after_a_leading_one(standard_error, decimals):
    assert decimals_for(standard_error) == decimals


@given(some.floats(-1e3, 1e3), some.integers(0, 4))
def test_a_minus_sign_is_a_true_one_and_zero_has_none(value, decimals):
    text = number(value, decimals)
    assert "-" not in text
    assert float(text.replace("−", "-")) == pytest.approx(value, abs=0.5000001 * 10.0**-decimals)
    assert text.startswith("−") == (round(value, decimals) < 0)


def test_a_signed_number_always_has_its_sign():
    assert [signed(value, 1) for value in (2.34, -0.41, 0.01, -0.01)] == ["+2.3", "−0.4", "+0.0", "+0.0"]


@pytest.mark.parametrize(
    ("values", "decimals", "landmark", "expected"),
    [((0.04, 2.9), 1, 0.0, 2), ((0.0, 2.9), 1, 0.0, 1), ((-0.004,), 0, 0.0, 3), ((0.0496,), 2, 0.05, 4), ((1e-12,), 1, 0.0, 6)],
)
def test_no_value_prints_as_a_landmark_that_it_is_not(values, decimals, landmark, expected):
    assert decimals_apart(values, decimals, landmark) == expected


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0009, "p < 0.001"),
        (0.001, "p = 0.001"),
        (0.0123, "p = 0.012"),
        (0.31, "p = 0.31"),
        (0.0996, "p = 0.100"),
        (0.04996, "p = 0.04996"),
        (0.05, "p = 0.050"),
        (1.0, "p = 1.00"),
    ],
)
def test_p_values_are_told_shortly_and_never_as_alpha(p, text):
    assert p_text(p) == text


def test_levels_are_told_in_percent():
    assert [percent(level) for level in (0.95, 1 - 0.05 / 3, 0.9)] == ["95 %", "98.3 %", "90 %"]
