"""Weights from files: full, partial, wrong, damaged, hostile, and those that can't be downloaded."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from contrast import catalog, networks, weights
from contrast.errors import InputError
from contrast.protocols import ModelIngredient, Places

SHAPE, CLASSES = (3, 16, 16), 5


def config(path: str | Path = "none", **settings: Any) -> ModelIngredient:
    return catalog.parse("model", {"use": "torchvision/squeezenet1_1", "weights": str(path), **settings})  # type: ignore[return-value]


@pytest.fixture(scope="module")
def values() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {name: torch.randn_like(value) for name, value in config().build(SHAPE, CLASSES).state_dict().items()}


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    def save(tensors: dict[str, Any], name: str = "file.safetensors") -> Path:
        path = tmp_path / name
        save_file(tensors, path) if path.suffix == ".safetensors" else torch.save(tensors, path)
        return path

    return save


def loaded(made: ModelIngredient, places: Places | None = None) -> tuple[nn.Module, weights.Loaded]:
    model, report = networks.started(made, SHAPE, CLASSES, 0, places or Places())
    assert report is not None
    return model, report


@pytest.mark.parametrize("name", ["file.safetensors", "file.pth"])
def test_a_full_file_gives_every_value(values: dict[str, Tensor], saved: Callable[..., Path], name: str) -> None:
    model, report = loaded(config(saved(values, name)))
    assert all(torch.equal(value, values[key]) for key, value in model.state_dict().items())
    assert (len(report.matched), report.missing, report.left_over) == (len(values), (), ())


def test_wrapped_and_prefixed_as_trainers_save_them_they_are_found(values: dict[str, Tensor], saved: Callable[..., Path]) -> None:
    _, report = loaded(config(saved({"state_dict": {f"module.{key}": value for key, value in values.items()}, "epoch": 3}, "file.pth")))
    assert len(report.matched) == len(values)


def test_a_partial_file_loads_and_says_what_matched_what_was_missing_and_what_was_left_over(
    values: dict[str, Tensor], saved: Callable[..., Path]
) -> None:
    part = {key: value for key, value in values.items() if not key.startswith("classifier")} | {"extra.weight": torch.ones(3)}
    model, report = loaded(config(saved(part)))
    assert report.missing == ("classifier.1.weight", "classifier.1.bias")
    assert report.left_over == ("extra.weight",)
    fresh = config()
    untouched = networks.started(fresh, SHAPE, CLASSES, 0, Places())[0].state_dict()
    assert torch.equal(model.state_dict()["classifier.1.weight"], untouched["classifier.1.weight"])
    told = "2 missing and begun anew (classifier.1.weight, classifier.1.bias), 1 left over (extra.weight)"
    assert told in str(report)


def test_the_real_features_of_mobilenet_match_but_for_the_classifier() -> None:
    folder = Path(os.environ.get("CONTRAST_DATA", "/nowhere"))
    if not (folder / "weights").is_dir():
        pytest.skip("CONTRAST_DATA has no weights")
    made = catalog.parse("model", {"use": "torchvision/mobilenet_v2", "weights": "mobilenet_v2-imagenet-features.pth"})
    with torch.device("meta"):
        model = networks.network(made, (3, 224, 224), 2)
    fit = networks.fitted(made, model, 2, Places(folders=(folder,)))
    assert fit is not None
    assert fit.loaded.missing == ("classifier.1.weight", "classifier.1.bias")
    assert fit.loaded.left_over == ()


def test_a_file_that_matches_nothing_is_an_error(saved: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"nothing in it matches the network: it has 'other\.weight'.*the network 'features\.0\.weight'"):
        loaded(config(saved({"other.weight": torch.ones(2)})))


def test_a_head_for_other_classes_is_named_and_left_out_where_that_is_asked_for(values: dict[str, Tensor], saved: Callable[..., Path]) -> None:
    path = saved(values | {"classifier.1.weight": torch.ones(1000, 512, 1, 1), "classifier.1.bias": torch.ones(1000)})
    with pytest.raises(InputError, match=r"its head is for 1,000 classes, the study has 5; write model\.head\.weights: fresh"):
        loaded(config(path))
    _, report = loaded(config(path, head={"weights": "fresh"}))
    assert set(report.left_over) == set(report.missing) == {"classifier.1.weight", "classifier.1.bias"}


def test_a_tensor_of_another_shape_is_named(values: dict[str, Tensor], saved: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"its features\.3\.squeeze\.weight is 2×2, the network's is 16×64×1×1"):
        loaded(config(saved(values | {"features.3.squeeze.weight": torch.ones(2, 2)})))


def test_a_first_convolution_for_color_is_summed_for_gray_images(values: dict[str, Tensor], saved: Callable[..., Path]) -> None:
    made = config(saved(values))
    model, report = networks.started(made, (1, 16, 16), CLASSES, 0, Places())
    assert report is not None
    assert report.adapted == ("features.0.weight",)
    torch.testing.assert_close(model.state_dict()["features.0.weight"], values["features.0.weight"].sum(1, keepdim=True))


class _Hostile:
    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.proof}",)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "plain pickle"])
def test_pickled_code_is_refused_and_nothing_is_run(tmp_path: Path, zipped: bool) -> None:
    proof, path = tmp_path / "proof", tmp_path / "hostile.pth"
    content = {"features.0.weight": torch.ones(2), "bomb": _Hostile(proof)}
    torch.save(content, path) if zipped else path.write_bytes(pickle.dumps({"bomb": _Hostile(proof)}, protocol=2))
    with pytest.raises(InputError, match=r"hostile\.pth: holds pickled code.*refused and nothing in it was run"):
        loaded(config(path))
    assert not proof.exists()


@pytest.mark.parametrize("name", ["file.safetensors", "file.pth"])
@pytest.mark.parametrize("cut", [0, 10, 5000])
def test_a_file_that_is_cut_short_is_told_as_damaged(values: dict[str, Tensor], saved: Callable[..., Path], name: str, cut: int) -> None:
    path = saved(values, name)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"file\.\w+: is damaged \(.+\); get the file again"):
        loaded(config(path))


def test_what_is_no_weights_file_is_told(tmp_path: Path, saved: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"is no weights file by its name"):
        loaded(config(saved({"a": torch.ones(1)}).rename(tmp_path / "weights.txt")))
    with pytest.raises(InputError, match=r"holds no named tensors"):
        loaded(config(saved({"epoch": 3}, "file.pth")))


def test_a_file_is_looked_for_below_the_places_and_in_their_folder_weights(values: dict[str, Tensor], tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    save_file(values, tmp_path / "weights" / "mine.safetensors")
    for name in ("mine.safetensors", "weights/mine.safetensors"):
        loaded(config(name), Places(folders=(tmp_path,)))
    with pytest.raises(InputError, match=r"model\.weights: 'gone\.pth' was not found below .*; put it there, or name another folder with --data"):
        loaded(config("gone.pth"), Places(folders=(tmp_path,)))


def unreachable(*words: Any, **more: Any) -> None:
    raise URLError("no network")


@pytest.mark.parametrize(
    ("use", "url", "name"),
    [
        ("torchvision/squeezenet1_1", "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth", "squeezenet1_1-b8a52dc0.pth"),
        ("timm/resnet18.a1_in1k", "https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors", "timm-resnet18.a1_in1k.safetensors"),
    ],
)
def test_weights_that_cannot_be_downloaded_are_told_with_their_address_and_where_to_put_them(
    use: str, url: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", unreachable)
    made = catalog.parse("model", {"use": use, "weights": "default"})
    with pytest.raises(InputError) as told:
        loaded(made, Places(folders=(tmp_path,)))
    assert f"get {url} elsewhere and put it at {tmp_path / 'weights' / name}" in str(told.value)


def test_a_published_file_that_was_put_there_is_checked_and_its_head_replaced(tmp_path: Path) -> None:
    path = tmp_path / "weights" / "squeezenet1_1-b8a52dc0.pth"
    path.parent.mkdir()
    torch.save({"features.0.weight": torch.ones(64, 3, 3, 3)}, path)
    with pytest.raises(InputError, match=r"this is not the published squeezenet1_1-b8a52dc0\.pth: its SHA-256 does not begin with b8a52dc0"):
        loaded(config("default"), Places(folders=(tmp_path,)))


def test_default_weights_of_1000_classes_give_all_but_the_head(values: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights" / "published.safetensors"
    path.parent.mkdir()
    save_file(values | {"classifier.1.weight": torch.ones(1000, 512, 1, 1), "classifier.1.bias": torch.ones(1000)}, path)
    made = config("default")
    monkeypatch.setattr(type(made), "published_weights", lambda self: weights.Published("published.safetensors", "https://nowhere"))
    _, report = loaded(made, Places(folders=(tmp_path,)))
    assert set(report.left_over) == {"classifier.1.weight", "classifier.1.bias"}


def test_a_network_of_ours_takes_a_file_too_and_has_no_default(saved: Callable[..., Path]) -> None:
    plain = catalog.parse("model", {"use": "mlp", "hidden": [4]})
    start = plain.build(SHAPE, CLASSES).state_dict()
    model, _ = loaded(catalog.parse("model", {"use": "mlp", "hidden": [4], "weights": str(saved(start))}))
    assert all(torch.equal(value, start[key]) for key, value in model.state_dict().items())
    with pytest.raises(InputError, match=r"model\.weights: no weights are published for this network"):
        loaded(catalog.parse("model", {"use": "mlp", "weights": "default"}))
