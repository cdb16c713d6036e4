"""What is assumed where nothing is said: the field's usual levels, in every public function alike."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from contrast import compare
from contrast.compare import rounding

USUAL = {
    "level": 0.95, "alpha": 0.05, "equivalence_alpha": 0.05, "power": 0.8, "confidence": 0.95, "margin": None, "looks": None, "overlap": 0.0,
    "least_variance": 0.0, "bins": 15, "equal_mass": False, "order": 2, "logarithmic": False, "greater_is_better": True, "draws": 20_000,
    "arms": 1, "correlation": 0.0, "landmark": 0.0, "about": "", "metric": "test_accuracy", "outcomes": None, "scale": 1.0, "unit": "",
}  # fmt: skip
CALLED = [getattr(compare, name) for name in compare.__all__] + [compare.Estimate.interval, rounding.p_text, rounding.decimals_apart]
RESULTS = (compare.Contrast, compare.FactorialEffect, compare.Comparison, compare.ArmSummary, compare.BestOfSweep)


@pytest.mark.parametrize("called", [one for one in CALLED if one not in RESULTS], ids=lambda one: one.__qualname__)
def test_what_is_not_said_is_the_usual(called):
    if dataclasses.is_dataclass(called):
        given = {field.name: field.default for field in dataclasses.fields(called) if field.default is not dataclasses.MISSING}
    elif inspect.isclass(called):
        given = {}
    else:
        given = {name: one.default for name, one in inspect.signature(called).parameters.items() if one.default is not one.empty}
    assert given == {name: USUAL[name] for name in given}
