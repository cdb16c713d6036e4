"""Images are decoded once: what is kept is opened as it was, decoded anew where anything changed, and never half written."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from contrast import Recipe, catalog, decoded
from contrast.datasets import folder as folder_module
from contrast.datasets.folder import Folder
from contrast.engine.on_disk import OnDisk
from contrast.engine.training import load
from contrast.errors import InputError
from contrast.exclusions import sound
from contrast.images import Images
from contrast.protocols import Places


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A cache of this test's own, in which even small sets are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(decoded, "WORTH_KEEPING", 0)
    return Places(folders=(tmp_path / "cache" / "contrast",))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "root" / name).mkdir(parents=True)
        for i in range(20):
            Image.fromarray(draw.integers(0, 256, (8, 10, 3), np.uint8)).save(tmp_path / "root" / name / f"{i}.png")
    return tmp_path / "root"


def source(root: Path, **settings: object) -> Folder:
    made = catalog.parse("data", {"use": "folder", "path": str(root), **settings})
    assert isinstance(made, Folder)
    return made


def kept(places: Places) -> list[Path]:
    return sorted((places.folders[0] / "decoded").glob("*/store.json"))


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files each call of the decoder was given."""
    counts: list[int] = []
    whole = decoded.decode_all

    def counted(paths: list[Path], look: decoded.Look) -> object:
        counts.append(len(paths))
        return whole(paths, look)

    monkeypatch.setattr(decoded, "decode_all", counted)
    return counts


def equal(one: Images, other: Images) -> bool:
    return (
        bool((np.asarray(one.pixels) == np.asarray(other.pixels)).all())
        and one.ids == other.ids
        and one.notes == other.notes
        and one.fingerprint == other.fingerprint
    )


def test_what_is_opened_is_what_was_decoded_and_nothing_is_decoded_twice(root: Path, cache: Places, decodings: list[int]) -> None:
    plain = source(root).read(Places())
    assert kept(cache) == []
    assert equal(source(root).read(cache), plain)
    assert len(kept(cache)) == 1
    del decodings[:]
    opened = source(root).read(cache)
    assert equal(opened, plain)
    assert decodings == []
    assert opened.fingerprint == Images(opened.pixels, opened.labels, opened.ids, opened.classes, opened.parts).fingerprint


def test_the_fingerprint_is_kept_for_these_labels_and_names_only(root: Path, cache: Places) -> None:
    first = source(root).read(cache)
    (root / "cat").rename(root / "eel")
    assert source(root).read(cache).fingerprint != first.fingerprint
    (root / "eel").rename(root / "cat")
    assert source(root).read(cache).fingerprint == first.fingerprint
    (root / "fly").mkdir()  # a class of which no file tells
    assert source(root).load(cache)[0].fingerprint == source(root).load(Places())[0].fingerprint != first.fingerprint


@pytest.mark.parametrize("how", ["content", "content at the same size and time", "added", "gone", "renamed"])
def test_a_changed_folder_is_decoded_anew(root: Path, cache: Places, how: str) -> None:
    before = source(root).read(cache)
    path = root / "dog" / "3.png"
    status, size = path.stat(), path.stat().st_size
    if how == "content":
        Image.new("RGB", (10, 8), "red").save(path)
    elif how == "content at the same size and time":
        other = (root / "dog" / "4.png").read_bytes()[:size].ljust(size, b"\0")
        path.write_bytes(other)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (size, status.st_mtime_ns)
    elif how == "added":
        Image.new("RGB", (10, 8), "red").save(root / "dog" / "new.png")
    elif how == "gone":
        path.unlink()
    else:
        path.rename(root / "dog" / "33.png")
    after = source(root, damaged="skip").read(cache)
    assert equal(after, source(root, damaged="skip").read(Places()))
    assert after.fingerprint != before.fingerprint
    assert len(kept(cache)) == 1, "the older store is replaced"


def test_each_way_to_bring_images_to_size_is_kept_by_itself(root: Path, cache: Places) -> None:
    for settings in ({}, {"size": 6}, {"size": 6, "resize": "pad"}, {"channels": 1}, {"exclude": []}):
        assert equal(source(root, **settings).read(cache), source(root, **settings).read(Places()))
    assert len(kept(cache)) == 4


@pytest.mark.parametrize("version", ["DECODER", "pillow"])
def test_another_decoder_decodes_anew(root: Path, cache: Places, decodings: list[int], monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    source(root).read(cache)
    del decodings[:]
    monkeypatch.setattr(decoded, version, "another")
    source(root).read(cache)
    assert sum(decodings) == 40


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


SPOILED = {
    "pixels cut": lambda at: os.truncate(at / "pixels.bin", 1000),
    "pixels longer": lambda at: (at / "pixels.bin").write_bytes((at / "pixels.bin").read_bytes() + b"\0"),
    "a bit of the pixels": lambda at: flip_a_bit(at / "pixels.bin"),
    "no pixels": lambda at: (at / "pixels.bin").unlink(),
    "head cut": lambda at: os.truncate(at / "store.json", 40),
    "head empty": lambda at: (at / "store.json").write_text("{}"),
    "head no object": lambda at: (at / "store.json").write_text("[]"),
    "head wrong": lambda at: (at / "store.json").write_text((at / "store.json").read_text().replace('"rows": 40', '"rows": 39')),
    "head missing": lambda at: (at / "store.json").unlink(),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_torn_or_damaged_store_is_noticed_and_made_anew(root: Path, cache: Places, decodings: list[int], how: str) -> None:
    first = source(root).read(cache)
    SPOILED[how](kept(cache)[0].parent)
    del decodings[:]
    assert equal(source(root).read(cache), first)
    assert sum(decodings) == 40
    del decodings[:]
    assert equal(source(root).read(cache), first)
    assert decodings == []


def test_a_build_that_is_cut_off_leaves_no_store_behind(root: Path, cache: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = decoded.decode_all
    monkeypatch.setattr(decoded, "_BLOCK", 3000)

    def interrupted(paths: list[Path], look: decoded.Look) -> object:
        if "dog" in str(paths[0]):
            raise KeyboardInterrupt
        return whole(paths, look)

    monkeypatch.setattr(decoded, "decode_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        source(root).read(cache)
    assert kept(cache) == []
    assert [path.name for path in (cache.folders[0] / "decoded").rglob("*") if path.is_file()] == ["lock"]
    monkeypatch.setattr(decoded, "decode_all", whole)
    assert equal(source(root).read(cache), source(root).read(Places()))


def test_damaged_files_keep_their_reasons(root: Path, cache: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded, "_BLOCK", 1000)
    for name in ("cat/1.png", "dog/7.png"):
        (root / name).write_bytes(b"<html>")
    first, damages, _ = source(root).load(cache)
    again, damages_again, _ = source(root).load(cache)
    assert [damage.id for damage in damages] == ["cat/1.png", "dog/7.png"]
    assert damages_again == damages
    assert equal(first, again)
    assert len(again) == 38
    with pytest.raises(InputError, match=r"'cat/1\.png' is a web page"):
        source(root).read(cache)


def test_a_cache_that_can_not_be_written_is_said_and_the_images_come_all_the_same(root: Path, cache: Places) -> None:
    cache.folders[0].mkdir(parents=True)
    (cache.folders[0] / "decoded").write_text("a file where a folder should be")
    images = source(root).read(cache)
    assert len(images) == 40
    assert "could not be kept in" in images.notes[-1]


def test_nothing_is_kept_outside_our_own_cache_nor_for_a_small_set(
    root: Path, cache: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source(root).read(Places(folders=(tmp_path / "elsewhere",)))
    assert not (tmp_path / "elsewhere").exists()
    monkeypatch.setattr(decoded, "WORTH_KEEPING", 1 << 30)
    source(root).read(cache)
    assert kept(cache) == []


@pytest.mark.parametrize("where", ["in the cache", "in a file without a name"])
def test_a_set_too_large_for_memory_stays_on_the_disk_and_trains_on_the_same_batches(
    root: Path, cache: Places, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    data = {"use": "folder", "path": str(root), "test": 8, "validation": 4, "wrong_labels": 0.1}
    recipe = Recipe(data=data, model={"use": "mlp"})
    within = load(recipe, Places(), "cpu")
    monkeypatch.setattr(decoded, "IN_MEMORY", 5000)
    monkeypatch.setattr(decoded, "_BLOCK", 1500)
    beyond = load(recipe, cache if where == "in the cache" else Places(), "cpu")
    assert isinstance(beyond.train.pixels, OnDisk)
    assert isinstance(within.train.pixels, torch.Tensor)
    assert beyond.fingerprint == within.fingerprint
    chosen = torch.tensor([5, 0, 5, 17])
    assert torch.equal(beyond.train.pixels.index_select(0, chosen), within.train.pixels.index_select(0, chosen))
    for part in ("train", "validation", "test"):
        assert torch.equal(getattr(beyond, part).pixels[0:100], getattr(within, part).pixels[0:100])
        assert getattr(beyond, part).ids == getattr(within, part).ids
    own, other = (data.training_images.own_statistics for data in (beyond, within))
    assert np.array_equal(own, other)


def test_what_is_read_from_a_store_can_not_be_changed_in_it(root: Path, cache: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded, "IN_MEMORY", 100)
    first = source(root).read(cache)
    before = first.pixels[0].copy()
    first.pixels[0] = 0
    assert (source(root).read(cache).pixels[0] == before).all()


def test_a_set_that_fits_nowhere_is_told_in_one_line(root: Path, cache: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded, "IN_MEMORY", 100)
    monkeypatch.setattr(decoded.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10))
    with pytest.raises(InputError, match=r"which can't be kept .*; free some space"):
        source(root).read(cache)


def _read(root: str, folder: str, results: object) -> None:
    folder_module.decoded.__globals__["WORTH_KEEPING"] = 0
    results.put(source(Path(root)).read(Places(folders=(Path(folder),))).fingerprint)


@pytest.mark.slow
def test_processes_that_open_one_folder_at_once_all_get_it(root: Path, cache: Places) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_read, args=(str(root), str(cache.folders[0]), results)) for _ in range(4)]
    for process in processes:
        process.start()
    found = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert found == {source(root).read(Places()).fingerprint}
    assert len(kept(cache)) == 1


def test_excluded_images_are_left_out_counted_and_the_missing_ones_named(root: Path, cache: Places, tmp_path: Path) -> None:
    (root / "cat" / "1.png").write_bytes(b"")
    entries = [{"id": f"cat/{i}.png", "kind": "damaged" if i == 1 else "leak", "reason": "", "other": ""} for i in (1, 2, 3, 99)]
    (tmp_path / "out.json").write_text(json.dumps({"fingerprint": "", "exclude": entries}))
    images = sound(source(root, exclusions=str(tmp_path / "out.json")), cache)
    assert len(images) == 37
    assert not {"cat/1.png", "cat/2.png", "cat/3.png"} & set(images.ids)
    told = " ".join(images.notes)
    assert "2 images were left out" in told
    assert "1 images that" in told
    assert "'cat/99.png' first" in told
    assert images.fingerprint != source(root, damaged="skip").read(cache).fingerprint


def test_of_a_set_on_the_disk_excluded_images_are_left_out_unread(root: Path, cache: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out.json").write_text(json.dumps({"exclude": [{"id": "cat/2.png", "kind": "leak"}]}))
    within = sound(source(root, exclusions=str(tmp_path / "out.json")), cache)
    monkeypatch.setattr(decoded, "IN_MEMORY", 100)
    beyond = sound(source(root, exclusions=str(tmp_path / "out.json")), cache)
    assert isinstance(beyond.pixels, decoded.Rows)
    assert beyond.fingerprint == within.fingerprint
    assert decoded.chosen(beyond.pixels, np.array([3, 1]))[0:2].tolist() == within.pixels[[3, 1]].tolist()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"exclude": [1]}', '{"exclude": [{"id": "x"}]}', None])
def test_what_is_no_exclusions_file_is_refused_in_one_line(root: Path, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "out.json").write_text(content)
    with pytest.raises(InputError, match=r"exclusions.*(is no exclusions file|there is no file).*--exclusions FILE") as error:
        sound(source(root, exclusions=str(tmp_path / "out.json")), Places())
    assert "\n" not in str(error.value)


def test_quarantine_leaves_out_and_lists_and_touches_no_image(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (root / "cat" / "1.png").write_bytes(b"")
    before = {path: path.read_bytes() for path in root.rglob("*.png")}
    images = source(root, damaged="quarantine").read(Places())
    assert len(images) == 39
    listed = json.loads((tmp_path / "quarantine-root.json").read_text())
    assert listed["exclude"] == [{"id": "cat/1.png", "kind": "damaged", "reason": "is empty", "other": ""}]
    assert listed["fingerprint"] == images.fingerprint
    assert "quarantine-root.json" in images.notes[-1]
    assert {path: path.read_bytes() for path in root.rglob("*.png")} == before
    assert len(sound(source(root, exclusions="quarantine-root.json"), Places())) == 39


def test_a_study_without_exclusions_keeps_its_id() -> None:
    base = {"model": {"use": "mlp"}}
    with_default = Recipe(data={"use": "folder", "path": "x", "exclusions": None}, **base)
    assert with_default.id == Recipe(data={"use": "folder", "path": "x"}, **base).id
    assert with_default.id != Recipe(data={"use": "folder", "path": "x", "exclusions": "out.json"}, **base).id
