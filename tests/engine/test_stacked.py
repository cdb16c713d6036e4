"""Runs stacked into one network give what each gives by itself."""

import csv
import threading

import pytest
import torch
from torch import nn

from contrast import keyed
from contrast.engine import in_turns, stacked, step
from contrast.engine.stacked_layers import Dropouts, reason_against
from contrast.engine.step import Asked
from contrast.recipe import Recipe
from tests.engine.made import SMALL, begun, small, trained

SGD = {"use": "sgd", "lr": 0.05, "momentum": 0.9}
DEEP = {"use": "convnet", "channels": [[8, 8], 8], "head": [16]}
NORMED = {**DEEP, "norm": "batch"}


def together(recipes, folder, at_most=8, **machine):
    """Trainings carried to their end at once, and what was noted."""
    trainings, notes = {}, []

    def work(number, recipe):
        trainings[number] = begun(recipe, folder / str(number), **machine)
        recipe.loop.train(trainings[number])

    in_turns.carry_out([lambda n=n, r=r: work(n, r) for n, r in enumerate(recipes)], at_most, notes.append)
    return [trainings[number] for number in range(len(recipes))], notes


def in_steps(steps, **changes):
    return Recipe(**{**{name: value for name, value in SMALL.items() if name != "epochs"}, "steps": steps, **changes})


def losses(training):
    return torch.tensor([float(row["loss"]) for row in csv.DictReader((training.folder.path / "steps.csv").read_text().splitlines())])


def storages(training):
    return [parameter.untyped_storage().data_ptr() for parameter in training.state.model.parameters()]


def apart(one, other):
    """The greatest distance between two runs' tensors, relative to the tensor's greatest value."""
    pairs = zip(one.state.model.state_dict().values(), other.state.model.state_dict().values(), strict=True)
    return max(float((a.double() - b.double()).abs().max() / b.double().abs().max().clamp(min=1e-3)) for a, b in pairs)


def assert_equal_to_solo(recipes, folder, tolerance, **machine):
    runs, _ = together(recipes, folder / "stack", **machine)
    assert storages(runs[0]) == storages(runs[1])  # they were stacked
    for number, (run, recipe) in enumerate(zip(runs, recipes, strict=True)):
        solo = trained(recipe, folder / f"solo-{number}", **machine)
        torch.testing.assert_close(losses(run), losses(solo), rtol=tolerance, atol=tolerance)
        assert apart(run, solo) < tolerance
        assert (run.state.step, run.state.epoch) == (solo.state.step, solo.state.epoch)


ALIKE = {
    "no norm": [small(epochs=1, model=DEEP, seed=seed) for seed in range(3)],
    "batch norm in maps and features": [small(epochs=1, model={**DEEP, "norm": "batch", "head_norm": "batch"}, seed=seed) for seed in range(2)],
    "dropouts of different rates and places": [
        small(epochs=1, model={**NORMED, "dropout": 0.5}),
        small(epochs=1, model={**NORMED, "dropout": 0.2, "dropout_place": "convolution", "head_dropout": 0.4}),
        small(epochs=1, model=NORMED),
    ],
    "different optimizers, losses, averages and labels": [
        small(epochs=1, optimizer={"use": "sgd", "lr": 0.1, "weight_decay": 0.01}, watch=["weight_norm"]),
        small(epochs=1, optimizer={"use": "adam", "lr": 0.01}, clip_norm=0.5, watch=["gradient_norm", "update_ratio"]),
        small(epochs=1, loss={"use": "cross_entropy", "label_smoothing": 0.2}, averaging={"use": "ema", "decay": 0.8}),
        small(epochs=1, augment=[{"use": "flip"}], data={"use": "synthetic", "images": 120, "size": 8, "validation": 24, "wrong_labels": 0.3}),
    ],
}
MORE = {
    "group and layer norm": [small(epochs=1, model={**DEEP, "norm": "group", "groups": 4, "head_norm": "layer"}, seed=seed) for seed in range(2)],
    "strides and no pooling": [
        small(epochs=1, data={"use": "synthetic", "images": 120, "size": 9, "validation": 24}, model={**DEEP, "stride": 2, "pool": "none"}, seed=seed)
        for seed in range(2)
    ],
    "mlp": [small(epochs=1, model={"use": "mlp", "hidden": [16, 8]}, seed=seed) for seed in range(2)],
    "parts of a batch": [small(epochs=1, micro_batch=3, model={**DEEP, "dropout": 0.3}, seed=seed) for seed in range(2)],
    "frozen towards the end": [small(epochs=1, model={**DEEP, "freeze_out": {"block1": 0.5}}), small(epochs=1, model=DEEP)],
    "a rate that is found": [
        small(epochs=1, optimizer={**SGD, "find_lr": {"steps": 20}}, seed=0),
        small(epochs=1, optimizer={**SGD, "find_lr": {"steps": 20}}, seed=1),
    ],
}


@pytest.mark.parametrize("recipes", ALIKE.values(), ids=ALIKE)
def test_a_stacked_run_equals_its_solo_run_to_rounding(recipes, tmp_path):
    assert_equal_to_solo(recipes, tmp_path, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("recipes", MORE.values(), ids=MORE)
def test_further_stacked_runs_equal_their_solo_runs_to_rounding(recipes, tmp_path):
    assert_equal_to_solo(recipes, tmp_path, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "tolerance"),
    [({"use": "sgd"}, 1e-4), ({"use": "muon", "sgd_lr": 0.01, "weight_decay": 0.001}, 2**-8)],
    ids=["sgd", "muon, which rounds to bf16 within a step"],
)
def test_speednet_stacked_equals_its_solo_run(optimizer, tolerance, tmp_path):
    given = {"model": {"use": "speednet", "channels": [8, 8]}, "epochs": 1}
    assert_equal_to_solo([small(**given, optimizer={**optimizer, "lr": lr}) for lr in (0.05, 0.02)], tmp_path, tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["batch norm in maps and features", "dropouts of different rates and places"])
@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_in_bf16_it_does_to_the_rounding_of_bf16(name, memory_format, tmp_path):
    assert_equal_to_solo(ALIKE[name], tmp_path, 2e-2, precision="bf16", memory_format=memory_format)


@pytest.mark.parametrize(
    ("channels", "precision", "memory_format"),
    [
        (1, "bf16", "channels_last"),
        *[
            pytest.param(channels, precision, layout, marks=pytest.mark.slow)
            for channels in (1, 3)
            for precision in ("fp32", "bf16")
            for layout in ("contiguous", "channels_last")
        ],
    ],
)
def test_masks_are_the_very_ones_of_the_solo_run(channels, precision, memory_format, tmp_path, monkeypatch):
    drawn = []
    whole = keyed.Dropout.mask

    def noted(self, x):
        made = whole(self, x)
        drawn.append(((self.moment.seed, self.name, self.moment.step, self.moment.part), made.clone()))
        return made

    monkeypatch.setattr(keyed.Dropout, "mask", noted)
    given = {"use": "convnet", "channels": [4, channels], "dropout": 0.4, "head": [8], "head_dropout": 0.3}
    recipes = [in_steps(2, model=given, micro_batch=3, seed=seed) for seed in range(2)]
    together(recipes, tmp_path / "stack", precision=precision, memory_format=memory_format)
    stack = dict(drawn)  # the first pass, which only looks, draws too, and is drawn again
    drawn.clear()
    for recipe in recipes:
        trained(recipe, tmp_path / f"solo-{recipe.seed}", precision=precision, memory_format=memory_format)
    solo = dict(drawn)
    assert stack.keys() == solo.keys()
    assert len(solo) == 2 * 2 * 3 * 3  # seeds, steps, parts, places
    assert all(torch.equal(stack[of], solo[of]) and stack[of].dtype == solo[of].dtype for of in solo)


def test_masks_are_drawn_in_the_layout_of_the_solo_run_even_where_the_stack_lies_otherwise_in_memory():
    own = [keyed.Dropout(rate) for rate in (0.5, 0.2)]
    for seed, dropout in enumerate(own):
        keyed.bind(nn.Sequential(dropout), seed)
    solo = torch.rand(5, 4, 3, 3).contiguous(memory_format=torch.channels_last)
    places = Dropouts([*own, None], dict.fromkeys(own, solo))(torch.ones(5, 12, 3, 3)).unflatten(1, (3, 4)).unbind(1)
    assert all(torch.equal(place, dropout.mask(solo)) for place, dropout in zip(places, own, strict=False))
    assert not torch.equal(own[0].mask(solo), own[0].mask(solo.contiguous()))
    assert torch.equal(places[2], torch.ones(5, 4, 3, 3))


def test_a_run_that_ends_early_leaves_the_others_as_they_were_and_those_that_wait_take_its_place(tmp_path):
    given = {
        "patient": small(epochs=2),
        "hopeless": small(epochs=3, optimizer={"use": "sgd", "lr": 1e-12}, patience=1),
        "diverging": small(epochs=2, optimizer={"use": "sgd", "lr": 1e30}),
        "later": small(epochs=1, seed=5),
    }
    runs, notes = together(list(given.values()), tmp_path / "stack", at_most=3)
    found = dict(zip(given, runs, strict=True))
    assert [run.state.stopped for run in runs] == ["budget", "patience", "diverged", "budget"]
    for name in ("patient", "later"):
        assert apart(found[name], trained(given[name], tmp_path / name)) < 1e-5
    assert notes == []


def test_networks_of_two_shapes_are_two_stacks_at_a_time(tmp_path):
    wide = {"use": "convnet", "channels": [16], "head": [16]}
    recipes = [small(epochs=1), small(epochs=1, model=wide), small(epochs=1, seed=1), small(epochs=1, model=wide, seed=1)]
    runs, notes = together(recipes, tmp_path)
    assert storages(runs[0]) == storages(runs[2]) != storages(runs[1]) == storages(runs[3])
    assert notes == []


def foreign(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 4))


def test_a_foreign_dropout_is_never_stacked_which_is_told_once_and_its_runs_keep_their_bits(tmp_path):
    recipes = [small(epochs=1, model=foreign(0)), small(epochs=1), small(epochs=1, model=foreign(0), seed=1), small(epochs=1, seed=1)]
    runs, notes = together(recipes, tmp_path / "stack")
    assert notes == ["there is no way to stack Dropout, so runs of this network are carried out one by one"]
    assert storages(runs[1]) == storages(runs[3])
    for number in (0, 2):
        assert apart(runs[number], trained(recipes[number], tmp_path / str(number))) == 0


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular")), "there is no way to stack Conv2d with padding_mode circular"),
        (nn.Sequential(nn.BatchNorm2d(3, momentum=None)), "there is no way to stack BatchNorm2d without momentum or without running statistics"),
        (nn.Sequential(nn.RReLU()), "there is no way to stack RReLU"),
        (nn.Sequential(nn.Softmax(1)), "there is no way to stack Softmax"),
        (nn.Sequential(*[nn.Linear(4, 4)] * 2), "it uses parameters twice"),
        (nn.Sequential(nn.Linear(4, 4).requires_grad_(False), nn.Linear(4, 4)), "some of it is frozen"),
        (type("Own", (nn.Linear,), {"forward": lambda self, x: x})(4, 4), "there is no way to stack Own"),
        (type("Net", (nn.Sequential,), {"forward": lambda self, x: x})(nn.Linear(4, 4)), "there is no way to stack Net"),
    ],
)
def test_what_can_not_be_stacked_is_told_by_its_reason(network, reason):
    assert reason_against(network) == reason


def test_a_network_that_is_compiled_or_hooked_into_is_not_stacked():
    network = nn.Sequential(nn.Linear(4, 4))
    assert reason_against(network) is None
    hook = network[0].register_forward_hook(lambda *_: None)
    assert reason_against(network) == "something hooks into it"
    hook.remove()
    network._compiled_call_impl = network.forward  # what `compile` sets, without the compiler
    assert reason_against(network) == "it is compiled"


def test_a_loss_that_fails_fails_its_own_run_alone(tmp_path, monkeypatch):
    recipes = [small(epochs=1), small(epochs=1, loss={"use": "cross_entropy", "label_smoothing": 0.3}, seed=1), small(epochs=1, seed=2)]
    whole, failed = type(recipes[0].loss).value, []

    def broken(self, logits, labels):
        if self.label_smoothing == 0.3:
            raise ZeroDivisionError("of the loss")
        return whole(self, logits, labels)

    monkeypatch.setattr(type(recipes[0].loss), "value", broken)
    runs = [begun(recipe, tmp_path / str(recipe.seed)) for recipe in recipes]

    def work(run):
        try:
            run.recipe.loop.train(run)
        except ZeroDivisionError as error:
            failed.append((run.recipe.seed, str(error)))

    in_turns.carry_out([lambda run=run: work(run) for run in runs], 8, print)
    assert failed == [(1, "of the loss")]
    assert [run.state.stopped for run in runs] == ["budget", "", "budget"]
    monkeypatch.setattr(type(recipes[0].loss), "value", whole)
    assert apart(runs[2], trained(recipes[2], tmp_path / "solo")) < 1e-5


def test_what_a_work_raises_ends_all_of_them_and_leaves_no_thread(tmp_path):
    runs, left = [begun(small(seed=seed), tmp_path / str(seed)) for seed in range(3)], []

    def work(run):
        try:
            run.recipe.loop.train(run)
        finally:
            left.append(run.recipe.seed)

    def interrupted():
        if runs[1].state.step == 5:
            raise KeyboardInterrupt
        return whole()

    whole, runs[1].set_rate = runs[1].set_rate, interrupted
    with pytest.raises(KeyboardInterrupt):
        in_turns.carry_out([lambda run=run: work(run) for run in runs], 8, print)
    assert sorted(left) == [0, 1, 2]
    assert [run.state.step for run in runs] == [5, 5, 4]  # the third waited for the gradients of its fifth step
    assert "contrast run" not in [thread.name for thread in threading.enumerate()]


def test_a_step_of_a_stack_gives_what_steps_alone_give(tmp_path):
    """The very gradients, before any optimizer: a net with batch norm, its running statistics included."""
    recipes = ALIKE["batch norm in maps and features"]
    stack, solo = ([begun(recipe, tmp_path / name / str(recipe.seed)) for recipe in recipes] for name in ("stack", "solo"))
    asked = [[_asked(run) for run in runs] for runs in (stack, solo)]
    answers = stacked.Stacks().gradients(asked[0])
    for run, alone, answer, own in zip(stack, solo, answers, map(step.alone, asked[1]), strict=True):
        torch.testing.assert_close(answer, own)
        for parameter, other in zip(run.state.model.parameters(), alone.state.model.parameters(), strict=True):
            torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-4, atol=1e-6)
            assert parameter.grad.stride() == parameter.stride()
        for buffer, other in zip(run.state.model.buffers(), alone.state.model.buffers(), strict=True):
            torch.testing.assert_close(buffer, other)


def _asked(run):
    images, labels = next(run.batches.of_epoch(0))
    return Asked(run.state.model.train(), run.recipe.loss, images, labels, run.machine, None, run.state.moment)
