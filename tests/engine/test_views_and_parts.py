"""Evaluation over views of an image, and steps in parts of a batch: both say what the whole or the plain image says, averaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import contrast as ct
from contrast import catalog, keyed, views
from contrast.classifier import Classifier
from contrast.engine.machine import Machine
from contrast.engine.step import gradients
from contrast.errors import InputError
from contrast.exporting import Whole
from contrast.recipe import Recipe
from tests.engine.made import begun, small

COLUMN: dict[str, Any] = {
    "data": {"use": "synthetic", "images": 120, "size": 8},
    "model": {"use": "mlp", "hidden": [16]},
    "epochs": 2,
    "batch_size": 20,
}


@pytest.mark.slow
def test_training_images_that_are_not_asked_for_are_not_judged(tmp_path: Path) -> None:
    arms = {"spared": {"evaluate": {"train": False, "latest": True}}}
    results = ct.run(ct.Study(name="t", base=COLUMN, arms=arms), runs=tmp_path)
    plain, spared = (results.best(arm).summary for arm in ("baseline", "spared"))
    assert plain is not None
    assert spared is not None
    missing = {key for key in plain if plain[key] is not None and spared[key] is None}
    assert missing == {"train_accuracy", "train_loss", "generalization_gap", "validation_gap"}
    assert plain["test_loss"] == spared["test_loss"]
    assert spared["last_test_loss"] is not None
    results.report(tmp_path / "page.html")


class Net(nn.Module):
    """Logits that are a sum over pixels with fixed random weights, so that every view gives others."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", torch.randn(3, 2, 6, 5, generator=keyed.generator(0, "net")))
        self.weights: Tensor

    def forward(self, images: Tensor) -> Tensor:
        return torch.einsum("bchw,kchw->bk", images, self.weights)


IMAGES = torch.randn(4, 2, 6, 5, generator=keyed.generator(1, "images"))


class TestViews:
    def test_weights_add_up_to_one_and_the_number_of_views_is_what_is_planned_with(self) -> None:
        from contrast.evaluation import PASSES

        for name, passes in PASSES.items():
            weights = [weight for weight, _ in views.seen(IMAGES, name)]
            assert len(weights) == passes
            assert sum(weights) == 1.0

    def test_mirror_is_the_mean_of_an_image_and_its_mirror_image(self) -> None:
        net = Net()
        found = views.logits(net, IMAGES, "mirror")
        torch.testing.assert_close(found, (net(IMAGES) + net(IMAGES.flip(3))) / 2)
        torch.testing.assert_close(found, views.logits(net, IMAGES.flip(3), "mirror"))
        assert torch.equal(views.logits(net, IMAGES, "none"), net(IMAGES))

    def test_shifted_views_are_the_image_moved_by_a_pixel_along_the_diagonal_its_edge_reflected(self) -> None:
        down, up = (view for weight, view in list(views.seen(IMAGES, "mirror and shift"))[2::2])
        assert torch.equal(down[:, :, 1:, 1:], IMAGES[:, :, :-1, :-1])
        assert torch.equal(up[:, :, :-1, :-1], IMAGES[:, :, 1:, 1:])
        assert torch.equal(down[:, :, 0], down[:, :, 2])

    def test_choosing_test_and_prediction_see_the_same_views_and_training_images_none(self, tmp_path: Path) -> None:
        results = ct.run(ct.Study(name="v", base=COLUMN, arms={"mirror": {"evaluate": {"views": "mirror"}}}), runs=tmp_path)
        plain, mirrored = (results.best(arm) for arm in ("baseline", "mirror"))
        assert plain.summary["train_accuracy"] == mirrored.summary["train_accuracy"]  # type: ignore[index]
        assert plain.summary["test_loss"] != mirrored.summary["test_loss"]  # type: ignore[index]
        assert mirrored.summary["generalization_gap"] is None  # type: ignore[index]
        steps = [run.folder.joinpath("steps.csv").read_bytes() for run in (plain, mirrored)]
        assert steps[0] == steps[1]
        classifier = Classifier.of_run(mirrored)
        pixels = np.random.default_rng(0).integers(0, 256, (3, *classifier.shape[1:], classifier.shape[0]), dtype=np.uint8)
        flipped = classifier.probabilities(np.ascontiguousarray(pixels[:, :, ::-1]))
        np.testing.assert_allclose(classifier.probabilities(pixels), flipped, rtol=1e-5)
        exported = Whole(classifier)(torch.from_numpy(pixels).permute(0, 3, 1, 2)).softmax(1)
        np.testing.assert_allclose(exported.detach().numpy(), flipped, rtol=1e-4)

    def test_a_recipe_that_judges_one_view_is_the_one_it_was_before_views(self) -> None:
        known = "a807392f2cee78b6c8429838bed9f67e3ffff0708c77686e41e921eede453846"
        evaluate = {"latest": True}
        assert Recipe(data="synthetic", model="mlp", evaluate=evaluate).id == known
        assert Recipe(data="synthetic", model="mlp", evaluate={**evaluate, "views": "mirror"}).id != known

    def test_views_and_dropout_masks_are_not_averaged_together(self) -> None:
        with pytest.raises(InputError, match="ask for one of them"):
            small(evaluate={"views": "mirror", "mc_dropout": {"masks": [1]}})


CPU = Machine("cpu", "fp32", "contiguous", False, 1, True, "", "", "")
LOSS = catalog.parse("loss", {"use": "cross_entropy", "label_smoothing": 0.1})
BATCH = torch.randn(24, 1, 8, 8, generator=keyed.generator(2, "images"))
LABELS = torch.eye(3)[torch.arange(24) % 3]


def gradient(net: nn.Module, size: int | None, moment: keyed.Moment | None = None) -> tuple[Tensor, Tensor]:
    net.zero_grad()
    measured = gradients(net, LOSS, BATCH, LABELS, CPU, size, moment)
    return measured, torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])


class TestParts:
    def net(self, **settings: Any) -> nn.Module:
        config = catalog.parse("model", {"use": "convnet", "channels": [6, 8], "head": [10], **settings})
        net = config.build((1, 8, 8), 3)
        config.initialize(net, 0)
        return net.train()

    @pytest.mark.parametrize("norm", ["none", "group"])
    @pytest.mark.parametrize("size", [1, 7, 12, 24, 100])
    def test_without_batch_statistics_loss_accuracy_and_gradient_are_those_of_the_whole_batch(self, norm: str, size: int) -> None:
        net = self.net(norm=norm, groups=2)
        (whole, wanted), (parts, found) = gradient(net, None), gradient(net, size)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(parts, whole)

    def test_batch_norm_sees_only_its_part(self) -> None:
        wanted, found = (gradient(self.net(norm="batch"), size)[1] for size in (None, 8))
        assert (wanted - found).norm() > 0.01 * wanted.norm()

    def test_each_part_has_dropout_masks_of_its_own_and_the_first_those_of_a_whole_batch(self) -> None:
        net = self.net(dropout=0.5)
        moment = keyed.bind(net, 0)
        drawn = []
        net.get_submodule("block1.dropout").register_forward_hook(lambda module, given, out: drawn.append((out == 0)[0]))
        gradient(net, 12, moment)
        gradient(net, None, moment)
        assert torch.equal(drawn[0], drawn[2])
        assert not torch.equal(drawn[0], drawn[1])
        assert moment.part == 0

    def test_a_training_in_parts_takes_the_same_steps(self, tmp_path: Path) -> None:
        ends = []
        for number, more in enumerate(({}, {"micro_batch": 3})):
            training = begun(small(epochs=1, **more), tmp_path / str(number))
            training.recipe.loop.train(training)
            ends.append(torch.cat([value.flatten() for value in training.state.weights().values()]))
        torch.testing.assert_close(ends[0], ends[1], rtol=1e-3, atol=1e-5)
        assert not torch.equal(*ends)

    def test_class_weights_are_refused_since_parts_of_their_mean_do_not_add_up(self) -> None:
        with pytest.raises(InputError, match=r"micro_batch: .*leave one of the two out"):
            small(micro_batch=2, loss={"use": "cross_entropy", "class_weights": [1.0, 2.0]})
