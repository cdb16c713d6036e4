"""Judging image files with a run or a bundle, and taking a run elsewhere."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageCms

from contrast import catalog
from contrast.classifier import Classifier, Preprocessing
from contrast.cli import main
from contrast.errors import InputError
from contrast.exporting import Whole, export_torch, read_bundle
from contrast.predicting import predict
from contrast.protocols import Places
from contrast.results import Results
from contrast.run_files import RunFiles


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Legal images that are easily read wrongly, in class folders."""
    root = tmp_path_factory.mktemp("odd")
    draw = np.random.default_rng(0)
    color = Image.fromarray(draw.integers(0, 256, (23, 31, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    made = {
        "a/gray.png": (color.convert("L"), {}),
        "a/turned.jpg": (color, {"exif": exif}),
        "a/cmyk.jpg": (color.convert("CMYK"), {}),
        "a/palette.gif": (color.convert("P"), {}),
        "b/deep.png": (Image.fromarray(draw.integers(0, 65536, (20, 20), np.uint16)), {}),
        "b/clear.png": (Image.merge("RGBA", (*color.split(), color.convert("L"))), {}),
        "b/one.png": (Image.new("RGB", (1, 1), (10, 200, 30)), {}),
        "b/profile.jpg": (color, {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}),
    }
    for name, (image, options) in made.items():
        (root / name).parent.mkdir(exist_ok=True)
        image.save(root / name, **options)
    return root


RAGGED = {"resize": "ragged", "size": 9, "shorter_side": 16}


@pytest.mark.parametrize("settings", [{}, {"channels": 1, "size": [12, 20]}, {"resize": "pad", "size": 16}, {"resize": "whole", "size": 9}, RAGGED])
def test_odd_images_are_the_same_pixels_in_training_and_in_prediction(odd: Path, settings: dict[str, object]) -> None:
    data = catalog.parse("data", {"use": "folder", "path": str(odd), **settings})
    trained = data.read(Places())  # type: ignore[attr-defined]
    entry = {"shape": trained.shape, "settings": data.settings(), "mean": [0.5] * trained.shape[0], "std": [0.5] * trained.shape[0]}
    pixels, reasons = Classifier.read(Classifier(None, None, ("a", "b"), Preprocessing.of(entry), ()), [odd / name for name in trained.ids])  # type: ignore[arg-type]
    assert reasons == {}
    assert np.array_equal(pixels, trained.pixels[:])


def test_normalization_is_that_of_training(study: Results, run: RunFiles) -> None:
    from contrast.recipe import Recipe

    recipe = Recipe.parse(run.recipe["base"], trust=True)
    images = recipe.data.read(Places())
    split = json.loads((study.folder / study.lock["data"][0]["split"]).read_text(encoding="utf-8"))
    where = {name: at for at, name in enumerate(images.ids)}
    trained = images.pixels[[where[name] for name in split["train"]]].astype(np.float64) / 255
    inputs = Classifier.of_run(run).inputs(images.pixels[:4])
    expected = (images.pixels[:4, ..., 0] / 255 - trained.mean()) / trained.std()
    assert inputs[:, 0].numpy() == pytest.approx(expected, abs=1e-5)


def test_folders_and_files_are_judged_and_damaged_ones_named(run: RunFiles, odd: Path, tmp_path: Path) -> None:
    shutil.copytree(odd, tmp_path / "all")
    (tmp_path / "all" / "a" / "torn.png").write_bytes((odd / "a" / "gray.png").read_bytes()[:60])
    (tmp_path / "all" / "notes.txt").write_text("not an image")
    found = predict(Classifier.of_run(run), [tmp_path / "all", odd / "b" / "one.png"], top=3)
    assert found.rows["image"].nunique() == 9
    assert [damage.id for damage in found.damages] == [str(tmp_path / "all" / "a" / "torn.png")]
    for _, rows in found.rows.groupby("image"):
        assert rows["rank"].tolist() == [1, 2, 3]
        assert rows["probability"].is_monotonic_decreasing
    assert found.to_text().count("\n") == 8


def test_the_command_goes_on_and_ends_with_one(study: Results, odd: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "empty.jpg").touch()
    words = ["predict", f"{study.folder}:batch/norm/1", str(odd / "a" / "gray.png"), str(tmp_path / "empty.jpg"), "--top", "2", "--format"]
    tables = {}
    for format in ("csv", "json", "parquet"):
        assert main([*words, format]) == 1
        said = capfdbinary.readouterr()
        assert b"empty.jpg' is empty" in said.err
        read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[format]
        tables[format] = read(io.BytesIO(said.out))
    assert tables["csv"].columns.tolist() == ["image", "rank", "class", "probability"]
    assert len(tables["parquet"]) == 2
    assert tables["csv"]["probability"].to_numpy() == pytest.approx(tables["parquet"]["probability"].to_numpy())
    assert tables["json"]["class"].astype(str).tolist() == tables["parquet"]["class"].tolist()


def test_what_is_missing_is_told_in_one_line(study: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = f"{study.folder}:baseline/0"
    for words, wrong in (
        (["predict", run], "no image is named"),
        (["predict", run, str(tmp_path / "gone.png")], "there is no such file or folder"),
        (["predict", run, str(tmp_path)], "holds no image"),
        (["predict", run, str(tmp_path), "--top", "0"], "--top"),
        (["export", run, str(Path(__file__).parent)], "something else stands there"),
    ):
        assert main(words) == 2
        assert wrong in capsys.readouterr().err


class TestBundle:
    @pytest.fixture
    def bundle(self, study: Results, run: RunFiles, tmp_path: Path) -> Path:
        return export_torch(run, study.name, tmp_path / "bundle")

    def test_it_judges_as_the_run_does(self, bundle: Path, run: RunFiles, odd: Path) -> None:
        opened = read_bundle(bundle)
        own = Classifier.of_run(run)
        assert opened.classes == own.classes
        assert predict(opened, [odd]).rows.equals(predict(own, [odd]).rows)

    def test_it_can_be_moved_and_written_again(self, bundle: Path, study: Results, run: RunFiles, tmp_path: Path, odd: Path) -> None:
        export_torch(run, study.name, bundle)
        moved = bundle.rename(tmp_path / "elsewhere")
        assert sorted(path.name for path in moved.iterdir()) == ["bundle.json", "model.safetensors", "recipe.yaml"]
        assert main(["predict", str(moved), str(odd / "a" / "gray.png")]) == 0

    @pytest.mark.parametrize(
        ("file", "content", "wrong"),
        [
            ("bundle.json", b"{}", "another format"),
            ("bundle.json", b'{"format": "contrast bundle 1"}', "is missing"),
            ("bundle.json", b"[1", "cannot be read as JSON"),
            ("recipe.yaml", b"base: 3", "is not the recipe of a run"),
            ("recipe.yaml", b"base: {data: mnist5k, model: {use: 'os:system'}}", "code from outside"),
            ("model.safetensors", b"\x80\x04pickle", "is damaged"),
        ],
    )
    def test_a_damaged_or_hostile_file_is_told_in_one_line(self, bundle: Path, file: str, content: bytes, wrong: str) -> None:
        (bundle / file).write_bytes(content)
        with pytest.raises(InputError, match=wrong):
            read_bundle(bundle)

    def test_statistics_that_do_not_fit_the_channels_are_refused(self, bundle: Path) -> None:
        about = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
        (bundle / "bundle.json").write_text(json.dumps(about | {"std": [1.0, 2.0]}), encoding="utf-8")
        with pytest.raises(InputError, match="one number a channel"):
            read_bundle(bundle)

    def test_weights_of_another_network_are_told(self, bundle: Path, study: Results) -> None:
        other = next(run for run in study.planned() if run.arm == "no convolution")
        shutil.copy(other.folder / "best.safetensors", bundle / "model.safetensors")
        with pytest.raises(InputError, match="does not hold the weights of this network"):
            read_bundle(bundle)


def test_a_run_that_kept_no_weights_can_not_judge(copied: Results) -> None:
    run = copied.planned()[0]
    (run.folder / "best.safetensors").unlink()
    with pytest.raises(InputError, match=r"the chosen weights were not kept.*keep: best"):
        Classifier.of_run(run)


def test_the_whole_takes_bytes_and_gives_the_same_logits(run: RunFiles) -> None:
    classifier = Classifier.of_run(run)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), np.uint8)
    with torch.no_grad():
        shares = Whole(classifier)(torch.from_numpy(pixels).permute(0, 3, 1, 2)).softmax(1).numpy()
    assert shares == pytest.approx(classifier.probabilities(pixels), abs=1e-6)


def test_onnx_names_what_to_install(study: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "onnx" else found(name, *more))
    assert main(["export", f"{study.folder}:baseline/0", "--to", "onnx", str(tmp_path / "graph")]) == 2
    assert "pip install onnx onnxscript onnxruntime" in capsys.readouterr().err
    assert not (tmp_path / "graph").exists()


@pytest.mark.slow
def test_an_onnx_graph_gives_what_torch_gives(study: Results, run: RunFiles, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from contrast.exporting import export_onnx

    assert export_onnx(run, study.name, tmp_path / "graph") < 1e-4
