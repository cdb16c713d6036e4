"""Shards in WebDataset's form are read where they lie, as the folder of the same images would be, and nothing in them does harm."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from contrast import Recipe, catalog
from contrast.archives import stretches
from contrast.datasets.shards import Shards
from contrast.engine.batches import Batches, Bound
from contrast.engine.machine import resolve
from contrast.engine.streamed import Workers
from contrast.engine.training import load
from contrast.errors import InputError, RunFailed
from contrast.images import Images
from contrast.protocols import Places

Members = list[tuple[str, bytes]]


def jpeg(number: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (20, 24, 3), np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


def pack(path: Path, members: Members, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            head = tarfile.TarInfo(name)
            head.size = len(content)
            archive.addfile(head, io.BytesIO(content))
    return path


def samples(numbers: range, label: str = "{}") -> Members:
    """A pair an image, of two classes by turns."""
    return [member for i in numbers for member in ((f"{i:04}.jpg", jpeg(i)), (f"{i:04}.cls", label.format(i % 2).encode()))]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "shards").mkdir()
    for number in range(3):
        pack(tmp_path / "shards" / f"flowers-{number:06}.tar", samples(range(10 * number, 10 * number + 10)))
    return tmp_path / "shards"


def source(root: Path, **more: object) -> Shards:
    made = catalog.parse("data", {"use": "shards", "path": str(root), "size": 16, **more})
    assert isinstance(made, Shards)
    return made


def read(root: Path, **more: object) -> Images:
    return source(root, **more).read(Places())


def test_shards_give_what_a_folder_of_the_same_images_gives(root: Path, tmp_path: Path) -> None:
    for i in range(30):
        path = tmp_path / "folder" / "01"[i % 2] / f"{i:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(i))
    folder = catalog.parse("data", {"use": "folder", "path": str(tmp_path / "folder"), "size": 16}).read(Places())
    images = read(root)
    assert images.ids == tuple(f"flowers/{i:04}" for i in range(30))
    assert (images.classes, images.shape) == (("0", "1"), (3, 16, 16))
    where = {id.rpartition("/")[2].removesuffix(".jpg"): at for at, id in enumerate(folder.ids)}
    at = np.array([where[id.removeprefix("flowers/")] for id in images.ids])
    assert np.array_equal(images.pixels[0:30], folder.pixels[at])
    assert np.array_equal(images.labels, folder.labels[at])


def test_the_id_of_an_image_and_the_fingerprint_do_not_depend_on_how_shards_are_cut(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    pack(tmp_path / "other" / "flowers-0.tar", samples(range(4)))
    pack(tmp_path / "other" / "flowers-1.tar", samples(range(4, 30)))
    first, second = read(root), read(tmp_path / "other")
    assert first.ids == second.ids
    assert first.fingerprint == second.fingerprint
    pack(tmp_path / "other" / "flowers-1.tar", [*samples(range(4, 29)), ("0029.jpg", jpeg(30)), ("0029.cls", b"1")])
    assert read(tmp_path / "other").fingerprint != first.fingerprint
    pack(tmp_path / "other" / "flowers-1.tar", [*samples(range(4, 29)), ("0029.jpg", jpeg(29)), ("0029.cls", b"0")])
    assert read(tmp_path / "other").fingerprint != first.fingerprint


def test_classes_are_numbers_in_their_order_names_or_named_by_number(tmp_path: Path) -> None:
    numbers = [pair for i, label in enumerate((10, 9, 2, 10)) for pair in ((f"{i}.jpg", jpeg(i)), (f"{i}.cls", str(label).encode() + b"\n"))]
    pack(tmp_path / "a-0.tar", numbers)
    images = read(tmp_path)
    assert images.classes == ("2", "9", "10")
    assert images.labels.tolist() == [2, 1, 0, 2]
    pack(tmp_path / "a-0.tar", samples(range(4), label="kind {}"))
    assert read(tmp_path).classes == ("kind 0", "kind 1")
    pack(tmp_path / "a-0.tar", samples(range(4)))
    images = read(tmp_path, classes=["rose", "aster"])
    assert (images.classes, images.labels.tolist()) == (("rose", "aster"), [0, 1, 0, 1])
    with pytest.raises(InputError, match=r"a/0001.cls holds '1', no number below 1"):
        read(tmp_path, classes=["rose"])


def test_the_last_word_of_a_name_is_the_part(tmp_path: Path) -> None:
    for name, numbers in {"flowers-train": range(8), "flowers-val": range(4), "flowers-test": range(6)}.items():
        pack(tmp_path / f"{name}-000000.tar", samples(numbers))
    images = read(tmp_path)
    assert [len(images.positions(part)) for part in ("train", "validation", "test")] == [8, 4, 6]
    assert images.ids[0] == "flowers-test/0000"
    (tmp_path / "flowers-train-000000.tar").unlink()
    with pytest.raises(InputError, match="no shard to train on"):
        read(tmp_path)


def test_folders_and_other_members_are_passed_over_and_names_may_have_several_points(tmp_path: Path) -> None:
    members = [("./a/x.JPG", jpeg(1)), ("./a/x.cls", b"0"), ("./a/x.json", b"{}"), ("b/x.jpg", jpeg(2)), ("b/x.cls", b"1"), ("b/x.seg.png", b"")]
    pack(tmp_path / "s-0.tar", members)
    assert read(tmp_path).ids == ("s/a/x", "s/b/x")


def test_a_sample_that_lacks_something_or_is_damaged_is_named_or_left_out(root: Path) -> None:
    broken = [("0100.jpg", jpeg(1)), ("0101.cls", b"0"), ("0102.jpg", jpeg(2)[:300]), ("0102.cls", b"1"), ("0103.jpg", b"<html>"), ("0103.cls", b"1")]
    pack(root / "flowers-000009.tar", broken)
    with pytest.raises(InputError) as error:
        read(root)
    for told in ("0100' has no label", "0101' has a label and no image", "0102' is cut short", "0103' is a web page"):
        assert told in str(error.value)
    assert len(read(root, damaged="skip")) == 30


def bad_names() -> dict[str, tarfile.TarInfo]:
    made = {name: tarfile.TarInfo(name) for name in ("../out.jpg", "/etc/x.jpg", "link.jpg", "device.jpg")}
    made["link.jpg"].type, made["link.jpg"].linkname = tarfile.SYMTYPE, "/etc/passwd"
    made["device.jpg"].type = tarfile.CHRTYPE
    return made


@pytest.mark.parametrize("name", bad_names())
def test_members_that_are_no_plain_files_are_refused_in_one_line(root: Path, name: str) -> None:
    with tarfile.open(root / "flowers-000000.tar", "a") as archive:
        archive.addfile(bad_names()[name])
    with pytest.raises(InputError) as error:
        read(root)
    assert "flowers-000000.tar" in str(error.value)
    assert "\n" not in str(error.value)


def test_what_holds_no_shards_is_told_in_one_line(root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no shards NAME-000000\.tar; name the folder"):
        read(tmp_path / "empty")
    pack(tmp_path / "empty" / "a-0.tar.gz", samples(range(2)), "w:gz")
    with pytest.raises(InputError, match="only compressed ones"):
        read(tmp_path / "empty")
    with pytest.raises(InputError, match="nowhere"):
        read(Path("nowhere"))
    (root / "flowers-000001.tar").write_bytes(b"<html>" * 200)
    with pytest.raises(InputError, match=r"flowers-000001\.tar: is no plain tar archive that can be read"):
        read(root)
    pack(root / "flowers-000001.tar", samples(range(2)))
    with pytest.raises(InputError, match=r"the sample 'flowers/0000' is in 'flowers-000000\.tar' and in 'flowers-000001\.tar'"):
        read(root)
    pack(root / "flowers-000001.tar", [("x.jpg", jpeg(0)), ("x.png", jpeg(0)), ("x.cls", b"0")])
    with pytest.raises(InputError, match="'x' has two images"):
        read(root)


def test_a_shard_that_is_cut_short_anywhere_is_told(tmp_path: Path) -> None:
    path = pack(tmp_path / "flowers-000000.tar", samples(range(2)))
    content, names = path.read_bytes().rstrip(b"\0"), [stretch.name for stretch in stretches(path)]
    assert names == ["0000.jpg", "0000.cls", "0001.jpg", "0001.cls"]
    for length in range(0, len(content), 100):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"is cut short|is no plain tar archive"):
            list(stretches(path))


def test_a_training_reads_them_and_one_that_changes_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workers, "_number", lambda self: 0)
    recipe = Recipe(data={"use": "shards", "path": str(root), "size": 16, "validation": 4, "test": 4}, model="mlp")
    data, again = (load(recipe, Places(), "cpu") for _ in range(2))
    images, labels = next(Batches(data.train, Bound(), 22, 0, resolve()).of_epoch(0))
    assert images.shape == (22, 3, 16, 16)
    other, _ = next(Batches(again.train, Bound(), 22, 0, resolve()).of_epoch(0))
    assert torch.equal(images, other)
    assert labels.sum(0).tolist() == [11, 11]
    os.utime(root / "flowers-000001.tar", (1, 1))
    with pytest.raises(RunFailed, match=r"flowers-000001\.tar: has changed"):
        list(Batches(data.train, Bound(), 11, 0, resolve()).of_epoch(1))
