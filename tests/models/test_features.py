"""Features once: the frozen part sees each image once, and what is trained on its output is the same to rounding."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from contrast.engine import cutting, features
from contrast.engine.finish import finish
from contrast.engine.training import Training
from contrast.protocols import Places
from contrast.recipe import Recipe
from tests.models.made import FLIP, begun, small, trained


@pytest.fixture
def cache(tmp_path: Path) -> Places:
    return Places(folders=(tmp_path / "cache",))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images went through a frozen part, a number each time that one was run over a data set."""
    counted: list[int] = []
    real = features.computed

    def counting(trunk: nn.Module, *rest: Any) -> Tensor:
        made = real(trunk, *rest)
        counted.append(len(made))
        return made

    monkeypatch.setattr(features, "computed", counting)
    return counted


def without(monkeypatch: pytest.MonkeyPatch, make: Callable[[], Training]) -> Training:
    """The training as it is where features are not kept."""
    with monkeypatch.context() as patch:
        patch.setattr(features, "once", lambda *anything: None)
        return make()


class TestSameResult:
    @pytest.mark.parametrize(
        "model",
        [
            {"freeze": "all but head"},
            {"freeze": {"until": "block2"}},
            {"freeze": ["block1.conv", "block1.norm"], "dropout_place": "convolution"},
            {"freeze": "all but head", "lr_factor": {"head.linear": 0.3}},
        ],
        ids=str,
    )
    def test_training_on_kept_features_is_training_on_images(
        self, model: dict[str, Any], tmp_path: Path, cache: Places, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recipe = small(model, averaging={"use": "ema", "decay": 0.9})
        kept, plain = begun(recipe, tmp_path / "kept", cache), without(monkeypatch, lambda: begun(recipe, tmp_path / "plain"))
        assert kept.state.whole is not None
        for training in (kept, plain):
            recipe.loop.train(training)
        for name, value in plain.state.weights().items():
            torch.testing.assert_close(kept.state.weights()[name], value)
        one, other = (finish(training, "baseline", "both") for training in (kept, plain))
        for figure in ("test_accuracy", "test_loss", "validation_loss", "parameters", "trainable_parameters"):
            assert one[figure] == pytest.approx(other[figure], rel=1e-5)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("use", "freeze", "size"),
        [
            ("torchvision/resnet18", "all but head", 32),
            ("torchvision/mobilenet_v2", "all but head", 32),
            ("torchvision/alexnet", "features", 64),
            ("torchvision/efficientnet_b0", {"until": "features.8"}, 32),
            ("torchvision/squeezenet1_1", "all but head", 32),
            ("timm/convnext_atto", "all but head", 32),
            ("timm/test_vit", "all but head", 160),
        ],
    )
    def test_of_networks_from_elsewhere_too(self, use: str, freeze: Any, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        data = {"use": "synthetic", "images": 60, "size": size, "validation": 12}
        recipe = Recipe(data=data, model={"use": use, "freeze": freeze}, epochs=1, batch_size=8, optimizer={"use": "sgd", "lr": 0.001})
        kept, plain = begun(recipe, tmp_path / "kept"), without(monkeypatch, lambda: begun(recipe, tmp_path / "plain"))
        assert kept.state.whole is not None
        for training in (kept, plain):
            recipe.loop.train(training)
        for name, value in plain.state.weights().items():
            torch.testing.assert_close(kept.state.weights()[name], value, rtol=1e-4, atol=1e-5)

    def test_dropout_in_the_head_stays_random(self, tmp_path: Path) -> None:
        training = begun(small({"freeze": "all but head"}), tmp_path)
        assert training.state.whole is not None
        training.state.model.train()
        some = training.data.train.pixels[:8]
        outputs = []
        for step in (1, 2):
            training.state.moment.step = step
            outputs.append(training.state.model(some))
        assert not torch.equal(*outputs)

    def test_a_finished_network_predicts_from_images_what_its_rest_predicts_from_features(self, tmp_path: Path) -> None:
        training = trained(small({"freeze": "all but head"}), tmp_path)
        whole = begun(small({"freeze": "all but head"}, augment=FLIP), tmp_path / "other")
        whole.state.model.load_state_dict(training.state.weights())
        first, second = (t.evaluator.outcomes(t.state.model, t.data.test).log_probabilities for t in (training, whole))
        torch.testing.assert_close(first, second)


class TestOnce:
    def test_every_further_head_and_arm_reads_what_the_first_run_kept(self, tmp_path: Path, cache: Places, seen: list[int]) -> None:
        for number, more in enumerate([{}, {"head": [5]}, {"head_dropout": 0.0}, {"lr_factor": {"head": 0.5}}]):
            begun(small({"freeze": "all but head", **more}), tmp_path / str(number), cache)
        assert seen == [120]

    def test_a_finished_or_interrupted_run_goes_on_from_what_was_kept(self, tmp_path: Path, cache: Places, seen: list[int]) -> None:
        trained(small({"freeze": "all but head"}), tmp_path / "run", cache)
        begun(small({"freeze": "all but head"}), tmp_path / "run", cache)
        assert seen == [120]

    def test_other_weights_transform_or_images_are_computed_anew(self, tmp_path: Path, cache: Places, seen: list[int]) -> None:
        frozen = small({"freeze": "all but head"})
        others = [
            frozen.with_seed(1),
            small({"freeze": "all but head"}, augment=[{"use": "normalize", "statistics": "imagenet"}]),
            small({"freeze": "all but head"}, data={"use": "synthetic", "images": 119, "size": 8, "validation": 24}),
            small({"freeze": {"until": "block2"}}),
        ]
        for number, recipe in enumerate([frozen, *others]):
            begun(recipe, tmp_path / str(number), cache)
        assert len(seen) == 5

    def test_a_damaged_file_is_made_anew(self, tmp_path: Path, cache: Places, seen: list[int]) -> None:
        begun(small({"freeze": "all but head"}), tmp_path / "a", cache)
        (path,) = (tmp_path / "cache" / "features").glob("*.safetensors")
        path.write_bytes(path.read_bytes()[:-7])
        begun(small({"freeze": "all but head"}), tmp_path / "b", cache)
        begun(small({"freeze": "all but head"}), tmp_path / "c", cache)
        assert seen == [120, 120]

    def test_of_several_at_a_time_one_computes_and_the_others_wait(self, tmp_path: Path) -> None:
        calls: list[int] = []

        def slow() -> Tensor:
            calls.append(1)
            time.sleep(0.1)
            return torch.arange(6.0).reshape(3, 2)

        results: list[Tensor] = []
        path = tmp_path / "features" / "x.safetensors"
        threads = [threading.Thread(target=lambda: results.append(features.kept(path, [2, 0, 1], slow))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(calls) == 1
        assert all(torch.equal(result, torch.arange(6.0).reshape(3, 2)) for result in results)
        assert len(results) == 4


class _Drawing(nn.Module):
    """Drops values by a function of torch's, where no module tells that it does."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 4).requires_grad_(False), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.nn.functional.dropout(self.body(x), 0.5, self.training))  # type: ignore[no-any-return]


class TestWhenNot:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"augment": FLIP}, "augmented at random (flip)"),
            ({"model": {"freeze": "all but head", "unfreeze": 2}}, "trained later"),
            ({"watch": ["weight_norm"]}, "norms of all parameters are watched"),
            ({"model": {}}, "nothing is frozen"),
        ],
    )
    def test_features_are_computed_at_each_step_and_the_reason_is_known(self, changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
        model = changes.pop("model", {"freeze": "all but head"})
        recipe = small(model, **changes)
        assert reason in str(features.reason_against(recipe))
        assert begun(recipe, tmp_path).state.whole is None

    def test_a_part_that_is_frozen_behind_a_trained_one_is_not_kept(self) -> None:
        model = begun_model({"freeze": "head"})
        with pytest.raises(cutting.NoCut, match="its first layers are trained"):
            cutting.cut(model)

    def test_a_draw_outside_of_modules_is_noticed(self) -> None:
        model = _Drawing()
        with pytest.raises(cutting.NoCut, match="works differently in training outside of its modules"):
            cutting.cut(model)

    def test_features_that_would_not_fit_are_not_kept(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(features, "LARGEST", 1000)
        assert begun(small({"freeze": "all but head"}), tmp_path).state.whole is None


def begun_model(model: dict[str, Any]) -> nn.Module:
    from contrast import networks

    return networks.network(small(model).model, (3, 8, 8), 4)


@pytest.mark.parametrize(("rate", "drawn_anew"), [(0.5, True), (0.0, False)])
def test_dropout_of_torch_ends_the_still_part_unless_it_drops_nothing(rate: float, drawn_anew: bool) -> None:
    model = nn.Sequential(nn.Linear(4, 4).requires_grad_(False), nn.Dropout(rate), nn.Linear(4, 2))
    two = cutting.cut(model)
    two.rest.train()
    outputs = [two.rest(two.trunk(torch.ones(64, 4))) for _ in range(2)]
    assert torch.equal(*outputs) != drawn_anew
