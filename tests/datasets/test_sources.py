"""Sources: named sets in the forms that their owners publish, tables, and any torch Dataset."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import io as matlab
from torchvision import datasets as theirs
from torchvision.transforms import v2

from contrast import catalog
from contrast.classifier import Preprocessing
from contrast.datasets import caltech101, cifar10, cifar100, fashion_mnist, mnist, stl10, svhn
from contrast.errors import InputError
from contrast.exclusions import sound
from contrast.images import TEST, TRAIN, VALIDATION, Images, divided
from contrast.official import OfficialFile
from contrast.pickled import read_pickled
from contrast.protocols import DataIngredient, Places
from contrast.recipe import Recipe
from contrast.torch_images import images_of

DRAW = np.random.default_rng(0)


def ingredient(use: str, **settings: Any) -> DataIngredient:
    made = catalog.parse("data", {"use": use, **settings})
    assert isinstance(made, DataIngredient)
    return made


def read(folder: Path, use: str, **settings: Any) -> Images:
    return ingredient(use, **settings).read(Places(folders=(folder,)))


def told(folder: Path, use: str, **settings: Any) -> str:
    with pytest.raises(InputError) as error:
        read(folder, use, **settings)
    assert "\n" not in str(error.value)
    return str(error.value)


def official(name: str, content: bytes) -> OfficialFile:
    return OfficialFile(name, len(content), f"md5:{hashlib.md5(content).hexdigest()}")


def packed(path: Path, folder: str, files: Mapping[str, bytes]) -> None:
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def photo(path: Path, value: int = 100, size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)
    return path


class TestChecksums:
    """Addresses and checksums are those that torchvision publishes."""

    def test_of_cifar(self) -> None:
        for ours, published in ((cifar10, theirs.CIFAR10), (cifar100, theirs.CIFAR100)):
            assert published.url == ours.REMOTE.url
            assert ours.REMOTE.checksum == f"md5:{published.tgz_md5}"
        known = dict(theirs.CIFAR100.train_list + theirs.CIFAR100.test_list)
        known["meta"] = str(theirs.CIFAR100.meta["md5"])
        assert {file.name: file.checksum for file in cifar100.FILES} == {name: f"md5:{digest}" for name, digest in known.items()}

    def test_of_mnist_and_fashion(self) -> None:
        assert fashion_mnist.ADDRESS in theirs.FashionMNIST.mirrors
        assert {file.name: file.checksum for files in fashion_mnist.FILES.values() for file in files} == {
            name: f"md5:{digest}" for name, digest in theirs.FashionMNIST.resources
        }
        assert tuple(theirs.FashionMNIST.classes) == fashion_mnist.CLASSES
        assert mnist.ADDRESS in theirs.MNIST.mirrors
        assert {Path(remote.url).name: remote.checksum for remote in mnist.REMOTES} == {n: f"md5:{d}" for n, d in theirs.MNIST.resources}

    def test_of_svhn_and_stl10(self) -> None:
        for part, file in svhn.FILES.items():
            assert theirs.SVHN.split_list[part] == [svhn.ADDRESS + file.name, file.name, file.checksum.removeprefix("md5:")]
        known = dict(theirs.STL10.train_list[:2] + theirs.STL10.test_list)
        assert {file.name: file.checksum for file in stl10.FILES} == {name: f"md5:{digest}" for name, digest in known.items()}
        assert (stl10.REMOTE.url, stl10.REMOTE.checksum) == (theirs.STL10.url, f"md5:{theirs.STL10.tgz_md5}")


@pytest.mark.parametrize("use", ["fashion_mnist", "cifar100", "svhn", "stl10", "caltech101", "cats_vs_dogs"])
def test_a_set_that_is_missing_is_told_with_where_and_how(tmp_path: Path, use: str) -> None:
    said = told(tmp_path, use)
    for part in ("was not found", str(tmp_path), "http", "--data"):
        assert part in said


def test_fashion_files_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "FashionMNIST" / "raw").mkdir(parents=True)
    first = tmp_path / "FashionMNIST" / "raw" / "train-images-idx3-ubyte.gz"
    for content in (gzip.compress(bytes(28)), b"", bytes(26_421_880)):
        first.write_bytes(content)
        assert "this is not the published train-images-idx3-ubyte.gz" in told(tmp_path, "fashion_mnist")


class TestCifar100:
    @pytest.fixture
    def entries(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
        made: dict[str, dict[str, Any]] = {"meta": {"fine_label_names": ["apple", "beaver", "clock"], "coarse_label_names": ["animals", "things"]}}
        for part, count in (("train", 12), ("test", 6)):
            rows = DRAW.integers(0, 256, (count, 3072), np.uint8)
            made[part] = {"data": rows, "fine_labels": [i % 3 for i in range(count)], "coarse_labels": [i % 2 for i in range(count)]}
        self.contents = {name: old_pickle(entry) for name, entry in made.items()}
        monkeypatch.setattr(cifar100, "FILES", tuple(official(name, self.contents[name]) for name in ("train", "test", "meta")))
        return made

    def test_folder_and_archive_give_what_the_owners_wrote(self, tmp_path: Path, entries: dict[str, dict[str, Any]]) -> None:
        (tmp_path / "a" / cifar100.FOLDER).mkdir(parents=True)
        (tmp_path / "b").mkdir()
        for name, content in self.contents.items():
            (tmp_path / "a" / cifar100.FOLDER / name).write_bytes(content)
            assert {k: v for k, v in read_pickled(content, name).items() if k != "data"} == {k: v for k, v in entries[name].items() if k != "data"}
        packed(tmp_path / "b" / cifar100.ARCHIVE, cifar100.FOLDER, self.contents)
        images = read(tmp_path / "a", "cifar100")
        assert images.fingerprint == read(tmp_path / "b", "cifar100").fingerprint
        assert (images.pixels[13] == entries["test"]["data"][1].reshape(3, 32, 32).transpose(1, 2, 0)).all()
        assert images.labels.tolist() == entries["train"]["fine_labels"] + entries["test"]["fine_labels"]
        assert (images.classes, images.ids[12]) == (("apple", "beaver", "clock"), "test/0")
        coarse = read(tmp_path / "a", "cifar100", labels="coarse")
        assert (coarse.classes, coarse.labels[:3].tolist()) == (("animals", "things"), [0, 1, 0])

    def test_another_file_of_that_name_is_refused(self, tmp_path: Path, entries: dict[str, dict[str, Any]]) -> None:
        packed(tmp_path / cifar100.ARCHIVE, cifar100.FOLDER, self.contents | {"test": self.contents["test"][:-1]})
        assert "this is not the published test" in told(tmp_path, "cifar100")
        packed(tmp_path / cifar100.ARCHIVE, cifar100.FOLDER, {"train": self.contents["train"]})
        assert f"{cifar100.FOLDER}/meta is missing" in told(tmp_path, "cifar100")
        with pytest.raises(InputError, match="is no part of CIFAR-100: a row of 3,072 bytes and a label from 0 to 1"):
            cifar100.parse(entries["train"], "train", "fine_labels", 2)


def old_pickle(entry: dict[str, Any]) -> bytes:
    """A pickle of protocol 2 as Python 2 wrote it, arrays in NumPy's old pattern."""
    content = b"\x80\x02}("
    for key, value in entry.items():
        content += text(key)
        if isinstance(value, np.ndarray):
            shape = b"".join(b"J" + size.to_bytes(4, "little") for size in value.shape)
            content += b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text("b") + b"\x87R(K\x01" + shape + b"\x86"
            content += b"cnumpy\ndtype\n" + text("u1") + b"K\x00K\x01\x87R(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
            content += b"T" + value.nbytes.to_bytes(4, "little") + value.tobytes() + b"tb"
        else:
            content += b"](" + b"".join(text(item) if isinstance(item, str) else b"K" + bytes([item]) for item in value) + b"e"
    return content + b"u."


def text(value: str) -> bytes:
    return b"U" + bytes([len(value)]) + value.encode()


def test_our_old_pickle_is_one_that_python_reads_alike() -> None:
    content = old_pickle({"names": ["a", "b"], "numbers": [1, 2]})
    assert pickle.loads(content, encoding="latin1") == {"names": ["a", "b"], "numbers": [1, 2]}


class TestSvhn:
    def test_both_files_are_read_and_ten_is_zero(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "svhn").mkdir()
        planes, files = {}, {}
        for part, count in (("train", 11), ("test", 4)):
            planes[part] = DRAW.integers(0, 256, (32, 32, 3, count), np.uint8)
            stream = io.BytesIO()
            matlab.savemat(stream, {"X": planes[part], "y": (np.arange(count) % 10 + 1).astype(np.uint8)[:, None]}, do_compression=True)
            name = f"{part}_32x32.mat"
            (tmp_path / "svhn" / name).write_bytes(stream.getvalue())
            files[part] = official(name, stream.getvalue())
        monkeypatch.setattr(svhn, "FILES", files)
        images = read(tmp_path, "svhn")
        assert images.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 1, 2, 3, 4]
        assert (images.pixels[12] == planes["test"][..., 1]).all()
        assert (images.classes, images.ids[11]) == (tuple("0123456789"), "test/0")
        (tmp_path / "svhn" / "test_32x32.mat").write_bytes(b"x")
        assert "this is not the published test_32x32.mat" in told(tmp_path, "svhn")

    @pytest.mark.parametrize("entries", [{"X": np.zeros((32, 32, 3, 2), np.uint8)}, {"X": np.zeros((32, 32, 3, 2)), "y": np.ones((2, 1))}, None])
    def test_any_other_content_is_told(self, entries: dict[str, Any] | None) -> None:
        stream = io.BytesIO()
        if entries is not None:
            matlab.savemat(stream, entries)
        with pytest.raises(InputError, match=r"does not hold images|no MATLAB file"):
            svhn.parse(stream.getvalue(), "file")


class TestStl10:
    def test_planes_are_by_columns_and_labels_from_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pixels = {part: DRAW.integers(0, 256, (count, 96, 96, 3), np.uint8) for part, count in (("train", 6), ("test", 4))}
        files = {}
        for part, images in pixels.items():
            files[f"{part}_X.bin"] = images.transpose(0, 3, 2, 1).tobytes()
            files[f"{part}_y.bin"] = bytes(i % 10 + 1 for i in range(len(images)))
        monkeypatch.setattr(stl10, "FILES", tuple(official(name, content) for name, content in files.items()))
        packed(tmp_path / stl10.ARCHIVE, stl10.FOLDER, {"class_names.txt": b"x"} | dict(reversed(files.items())) | {"unlabeled_X.bin": bytes(1000)})
        images = read(tmp_path, "stl10")
        assert (images.pixels == np.concatenate(list(pixels.values()))).all()
        assert images.labels.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3]
        (tmp_path / "c").mkdir()
        for cut in (0, 3, 20, 100):
            (tmp_path / "c" / stl10.ARCHIVE).write_bytes((tmp_path / stl10.ARCHIVE).read_bytes()[:cut])
            assert "can't be read as an archive" in told(tmp_path / "c", "stl10")
        (tmp_path / "a" / stl10.FOLDER).mkdir(parents=True)
        for name, content in files.items():
            (tmp_path / "a" / stl10.FOLDER / name).write_bytes(content)
        assert read(tmp_path / "a", "stl10").fingerprint == images.fingerprint
        for wrong in ((b"", b""), (bytes(27648), b"\x0b"), (bytes(27648), b"\x00"), (bytes(27647), b"\x01")):
            with pytest.raises(InputError, match="a label from 1 to 10"):
                stl10.parse(*wrong, "file")


class TestCaltech101:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """Three classes and the background, listed; one image that no list names."""
        names = [f"{kind}/image_{i:04d}.jpg" for kind in ("BACKGROUND_Google", "ant", "bee", "cow") for i in range(1, 8)]
        for name in names:
            photo(tmp_path / "caltech101" / caltech101.IMAGES / name, size=(40, 30))
        listed = [name for name in names if not name.endswith("ant/image_0007.jpg")]
        (tmp_path / "caltech101" / "train.txt").write_text("\n".join(name for i, name in enumerate(listed) if i % 3) + "\n")
        (tmp_path / "caltech101" / "test.txt").write_text("\n".join(name for i, name in enumerate(listed) if not i % 3) + "\n")
        return tmp_path

    def test_the_lists_make_the_parts_and_the_background_is_left_out(self, root: Path) -> None:
        images = read(root, "caltech101", size=24, shorter_side=30)
        lines = [line for line in (root / "caltech101" / "train.txt").read_text().split() if "BACKGROUND" not in line]
        expected = {TRAIN: lines[1::2], VALIDATION: lines[0::2]}
        expected[TEST] = [line for line in (root / "caltech101" / "test.txt").read_text().split() if "BACKGROUND" not in line]
        assert {part: [images.ids[i] for i in images.positions(part)] for part in expected} == {k: sorted(v) for k, v in expected.items()}
        assert images.classes == ("ant", "bee", "cow")
        assert images.shape == (3, 24, 24)
        assert "1 images that neither train.txt nor test.txt names were left out" in images.notes
        assert any("3 classes are here, of the 101" in note for note in images.notes)
        split = divided(images, ingredient("caltech101"))
        assert abs(len(split.train) - len(split.validation)) <= 1

    def test_prediction_reads_a_photograph_as_evaluation_did(self, root: Path) -> None:
        settings = {"size": 24, "shorter_side": 28}
        images = read(root, "caltech101", **settings)
        entry = {"shape": images.shape, "settings": ingredient("caltech101", **settings).settings(), "mean": [0.5] * 3, "std": [0.5] * 3}
        pixels, _ = Preprocessing.of(entry).read([root / "caltech101" / caltech101.IMAGES / name for name in images.ids])
        assert np.array_equal(pixels, images.pixels)

    def test_without_lists_it_says_what_to_do_and_does_it(self, root: Path) -> None:
        (root / "caltech101" / "test.txt").unlink()
        assert "the list test.txt can't be read" in told(root, "caltech101")
        assert "split: random, test: 0.33" in told(root, "caltech101")
        drawn = ingredient("caltech101", split="random", test=0.33, validation=0.33, size=24, shorter_side=30)
        images = drawn.read(Places(folders=(root,)))
        assert len(images) == 21
        assert [len(part) for part in (divided(images, drawn).validation, divided(images, drawn).test)] == [5, 7]

    @pytest.mark.parametrize(
        ("extra", "said"),
        [
            ("ant/image_0099.jpg", "1 images that the lists name are missing"),
            ("../../x.jpg", "missing"),
            ("bee/image_0001.jpg", "1 images stand twice"),
        ],
    )
    def test_lists_that_do_not_fit_are_told(self, root: Path, extra: str, said: str) -> None:
        for name in ("train.txt", "test.txt"):
            before = (root / "caltech101" / name).read_text()
            if extra not in before:
                (root / "caltech101" / name).write_text(before + extra + "\n")
                break
        assert said in told(root, "caltech101")

    def test_images_of_several_sizes_come_out_as_torchvision_brings_them(self, tmp_path: Path) -> None:
        """Resize to 256, centre crop 224 (P2): half a pixel apart at most, since torchvision rounds the resized size."""
        wide = np.linspace(0, 255, 500 * 333).reshape(333, 500)
        pixels = np.stack([wide, wide[::-1], np.tile(np.linspace(0, 255, 500), (333, 1))], axis=2).astype(np.uint8)
        for at, (name, image) in enumerate((("a", pixels), ("b", pixels.transpose(1, 0, 2)))):
            for i in range(3):
                (tmp_path / "t" / name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.ascontiguousarray(image)).save(tmp_path / "t" / name / f"{at}{i}.png")
        rows = [f"{path.relative_to(tmp_path / 't')},{path.parent.name}" for path in sorted((tmp_path / "t").rglob("*.png"))]
        (tmp_path / "t" / "t.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
        images = read(tmp_path, "table", path="t/t.csv", size=224, shorter_side=256)
        for at, id in enumerate(images.ids):
            plain = Image.open(tmp_path / "t" / id)
            expected = np.asarray(v2.CenterCrop(224)(v2.Resize(256)(plain)))
            assert np.abs(images.pixels[at].astype(int) - expected).max() <= 2

    def test_a_middle_larger_than_the_whole_is_refused(self) -> None:
        with pytest.raises(InputError, match="shorter_side needs resize: crop, and a size that is no larger"):
            ingredient("caltech101", size=300)

    @pytest.mark.slow
    def test_the_real_subset_is_split_as_the_report_says(self, real: Places) -> None:
        if real.find("caltech-22") is None:
            pytest.skip("needs caltech-22 in $CONTRAST_DATA")
        data = ingredient("caltech101", path="caltech-22")
        images = data.read(real)
        split = divided(images, data)
        root = real.find("caltech-22")
        assert root is not None
        in_file = [line for line in (root / "test.txt").read_text().split() if not line.startswith("BACKGROUND_Google")]
        assert sorted(in_file) == [images.ids[i] for i in split.test]
        assert abs(len(split.train) - len(split.validation)) <= 1
        assert (len(split.train), len(split.validation), len(split.test)) == (660, 660, 660)
        assert (len(images.classes), images.shape) == (22, (3, 224, 224))


class TestCatsVsDogs:
    def test_both_forms_are_known(self, tmp_path: Path) -> None:
        for kind in ("Cat", "Dog"):
            for i in range(10):
                photo(tmp_path / "a" / "PetImages" / kind / f"{i}.jpg", size=(20, 10 + i))
                photo(tmp_path / "b" / "dogs-vs-cats" / ("testset" if i < 2 else "trainset") / kind / f"{i}.jpg")
        whole, divided_set = (ingredient("cats_vs_dogs", size=16).read(Places(folders=(tmp_path / name,))) for name in "ab")
        assert (whole.classes, whole.shape, len(whole)) == (("Cat", "Dog"), (3, 16, 16), 20)
        assert len(divided(whole, ingredient("cats_vs_dogs")).test) == 4
        assert [len(divided_set.positions(part)) for part in (TRAIN, VALIDATION, TEST)] == [16, 0, 4]

    def test_other_classes_and_damage_are_told_and_damage_can_be_left_out(self, tmp_path: Path) -> None:
        for kind in ("Cat", "Dog"):
            for i in range(4):
                photo(tmp_path / "PetImages" / kind / f"{i}.jpg")
        (tmp_path / "PetImages" / "Cat" / "666.jpg").write_bytes(b"")
        said = told(tmp_path, "cats_vs_dogs")
        assert "1 of 9 files can't be used: 'Cat/666.jpg' is empty" in said
        assert "damaged: skip" in said
        images = read(tmp_path, "cats_vs_dogs", damaged="skip")
        assert len(images) == 8
        assert any("'Cat/666.jpg' is empty" in note for note in images.notes)
        photo(tmp_path / "PetImages" / "Emu" / "1.jpg")
        assert "its classes are Cat, Dog, Emu" in told(tmp_path, "cats_vs_dogs")

    @pytest.mark.slow
    def test_the_real_subset_is_read(self, real: Places) -> None:
        if real.find("dogs-vs-cats-64") is None:
            pytest.skip("needs dogs-vs-cats-64 in $CONTRAST_DATA")
        images = ingredient("cats_vs_dogs").read(real)
        assert [len(images.positions(part)) for part in (TRAIN, TEST)] == [8000, 2000]


class TestTable:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for i in range(12):
            photo(tmp_path / "photos" / "pics" / f"{i}.png", value=i)
        return tmp_path

    def write(self, folder: Path, name: str = "t.csv", **columns: Any) -> None:
        rows: dict[str, Any] = {"path": [f"pics/{i}.png" for i in range(12)], "label": [("cat", "Bee", "dog")[i % 3] for i in range(12)]}
        table = pd.DataFrame({key: value for key, value in (rows | columns).items() if value is not None})
        if name.endswith(".parquet"):
            table.to_parquet(folder / "photos" / name)
        else:
            table.to_csv(folder / "photos" / name, index=False)

    @pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
    def test_rows_become_images_with_parts_and_groups(self, folder: Path, name: str) -> None:
        parts = [("Train", "valid", "TEST")[i // 3 % 3] for i in range(12)]
        self.write(folder, name, split=parts, group=[i // 3 for i in range(12)])
        images = read(folder, "table", path=f"photos/{name}")
        assert images.classes == ("Bee", "cat", "dog")
        assert images.ids == tuple(sorted(f"pics/{i}.png" for i in range(12)))
        assert images.groups is not None
        for at, id in enumerate(images.ids):
            i = int(Path(id).stem)
            assert images.pixels[at, 0, 0, 0] == i
            assert images.classes[images.labels[at]] == ("cat", "Bee", "dog")[i % 3]
            assert images.parts[at] == (TRAIN, VALIDATION, TEST)[i // 3 % 3]
            assert images.groups[at] == str(i // 3)

    def test_groups_keep_to_one_side(self, folder: Path) -> None:
        self.write(folder, patient=[f"p{i // 2}" for i in range(12)], label=[("cat", "dog")[i // 2 % 2] for i in range(12)])
        data = ingredient("table", path="photos/t.csv", group="patient", test=0.34, validation=0.34)
        images = data.read(Places(folders=(folder,)))
        split = divided(images, data)
        assert images.groups is not None
        sides = [set(images.groups[part]) for part in (split.train, split.validation, split.test)]
        assert sum(len(side) for side in sides) == 6

    def test_columns_are_called_as_one_likes_and_classes_sort_as_text(self, folder: Path) -> None:
        rows = {"file": [f"pics/{i}.png" for i in range(12)], "digit": [(2, 10)[i % 2] for i in range(12)], "group": ["all"] * 12}
        self.write(folder, path=None, label=None, **rows)
        images = read(folder, "table", path="photos/t.csv", image="file", label="digit", group=None)
        assert images.classes == ("10", "2")
        assert images.groups is None
        assert "data.label: the table has no column 'label'; " in told(folder, "table", path="photos/t.csv", image="file")
        assert "data.group: the table has no column 'patient'" in told(
            folder, "table", path="photos/t.csv", image="file", label="digit", group="patient"
        )

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"path": [f"pics/{i}.png" for i in range(10)] + ["pics/x.png", "y.png"]}, "2 of 12 files are missing: 'pics/x.png', 'y.png'"),
            ({"path": ["pics/0.png"] * 2 + [f"pics/{i}.png" for i in range(2, 12)]}, "'pics/0.png' stands in two rows"),
            ({"path": ["../secret.png"] + [f"pics/{i}.png" for i in range(1, 12)]}, "1 paths lead out of the table's folder, '../secret.png' first"),
            ({"path": ["pics/link.png"] + [f"pics/{i}.png" for i in range(1, 12)]}, "lead out of the table's folder, 'pics/link.png' first"),
            ({"path": ["away/secret.png"] + [f"pics/{i}.png" for i in range(1, 12)]}, "lead out of the table's folder, 'away/secret.png' first"),
            ({"label": ["cat", ""] * 6}, "has no label that can be used"),
            ({"split": ["train", "holdout"] * 6}, "'holdout' is no part of a split"),
        ],
    )
    def test_rows_that_can_not_be_used_are_named(self, folder: Path, change: dict[str, Any], said: str) -> None:
        photo(folder / "secret.png")
        (folder / "photos" / "pics" / "link.png").symlink_to(folder / "secret.png")
        (folder / "photos" / "away").symlink_to(folder)
        self.write(folder, **change)
        assert said in told(folder, "table", path="photos/t.csv")

    def test_paths_may_lead_anywhere_where_that_is_allowed(self, folder: Path) -> None:
        outside = photo(folder / "secret.png")
        self.write(folder, path=[str(outside), "../secret.png"] + [f"pics/{i}.png" for i in range(2, 12)])
        images = read(folder, "table", path="photos/t.csv", anywhere=True)
        assert str(outside) in images.ids

    def test_what_is_no_table_is_told(self, folder: Path) -> None:
        for name, content, said in (
            ("a.csv", b"", "no table that can be read"),
            ("b.csv", b"path,label\n", "has no row"),
            ("c.csv", b"\xff\xfe\x00", "no table that can be read"),
            ("d.parquet", b"PAR1junk", "no table that can be read"),
            ("e.xls", b"", "is no table by its name"),
        ):
            (folder / name).write_bytes(content)
            assert said in told(folder, "table", path=name)
        assert "the table 'gone.csv' was not found" in told(folder, "table", path="gone.csv")

    def test_exclusions_are_left_out_with_their_groups(self, folder: Path) -> None:
        self.write(folder, group=[f"g{i}" for i in range(12)])
        (folder / "out.json").write_text('{"exclude": [{"id": "pics/3.png", "kind": "blank"}]}')
        images = sound(ingredient("table", path="photos/t.csv", exclusions="out.json"), Places(folders=(folder,)))
        assert images.groups is not None
        assert [f"pics/{group[1:]}.png" for group in images.groups] == list(images.ids)
        assert len(images) == 11


OUTSIDE = """
import numpy as np, torch
from PIL import Image
from torch.utils.data import Dataset

class Pets(Dataset):
    classes = ["cat", "dog"]
    def __init__(self, form="pil", count=12, size=8):
        self.form, self.count, self.size = form, count, size
    def __len__(self):
        return self.count
    def __getitem__(self, at):
        pixels = np.full((self.size, self.size, 3), at * 10, np.uint8)
        image = {"pil": Image.fromarray, "array": lambda p: p, "bytes": lambda p: torch.from_numpy(p).permute(2, 0, 1),
                 "floats": lambda p: torch.from_numpy(p).permute(2, 0, 1) / 255, "random": lambda p: torch.rand(3, 8, 8)}[self.form](pixels)
        return image, at % 2

def parts(count=12):
    return {"train": Pets(count=count), "test": Pets(count=4)}

class Endless:
    def __iter__(self):
        yield 1

def endless(): return Endless()
def empty(): return []
def no_pairs(): return [1, 2]
def no_image(): return [("cat.png", 0)]
def no_label(): return [(Image.new("RGB", (4, 4)), "cat")]
def sizes(): return [(Image.new("RGB", (4, 4 + i)), i) for i in range(2)]
def normalized(): return [(torch.randn(3, 4, 4), 0)]
def broken(): raise OSError("the disk is gone")
def few_names():
    data = Pets(); data.classes = ["cat"]; return data
def odd_part(): return {"train": Pets(), "dev": Pets()}
number = 3
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "mypets.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "mypets"
    sys.modules.pop("mypets", None)


class TestOutside:
    @pytest.mark.parametrize("form", ["pil", "array", "bytes", "floats"])
    def test_a_dataset_of_any_form_of_image_is_read_through(self, outside: str, form: str) -> None:
        images = ingredient(f"{outside}:Pets", form=form).read(Places())
        assert images.pixels.shape == (12, 8, 8, 3)
        assert images.pixels[:, 0, 0, 0].tolist() == [i * 10 for i in range(12)]
        assert (images.classes, images.ids[:2]) == (("cat", "dog"), ("train/0", "train/1"))
        assert images.labels.tolist() == [0, 1] * 6

    def test_floats_become_the_bytes_that_they_came_from(self) -> None:
        levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
        images = images_of([(levels / 255, 0)], "levels")
        assert images.pixels.ravel().tolist() == list(range(256))
        assert images_of([(torch.full((1, 1, 2), 0.999), 0)], "levels").pixels.tolist() == [[[[255], [255]]]]

    def test_a_factory_of_parts_keeps_them(self, outside: str) -> None:
        data = ingredient(f"{outside}:parts", count=20, validation=0.25)
        images = data.read(Places())
        assert len(images) == 24
        assert [len(part) for part in (divided(images, data).train, divided(images, data).validation, divided(images, data).test)] == [15, 5, 4]

    def test_what_it_draws_is_drawn_the_same_each_time(self, outside: str) -> None:
        state = torch.random.get_rng_state()
        first, second = (ingredient(f"{outside}:Pets", form="random").read(Places()).fingerprint for _ in range(2))
        assert first == second
        assert torch.equal(torch.random.get_rng_state(), state)

    def test_a_recipe_with_it_is_written_down_and_its_source_is_in_the_id(self, outside: str, tmp_path: Path) -> None:
        given = {"data": {"use": f"{outside}:Pets", "form": "array", "validation": 0.25}, "model": "convnet"}
        recipe = Recipe.parse(given, trust=True)
        assert Recipe.parse(recipe.spec(), trust=True).id == recipe.id
        assert recipe.with_data({"split_seed": 3}).data.read(Places()).classes == ("cat", "dog")
        (tmp_path / "mypets.py").write_text(OUTSIDE + "\n# changed\n")
        assert Recipe.parse(given, trust=True).id != recipe.id
        with pytest.raises(InputError, match="code from outside the package"):
            Recipe.parse(given, trust=False)

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("endless", "a Endless has no length"),
            ("empty", "holds no image"),
            ("no_pairs", r"\[0\]: is a int, not \(image, label\)"),
            ("no_image", r"\[0\]: its image is a str; give \(image, label\): a PIL image"),
            ("no_label", "its label is 'cat', no whole number from 0"),
            ("sizes", r"\[1\]: has 5×4×3 where the first image has 4×4×3; bring all to one size"),
            ("normalized", "its image has values from .* leave normalization to the augmentation"),
            ("broken", "the factory fails: OSError: the disk is gone"),
            ("few_names", "its `classes` are 1 names, and a label is 1"),
            ("odd_part", "it gives the part 'dev'"),
        ],
    )
    def test_what_is_no_data_set_is_told_in_one_line(self, outside: str, tmp_path: Path, name: str, said: str) -> None:
        with pytest.raises(InputError, match=said) as error:
            ingredient(f"{outside}:{name}").read(Places())
        assert "\n" not in str(error.value)

    def test_wrong_settings_are_told(self, outside: str, tmp_path: Path) -> None:
        assert "the factory fails: TypeError" in told(tmp_path, f"{outside}:Pets", no_such_setting=1)
        with pytest.raises(InputError, match="validation"):
            ingredient(f"{outside}:Pets", validation=-1)
        with pytest.raises(InputError, match="can't be written to a file"):
            ingredient(f"{outside}:Pets", form=Path("x"))
        with pytest.raises(InputError, match="is not usable as data"):
            ingredient(f"{outside}:number")
