"""The numbers behind pictures of a network: filters, activations, what units want, attribution, dead units."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.explain.conftest import PLACES
from torch import nn

from contrast.classifier import Classifier
from contrast.errors import InputError
from contrast.explain import attribution, diagnosis, filters, maps, units
from contrast.explain.receptive import Field
from contrast.images import Images
from contrast.recipe import Recipe
from contrast.results import Results
from contrast.run_files import RunFiles


@pytest.fixture(scope="module")
def classifier(run: RunFiles) -> Classifier:
    return Classifier.of_run(run)


@pytest.fixture(scope="module")
def data(run: RunFiles) -> Images:
    return Recipe.parse(run.recipe["base"], trust=True).data.read(PLACES)


def test_predictions_are_those_that_the_run_kept(study: Results, run: RunFiles, classifier: Classifier, data: Images) -> None:
    rows = study.images("test")
    own = rows[(rows["arm"] == run.arm) & (rows["seed"] == run.seed)]
    where = {name: at for at, name in enumerate(data.ids)}
    probabilities = classifier.probabilities(data.pixels[[where[name] for name in own["id"]]])
    assert probabilities[np.arange(len(own)), own["label"]] == pytest.approx(own["p_true"].to_numpy(), abs=1e-5)
    assert probabilities.argmax(1).tolist() == own["prediction"].tolist()


def test_a_network_before_training_is_the_one_that_training_began_with(study: Results, classifier: Classifier) -> None:
    """Arms with one seed share what they can share, so the other arm's first network has the same first filters."""
    other = next(run for run in study.planned() if run.arm == "baseline" and run.seed == 1)
    first = filters.kernels(classifier.before_training(PLACES), "block1.conv")
    assert np.array_equal(first, filters.kernels(Classifier.of_run(other).before_training(PLACES), "block1.conv"))
    after = filters.kernels(classifier.model, "block1.conv")
    assert not np.array_equal(first, after)
    assert not np.array_equal(first, filters.kernels(classifier.randomized(), "block1.conv"))
    moved = filters.Moved.of(first, after)
    assert 0 < moved.distance < 5
    assert filters.Moved.of(first, first) == filters.Moved(0.0, pytest.approx(1.0))


def test_filters_share_one_scale_and_zero_is_middle_gray() -> None:
    small, large = np.full((1, 3, 2, 2), 0.5, np.float32), np.zeros((1, 3, 2, 2), np.float32)
    large[0, 0] = -1
    before, after = filters.before_and_after(small, large, "conv")
    assert (before.tiles[0].pixels == 191).all()
    assert after.tiles[0].pixels[0, 0].tolist() == [0, 128, 128]
    assert before.scale == after.scale == ("gray", "−1", "+1")
    assert "RGB" in before.draw().mode


def test_a_layer_that_is_not_there_is_named_with_the_nearest(classifier: Classifier) -> None:
    with pytest.raises(InputError, match=r"no convolution 'block1.convv'; did you mean 'block1.conv'\?"):
        filters.chosen(classifier.model, "block1.convv")
    with pytest.raises(InputError, match="no layer 'x'"):
        maps.activations(classifier.model, torch.zeros(1, 1, 28, 28), ["x"])


def test_activations_are_what_the_layer_gives(classifier: Classifier, data: Images) -> None:
    images = classifier.inputs(data.pixels[:2])
    found = maps.activations(classifier.model, images, ["block1.conv", "block2"])
    conv = dict(classifier.model.named_modules())["block1.conv"]
    assert torch.equal(found["block1.conv"], conv(images))
    assert found["block2"].shape == (2, 6, 7, 7)


def test_a_unit_wants_the_patch_that_was_planted() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, bias=False), nn.ReLU())
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[[[0.0, 1, 0], [1, 1, 1], [0, 1, 0]]]]))
    pixels = np.random.default_rng(0).integers(0, 60, (5, 9, 11, 1), np.uint8)
    cross = np.array([[0, 255, 0], [255, 255, 255], [0, 255, 0]], np.uint8)
    pixels[3, 4:7, 2:5, 0] = cross
    batches = [torch.from_numpy(pixels[at : at + 2]).permute(0, 3, 1, 2).float() for at in (0, 2, 4)]
    found = units.excited(model, "0", batches, most=2)
    assert found.images[0, 0] == 3
    assert found.places[0, 0].tolist() == [5, 3]
    field = units.field_of(model, "0", batches[0][:1])
    assert field == Field((3, 3), (1, 1))
    assert np.array_equal(units.patch(pixels[3], (5, 3), found.size, field)[..., 0], cross)


@pytest.mark.parametrize("padding", [0, 1])
def test_a_patch_is_what_the_place_sees_behind_pooling_too(padding: int) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=padding), nn.MaxPool2d(2), nn.Conv2d(2, 1, 3, padding=padding)).eval()
    image = torch.rand(1, 1, 16, 16, requires_grad=True)
    field = units.field_of(model, "2", image.detach())
    assert field == Field((8, 8), (2, 2))
    output = model(image)
    row, column = 2, 3
    model[1].register_forward_hook(lambda _, inputs, __: nn.functional.avg_pool2d(inputs[0], 2))  # every pixel counts
    model(image)[0, 0, row, column].backward()
    seen = np.argwhere(image.grad[0, 0].numpy() != 0)
    marked = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    patch = units.patch(marked, (row, column), (output.shape[2], output.shape[3]), field)
    assert patch.shape == (8, 8, 1)
    assert patch[0, 0, 0] == marked[tuple(seen.min(axis=0))][0]
    assert patch[-1, -1, 0] == marked[tuple(seen.max(axis=0))][0]


def test_outside_of_the_image_is_gray() -> None:
    patch = units.patch(np.zeros((8, 8, 1), np.uint8), (0, 0), (8, 8), Field((3, 3), (1, 1)))
    assert patch[0].ravel().tolist() == [128] * 3
    assert patch[1:, 1:].ravel().tolist() == [0] * 4


@pytest.fixture(scope="module")
def made(classifier: Classifier, data: Images) -> list[attribution.Attribution]:
    return attribution.attributions(classifier.model, classifier.randomized(), classifier.inputs(data.pixels[:3]))


class TestAttribution:
    def test_each_method_gives_a_map_an_image(self, made: list[attribution.Attribution]) -> None:
        assert [one.method for one in made] == list(attribution.METHODS)
        assert {one.trained.shape for one in made} == {(3, 28, 28)}

    def test_integrated_gradients_sum_to_the_difference_from_the_baseline(
        self, made: list[attribution.Attribution], classifier: Classifier, data: Images
    ) -> None:
        """The axiom of completeness (Sundararajan et al. 2017)."""
        images = classifier.inputs(data.pixels[:3])
        logits, empty = classifier.model(images), classifier.model(torch.zeros_like(images))
        expected = [float(logits[at, label] - empty[at, label]) for at, label in enumerate(logits.argmax(1).tolist())]
        assert made[0].trained.sum(axis=(1, 2)) == pytest.approx(expected, rel=0.1, abs=0.1)

    def test_a_map_like_the_random_networks_is_told(self) -> None:
        draw = np.random.default_rng(0).normal(size=(2, 8, 8)).astype(np.float32)
        same, other = attribution.Attribution("occlusion", draw, draw), attribution.Attribution("Grad-CAM", draw, draw[::-1].copy())
        assert same.correlation == pytest.approx(1)
        assert abs(other.correlation or 9) < 0.3
        assert attribution.Attribution("occlusion", np.zeros_like(draw), draw).correlation is None
        assert [line.partition(":")[0] for line in attribution.findings([same, other])] == ["occlusion"]

    def test_a_network_without_convolutions_has_no_grad_cam(self) -> None:
        model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
        made = attribution.attributions(model, model, torch.rand(2, 1, 4, 4))
        assert [one.method for one in made] == ["integrated gradients", "occlusion"]


def test_dead_units_are_counted() -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 1, bias=True), nn.ReLU())
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].bias.copy_(torch.tensor([1.0, -1.0, 0.0]))
    (found,) = diagnosis.silence(model, [torch.rand(4, 1, 2, 2), torch.rand(2, 1, 2, 2)])
    assert (found.layer, found.dead, found.units, found.zeros) == ("1", 2, 3, pytest.approx(2 / 3))
    assert diagnosis.about_silence([found])[0].startswith("2 of 3 units behind 1 are dead")
