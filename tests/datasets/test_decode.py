"""One image file to pixels: odd but legal images come out right, damaged ones come with a reason."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contrast.decode import MOST_PIXELS, Facts, Look, Unusable, decode, decode_all, each, facts

OWN = Look(4, 6, "whole")


def left_red() -> Image.Image:
    """6 wide, 4 high: the left half red, the right half blue."""
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:, :3, 0] = 255
    pixels[:, 3:, 2] = 255
    return Image.fromarray(pixels)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_that_says(width: int, height: int) -> bytes:
    """A PNG file of a few bytes that says it is of any size."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_turned_by_its_exif_comes_out_upright(tmp_path: Path, orientation: int) -> None:
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that a camera held so undoes
    stored = left_red() if orientation == 1 else left_red().transpose(Image.Transpose(back[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "x.png", exif=exif)
    assert (decode(tmp_path / "x.png", OWN) == np.asarray(left_red())).all()
    assert facts(tmp_path / "x.png") == Facts(6, 4, "RGB", "PNG", 1, orientation)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr"])
def test_every_color_mode_comes_out_as_bytes_of_the_asked_channels(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGB", (6, 4), "white").convert(mode)
    image.save(tmp_path / "x.tif")
    for channels in (1, 3):
        pixels = decode(tmp_path / "x.tif", Look(4, 6, "whole", channels))
        assert pixels.shape == (4, 6, channels)
        assert pixels.min() >= 250


def test_sixteen_bits_are_brought_to_eight_by_their_full_range(tmp_path: Path) -> None:
    values = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "x.png")
    assert decode(tmp_path / "x.png", Look(1, 4, "whole", 1))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_transparent_pixels_are_shown_on_white(tmp_path: Path) -> None:
    for mode in ("RGBA", "LA"):
        Image.new(mode, (6, 4), (0,) * len(mode)).save(tmp_path / "x.png")
        assert decode(tmp_path / "x.png", OWN).min() == 255
    palette = left_red().convert("P", palette=Image.Palette.ADAPTIVE)
    palette.save(tmp_path / "p.png", transparency=palette.getpixel((0, 0)))
    assert decode(tmp_path / "p.png", OWN)[:, :3].min() == 255


def test_of_an_animation_the_first_picture_counts(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (6, 4), "red"), Image.new("RGB", (6, 4), "blue")
    first.save(tmp_path / "x.gif", save_all=True, append_images=[second])
    assert decode(tmp_path / "x.gif", OWN)[0, 0].tolist() == [255, 0, 0]
    assert facts(tmp_path / "x.gif").frames == 2


def test_crop_keeps_the_middle_whole_squeezes_and_pad_fills_with_black(tmp_path: Path) -> None:
    Image.fromarray(np.repeat(np.array([[0, 100, 200]], np.uint8), 20, axis=1).repeat(20, axis=0)).save(tmp_path / "x.png")  # three squares in a row
    crop, whole, pad = (decode(tmp_path / "x.png", Look(20, 20, way, 1))[..., 0] for way in ("crop", "whole", "pad"))
    assert (crop[:, 2:-2] == 100).all()
    assert whole[10, 0] == 0
    assert whole[10, 19] == 200
    assert (pad[:6] == 0).all()
    assert (pad[14:] == 0).all()
    assert pad[10, 19] == 200


@pytest.mark.parametrize("way", ["crop", "whole", "pad"])
@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (2, 3000)])
def test_extreme_shapes_are_brought_to_the_asked_size(tmp_path: Path, way: str, size: tuple[int, int]) -> None:
    Image.new("RGB", size, "white").save(tmp_path / "x.png")
    assert decode(tmp_path / "x.png", Look(16, 24, way)).shape == (16, 24, 3)  # type: ignore[arg-type]


def test_an_image_of_the_asked_size_is_not_resampled(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    for way in ("crop", "whole", "pad"):
        assert (decode(tmp_path / "x.png", Look(4, 6, way)) == pixels).all()


def jpeg(path: Path) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path.read_bytes()


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut.jpg": (lambda p: p.write_bytes(jpeg(p)[:2000]), "is cut short"),
    "empty.jpg": (lambda p: p.write_bytes(b""), "is empty"),
    "page.jpg": (lambda p: p.write_bytes(b"\n<!DOCTYPE html><html>404</html>"), "is a web page, not an image"),
    "noise.png": (lambda p: p.write_bytes(b"\x00\x01\x02" * 99), "is no image in any of the formats"),
    "broken.png": (lambda p: p.write_bytes(png_that_says(50, 50)), "is (cut short|damaged)"),
    "bomb.png": (lambda p: p.write_bytes(png_that_says(30_000, 30_000)), "says it has .*more than 50 million"),
    "large.png": (lambda p: p.write_bytes(png_that_says(10_000, 8_000)), "says it has 10000 × 8000 pixels"),
    "larger.png": (lambda p: p.write_bytes(png_that_says(10_000, 10_000)), "says it has .*more than 50 million"),
    "folder.png": (lambda p: p.mkdir(), "is no regular file"),
    "pipe.png": (lambda p: os.mkfifo(p), "is no regular file"),
    "script.eps": (lambda p: p.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "is no image in any of the formats"),
    "float.tif": (lambda p: Image.fromarray(np.ones((4, 4), np.float32)).save(p), "32 bits"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_every_kind_of_damage_has_its_reason(tmp_path: Path, name: str) -> None:
    make, reason = DAMAGES[name]
    make(tmp_path / name)
    pixels, reasons = decode_all([tmp_path / name], OWN)
    assert list(reasons) == [0]
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(reasons[0])
    assert "\n" not in reasons[0]
    assert not pixels.any()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    left_red().save(tmp_path / "x.png")
    (tmp_path / "x.png").chmod(0)
    with pytest.raises(Unusable, match="may not be read"):
        decode(tmp_path / "x.png", OWN)


def test_no_bytes_whatever_bring_the_decoder_down(tmp_path: Path) -> None:
    whole = jpeg(tmp_path / "x.jpg")
    Image.open(tmp_path / "x.jpg").save(tmp_path / "x.png")
    draw = np.random.default_rng(2)
    paths = []
    for number in range(150):
        broken = bytearray(whole if number % 2 else (tmp_path / "x.png").read_bytes())
        for at in draw.integers(0, min(700, len(broken)), 6):
            broken[at] = draw.integers(0, 256)
        paths.append(tmp_path / f"{number}.img")
        paths[-1].write_bytes(broken)
    pixels, reasons = decode_all(paths, OWN)
    assert len(pixels) == 150
    assert 0 < len(reasons) < 150
    assert all("\n" not in reason for reason in reasons.values())


def test_many_files_come_back_in_their_order(tmp_path: Path) -> None:
    paths = []
    for value in range(60):
        paths.append(tmp_path / f"{value}.png")
        Image.new("L", (1 + 500 * (value % 2), 4), value).save(paths[-1])
    pixels, reasons = decode_all(paths, Look(2, 2, "whole", 1))
    assert not reasons
    assert pixels[:, 0, 0, 0].tolist() == list(range(60))
    assert [head.width for head in each(facts, paths) if isinstance(head, Facts)] == [1, 501] * 30


def test_a_bomb_is_told_by_its_reason_and_not_by_a_stray_warning(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(png_that_says(10_000, 10_000))
    with warnings.catch_warnings(record=True) as strays:
        warnings.simplefilter("always")
        assert decode_all([tmp_path / "x.png"], OWN)[1]
    assert strays == []


def test_pillows_own_limit_is_left_as_it_is(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    (tmp_path / "x.png").write_bytes(png_that_says(30_000, 30_000))
    decode_all([tmp_path / "x.png"], OWN)
    assert before == Image.MAX_IMAGE_PIXELS
    assert before is not None
    assert before > MOST_PIXELS
