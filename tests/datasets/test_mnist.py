"""MNIST: official idx files, packed or not, checked before they are believed."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from contrast.datasets.mnist import FILES, Mnist
from contrast.errors import InputError
from contrast.idx import parse_idx
from contrast.images import Images
from contrast.protocols import Places


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def test_an_idx_file_gives_its_array_back() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert (parse_idx(idx(array), "f", dimensions=3) == array).all()
    assert parse_idx(idx(array[0, 0]), "f", dimensions=1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("content", [b"", b"\0\0\x08", b"<html></html>  ", idx(np.zeros(4, np.uint8)), b"\0\0\x0d\x03" + bytes(12)])
def test_another_magic_number_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match="f: is no idx file of bytes in 3 dimensions"):
        parse_idx(content, "f", dimensions=3)


def test_values_that_do_not_fill_the_sizes_are_refused() -> None:
    whole = idx(np.zeros((2, 3, 4), np.uint8))
    for content in (whole[:-1], whole + b"x"):
        with pytest.raises(InputError, match="values where its head says 2 × 3 × 4"):
            parse_idx(content, "f", dimensions=3)


def test_missing_files_are_told_with_where_and_how(tmp_path: Path) -> None:
    with pytest.raises(InputError) as told:
        Mnist().read(Places(folders=(tmp_path,)))
    for part in ("MNIST was not found", str(tmp_path), "mnist/train-images-idx3-ubyte.gz", "https://", "--data"):
        assert part in str(told.value)
    assert "\n" not in str(told.value)


def test_one_missing_file_is_named(tmp_path: Path, real: Places, mnist: Images) -> None:
    folder = real.find("mnist")
    assert folder is not None
    shutil.copytree(folder, tmp_path / "mnist")
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match="t10k-labels-idx1-ubyte is missing"):
        Mnist().read(Places(folders=(tmp_path,)))


def test_files_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    name = FILES["train"][0].name
    (folder / name).write_bytes(idx(np.zeros((1, 28, 28), np.uint8)))
    with pytest.raises(InputError, match="not the published train-images-idx3-ubyte: 800 bytes instead of 47,040,016"):
        Mnist().read(Places(folders=(tmp_path,)))
    (folder / name).write_bytes(bytes(47_040_016))
    with pytest.raises(InputError, match="its SHA1 is not"):
        Mnist().read(Places(folders=(tmp_path,)))


def test_a_broken_gzip_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    for content in (b"<html>", gzip.compress(bytes(1000))[:-20]):
        (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(content)
        with pytest.raises(InputError, match="can't be read") as told:
            Mnist().read(Places(folders=(tmp_path,)))
        assert "\n" not in str(told.value)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(100_000_000), 1))
    with pytest.raises(InputError, match="not the published"):
        Mnist().read(Places(folders=(tmp_path,)))


def test_the_real_set_is_read_whole(mnist: Images) -> None:
    assert mnist.pixels.shape == (70_000, 28, 28, 1)
    assert len(mnist.positions("train")) == 60_000
    assert np.bincount(mnist.labels[mnist.positions("test")]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.ids[60_000] == "test/0"
    mean, std = mnist.statistics(mnist.positions("train"))
    assert mean == pytest.approx([0.1306604762738429], abs=1e-12)
    assert std == pytest.approx([0.3081078038564626], abs=1e-12)


def test_unpacked_files_give_the_same_images(tmp_path: Path, real: Places, mnist: Images) -> None:
    folder = real.find("mnist")
    assert folder is not None
    (tmp_path / "MNIST").mkdir()
    for file in (file for files in FILES.values() for file in files):
        (tmp_path / "MNIST" / file.name).write_bytes(gzip.decompress((folder / f"{file.name}.gz").read_bytes()))
    assert Mnist().read(Places(folders=(tmp_path,))).fingerprint == mnist.fingerprint
