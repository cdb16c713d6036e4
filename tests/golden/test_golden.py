"""What a recipe means does not change by accident."""

import json

import pytest

from tests.golden.make import NUMBERS, RECIPES, three_steps


@pytest.mark.parametrize("name", RECIPES)
def test_three_real_steps_give_the_numbers_written_down(name):
    written, found = json.loads(NUMBERS.read_text())[name], three_steps(RECIPES[name])
    assert found.keys() == written.keys()
    for what, value in written.items():
        assert found[what] == pytest.approx(value, rel=1e-4), f"{what}: tests/golden/README.md says when this may change"
