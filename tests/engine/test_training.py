"""The loop, the state and the end of a run."""

import csv
import math

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from torch.nn import functional

from contrast.engine import training as training_module
from contrast.engine.finish import finish
from contrast.engine.step import step, update
from contrast.errors import InputError
from tests.engine.made import begun, small, trained


def rows(training, name):
    return list(csv.DictReader((training.folder.path / name).read_text().splitlines()))


def test_training_learns_what_can_be_learned(tmp_path):
    training = trained(small(epochs=8), tmp_path)
    assert training.state.best.accuracy > 0.7  # four classes: chance is 0.25
    losses = [float(row["loss"]) for row in rows(training, "steps.csv")]
    assert np.mean(losses[-9:]) < 0.7 * np.mean(losses[:9])


def test_one_row_a_step_and_one_an_epoch_are_kept_and_the_epoch_row_is_the_mean_of_its_steps(tmp_path):
    training = trained(small(), tmp_path)
    steps, epochs = rows(training, "steps.csv"), rows(training, "epochs.csv")
    assert [int(row["step"]) for row in steps] == list(range(1, 28))
    assert [int(row["epoch"]) for row in epochs] == [1, 2, 3]
    for epoch in epochs:
        losses = [float(row["loss"]) for row in steps if row["epoch"] == epoch["epoch"]]
        assert float(epoch["train_loss"]) == pytest.approx(np.mean(losses), rel=1e-5)


def test_the_same_recipe_twice_gives_the_same_weights_bit_for_bit(tmp_path):
    first, second = trained(small(), tmp_path / "a"), trained(small(), tmp_path / "b")
    assert all(torch.equal(a, b) for a, b in zip(first.state.weights().values(), second.state.weights().values(), strict=True))


def test_a_loss_that_is_not_finite_ends_the_run_at_a_named_step_with_the_best_weights_intact(tmp_path, monkeypatch):
    monkeypatch.setattr(training_module, "ROWS_AT_ONCE", 4)
    training = begun(small(), tmp_path)
    real = training.set_rate

    def explode_at_step_13():
        if training.state.step == 12:
            with torch.no_grad():
                next(training.state.model.parameters()).fill_(math.nan)
        return real()

    training.set_rate = explode_at_step_13
    training.recipe.loop.train(training)
    assert (training.state.stopped, training.state.diverged_step) == ("diverged", 13)
    summary = finish(training, "baseline", "both")
    assert (summary["status"], summary["diverged_step"], summary["best_epoch"]) == ("diverged", 13, 1)
    assert 0 <= summary["test_accuracy"] <= 1
    assert all(torch.isfinite(value).all() for value in training.state.best_weights.values())
    assert [int(row["step"]) for row in rows(training, "steps.csv")] == list(range(1, 14))


def test_a_run_that_diverges_in_its_first_epoch_is_finished_without_figures(tmp_path):
    training = trained(small(optimizer={"use": "sgd", "lr": 1e30}), tmp_path)
    summary = finish(training, "baseline", "both")
    assert summary["status"] == "diverged"
    assert summary["test_accuracy"] is None
    assert not (tmp_path / "best.safetensors").exists()


def test_patience_stops_a_run_that_no_longer_improves(tmp_path):
    training = trained(small(optimizer={"use": "sgd", "lr": 1e-12}, epochs=9, patience=2), tmp_path)
    assert training.state.stopped == "patience"
    assert training.state.epoch == training.state.best.epoch + 2


def test_a_budget_in_steps_ends_inside_an_epoch_and_is_evaluated_there(tmp_path):
    recipe = small().model_copy(update={"steps": 13})
    training = trained(recipe, tmp_path)
    assert (training.state.step, training.state.epoch, training.state.stopped) == (13, 2, "budget")


@pytest.mark.parametrize("choose", ["validation_accuracy", "validation_loss"])
def test_the_best_epoch_is_the_one_that_validation_prefers(tmp_path, choose):
    training = trained(small(epochs=6, choose=choose), tmp_path)
    figures = [float(row[choose]) for row in rows(training, "epochs.csv")]
    wanted = np.argmax(figures) if choose == "validation_accuracy" else np.argmin(figures)
    assert training.state.best.epoch == wanted + 1


def test_the_average_is_what_is_evaluated_and_kept(tmp_path):
    training = trained(small(averaging={"use": "ema", "decay": 0.9}), tmp_path)
    kept, followed = training.state.weights(), training.state.model.state_dict()
    assert any(not torch.equal(kept[name], followed[name]) for name in followed)
    evaluated = training.evaluator.outcomes(training.state.average.model, training.data.validation).accuracy
    assert evaluated == float(rows(training, "epochs.csv")[-1]["validation_accuracy"])


def test_clipping_cuts_the_gradient_to_the_given_norm(tmp_path):
    training = begun(small(optimizer={"use": "sgd", "lr": 1.0}), tmp_path)
    before = [p.detach().clone() for p in training.state.model.parameters()]
    images, labels = next(iter(training.batches.of_epoch(0)))
    step(training.state.model, training.state.optimizer, training.recipe.loss, images, labels, training.machine, clip_norm=0.01)
    moved = torch.sqrt(sum(((p - b) ** 2).sum() for p, b in zip(training.state.model.parameters(), before, strict=True)))
    assert float(moved.detach()) == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("use", ["sgd", "adam", "adamw", "rmsprop"])
def test_update_is_the_optimizers_own_step_bit_for_bit(tmp_path, use):
    ours, torchs = (begun(small(optimizer={"use": use, "lr": 0.01}), tmp_path / name) for name in ("ours", "torchs"))
    for training, act in ((ours, update), (torchs, lambda optimizer: optimizer.step())):
        for images, labels in training.batches.of_epoch(0):
            training.recipe.loss.value(training.state.model(images), labels).backward()
            act(training.state.optimizer)
            training.state.optimizer.zero_grad()
    assert all(torch.equal(a, b) for a, b in zip(ours.state.model.parameters(), torchs.state.model.parameters(), strict=True))


def test_our_step_is_the_plain_step_of_a_textbook(tmp_path):
    training = begun(small(), tmp_path)
    model, optimizer = training.state.model, training.state.optimizer
    images, labels = next(iter(training.batches.of_epoch(0)))
    expected = functional.cross_entropy(model(images), labels.argmax(1))
    accuracy = (model(images).argmax(1) == labels.argmax(1)).float().mean()
    measured = step(model, optimizer, training.recipe.loss, images, labels, training.machine)
    assert torch.allclose(measured, torch.stack((expected, accuracy)))


def test_the_rows_per_image_add_up_to_the_summary(tmp_path):
    training = trained(small(), tmp_path)
    summary = finish(training, "baseline", "both")
    for part in ("validation", "test"):
        table = parquet.read_table(tmp_path / f"{part}.parquet").to_pydict()
        assert table["id"] == list(training.data.split()[part])
        assert np.mean(np.array(table["label"]) == np.array(table["prediction"])) == summary[f"{part}_accuracy"]
        assert np.mean(table["loss"]) == pytest.approx(summary[f"{part}_loss"], rel=1e-5)
        assert np.allclose(np.sum(table["probabilities"], axis=1), 1, atol=1e-5)
        assert np.allclose(np.exp(-np.array(table["loss"])), table["p_true"], atol=1e-6)


def test_evaluation_does_not_depend_on_the_evaluation_batch_and_leaves_the_model_as_it_was(tmp_path, monkeypatch):
    training = begun(small(model={"use": "convnet", "channels": [8], "norm": "batch", "dropout": 0.5}), tmp_path)
    training.state.model.train()
    before = training.state.weights()
    whole = training.evaluator.outcomes(training.state.model, training.data.train).log_probabilities
    monkeypatch.setattr("contrast.engine.evaluate.BATCH_ON_CPU", 7)
    parts = training.evaluator.outcomes(training.state.model, training.data.train).log_probabilities
    assert torch.allclose(whole, parts, atol=1e-5)
    assert training.state.model.training
    assert all(torch.equal(value, before[name]) for name, value in training.state.weights().items())


def test_a_batch_larger_than_the_set_is_refused_with_the_number_that_fits(tmp_path):
    with pytest.raises(InputError, match=r"batch_size: 512 is more than the 72 training images; at most 72"):
        begun(small(batch_size=512), tmp_path)


@pytest.mark.parametrize("keep", ["both", "best", "none"])
def test_the_weights_that_are_to_be_kept_are_kept(tmp_path, keep):
    training = trained(small(epochs=1), tmp_path)
    finish(training, "baseline", keep)
    kept = {path.name for path in tmp_path.glob("*.safetensors")}
    assert kept == {"both": {"best.safetensors", "last.safetensors"}, "best": {"best.safetensors"}, "none": set()}[keep]
    assert not (tmp_path / "checkpoint").exists()


def test_bf16_and_channels_last_train_to_about_the_same_loss_as_fp32(tmp_path):
    plain = trained(small(), tmp_path / "plain")
    fast = trained(small(), tmp_path / "fast", precision="bf16", memory_format="channels_last")
    assert float(rows(fast, "epochs.csv")[-1]["train_loss"]) == pytest.approx(float(rows(plain, "epochs.csv")[-1]["train_loss"]), rel=0.05)
