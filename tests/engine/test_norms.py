"""What a recipe watches at every step: norms of weights, gradients and updates, and the gaps in the summary."""

import csv
import math

import pytest
import torch

from contrast.engine import training as training_module
from contrast.engine.finish import finish
from contrast.engine.step import change, gradients
from contrast.errors import InputError
from tests.engine.made import begun, small, trained

EVERY = ["weight_norm", "gradient_norm", "update_ratio"]


def rows(folder):
    return list(csv.DictReader((folder / "steps.csv").read_text().splitlines()))


def flat(tensors):
    return torch.cat([tensor.detach().double().flatten() for tensor in tensors])


@pytest.mark.parametrize("clip_norm", [None, 0.05])
def test_norms_of_a_step_are_those_of_all_values_as_one_vector(tmp_path, clip_norm):
    training = begun(small(), tmp_path)
    model, optimizer = training.state.model, training.state.optimizer
    before = flat(model.parameters())
    images, labels = next(iter(training.batches.of_epoch(0)))
    gradients(model, training.recipe.loss, images, labels, training.machine)
    gradient = flat(p.grad for p in model.parameters())
    weight_norm, gradient_norm, update_ratio = change(model, optimizer, clip_norm, EVERY).tolist()
    after = flat(model.parameters())
    assert weight_norm == pytest.approx(after.norm().item(), rel=1e-6)
    assert gradient_norm == pytest.approx(gradient.norm().item(), rel=1e-6)  # before it was cut
    assert update_ratio == pytest.approx(((after - before).norm() / before.norm()).item(), rel=1e-4)
    assert all(p.grad is None for p in model.parameters())


def test_frozen_parameters_count_in_the_weight_norm(tmp_path):
    training = begun(small(), tmp_path)
    model = training.state.model
    model.get_submodule("block1").requires_grad_(False)
    images, labels = next(iter(training.batches.of_epoch(0)))
    gradients(model, training.recipe.loss, images, labels, training.machine)
    (weight_norm,) = change(model, training.state.optimizer, None, ["weight_norm"]).tolist()
    assert weight_norm == pytest.approx(flat(model.parameters()).norm().item(), rel=1e-6)


def test_watching_adds_columns_and_changes_no_weight_and_no_other_number(tmp_path):
    plain, watched = trained(small(), tmp_path / "plain"), trained(small(watch=EVERY), tmp_path / "watched")
    assert all(torch.equal(a, b) for a, b in zip(plain.state.weights().values(), watched.state.weights().values(), strict=True))
    kept, added = rows(tmp_path / "plain"), rows(tmp_path / "watched")
    assert [{name: row[name] for name in kept[0]} for row in added] == kept
    assert list(added[0]) == [*kept[0], *EVERY]
    last = flat(watched.state.model.parameters()).norm().item()
    assert float(added[-1]["weight_norm"]) == pytest.approx(last, rel=1e-6)
    assert all(0 < float(row["update_ratio"]) < 1 for row in added)


def test_a_run_stopped_in_an_epoch_and_resumed_has_the_same_norms(tmp_path, monkeypatch):
    recipe = small(watch=["weight_norm", "update_ratio"])
    trained(recipe, tmp_path / "whole")
    monkeypatch.setattr(training_module, "CHECKPOINT_SECONDS", 0.0)
    torn = begun(recipe, tmp_path / "torn")
    real = torn.set_rate

    def stop_at_step_14():
        if torn.state.step == 14:
            with (torn.folder.path / "steps.csv").open("a") as stream:
                stream.write("15,2,0.1,0.5,0.05,1,1\n16,2,0.")  # rows beyond the checkpoint, the last one torn
            raise KeyboardInterrupt
        return real()

    torn.set_rate = stop_at_step_14
    with pytest.raises(KeyboardInterrupt):
        recipe.loop.train(torn)
    monkeypatch.undo()
    trained(recipe, tmp_path / "torn")
    assert (tmp_path / "torn" / "steps.csv").read_bytes() == (tmp_path / "whole" / "steps.csv").read_bytes()


def test_the_order_and_number_of_words_make_no_other_recipe_and_none_keeps_the_id():
    assert small(watch=[]).id == small().id
    assert small(watch=EVERY).id == small(watch=[*EVERY[::-1], "weight_norm"]).id != small().id
    assert type(small()).parse(small(watch=EVERY).spec(), trust=False) == small(watch=EVERY)
    with pytest.raises(InputError, match="watch"):
        small(watch=["norm"])


def test_gaps_are_train_accuracy_minus_that_on_images_held_out_for_the_chosen_weights(tmp_path):
    training = trained(small(epochs=1), tmp_path)
    summary = finish(training, "baseline", "none")
    training.state.model.load_state_dict(training.state.best_weights)
    accuracy = {
        part: training.evaluator.outcomes(training.state.model, getattr(training.data, part)).accuracy for part in ("train", "validation", "test")
    }
    assert len(set(accuracy.values())) == 3
    assert summary["generalization_gap"] == accuracy["train"] - accuracy["test"]
    assert summary["validation_gap"] == accuracy["train"] - accuracy["validation"]


def test_a_run_without_figures_has_no_gaps(tmp_path):
    summary = finish(trained(small(optimizer={"use": "sgd", "lr": 1e30}), tmp_path), "baseline", "none")
    assert (summary["generalization_gap"], summary["validation_gap"]) == (None, None)
    assert math.isfinite(summary["seconds"])
