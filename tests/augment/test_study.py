"""Trainings with augmentations, end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engine.made import small, trained

from contrast import catalog
from contrast.recipe import Recipe
from contrast.study import Study

SEVEN: list[dict[str, Any]] = [
    {"use": "crop", "padding": 4},
    {"use": "flip"},
    {"use": "vflip"},
    {"use": "rotate", "degrees": 5},
    {"use": "grayscale"},
    {"use": "translate", "fraction": 0.2},
    {"use": "color_jitter", "brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "hue": 0.05},
]
"""What report S5 did to its images."""

ONE_OF: list[dict[str, Any]] = [
    {"use": "one_of", "options": [{"use": "flip", "p": 0.85}, {"use": "rotate", "degrees": 180}, {"use": "vflip", "p": 0.15}]}
]
"""What report P8 did to its images."""

REST = [{"use": name} for name in ("affine", "erase", "cutout", "random_resized_crop", "randaugment", "trivialaugment", "mixup", "cutmix")]


@pytest.mark.parametrize("steps", [SEVEN, ONE_OF, REST], ids=["seven", "one of", "rest"])
def test_training_runs_to_its_end_and_twice_to_the_same_weights(steps: list[dict[str, Any]], tmp_path: Path) -> None:
    recipe = small(augment=steps, epochs=1)
    first, second = (trained(recipe, tmp_path / name) for name in ("one", "two"))
    values = [list(training.state.model.parameters()) for training in (first, second)]
    assert all(one.isfinite().all() and one.equal(other) for one, other in zip(*values, strict=True))


def test_recipe_with_every_augmentation_reads_back_from_its_plain_data() -> None:
    recipe = Recipe(data="synthetic", model="mlp", augment=[*SEVEN, *ONE_OF, *REST])
    assert {step.use for step in recipe.augment} == set(catalog.names("augment"))
    again = Recipe.parse(recipe.spec(), trust=False)
    assert again == recipe
    assert again.id == recipe.id


def test_each_of_the_seven_can_be_switched_off_or_changed_in_an_arm() -> None:
    arms = {f"no {step['use']}": {f"augment.{step['use']}": "off"} for step in SEVEN}
    arms |= {"turned further": {"augment.rotate.degrees": 90}, "mixed": {"augment.mixup": {"alpha": 0.4}}}
    study = Study(base={"data": "synthetic", "model": "mlp", "augment": SEVEN}, arms=arms, seeds=1)
    recipes = {arm.name: arm.recipe for arm in study.plan().arms}
    for step in SEVEN:
        assert [other.use for other in recipes[f"no {step['use']}"].augment] == [s["use"] for s in SEVEN if s != step] + ["normalize"]
    assert [step.use for step in recipes["mixed"].augment][-2:] == ["mixup", "normalize"]


def test_outside_code_does_not_come_in_through_one_of() -> None:
    with pytest.raises(Exception, match=r"augment.one_of.options.0: is code from outside the package"):
        Recipe.parse({"data": "synthetic", "model": "mlp", "augment": [{"use": "one_of", "options": ["mylab:Blur"]}]}, trust=True)
