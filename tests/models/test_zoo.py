"""Networks of torchvision and timm: names, heads, totals, channels, image sizes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from contrast import catalog, changes, freezing, keyed, networks
from contrast.errors import InputError
from contrast.protocols import ModelIngredient
from contrast.recipe import Recipe

IMAGE = (3, 224, 224)


def config(use: str, **settings: Any) -> ModelIngredient:
    return catalog.parse("model", {"use": use, **settings})  # type: ignore[return-value]


def on_meta(made: ModelIngredient, shape: tuple[int, int, int] = IMAGE, classes: int = 101) -> nn.Module:
    with torch.device("meta"):
        return networks.network(made, shape, classes)


def counts(use: str, **settings: Any) -> freezing.Counts:
    return freezing.count(on_meta(config(use, **settings)))


class TestTotals:
    """The five reports' own numbers (P3, P6, P7, P9, P10)."""

    def test_alexnet_for_101_classes_has_57417637_parameters_of_which_2469696_are_convolutional(self) -> None:
        assert counts("torchvision/alexnet") == freezing.Counts(57_417_637, 57_417_637)
        assert counts("torchvision/alexnet", freeze="features") == freezing.Counts(57_417_637, 57_417_637 - 2_469_696)

    def test_the_report_swapped_the_words_of_p6_and_p7(self) -> None:
        """P6, "CNN frozen", prints 2,469,696 trainable: so the classifier was frozen. P7, "FC frozen", prints all but the frozen features."""
        assert counts("torchvision/alexnet", freeze=["classifier"]).trainable == 2_469_696
        assert counts("torchvision/alexnet", freeze="features").trainable == 54_947_941

    def test_vgg16_with_a_hidden_layer_of_2024_has_142757397_parameters_of_which_8496853_are_in_the_head(self) -> None:
        assert counts("torchvision/vgg16", head={"hidden": [2024]}, freeze="all but head") == freezing.Counts(142_757_397, 8_496_853)

    def test_resnet18_with_a_hidden_layer_of_4096_has_13691557_parameters(self) -> None:
        assert counts("torchvision/resnet18", head={"hidden": [4096]}).total == 13_691_557

    def test_counts_are_told_as_total_trainable_frozen_and_ratio(self) -> None:
        told = str(counts("torchvision/alexnet", freeze="features"))
        assert told == "57,417,637 parameters: 54,947,941 trainable, 2,469,696 frozen (95.70 % trainable)"


class TestNames:
    def test_a_name_with_a_slash_is_the_library_and_its_name(self) -> None:
        assert config("torchvision/resnet18") == config("torchvision", name="resnet18")
        assert config("timm/resnet18") == catalog.parse("model", "timm/resnet18")

    def test_a_recipe_reads_back_from_its_plain_form_with_the_same_id(self) -> None:
        recipe = Recipe(data="synthetic", model={"use": "torchvision/resnet18", "head": {"hidden": [7]}, "lr_factor": {"layer1": 0.1, "conv1": 0.2}})
        assert Recipe.parse(recipe.spec(), trust=False).id == recipe.id
        assert Recipe.parse(recipe.given(), trust=False).id == recipe.id

    def test_an_arm_replaces_the_network_by_a_name_with_a_slash_and_loses_no_name(self) -> None:
        base = Recipe(data="synthetic", model="torchvision/resnet18").given()
        changed, lost = changes.apply(base, {"model": "torchvision/alexnet"})
        assert changed["model"] == {"use": "torchvision", "name": "alexnet"}
        assert lost == []

    @pytest.mark.parametrize(
        ("use", "message"),
        [
            ("torchvision/alexnt", r"name: \"alexnt\" is wrong; torchvision has no classifier of this name; did you mean 'alexnet'"),
            ("timm/resnet-18", r"timm has no network of this name; did you mean 'resnet18'"),
            ("torchvison/alexnet", r"there is no model 'torchvison'; did you mean 'torchvision'"),
            ("torchvision", r"name: is missing"),
        ],
    )
    def test_a_wrong_name_is_told_with_the_nearest_right_one(self, use: str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            config(use)


class TestHeads:
    @pytest.mark.parametrize(
        ("use", "place"),
        [
            ("torchvision/resnet18", "fc"),
            ("torchvision/alexnet", "classifier.6"),
            ("torchvision/squeezenet1_1", "classifier.1"),
            pytest.param("torchvision/densenet121", "classifier", marks=pytest.mark.slow),
            pytest.param("torchvision/swin_t", "head", marks=pytest.mark.slow),
            pytest.param("torchvision/vit_b_32", "heads.head", marks=pytest.mark.slow),
            ("timm/convnext_atto", "head.fc"),
            pytest.param("timm/vit_tiny_patch16_224", "head", marks=pytest.mark.slow),
        ],
    )
    def test_is_replaced_wherever_the_family_keeps_it(self, use: str, place: str) -> None:
        made = config(use, head={"hidden": [9], "norm": "batch", "dropout": 0.5})
        model = on_meta(made, classes=5)
        assert made.head_of(model) == (place,)
        assert [name for name, _ in model.get_submodule(place).named_children()][1:] == ["norm", "activation", "dropout", "output"]
        networks.check_output(made, model, IMAGE, 5)

    def test_without_hidden_layers_keeps_the_names_of_the_familys_own_head(self) -> None:
        assert "classifier.6.weight" in on_meta(config("torchvision/alexnet")).state_dict()

    def test_the_module_that_is_named_is_replaced_whole(self) -> None:
        model = on_meta(config("torchvision/alexnet", head={"at": "classifier"}), classes=4)
        assert isinstance(model.classifier, nn.Linear)
        assert (model.classifier.in_features, model.classifier.out_features) == (9216, 4)

    @pytest.mark.parametrize(
        ("at", "message"),
        [
            ("clasifier", r"model\.head\.at: the network has no module 'clasifier'; did you mean 'classifier'"),
            ("avgpool", r"'avgpool' .* has no linear"),
        ],
    )
    def test_one_that_is_not_there_is_told(self, at: str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            on_meta(config("torchvision/alexnet", head={"at": at}))

    def test_one_that_cannot_be_found_says_how_to_name_it(self) -> None:
        made = catalog.OutsideModel.of("tests.nowhere:net", lambda: nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 7)), {"freeze": "all but head"})
        with pytest.raises(InputError, match=r"no layer gives 5 values.*the last layers with weights are 0, 1.*head: \{at: NAME\}"):
            on_meta(made, classes=5)


class TestInitialValues:
    def values(self, seed: int, **head: Any) -> dict[str, torch.Tensor]:
        made = config("torchvision/squeezenet1_1", head=head)
        with keyed.seeded(seed, "construct"):
            model = made.build((3, 32, 32), 5)
        made.initialize(model, seed)
        return dict(model.named_parameters())

    def test_another_head_leaves_the_rest_as_it_is_and_draws_its_own_by_name(self) -> None:
        plain, deep, again, other = self.values(1), self.values(1, hidden=[6]), self.values(1), self.values(2)
        body = [name for name in plain if name.startswith("features")]
        assert all(torch.equal(plain[name], deep[name]) for name in body)
        assert all(torch.equal(plain[name], again[name]) for name in plain)
        assert not torch.equal(plain["classifier.1.weight"], other["classifier.1.weight"])


class TestImages:
    @pytest.mark.parametrize("use", ["torchvision/squeezenet1_1", pytest.param("timm/resnet18", marks=pytest.mark.slow)])
    def test_gray_images_go_in_by_a_first_convolution_of_one_channel(self, use: str) -> None:
        made = config(use)
        networks.check_output(made, on_meta(made, (1, 64, 64), 5), (1, 64, 64), 5)

    @pytest.mark.parametrize(
        ("use", "message"),
        [
            ("torchvision/alexnet", r"does not run on images of 32×32 .*it takes images of at least 63×63 \(data\.size: 63\)"),
            pytest.param("timm/vit_tiny_patch16_224", r"it takes images of 224×224 ", marks=pytest.mark.slow),
        ],
    )
    def test_too_small_for_a_network_are_told_with_the_size_that_it_takes(self, use: str, message: str) -> None:
        made = config(use)
        with pytest.raises(InputError, match=message):
            networks.check_output(made, on_meta(made, (3, 32, 32), 5), (3, 32, 32), 5)

    def test_what_the_librarys_weights_were_trained_on_is_known(self) -> None:
        told = config("torchvision/mobilenet_v2", weights="default").preprocessing()
        assert (told.size, told.resize, told.interpolation, told.mean) == (224, 232, "bilinear", (0.485, 0.456, 0.406))
        assert config("torchvision/mobilenet_v2").preprocessing() is None
        assert config("timm/resnet18.a1_in1k", weights="default").preprocessing().interpolation == "bicubic"
