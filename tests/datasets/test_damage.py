"""One folder with every kind of bad input: all is named before anything trains, and odd but legal images come out one way everywhere."""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contrast import catalog, cli
from contrast.datasets.folder import Folder
from contrast.decode import Look, decode
from contrast.errors import InputError
from contrast.protocols import Places

DAMAGED = {
    "cut.jpg": "is cut short",
    "zero.jpg": "is empty",
    "page.jpg": "is a web page, not an image",
    "text.png": "is no image in any of the formats",
    "bomb.png": "says it has",
    "around": "is a link to a folder",
    "self.png": "is a link to nowhere or in a circle",
    "out.png": "is a link out of the folder",
    "pipe.png": "is no regular file",
}
ODD = {
    "belied.jpg": "is a PNG file",
    "cmyk.jpg": "has color mode CMYK",
    "deep.png": "has color mode I;16",
    "palette.png": "has color mode P",
    "la.png": "has color mode LA",
    "moving.gif": "is an animation of 2 pictures",
    **{f"turned{way}.jpg": f"is turned by its EXIF orientation {way}" for way in range(2, 9)},
}
NAMES = {
    "a\nb.png": "can't be seen",
    "it's.png": "take for commands",
    "<img src=x onerror=alert(1)>.png": "take for commands",
    "🐈.png": "has pictures for characters",
    "é" * 125 + "é.png": "is 256 bytes long",
    "two.png": "upper and lower case alone",
    "TWO.png": "upper and lower case alone",
}
NAMES = {name if len(name.encode()) < 256 else "é" * 125 + "x.png": told.replace("256", "255") for name, told in NAMES.items()}


def bomb() -> bytes:
    """A PNG file of a few bytes that says it has 30,000 × 30,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def pictures() -> list[Image.Image]:
    draw = np.random.default_rng(0)
    return [Image.fromarray(draw.integers(0, 256, (6, 5, 3), np.uint8)).resize((40, 48), Image.Resampling.BICUBIC) for _ in range(60)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every kind of damage and oddity, beside sound images."""
    above = tmp_path_factory.mktemp("above")
    root, cat, fresh = above / "root", above / "root" / "cat", iter(pictures())
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for number in range(8):
            next(fresh).save(root / name / f"good{number}.png")
    (root / "empty").mkdir()
    (root / "single").mkdir()
    next(fresh).save(root / "single" / "only.png")
    _damage(cat, next(fresh), above)
    _oddities(cat, fresh)
    for name in NAMES:
        next(fresh).save(cat / name)
    next(fresh).resize((1, 1)).save(cat / "dot.png")
    next(fresh).resize((30_000, 2)).save(cat / "strip.png")
    (cat / ".hidden.png").write_bytes(b"x")
    (cat / "notes.txt").write_text("hello")
    return root


def _damage(cat: Path, picture: Image.Image, above: Path) -> None:
    picture.save(cat / "cut.jpg")
    (cat / "cut.jpg").write_bytes((cat / "cut.jpg").read_bytes()[:700])
    (cat / "zero.jpg").write_bytes(b"")
    (cat / "page.jpg").write_bytes(b"<!DOCTYPE html><html>404</html>")
    (cat / "text.png").write_text("no image")
    (cat / "bomb.png").write_bytes(bomb())
    (cat / "around").symlink_to(cat.parent)
    (cat / "self.png").symlink_to(cat / "self.png")
    picture.save(above / "secret.png")
    (cat / "out.png").symlink_to(above / "secret.png")
    os.mkfifo(cat / "pipe.png")


def _oddities(cat: Path, fresh: object) -> None:
    picture = next(fresh)
    picture.save(cat / "belied.jpg", format="png")
    next(fresh).convert("CMYK").save(cat / "cmyk.jpg")
    Image.fromarray(np.asarray(next(fresh))[..., 0].astype(np.uint16) * 257).save(cat / "deep.png")
    next(fresh).convert("P", palette=Image.Palette.ADAPTIVE).save(cat / "palette.png", transparency=0)
    next(fresh).convert("LA").save(cat / "la.png")
    next(fresh).save(cat / "moving.gif", save_all=True, append_images=[next(fresh)])
    for way in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = way
        next(fresh).save(cat / f"turned{way}.jpg", exif=exif)


def source(root: Path, **settings: object) -> Folder:
    made = catalog.parse("data", {"use": "folder", "path": str(root), "size": 32, **settings})
    assert isinstance(made, Folder)
    return made


def test_the_audit_of_a_folder_names_every_kind_of_bad_input(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listing = tmp_path / "out.json"
    assert cli.main(["data", str(root), "size=32", "--audit", "--format", "json", "--exclusions", str(listing)]) == 0
    found = json.loads(capsys.readouterr().out)
    told = {
        kind: {each["id"].removeprefix("cat/"): each["told"] for each in found["findings"] if each["kind"] == kind}
        for kind in ("damaged", "odd", "name")
    }
    for kind, wanted in {"damaged": DAMAGED, "odd": ODD, "name": NAMES}.items():
        assert set(told[kind]) == set(wanted)
        assert [name for name, words in wanted.items() if words not in told[kind][name]] == []
    by_kind = {kind: {each["id"] for each in found["findings"] if each["kind"] == kind} for kind in ("tiny", "narrow", "hidden", "passed", "class")}
    assert by_kind["tiny"] == {"cat/dot.png", "cat/strip.png"}
    assert by_kind["narrow"] == {"cat/strip.png"}
    assert by_kind["hidden"] == {"cat/.hidden.png"}
    assert by_kind["passed"] == {"cat/notes.txt"}
    assert by_kind["class"] == {"empty", "single"}
    assert "empty" in found["undivided"] or "single" in found["undivided"]
    assert {f"cat/{name}" for name in DAMAGED} <= {entry["id"] for entry in json.loads(listing.read_text())["exclude"]}


def test_the_text_names_them_too_and_nothing_in_it_acts_on_a_terminal(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", str(root), "size=32", "--audit"]) == 0
    text = capsys.readouterr().out
    for name in [*DAMAGED, *ODD, "dot.png", "strip.png", ".hidden.png", "notes.txt", "a\\nb.png", "🐈.png", "TWO.png"]:
        assert name in text
    assert "empty has no image to train on" in text
    assert "single has a single image, which can't be divided among 3 parts" in text
    assert not any(not character.isprintable() and character != "\n" for character in text)


def test_a_study_stops_before_anything_trains_or_leaves_out_what_is_damaged(root: Path) -> None:
    with pytest.raises(InputError, match="class 'empty' has no image; put images there, or leave it out"):
        source(root).read(Places())
    with pytest.raises(InputError, match="9 files that are no usable image found: 'cat/around' is a link to a folder"):
        source(root, exclude=["empty"]).read(Places())
    images = source(root, exclude=["empty"], damaged="skip").read(Places())
    assert len(images) == 16 + 1 + len(ODD) + len(NAMES) + 2
    assert not {f"cat/{name}" for name in DAMAGED} & set(images.ids)


def test_odd_but_legal_images_come_out_of_training_as_out_of_prediction(root: Path) -> None:
    for settings in ({}, {"resize": "pad", "channels": 1}, {"resize": "whole"}):
        images = source(root, exclude=["empty"], damaged="skip", **settings).read(Places())
        look = Look(32, 32, settings.get("resize", "crop"), settings.get("channels", 3))  # type: ignore[arg-type]
        for name in [*ODD, *NAMES, "dot.png", "strip.png"]:
            alone = decode(root / "cat" / name, look)
            assert np.array_equal(images.pixels[images.ids.index(f"cat/{name}")], alone)


def test_a_large_photograph_is_decoded_at_a_fraction_and_comes_out_nearly_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    scene = Image.fromarray(draw.integers(0, 256, (90, 120, 3), np.uint8)).resize((2400, 1800), Image.Resampling.BICUBIC)
    grain = draw.normal(0, 8, (1800, 2400, 3))
    Image.fromarray(np.clip(np.asarray(scene) + grain, 0, 255).astype(np.uint8)).save(tmp_path / "x.jpg", quality=90)
    look = Look(96, 96)
    quick = decode(tmp_path / "x.jpg", look).astype(int)
    monkeypatch.setattr("contrast.decode._LARGE", 1 << 60)
    whole = decode(tmp_path / "x.jpg", look).astype(int)
    assert (quick != whole).any()
    assert abs(quick - whole).mean() < 1.5
    assert abs(quick - whole).max() <= 12
