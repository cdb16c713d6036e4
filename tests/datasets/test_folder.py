"""Folders of class folders: every usual shape is read, every odd one is told in one line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contrast import catalog
from contrast.errors import InputError
from contrast.images import Images
from contrast.protocols import DataIngredient, Places


def image(path: Path, value: int = 100, size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)
    return path


def classes(root: Path, *names: str, count: int = 3) -> None:
    for name in names:
        for i in range(count):
            image(root / name / f"{i}.png", value=i)


def read(path: Path, **settings: object) -> Images:
    ingredient = catalog.parse("data", {"use": "folder", "path": str(path), **settings})
    assert isinstance(ingredient, DataIngredient)
    return ingredient.read(Places())


def told(path: Path, **settings: object) -> str:
    with pytest.raises(InputError) as error:
        read(path, **settings)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_plain_class_folders_are_all_training(tmp_path: Path) -> None:
    classes(tmp_path, "dog", "cat", "Bee")
    images = read(tmp_path)
    assert images.classes == ("Bee", "cat", "dog")
    assert images.ids == tuple(f"{name}/{i}.png" for name in images.classes for i in range(3))
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert set(images.parts) == {"train"}
    assert images.shape == (3, 8, 8)
    assert images.pixels[:, 0, 0, 0].tolist() == [0, 1, 2] * 3


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [("train", "val", "test"), ("Train", "valid", "TEST"), ("trainset", "validation", "testset"), ("training_set", "val_set", "testing set")],
)
def test_part_folders_are_known_by_their_usual_names(tmp_path: Path, train: str, validation: str, test: str) -> None:
    for part, count in ((train, 3), (validation, 2), (test, 1)):
        classes(tmp_path / part, "cat", "dog", count=count)
    images = read(tmp_path)
    assert {part: len(images.positions(part)) for part in ("train", "validation", "test")} == {"train": 6, "validation": 4, "test": 2}
    assert images.ids[0] == f"{train}/cat/0.png"
    assert images.classes == ("cat", "dog")


def test_folders_below_a_class_folder_belong_to_the_class(tmp_path: Path) -> None:
    classes(tmp_path, "cat", "dog")
    image(tmp_path / "cat" / "test" / "deep" / "x.png")
    images = read(tmp_path)
    assert "cat/test/deep/x.png" in images.ids
    assert set(images.parts) == {"train"}


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    classes(tmp_path, "train", "bus")
    assert read(tmp_path).classes == ("bus", "train")


def test_the_fingerprint_depends_on_contents_and_names_alone(tmp_path: Path) -> None:
    for order, root in ((1, tmp_path / "a"), (-1, tmp_path / "b")):
        for name in ["cat", "dog"][::order]:
            for i in [0, 1, 2][::order]:
                image(root / name / f"{i}.png", value=i)
    assert read(tmp_path / "a").fingerprint == read(tmp_path / "b").fingerprint
    image(tmp_path / "b" / "dog" / "2.png", value=9)
    assert read(tmp_path / "a").fingerprint != read(tmp_path / "b").fingerprint


def test_images_of_several_sizes_are_brought_to_64_with_a_note(tmp_path: Path) -> None:
    classes(tmp_path, "cat", "dog")
    image(tmp_path / "cat" / "large.png", size=(20, 30))
    images = read(tmp_path)
    assert images.shape == (3, 64, 64)
    assert any("several sizes" in note and "64×64" in note for note in images.notes)


def test_size_resize_and_channels_are_what_was_asked_for(tmp_path: Path) -> None:
    classes(tmp_path, "cat", "dog")
    assert read(tmp_path, size=5).shape == (3, 5, 5)
    assert read(tmp_path, size=[4, 7], channels=1).shape == (1, 4, 7)
    assert read(tmp_path, size=5).notes == ()
    wide = image(tmp_path / "cat" / "wide.png", value=200, size=(40, 10))
    images = read(tmp_path, size=8, resize="pad")
    assert images.pixels[images.ids.index(f"cat/{wide.name}"), 0].max() == 0


def test_a_path_is_looked_up_in_the_places(tmp_path: Path) -> None:
    classes(tmp_path / "second" / "pets", "cat", "dog")
    ingredient = catalog.parse("data", {"use": "folder", "path": "pets"})
    assert isinstance(ingredient, DataIngredient)
    assert len(ingredient.read(Places(folders=(tmp_path / "first", tmp_path / "second")))) == 6
    with pytest.raises(InputError, match=r"the folder 'pets' was not found: looked in .*first"):
        ingredient.read(Places(folders=(tmp_path / "first",)))


def test_excluded_classes_are_left_out_and_a_wrong_name_is_told(tmp_path: Path) -> None:
    classes(tmp_path, "cat", "dog", "background")
    assert read(tmp_path, exclude=["background"]).classes == ("cat", "dog")
    assert "did you mean 'background'?" in told(tmp_path, exclude=["Background"])
    for part in ("train", "test"):
        classes(tmp_path / "parted" / part, "cat", "dog", "background")
    assert read(tmp_path / "parted", exclude=["background"]).classes == ("cat", "dog")


def test_hidden_files_are_passed_over_and_other_files_are_noted(tmp_path: Path) -> None:
    classes(tmp_path, "cat", "dog", ".git", "__MACOSX")
    for name in (".DS_Store", "._1.png"):
        (tmp_path / "cat" / name).write_bytes(b"x")
    (tmp_path / "cat" / "read me.txt").write_text("hello")
    image(tmp_path / "loose.png")
    images = read(tmp_path)
    assert len(images) == 6
    assert images.notes == ("2 files that are no images, or lie in no class folder, were left out, 'cat/read me.txt' first",)


@pytest.mark.parametrize("name", ["a\nb.png", "it's.png", "<img src=x>.png", "🐈.png", "é" * 125 + ".png", "A.PNG", "a b%20&.png"])
def test_odd_names_are_kept_as_ids(tmp_path: Path, name: str) -> None:
    classes(tmp_path, "cat", "dog")
    Image.new("RGB", (8, 8)).save(tmp_path / "cat" / name, format="png")
    images = read(tmp_path)
    assert f"cat/{name}" in images.ids
    assert images.fingerprint


def test_two_cases_of_one_name_are_two_images(tmp_path: Path) -> None:
    classes(tmp_path, "cat", "dog")
    image(tmp_path / "cat" / "a.png")
    image(tmp_path / "cat" / "A.png")
    assert {"cat/a.png", "cat/A.png"} <= set(read(tmp_path).ids)


def test_a_name_that_is_not_text_is_told(tmp_path: Path) -> None:
    classes(tmp_path, "cat", "dog")
    image(tmp_path / "cat" / os.fsdecode(b"\xff.png"))
    assert "'cat/\\\\udcff.png' has a name that is not UTF-8" in told(tmp_path)
    assert len(read(tmp_path, damaged="skip")) == 6


def test_damaged_images_are_named_before_anything_else_happens_or_left_out_by_choice(tmp_path: Path) -> None:
    classes(tmp_path, "cat", "dog")
    for number in range(7):
        (tmp_path / "cat" / f"bad{number}.jpg").write_bytes(b"<html>")
    message = told(tmp_path)
    assert "of 13 files, 7 files that are no usable image found: 'cat/bad0.jpg' is a web page, not an image" in message
    assert "and 2 more" in message
    assert "damaged: skip" in message
    images = read(tmp_path, damaged="skip")
    assert len(images) == 6
    assert images.pixels[:, 0, 0, 0].tolist() == [0, 1, 2] * 2
    assert images.notes[0].startswith("7 files that are no usable image left out")


def test_a_class_whose_images_are_all_damaged_is_told_even_if_skipped(tmp_path: Path) -> None:
    classes(tmp_path, "cat", "dog")
    for number in range(3):
        (tmp_path / "dog" / f"{number}.png").write_bytes(b"")
    assert "class 'dog' has no image that can be read" in told(tmp_path, damaged="skip")


def test_links_out_of_the_folder_are_refused_and_links_inside_are_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    classes(root, "cat", "dog")
    secret = image(tmp_path / "secret.png")
    (root / "cat" / "in.png").symlink_to(root / "dog" / "0.png")
    assert len(read(root)) == 7
    (root / "cat" / "out.png").symlink_to(secret)
    assert "'cat/out.png' is a link out of the folder" in told(root)
    assert "cat/out.png" not in read(root, damaged="skip").ids


def test_circles_of_links_end(tmp_path: Path) -> None:
    root = tmp_path / "root"
    classes(root, "cat", "dog")
    (root / "cat" / "around").symlink_to(root)
    (root / "cat" / "self.png").symlink_to(root / "cat" / "self.png")
    (root / "cat" / "nowhere.png").symlink_to(root / "gone.png")
    (root / "bird").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    message = told(root)
    for part in ("'cat/around' is a link to a folder", "'cat/self.png' is a link to nowhere or in a circle", "'bird' is a link to a folder"):
        assert part in message
    assert len(read(root, damaged="skip")) == 6


def test_a_root_that_is_a_link_is_followed(tmp_path: Path) -> None:
    classes(tmp_path / "real", "cat", "dog")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(read(tmp_path / "link")) == 6


def test_a_folder_that_can_not_be_learned_from_is_told_in_one_line(tmp_path: Path) -> None:
    assert "does not exist" in told(tmp_path / "none")
    assert "is a file" in told(image(tmp_path / "file.png"))
    (tmp_path / "empty").mkdir()
    assert "holds no class folders; put the images of each class" in told(tmp_path / "empty")
    image(tmp_path / "loose" / "x.png")
    assert "only files ('x.png' first)" in told(tmp_path / "loose")
    classes(tmp_path / "one", "cat")
    assert "one class folder only ('cat'); two classes are the least" in told(tmp_path / "one")
    classes(tmp_path / "wrapped" / "inner", "cat", "dog")
    assert f"did you mean the folder '{tmp_path / 'wrapped' / 'inner'}'?" in told(tmp_path / "wrapped")
    classes(tmp_path / "hollow", "cat", "dog")
    (tmp_path / "hollow" / "eel").mkdir()
    assert "class 'eel' has no image; put images there, or leave it out: exclude: ['eel']" in told(tmp_path / "hollow")


def test_part_folders_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    for part in ("train", "trainset"):
        classes(tmp_path / "twice" / part, "cat", "dog")
    assert "stand for one part" in told(tmp_path / "twice")
    classes(tmp_path / "headless" / "test", "cat", "dog")
    assert "no training folder" in told(tmp_path / "headless")
    classes(tmp_path / "mixed" / "train", "cat", "dog")
    classes(tmp_path / "mixed", "eel")
    assert "lie side by side" in told(tmp_path / "mixed")
    classes(tmp_path / "late" / "train", "cat", "dog")
    classes(tmp_path / "late" / "test", "cat", "eel")
    assert "class 'eel' has no image to train on" in told(tmp_path / "late")


@pytest.mark.slow
def test_a_real_folder_of_parts_is_read(real: Places) -> None:
    if real.find("dogs-vs-cats-64") is None:
        pytest.skip("needs dogs-vs-cats-64 in $CONTRAST_DATA")
    ingredient = catalog.parse("data", {"use": "folder", "path": "dogs-vs-cats-64"})
    assert isinstance(ingredient, DataIngredient)
    images = ingredient.read(real)
    assert images.pixels.shape == (10_000, 64, 64, 3)
    assert np.bincount(images.labels[images.positions("train")]).tolist() == [4000, 4000]
    assert len(images.positions("test")) == 2000


def test_a_real_folder_of_many_sizes_and_grays_is_read(real: Places) -> None:
    if real.find("caltech-22") is None:
        pytest.skip("needs caltech-22 in $CONTRAST_DATA")
    ingredient = catalog.parse("data", {"use": "folder", "path": "caltech-22/101_ObjectCategories", "exclude": ["BACKGROUND_Google"], "size": 32})
    assert isinstance(ingredient, DataIngredient)
    images = ingredient.read(real)
    assert images.pixels.shape == (1980, 32, 32, 3)
    assert len(images.classes) == 22
    assert images.notes == ()
