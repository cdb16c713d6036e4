"""What would spoil a result is found and named: planted damage, duplicates and leaks, and those of real sets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from contrast import catalog
from contrast.cautions import cautions
from contrast.datasets.folder import Folder
from contrast.engine.batches import Part
from contrast.engine.evaluate import Outcomes
from contrast.engine.finish import image_rows
from contrast.errors import InputError
from contrast.explain.audit import KINDS, Audit, audit, write_exclusions
from contrast.explain.files import inspect
from contrast.explain.label_issues import label_issues
from contrast.explain.twins import find_twins
from contrast.images import PARTS, Images, Split, split
from contrast.protocols import DataIngredient, Places
from contrast.store import RunFolder


def photographs(count: int, size: int = 32, channels: int = 3) -> np.ndarray:
    """Smooth random pictures with fine structure, ``uint8 [count, size, size, channels]``, none like another."""
    draw = np.random.default_rng(0)
    spots = draw.integers(0, 256, (count, 5, 5, 3), np.uint8)
    coarse = np.stack([np.asarray(Image.fromarray(spot).resize((size, size), Image.Resampling.BICUBIC)) for spot in spots])[..., :channels]
    return np.clip(0.6 * coarse + 40 + draw.normal(0, 20, (count, size, size, channels)), 0, 255).astype(np.uint8)


def made(pixels: np.ndarray, labels: np.ndarray | None = None) -> Images:
    """Of the images the first half trains, a quarter chooses, a quarter judges."""
    count = len(pixels)
    parts = np.repeat(["train", "validation", "test"], [count // 2, count // 4, count - count // 2 - count // 4])
    labels = np.arange(count) % 2 if labels is None else labels
    return Images(pixels, labels.astype(np.int64), tuple(f"{part}/{i}" for i, part in enumerate(parts)), ("cat", "dog"), parts)


def owners_split(images: Images) -> Split:
    return Split(*(images.positions(part) for part in ("train", "validation", "test")))


def audited(pixels: np.ndarray, labels: np.ndarray | None = None) -> Audit:
    images = made(pixels, labels)
    return audit(images, owners_split(images))


def pairs(found: Audit, kind: str) -> set[tuple[str, str]]:
    return {(finding.id, finding.other) for finding in found.of(kind)}


def test_nothing_is_found_in_images_that_are_all_different() -> None:
    for channels in (1, 3):
        assert audited(photographs(80, channels=channels)).findings == ()
    assert audited(photographs(80)).to_text().endswith("nothing need be left out")


def test_same_pixels_are_told_by_the_parts_that_they_lie_in_and_test_is_kept() -> None:
    pixels = photographs(80)
    pixels[2] = pixels[0]  # training twice
    pixels[70] = pixels[4]  # training and test
    pixels[41] = pixels[6]  # training and validation
    found = audited(pixels, np.zeros(80, np.int64))
    assert pairs(found, "duplicate") == {("train/2", "train/0")}
    assert pairs(found, "leak") == {("train/4", "test/70"), ("validation/41", "train/6")}
    assert found.leaked("test") == 1
    assert found.leaked("validation") == 1
    assert found.leaked("train") == 2


def test_same_pixels_under_two_labels_are_a_contradiction() -> None:
    pixels = photographs(80)
    pixels[3] = pixels[0]
    found = audited(pixels)
    assert pairs(found, "contradiction") == {("train/0", "train/3"), ("train/3", "train/0")}
    assert {entry["id"] for entry in found.exclusions()} == {"train/0", "train/3"}


def changed(how: str, picture: np.ndarray) -> np.ndarray:
    """A near copy."""
    draw = np.random.default_rng(1)
    if how == "brighter":
        return np.clip(picture * 0.8 + 30, 0, 255).astype(np.uint8)
    if how == "noisy":
        return np.clip(picture + draw.normal(0, 8, picture.shape), 0, 255).astype(np.uint8)
    if how == "shifted":
        return np.roll(picture, (1, -2), axis=(0, 1))
    return np.asarray(Image.fromarray(picture).resize((64, 64)).resize((32, 32)))


@pytest.mark.parametrize("how", ["brighter", "noisy", "shifted", "resampled"])
def test_a_near_copy_in_another_part_is_a_near_leak(how: str) -> None:
    pixels = photographs(80)
    pixels[75] = changed(how, pixels[11])
    found = audited(pixels)
    assert pairs(found, "near leak") == {("train/11", "test/75")}
    assert found.leaked() == 1
    assert found.exclusions()[0]["id"] == "train/11"
    assert "1 of 20 test images (5.00%)" in found.to_text()


def test_a_near_copy_in_the_same_part_is_listed_once_and_not_excluded() -> None:
    pixels = photographs(80)
    pixels[30] = changed("noisy", pixels[11])
    found = audited(pixels)
    assert [(finding.id, finding.other) for finding in found.of("near duplicate")] == [("train/30", "train/11")]
    assert found.exclusions() == []


def test_images_with_one_background_and_different_details_are_no_twins() -> None:
    draw = np.random.default_rng(3)
    sky = np.linspace(80, 220, 32)[:, None, None].repeat(32, 1).repeat(3, 2)
    pixels = np.clip(sky + draw.normal(0, 6, (40, 32, 32, 3)), 0, 255).astype(np.uint8)
    assert not len(find_twins(made(pixels), np.arange(20)).image)


def test_where_all_images_resemble_each_other_only_the_nearest_are_listed() -> None:
    draw = np.random.default_rng(4)
    pixels = np.clip(photographs(1)[0] + draw.normal(0, 8, (40, 32, 32, 3)), 0, 255).astype(np.uint8)
    pixels[35] = np.clip(pixels[3].astype(int) + 1, 0, 255).astype(np.uint8)
    found = audited(pixels)
    assert found.alike
    assert pairs(found, "near leak") == {("train/3", "test/35")}
    assert "resemble each other by nature" in found.to_text()


def test_blank_images_are_named_and_are_no_duplicates_of_each_other() -> None:
    pixels = photographs(80)
    pixels[5], pixels[6], pixels[79] = 0, 0, (10, 20, 30)
    found = audited(pixels)
    assert [finding.id for finding in found.of("blank")] == ["train/5", "train/6", "test/79"]
    assert {finding.kind for finding in found.findings} == {"blank"}


def test_imbalance_is_that_of_the_training_images() -> None:
    labels = np.ones(80, np.int64)
    labels[:4] = 0
    found = audited(photographs(80), labels)
    assert found.imbalance == 9.0
    assert found.largest == ("dog", 36)
    assert found.smallest == ("cat", 4)
    assert "accuracy will favor the large ones" in found.to_text()


def test_a_balanced_set_is_told_as_such() -> None:
    labels = np.arange(80) % 2
    assert "balanced: every class has 20 training images" in audited(photographs(80), labels).to_text()


def test_no_image_to_search_among_gives_no_twins() -> None:
    assert len(find_twins(made(photographs(8)), np.empty(0, np.int64)).image) == 0


@pytest.mark.parametrize("size", [8, 16, 64])
def test_twins_are_found_at_every_size(size: int) -> None:
    pixels = photographs(40, size)
    pixels[39] = np.clip(pixels[3] * 0.9 + 5, 0, 255).astype(np.uint8)
    twins = find_twins(made(pixels), np.arange(20))
    assert twins.image.tolist() == [39]
    assert twins.twin.tolist() == [3]
    assert twins.correlation[0] > 0.95


@pytest.fixture
def spoiled(tmp_path: Path) -> Path:
    """A folder with every kind of damage and oddity, beside eight good images a class."""
    root = tmp_path / "root"
    pictures = photographs(16, 64)
    for at, picture in enumerate(pictures):
        path = root / ("cat", "dog")[at % 2] / f"good{at}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    good, cat = Image.fromarray(pictures[0]), root / "cat"
    fresh = [Image.fromarray(picture) for picture in photographs(40, 64)[16:]]
    fresh[0].save(cat / "cut.jpg")
    (cat / "cut.jpg").write_bytes((cat / "cut.jpg").read_bytes()[:900])
    (cat / "zero.jpg").write_bytes(b"")
    (cat / "page.jpg").write_bytes(b"<!doctype html>")
    fresh[1].save(cat / "belied.jpg", format="png")
    fresh[2].convert("CMYK").save(cat / "cmyk.jpg")
    Image.fromarray(np.asarray(fresh[3])[..., 0].astype(np.uint16) * 257).save(cat / "deep.png")
    fresh[4].convert("P", palette=Image.Palette.ADAPTIVE).save(cat / "palette.png", transparency=0)
    fresh[5].convert("LA").save(cat / "la.png")
    fresh[6].save(cat / "moving.gif", save_all=True, append_images=[fresh[7]])
    exif = Image.Exif()
    exif[0x0112] = 6
    fresh[8].save(cat / "turned.jpg", exif=exif)
    fresh[9].resize((1, 1)).save(cat / "dot.png")
    fresh[10].resize((3000, 20)).save(cat / "strip.png")
    Image.new("L", (5000, 4001)).save(cat / "huge.png")
    Image.new("RGB", (64, 64), "gray").save(cat / "blank.png")
    good.save(cat / "again.png")
    (cat / "out.png").symlink_to(tmp_path)
    os.mkfifo(cat / "pipe.png")
    fresh[11].save(cat / "odd\nname <img>.png")
    return root


def look(root: Path) -> Audit:
    ingredient = catalog.parse("data", {"use": "folder", "path": str(root), "damaged": "skip", "size": 64})
    assert isinstance(ingredient, Folder)
    images, damages, found = ingredient.load(Places())
    parts = split(images, validation=0.2, test=0.2, train=None, seed=0)
    return audit(images, parts, inspect(found, damages))


def test_every_kind_of_damage_in_a_folder_is_named(spoiled: Path) -> None:
    found = look(spoiled)
    named = {kind: {finding.id for finding in found.of(kind)} for kind in KINDS}
    assert named["damaged"] == {f"cat/{name}" for name in ("cut.jpg", "zero.jpg", "page.jpg", "out.png", "pipe.png")}
    assert named["odd"] == {f"cat/{name}" for name in ("belied.jpg", "cmyk.jpg", "deep.png", "palette.png", "la.png", "moving.gif", "turned.jpg")}
    assert named["tiny"] == {"cat/dot.png"}
    assert named["narrow"] == {"cat/strip.png"}
    assert named["huge"] == {"cat/huge.png"}
    assert named["blank"] >= {"cat/blank.png", "cat/dot.png"}
    assert {"cat/again.png", "cat/good0.png"} & (named["leak"] | named["duplicate"])
    assert named["name"] == {"cat/odd\nname <img>.png"}
    text = found.to_text()
    assert all(f"cat/{name}" in text for name in ("cut.jpg", "zero.jpg", "page.jpg"))


def test_the_exclusions_file_names_what_to_leave_out_and_nothing_is_deleted(spoiled: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in spoiled.rglob("*"))
    found = look(spoiled)
    count = write_exclusions(found, tmp_path / "exclusions.json")
    kept = json.loads((tmp_path / "exclusions.json").read_text())
    assert len(kept["exclude"]) == count == len(found.exclusions())
    assert kept["fingerprint"] == found.fingerprint
    assert {"cat/zero.jpg", "cat/blank.png"} <= {entry["id"] for entry in kept["exclude"]}
    assert set(kept["exclude"][0]) == {"id", "kind", "reason", "other"}
    assert sorted(path.name for path in spoiled.rglob("*")) == before


def test_an_audit_survives_json() -> None:
    pixels = photographs(80)
    pixels[70] = pixels[4]
    found = audited(pixels)
    assert json.loads(json.dumps(found.to_dict()))["findings"][0]["kind"] == "leak"


def test_names_from_the_data_can_not_write_to_the_terminal() -> None:
    images = made(photographs(8))
    pixels = images.pixels.copy()
    pixels[0] = 0
    odd = Images(pixels, images.labels, ("\x1b[2J\nx", *images.ids[1:]), ("a\x1bb", "dog"), images.parts)
    text = audit(odd, owners_split(odd)).to_text()
    assert "\x1b" not in text
    assert "\\x1b[2J\\nx" in text


def judged(images: Images, folder: Path, *, classes: int = 2, fingerprint: str | None = None) -> Path:
    """A finished study of one run, whose network was right about every image with great certainty."""
    right = np.arange(len(images)) % 2
    log_probabilities = torch.log(torch.from_numpy(np.where(np.arange(classes) == right[:, None], 0.9, 0.1 / (classes - 1))).float())
    parts = owners_split(images)
    for part in ("validation", "test"):
        positions = getattr(parts, part)
        rows = Part.of(
            Images(images.pixels, images.labels, images.ids, tuple(map(str, range(classes))), images.parts), positions, images.labels, "cpu"
        )
        RunFolder(folder / "baseline-seed0").write(f"{part}.parquet", image_rows(Outcomes(log_probabilities[positions], rows.labels), rows))
    RunFolder(folder / "baseline-seed0").write("summary.json", "{}")
    lock = {
        "data": [{"key": "k", "fingerprint": fingerprint or images.fingerprint}],
        "arms": [{"name": "baseline", "data": "k"}],
        "runs": [{"arm": "baseline", "seed": 0, "folder": "baseline-seed0"}],
    }
    (folder / "study.lock").write_text(json.dumps(lock))
    return folder


def test_labels_that_a_study_speaks_against_are_named_worst_first_and_not_excluded(tmp_path: Path) -> None:
    labels = np.arange(80) % 2
    labels[[3, 45, 70]] = 1 - labels[[3, 45, 70]]  # one is trained on, and so is judged by nobody
    images = made(photographs(80), labels)
    issues = label_issues(images, judged(images, tmp_path))
    assert {issue.id for issue in issues} == {"validation/45", "test/70"}
    assert issues[0].told == "is labeled 'cat' (p = 0.100); 1 held-out runs say 'dog' (p = 0.900)"
    found = audit(images, owners_split(images), issues)
    assert "2 × label: labels that the study's networks" in found.to_text()
    assert found.exclusions() == []


def test_a_study_that_can_not_judge_labels_is_told_in_one_line(tmp_path: Path) -> None:
    images = made(photographs(80))
    (tmp_path / "none").mkdir()
    cases = {
        "holds no study": tmp_path / "none",
        "made with other images": judged(images, tmp_path / "other", fingerprint="0"),
        "probabilities of all classes were not kept": judged(images, tmp_path / "many", classes=101),
    }
    unfinished = judged(images, tmp_path / "unfinished")
    (unfinished / "baseline-seed0" / "summary.json").unlink()
    for told, folder in {**cases, "no run of the study is finished": unfinished}.items():
        with pytest.raises(InputError, match=told) as error:
            label_issues(images, folder)
        assert "\n" not in str(error.value)


def test_a_lock_can_not_lead_out_of_its_study(tmp_path: Path) -> None:
    images = made(photographs(80))
    folder = judged(images, tmp_path / "study")
    (folder / "study.lock").write_text((folder / "study.lock").read_text().replace("baseline-seed0", "../elsewhere"))
    with pytest.raises(InputError, match="no plain name"):
        label_issues(images, folder)


def warned(images: Images) -> tuple[str, ...]:
    split = owners_split(images)
    return cautions({part: images.pixels[getattr(split, part)] for part in PARTS}, images.labels[split.train], images.classes)


def test_before_a_study_shared_images_and_unequal_classes_are_told() -> None:
    pixels = photographs(80)
    assert warned(made(pixels)) == ()
    pixels[70], pixels[72], pixels[71], pixels[45] = pixels[4], pixels[4], pixels[44], pixels[6]
    labels = np.zeros(80, np.int64)
    labels[:10] = 1
    told = warned(made(pixels, labels))
    assert [sentence.partition(",")[0] for sentence in told[:3]] == [
        "2 test images that are training images too",
        "1 test images that are validation images too",
        "1 validation images that are training images too",
    ]
    assert "'cat' has 30 training images, 'dog' has 10" in told[3]


@pytest.mark.slow
def test_the_leaks_of_a_real_folder_are_found(real: Places) -> None:
    if real.find("dogs-vs-cats-64") is None:
        pytest.skip("needs dogs-vs-cats-64 in $CONTRAST_DATA")
    ingredient = catalog.parse("data", {"use": "folder", "path": "dogs-vs-cats-64"})
    assert isinstance(ingredient, DataIngredient)
    images = ingredient.read(real)
    found = audit(images, split(images, validation=0.1, test=None, train=None, seed=0))
    assert ("trainset/Dog/2877.Dog.jpg", "testset/Dog/10401.Dog.jpg") in pairs(found, "leak")
    assert ("trainset/Cat/1930.Cat.jpg", "testset/Cat/10052.Cat.jpg") in pairs(found, "near leak")
    assert found.leaked() == 4


@pytest.mark.slow
def test_the_share_of_leaked_test_images_of_cifar10_is_near_that_of_cifair(cifar10: Images) -> None:
    """Barz & Denzler 2020 found, by eye, twins in training for 3.25 % of the test images."""
    found = audit(cifar10, split(cifar10, validation=5000, test=None, train=None, seed=0))
    assert 0.028 < found.leaked() / 10_000 < 0.038
    same = [finding for finding in found.of("near leak") if finding.told.count("'") == 4 and len(set(finding.told.split("'")[1::2])) == 1]
    assert len(same) > 0.97 * len(found.of("near leak"))
