"""The lesson in convolution says what another library computes, and where the report errs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import convolve2d, correlate2d

from contrast.explain import teach


def test_both_conventions_are_what_scipy_computes() -> None:
    lesson = teach.convolution()
    assert np.array_equal(lesson.correlation, correlate2d(lesson.image, lesson.kernel, mode="same"))
    assert np.array_equal(lesson.convolution, convolve2d(lesson.image, lesson.kernel, mode="same"))
    assert lesson.correlation == ((2, -1, 11, -2, -13), (10, -4, 8, 2, -18), (14, -1, -5, 6, -9))  # row N1 of the reports


def test_the_reports_two_wrong_values_are_named_with_their_sums() -> None:
    lesson = teach.convolution()
    assert lesson.errors == ((0, 3), (0, 4))
    told = lesson.to_text()
    assert "row 1, column 4:  − 2·2 + 1·2 = −2, not 0" in told
    assert "row 1, column 5:  − 3·2 − 7·1 = −13, not −11" in told


@pytest.mark.parametrize("place", [(row, column) for row in range(3) for column in range(5)])
def test_products_of_every_place_add_up_to_its_value(place: tuple[int, int]) -> None:
    lesson = teach.convolution()
    assert sum(a * b for a, b in lesson.products(*place)) == lesson.correlation[place[0]][place[1]]


def test_another_example_is_told_as_truthfully() -> None:
    """An identity filter of five rows that is no negative of itself, and a right answer."""
    kernel = tuple(tuple(int((y, x) == (2, 2)) for x in range(5)) for y in range(5))
    lesson = teach.convolution(kernel=kernel, printed=teach.IMAGE)
    assert lesson.correlation == lesson.convolution == teach.IMAGE
    assert lesson.errors == ()
    told = lesson.to_text()
    assert "negative" not in told
    assert "wrong" not in told
    assert "(5 − 1) / 2 = 2" in told
