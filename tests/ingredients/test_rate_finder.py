"""The learning rate that follows the batch size, and the one that a range test finds."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.engine.made import begun, small, trained

from contrast.engine import rate_finder
from contrast.engine import training as training_module
from contrast.engine.finish import finish
from contrast.engine.rate_finder import choose, smooth
from contrast.errors import InputError
from contrast.rates import RateFinder
from contrast.recipe import Recipe

SGD = {"use": "sgd", "momentum": 0.9, "lr": 0.05}
FINDER = {"low": 1e-4, "high": 100.0, "steps": 60}


def finding(**more: Any) -> Recipe:
    return small(optimizer={**SGD, "find_lr": FINDER, **more})


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / name).read_text().splitlines()))


@pytest.mark.parametrize(("rule", "factor"), [("linear", 0.25), ("sqrt", 0.5)])
def test_rate_follows_the_batch_by_its_rule(tmp_path: Path, rule: str, factor: float) -> None:
    training = trained(small(optimizer={**SGD, "scale_with_batch": {"rule": rule, "of": 32}}, batch_size=8, epochs=1), tmp_path)
    assert float(rows(tmp_path, "steps.csv")[0]["lr"]) == 0.05 * factor
    assert finish(training, "baseline", "none")["learning_rate"] == 0.05 * factor


def test_a_scaled_rate_is_the_plain_rate_of_that_size_bit_for_bit(tmp_path: Path) -> None:
    scaled = trained(small(optimizer={**SGD, "lr": 0.2, "scale_with_batch": {"of": 32}}, epochs=1), tmp_path / "scaled")
    plain = trained(small(optimizer=SGD, epochs=1), tmp_path / "plain")
    assert all(torch.equal(a, b) for a, b in zip(scaled.state.weights().values(), plain.state.weights().values(), strict=True))


def test_the_test_finds_a_rate_that_learns_better_than_a_tenth_and_diverges_at_a_hundredfold(tmp_path: Path) -> None:
    training = trained(finding(), tmp_path / "found")
    rate = training.learning_rate
    assert training.state.best is not None
    found = training.state.best.loss
    assert float(rows(tmp_path / "found", "steps.csv")[0]["lr"]) == pytest.approx(rate, rel=1e-6)
    slow = trained(small(optimizer={**SGD, "lr": rate / 10}), tmp_path / "slow").state.best
    fast = trained(small(optimizer={**SGD, "lr": rate * 100}), tmp_path / "fast").state.best
    assert slow is not None
    assert found < slow.loss
    assert fast is None or not fast.loss < found


def test_the_test_touches_nothing_but_the_rate(tmp_path: Path) -> None:
    """A run with the rate that was found, given by hand, is the same run."""
    found = trained(finding(), tmp_path / "found")
    given = trained(small(optimizer={**SGD, "lr": found.learning_rate}), tmp_path / "given")
    for name, value in given.state.weights().items():
        torch.testing.assert_close(found.state.weights()[name], value, rtol=0, atol=1e-6)
    assert (tmp_path / "given" / "steps.csv").read_text() == (tmp_path / "found" / "steps.csv").read_text()


def test_the_test_sees_training_batches_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = finding()
    curves = []
    for name, spoilt in (("whole", ()), ("spoilt", ("validation", "test"))):
        training = begun(small(optimizer=SGD), tmp_path / name)
        for part in spoilt:
            getattr(training.data, part).pixels.fill_(0)
        curves.append(rate_finder.losses(training, RateFinder(**FINDER).rates()))
    assert np.array_equal(*curves, equal_nan=True)
    assert begun(recipe, tmp_path / "again").learning_rate == begun(recipe, tmp_path / "again2").learning_rate


def test_a_resumed_run_reads_its_rate_and_does_not_search_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = finding()
    trained(recipe, tmp_path / "whole")
    monkeypatch.setattr(training_module, "CHECKPOINT_SECONDS", 0.0)
    torn = begun(recipe, tmp_path / "torn")
    monkeypatch.setattr(torn, "validate", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        recipe.loop.train(torn)
    monkeypatch.setattr(rate_finder, "losses", lambda *_: pytest.fail("searched again"))
    trained(recipe, tmp_path / "torn")
    assert (tmp_path / "torn" / "steps.csv").read_bytes() == (tmp_path / "whole" / "steps.csv").read_bytes()


def test_rates_rise_exponentially_from_low_to_high() -> None:
    rates = RateFinder(low=1e-3, high=10.0, steps=21).rates()
    assert (rates[0], rates[-1]) == pytest.approx((1e-3, 10.0))
    assert np.diff(np.log10(rates)) == pytest.approx(0.2)


def test_a_tenth_of_the_rate_of_the_least_smoothed_loss_is_chosen() -> None:
    rates = list(np.logspace(-4, 1, 51))
    bowl = (np.log10(rates) + 1) ** 2  # least at 0.1
    noisy = bowl + 0.05 * (-1.0) ** np.arange(51)
    noisy[3] = 0.0  # one lucky batch
    noisy[45:] = [math.inf, math.nan, math.inf, math.nan, 1e9, 1e12]
    assert choose(rates, smooth(noisy)) == pytest.approx(0.01, rel=0.3)


@pytest.mark.parametrize(("slope", "told"), [(1, "falls at no rate from 0.0001 on"), (-1, "still falls at a rate of 10")])
def test_a_range_that_does_not_hold_the_answer_is_told(slope: int, told: str) -> None:
    rates = list(np.logspace(-4, 1, 51))
    with pytest.raises(InputError, match=f"optimizer.find_lr: the loss {told}"):
        choose(rates, smooth(slope * np.log10(rates)))


@pytest.mark.parametrize(
    ("optimizer", "told"),
    [
        ({"find_lr": {}, "scale_with_batch": {"of": 32}}, "leave scale_with_batch out"),
        ({"find_lr": {}, "lr": 0.0}, "above 0"),
        ({"find_lr": {"low": 1.0, "high": 0.1}}, "high must be above low"),
        ({"scale_with_batch": {"rule": "cubic", "of": 32}}, 'optimizer.scale_with_batch.rule: "cubic" is wrong'),
        ({"scale_with_batch": {"rule": "sqrt"}}, "optimizer.scale_with_batch.of: is missing"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_one_line(optimizer: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        small(optimizer={"use": "sgd", **optimizer})


def test_absent_settings_keep_the_id_and_others_read_back() -> None:
    assert small(optimizer={**SGD, "find_lr": None, "scale_with_batch": None}).id == small().id
    for recipe in (finding(), small(optimizer={**SGD, "scale_with_batch": {"of": 64}})):
        assert Recipe.parse(recipe.spec(), trust=False) == recipe
        assert recipe.id != small().id
