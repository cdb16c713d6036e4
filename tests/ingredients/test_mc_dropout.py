"""Dropout at test time: masks that are networks, averages that are what they are called, and what is kept of them."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
import torch
from tests.engine.made import begun, small, trained
from torch import Tensor, nn

from contrast import keyed
from contrast.engine import mc_dropout
from contrast.engine.finish import finish
from contrast.engine.training import Training
from contrast.errors import InputError
from contrast.evaluation import MCDropout
from contrast.recipe import Recipe

DROPPING = {"use": "convnet", "channels": [8], "head": [16], "dropout": 0.3, "head_dropout": 0.5}


def asked(masks: list[int], repeats: int, **more: Any) -> Recipe:
    return small(model=DROPPING, epochs=2, evaluate={"mc_dropout": {"masks": masks, "repeats": repeats, **more}})


def settings(recipe: Recipe) -> MCDropout:
    assert recipe.evaluate is not None
    assert recipe.evaluate.mc_dropout is not None
    return recipe.evaluate.mc_dropout


def thinned_logits(training: Training, number: int) -> Tensor:
    """The network under one mask, written out: its layers one after the other, masks multiplied in."""
    x = next(training.evaluator.inputs(training.data.test, 1000))
    for name, module in training.state.model.named_modules():
        if isinstance(module, keyed.Dropout):
            draws = torch.rand(x.shape[1:], generator=keyed.generator(0, "mc_dropout", name, number))
            x = x * (draws >= module.p) / (1 - module.p)
        elif next(module.children(), None) is None:
            x = module(x)
    return x.detach().double()


def test_each_scheme_is_the_average_that_it_is_called(tmp_path: Path) -> None:
    recipe = asked([1, 3], repeats=2)
    training = begun(recipe, tmp_path)
    found = mc_dropout.measure(training.state.model, training.evaluator, training.data.test, "test", settings(recipe), 0)
    labels = training.data.test.labels
    rows = {(row["scheme"], row["masks"], row["repeat"]): row for row in found.rows}
    assert len(rows) == len(found.rows) == 1 + 2 * 2 * 2
    for repeat in (1, 2):
        drawn = [thinned_logits(training, (repeat - 1) * 3 + number) for number in range(3)]
        for count in (1, 3):
            means = {
                "logits": torch.stack(drawn[:count]).mean(0).log_softmax(1),
                "probabilities": torch.stack([logits.softmax(1) for logits in drawn[:count]]).mean(0).log(),
            }
            for scheme, expected in means.items():
                row = rows[scheme, count, repeat]
                assert float(row["accuracy"]) == pytest.approx((expected.argmax(1) == labels).double().mean().item())
                assert float(row["loss"]) == pytest.approx(nn.functional.nll_loss(expected, labels).item(), rel=1e-5)
    plain = training.evaluator.outcomes(training.state.model, training.data.test)
    assert (float(rows["scaling", 0, 1]["accuracy"]), float(rows["scaling", 0, 1]["loss"])) == pytest.approx((plain.accuracy, plain.loss), rel=1e-6)


def test_entropy_and_mutual_information_are_those_of_all_masks_together(tmp_path: Path) -> None:
    recipe = asked([2], repeats=2)
    training = begun(recipe, tmp_path)
    found = mc_dropout.measure(training.state.model, training.evaluator, training.data.test, "test", settings(recipe), 0)
    drawn = torch.stack([thinned_logits(training, number).softmax(1) for number in range(4)])
    entropies = -(drawn * drawn.log()).sum(2)
    whole = -(drawn.mean(0) * drawn.mean(0).log()).sum(1)
    torch.testing.assert_close(found.predictive_entropy, whole.float())
    torch.testing.assert_close(found.mutual_information, (whole - entropies.mean(0)).float())
    assert (found.mutual_information > 0).all()
    assert (found.mutual_information < found.predictive_entropy).all()
    assert found.predictive_entropy.max() <= math.log(4)


def test_masks_depend_on_neither_the_batches_nor_the_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = asked([1, 4], repeats=1)
    training = begun(recipe, tmp_path)
    model, evaluator = training.state.model, training.evaluator
    whole = mc_dropout.measure(model, evaluator, training.data.train, "train", settings(recipe), 0)
    monkeypatch.setattr("contrast.engine.evaluate.BATCH_ON_CPU", 7)
    parts = mc_dropout.measure(model, evaluator, training.data.train, "train", settings(recipe), 0)
    torch.testing.assert_close(whole.outcomes.log_probabilities, parts.outcomes.log_probabilities)
    other = mc_dropout.measure(model, evaluator, training.data.train, "train", settings(recipe), 1)
    assert not torch.allclose(whole.outcomes.log_probabilities, other.outcomes.log_probabilities)


def test_averages_come_together_as_masks_are_added(tmp_path: Path) -> None:
    """M3's figure: with many masks repeats agree, and both averages are near plain scaling."""
    recipe = asked([1, 100], repeats=3)
    training = trained(recipe, tmp_path)
    found = mc_dropout.measure(training.state.model, training.evaluator, training.data.train, "train", settings(recipe), 0)
    losses = {(row["scheme"], row["masks"], row["repeat"]): float(row["loss"]) for row in found.rows}
    for scheme in ("logits", "probabilities"):
        one, many = (torch.tensor([losses[scheme, count, repeat] for repeat in (1, 2, 3)]) for count in (1, 100))
        assert many.std() < one.std() / 3
        assert many.mean() < one.mean()
        assert many.mean().item() == pytest.approx(losses["scaling", 0, 1], abs=0.05)


def test_the_model_is_left_as_it_was(tmp_path: Path) -> None:
    recipe = asked([2], repeats=1)
    training = begun(recipe, tmp_path)
    model = training.state.model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    mc_dropout.measure(model, training.evaluator, training.data.test, "test", settings(recipe), 0)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_dropout_of_torch_is_masked_too_and_whole_maps_where_training_drops_whole_maps() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.Dropout2d(0.5)).train()
    thinned = mc_dropout.Thinned(model, 0)
    out = thinned.model(torch.ones(2, 40, 6, 6))
    assert torch.equal(out[0], out[1])  # one mask for all images
    assert set(out.unique().tolist()) == {0.0, 4.0}
    kept = (out[0] > 0).flatten(1).double().mean(1)
    assert 0 < (kept == 0).double().mean() < 1  # some maps are gone,
    assert 0.3 < kept[kept > 0].mean() < 0.7  # the others have holes
    thinned.take(1)
    assert not torch.equal(thinned.model(torch.ones(2, 40, 6, 6)), out)


def test_a_finished_run_keeps_its_rows_and_what_each_image_leaves_unsure(tmp_path: Path) -> None:
    recipe = asked([1, 5], repeats=2, average=["probabilities"])
    training = trained(recipe, tmp_path)
    finish(training, "baseline", "none")
    rows = list(csv.DictReader((tmp_path / "mc_dropout.csv").read_text().splitlines()))
    assert list(rows[0]) == list(mc_dropout.COLUMNS)
    assert [(row["part"], row["scheme"], row["masks"], row["repeat"]) for row in rows] == [
        (part, *which)
        for part in ("validation", "test")
        for which in [("scaling", "0", "1"), *(("probabilities", masks, repeat) for repeat in "12" for masks in "15")]
    ]
    for part in ("validation", "test"):
        table = parquet.read_table(tmp_path / f"mc_dropout_{part}.parquet")
        assert table.column_names == ["id", "label", "prediction", "p_true", "predictive_entropy", "mutual_information"]
        assert table["id"].to_pylist() == list(training.data.split()[part])


def test_test_stays_closed_for_a_run_that_is_not_judged(tmp_path: Path) -> None:
    finish(trained(asked([1], repeats=1), tmp_path), "baseline", "none", judged=False)
    assert not (tmp_path / "mc_dropout_test.parquet").exists()
    assert "test" not in (tmp_path / "mc_dropout.csv").read_text()


def test_a_network_without_dropout_is_refused_before_it_is_trained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"evaluate.mc_dropout: the network has no dropout to draw masks for; give it dropout"):
        begun(small(evaluate={"mc_dropout": {}}), tmp_path)


def test_settings_read_back_keep_the_id_where_absent_and_are_checked() -> None:
    assert small(evaluate=None).id == small().id
    recipe = asked([20, 1, 1], repeats=2, average=["probabilities", "logits"])
    assert settings(recipe) == MCDropout(masks=(1, 20), repeats=2)
    assert Recipe.parse(recipe.spec(), trust=False) == recipe
    assert recipe.id != small(model=DROPPING, epochs=2).id
    with pytest.raises(InputError, match=r"evaluate.mc_dropout.masks.*0 is wrong; it should be a whole number from 1"):
        asked([0], repeats=1)
    with pytest.raises(InputError, match=r"evaluate.mc_dropouts: unknown setting|evaluate.mc_dropouts"):
        small(evaluate={"mc_dropouts": {}})
