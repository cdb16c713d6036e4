"""CIFAR-10: both published forms, in folders and archives, give the same images; nothing is executed or extracted."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import io
import pickle
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest

from contrast.datasets import cifar10 as module
from contrast.datasets.cifar10 import BINARY, CLASSES, PYTHON, Cifar10, Form, parse_binary, parse_python
from contrast.errors import InputError
from contrast.images import Images
from contrast.official import OfficialFile
from contrast.pickled import read_pickled
from contrast.protocols import Places

BATCH = 100
Batches = list[tuple[np.ndarray, np.ndarray]]


def short_text(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text


def pickled(planes: np.ndarray, labels: np.ndarray) -> bytes:
    """A batch exactly as Python 2's cPickle wrote the official ones (protocol 2), instruction by instruction."""
    count = len(labels)
    size = b"M" + count.to_bytes(2, "little") + b"M" + (3072).to_bytes(2, "little") + b"\x86q\x0f"
    array = b"cnumpy.core.multiarray\n_reconstruct\nq\x06cnumpy\nndarray\nq\x07K\x00\x85q\x08" + short_text(b"b") + b"q\x09\x87q\x0aRq\x0b"
    kind = (
        b"cnumpy\ndtype\nq\x0c"
        + short_text(b"u1")
        + b"q\x0dK\x00K\x01\x87q\x0eRq\x10(K\x03"
        + short_text(b"|")
        + b"q\x11NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    content = b"T" + (count * 3072).to_bytes(4, "little") + planes.tobytes()
    names = b"".join(short_text(b"image_%d.png" % i) + b"r" + (100 + i).to_bytes(4, "little") for i in range(count))
    return b"".join(
        [
            b"\x80\x02}q\x01(",
            short_text(b"batch_label") + b"q\x02" + short_text(b"training batch 1 of 5") + b"q\x03",
            short_text(b"labels") + b"q\x04]q\x05(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e",
            short_text(b"data") + b"q\x12" + array + b"(K\x01" + size + kind + b"\x89" + content + b"q\x13tb",
            short_text(b"filenames") + b"q\x14]q\x15(" + names + b"eu.",
        ]
    )


@pytest.fixture(scope="module")
def batches() -> Batches:
    """Six batches of random planes, ``uint8 [100, 3, 1024]``, and labels."""
    draw = np.random.default_rng(0)
    return [(draw.integers(0, 256, (BATCH, 3, 1024), np.uint8), draw.integers(0, 10, BATCH).astype(np.uint8)) for _ in range(6)]


@pytest.fixture
def contents(batches: Batches, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, bytes]]:
    """Folder name → file name → content, of both forms, small; the checksums that are believed are those of these files."""
    binary = [np.concatenate([labels[:, None], planes.reshape(BATCH, -1)], axis=1).tobytes() for planes, labels in batches]
    python = [pickled(planes, labels) for planes, labels in batches]
    monkeypatch.setattr(module, "_BATCH", BATCH)
    made = {}
    for name, form, files in (("BINARY", BINARY, binary), ("PYTHON", PYTHON, python)):
        known = tuple(OfficialFile(f.name, len(c), f"sha1:{hashlib.sha1(c).hexdigest()}") for f, c in zip(form.files, files, strict=True))
        monkeypatch.setattr(module, name, dataclasses.replace(form, files=known))
        made[form.folder] = {f.name: c for f, c in zip(form.files, files, strict=True)}
    return made


def lay_out(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def archive(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def read(folder: Path) -> Images:
    return Cifar10().read(Places(folders=(folder,)))


def test_all_four_ways_of_publishing_give_the_same_images(tmp_path: Path, contents: dict[str, dict[str, bytes]], batches: Batches) -> None:
    for form in (BINARY, PYTHON):
        files = contents[form.folder]
        lay_out(tmp_path / form.folder / form.folder, files)
        archive(
            tmp_path / form.archive / form.archive,
            {"cifar-10-readme.html": b"x"} | {f"{form.folder}/{k}": files[k] for k in sorted(files, reverse=True)},
        )
    sets = [read(tmp_path / name) for form in (BINARY, PYTHON) for name in (form.folder, form.archive)]
    assert len({images.fingerprint for images in sets}) == 1
    planes, labels = batches[1]
    assert (sets[0].pixels[BATCH + 7] == planes[7].reshape(3, 32, 32).transpose(1, 2, 0)).all()
    assert sets[0].labels[BATCH : 2 * BATCH].tolist() == labels.tolist()
    assert sets[0].ids[5 * BATCH - 1 : 5 * BATCH + 1] == (f"train/{5 * BATCH - 1}", "test/0")
    assert sets[0].classes == CLASSES


def test_our_pickle_in_the_old_form_is_one_that_python_itself_reads_alike(batches: Batches) -> None:
    planes, labels = batches[0]
    content = pickled(planes, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy says that the old module name is an old one
        theirs = pickle.loads(content, encoding="latin1")
    ours = read_pickled(content, "batch")
    assert set(ours) == set(theirs) == {"batch_label", "labels", "data", "filenames"}
    assert (ours["data"] == theirs["data"]).all()
    assert ours["labels"] == theirs["labels"]
    assert ours["filenames"] == theirs["filenames"]


class Planted:
    """Pickles to a call that creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_pickle_that_calls_something_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "was run"
    content = pickle.dumps({"data": Planted(mark), "labels": []}, protocol)
    with pytest.raises(InputError, match=r"holds .*not plain data, and was not run"):
        read_pickled(content, "batch")
    assert not mark.exists()


@pytest.mark.parametrize("name", [b"os\nsystem", b"builtins\neval", b"numpy\nload", b"numpy.core.multiarray\nscalar", b"copyreg\n_reconstructor"])
def test_no_other_name_is_known(name: bytes) -> None:
    with pytest.raises(InputError, match="the name"):
        read_pickled(b"\x80\x02}" + short_text(b"k") + b"c" + name + b"\n" + short_text(b"x") + b"\x85Rs.", "batch")


def test_damaged_pickles_are_told_in_one_line(batches: Batches) -> None:
    content = pickled(*batches[0])
    for cut in (0, 1, 5, 40, 200, len(content) // 2, len(content) - 1):
        with pytest.raises(InputError) as told:
            read_pickled(content[:cut], "batch")
        assert "\n" not in str(told.value)
    draw = np.random.default_rng(1)
    for _ in range(300):
        broken = bytearray(content)
        for at in draw.integers(0, 900, 3):
            broken[at] = draw.integers(0, 256)
        with contextlib.suppress(InputError):  # whatever the bytes, no other error than ours
            parse_python(bytes(broken), "batch")


def test_a_python_batch_without_a_label_for_each_row_is_refused(batches: Batches) -> None:
    planes, labels = batches[0]
    good = pickled(planes, labels)
    renamed = good.replace(short_text(b"labels"), short_text(b"lables"))
    one_more = good.replace(b"]q\x05(K", b"]q\x05(K\x01K", 1)
    for bad in (renamed, pickled(planes, labels + 10), one_more):
        assert bad != good
        with pytest.raises(InputError, match=r"no batch of CIFAR-10|damaged"):
            parse_python(bad, "batch")


def test_binary_batches_of_another_size_or_label_are_refused() -> None:
    for content, told in ((b"", "0 bytes"), (bytes(3072), "no whole number of records"), (b"\x0a" + bytes(3072), "a label is 10, above 9")):
        with pytest.raises(InputError, match=told):
            parse_binary(content, "batch")


def test_missing_files_are_told_with_where_and_how(tmp_path: Path) -> None:
    with pytest.raises(InputError) as told:
        read(tmp_path)
    for part in ("CIFAR-10 was not found", str(tmp_path), BINARY.folder, PYTHON.archive, "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"):
        assert part in str(told.value)
    with pytest.raises(InputError, match="looked in no folder at all"):
        Cifar10().read(Places())


def test_a_missing_batch_is_named(tmp_path: Path, contents: dict[str, dict[str, bytes]]) -> None:
    files = dict(contents[BINARY.folder])
    del files["data_batch_3.bin"]
    lay_out(tmp_path / "a" / BINARY.folder, files)
    archive(tmp_path / "b" / BINARY.archive, {f"{BINARY.folder}/{k}": v for k, v in files.items()})
    for folder in ("a", "b"):
        with pytest.raises(InputError, match=r"data_batch_3\.bin is missing"):
            read(tmp_path / folder)


def test_a_batch_that_is_not_the_published_one_is_refused(tmp_path: Path, contents: dict[str, dict[str, bytes]]) -> None:
    good = contents[BINARY.folder]["test_batch.bin"]
    for at, bad in enumerate((good[:-1], good + b"x", good[:-1] + bytes([good[-1] ^ 1]))):
        files = contents[BINARY.folder] | {"test_batch.bin": bad}
        lay_out(tmp_path / str(at) / BINARY.folder, files)
        with pytest.raises(InputError, match=r"test_batch\.bin: this is not the published test_batch\.bin"):
            read(tmp_path / str(at))


def test_an_archive_writes_nothing_and_its_bad_members_do_no_harm(tmp_path: Path, contents: dict[str, dict[str, bytes]]) -> None:
    good = {f"{BINARY.folder}/{k}": v for k, v in contents[BINARY.folder].items()}
    archive(tmp_path / BINARY.archive, {"../outside": b"x", "/tmp/outside": b"x"} | good)
    before = set(tmp_path.parent.rglob("*"))
    assert len(read(tmp_path)) == 6 * BATCH
    assert set(tmp_path.parent.rglob("*")) == before


def test_an_archive_with_a_link_in_place_of_a_batch_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / BINARY.archive, "w:gz") as tar:
        link = tarfile.TarInfo(f"{BINARY.folder}/data_batch_1.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(InputError, match="is no regular file"):
        read(tmp_path)


def test_an_archive_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 1_000_000)
    archive(tmp_path / BINARY.archive, {f"filler{i}": bytes(300_000) for i in range(8)})
    with pytest.raises(InputError, match="unpacks to more than 1,000,000 bytes"):
        read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"<html></html>", gzip.compress(b"no tar", mtime=0), gzip.compress(bytes(5000), mtime=0)[:-12]])
def test_a_broken_archive_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PYTHON.archive).write_bytes(content)
    with pytest.raises(InputError) as told:
        read(tmp_path)
    assert "\n" not in str(told.value)


def test_the_published_checksums_and_sizes_are_kept() -> None:
    forms: tuple[Form, ...] = (BINARY, PYTHON)
    assert all(len(form.files) == 6 and form.files[5].name.startswith("test_batch") for form in forms)
    assert {file.size for file in BINARY.files} == {30_730_000}


def test_the_real_set_has_the_channel_statistics_of_the_literature_to_eight_digits(cifar10: Images) -> None:
    assert cifar10.pixels.shape == (60_000, 32, 32, 3)
    assert np.bincount(cifar10.labels[cifar10.positions("train")]).tolist() == [5000] * 10
    assert np.bincount(cifar10.labels[cifar10.positions("test")]).tolist() == [1000] * 10
    mean, std = cifar10.statistics(cifar10.positions("train"))
    assert [f"{value:.8f}" for value in mean] == ["0.49139968", "0.48215841", "0.44653091"]
    assert [f"{value:.8f}" for value in std] == ["0.24703223", "0.24348513", "0.26158784"]


def test_the_statistics_agree_with_numpy(cifar10: Images) -> None:
    some = np.arange(0, 60_000, 97)
    plain = cifar10.pixels[some].astype(np.float64) / 255
    mean, std = cifar10.statistics(some)
    assert mean == pytest.approx(plain.mean(axis=(0, 1, 2)), abs=1e-12)
    assert std == pytest.approx(plain.std(axis=(0, 1, 2)), abs=1e-12)
