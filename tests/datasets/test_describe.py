"""What `contrast data` says of a set: counts, statistics and samples are those of the images."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contrast import catalog, cli, look
from contrast.class_folders import scan
from contrast.explain.augmented import DRAWS, augmentation_sheet, augmented
from contrast.explain.data import describe, sample_sheet
from contrast.explain.files import survey
from contrast.images import Images, split
from contrast.protocols import AugmentIngredient


def made(channels: int = 3, size: int = 8) -> Images:
    draw = np.random.default_rng(0)
    labels = np.repeat([0, 1], [60, 20]).astype(np.int64)
    parts = np.array((["train"] * 5 + ["test"]) * 13 + ["train"] * 2)
    pixels = draw.integers(0, 256, (80, size, size, channels), np.uint8)
    return Images(pixels, labels, tuple(f"{p}/{i}" for i, p in enumerate(parts)), ("cat", "a\x1b[31m\ndog"), parts, ("a note",))


def test_counts_are_those_of_the_split() -> None:
    images = made()
    parts = split(images, validation=0.2, test=None, train=None, seed=0)
    said = describe(images, parts)
    assert said.given == {"train": 67, "validation": 0, "test": 13}
    assert said.split == {"train": 54, "validation": 13, "test": 13}
    assert sum(said.counts["train"]) == 54
    assert said.counts["test"] == tuple(np.bincount(images.labels[parts.test]).tolist())
    assert said.imbalance == said.counts["train"][0] / said.counts["train"][1]
    assert said.shape == (3, 8, 8)
    assert said.fingerprint == images.fingerprint


def test_both_statistics_are_those_of_their_images() -> None:
    images = made()
    parts = split(images, validation=0.2, test=None, train=None, seed=0)
    said = describe(images, parts)
    for statistics, positions in ((said.owners, images.positions("train")), (said.training, parts.train)):
        plain = images.pixels[positions].astype(np.float64) / 255
        assert statistics.mean == pytest.approx(plain.mean(axis=(0, 1, 2)), abs=1e-12)
        assert statistics.std == pytest.approx(plain.std(axis=(0, 1, 2)), abs=1e-12)
        assert statistics.images == len(positions)


def test_it_survives_json_and_its_text_holds_no_control_characters() -> None:
    images = made()
    said = describe(images, split(images, validation=0.2, test=None, train=None, seed=0))
    assert json.loads(json.dumps(said.to_dict()))["split"] == said.split
    text = said.to_text()
    assert "\x1b" not in text
    assert "a\\x1b[31m\\ndog" in text
    assert "note: a note" in text
    assert f"  mean {said.owners.mean[0]:.8f}" in text
    assert text.count("█" * 24) == 1


def test_the_real_set_prints_the_statistics_of_the_literature(cifar10: Images) -> None:
    text = describe(cifar10, split(cifar10, validation=1000, test=None, train=None, seed=0)).to_text()
    assert "given training part, 50,000 images\n  mean 0.49139968 0.48215841 0.44653091\n  std  0.24703223 0.24348513 0.26158784" in text
    assert "trained on, 49,000 images" in text


def test_a_sheet_draws_the_same_images_for_the_same_seed() -> None:
    images = made()
    first, again, other = (np.asarray(sample_sheet(images, np.arange(80), 2, 3, seed)) for seed in (1, 1, 2))
    assert first.shape == (2 * 118 + 4, 3 * 100 + 4, 3)
    assert (first == again).all()
    assert (first != other).any()


def test_a_sheet_shows_the_pixels_themselves_enlarged() -> None:
    images = made(size=8)
    sheet = np.asarray(sample_sheet(images, np.array([17]), 2, 3))
    assert sheet.shape[0] == 118 + 4
    cell = sheet[4:100, 4:100]
    assert (cell[6::12, 6::12] == images.pixels[17]).all()


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (2, 8), (4, 8), (3, 200)])
def test_every_depth_and_size_can_be_shown(channels: int, size: int) -> None:
    assert sample_sheet(made(channels, size), np.arange(80), 2, 2).mode == "RGB"


def folder_of(root: Path) -> Path:
    """Nine JPEG and PNG images of three sizes, one of them gray."""
    for at in range(9):
        picture = Image.new("L" if at == 4 else "RGB", ((8, 8), (20, 10), (30, 30))[at % 3], 20 * at)
        path = root / ("cat", "<b>dog")[at % 2] / f"{at}.{'png' if at else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    return root


def test_the_files_of_a_folder_are_told_by_format_mode_and_size(tmp_path: Path) -> None:
    files = survey(scan(folder_of(tmp_path)), (3, 16, 16), "pad")
    assert files is not None
    assert (files.formats, files.modes) == ({"PNG": 8, "JPEG": 1}, {"RGB": 8, "L": 1})
    assert (files.sizes, files.smallest, files.median, files.largest) == (3, (8, 8), (20, 10), (30, 30))
    assert files.lines() == [
        "formats: PNG 8, JPEG 1; color modes: RGB 8, L 1",
        "3 sizes (width × height) from 8×8 to 30×30, half of them up to 20×10; brought to 16×16 by resize: pad",
    ]


def test_files_of_one_size_that_were_left_as_they_are_are_told_so(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (12, 8)).save(tmp_path / name / "x.png")
    files = survey(scan(tmp_path), (3, 8, 12), "crop")
    assert files is not None
    assert files.lines()[1] == "all are 12×8 (width × height)"


class Scripts(HTMLParser):
    """What could run or load anything."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.policy = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = dict(attributes)
        if tag == "meta" and told.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(told["content"])
        self.found += [tag] if tag in ("script", "iframe", "object", "link", "base", "form") else []
        self.found += [name for name in told if name.startswith("on") or name == "style"]
        self.found += [value for name in ("src", "href") if (value := told.get(name) or "") and not value.startswith(("#", "data:image/png;base64,"))]


def test_the_page_shows_the_same_numbers_runs_nothing_and_escapes_all_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "_augmentations", lambda: ({"flip": step("flip")}, ["<u>"]))  # some bring torchvision, which takes seconds
    assert cli.main(["data", str(folder_of(tmp_path / "<i>&pets")), "size=8", "test=2", "validation=2", "--page", str(tmp_path / "p.html")]) == 0
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    reader = Scripts()
    reader.feed(page)
    assert reader.found == []
    assert reader.policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "<b>dog" not in page
    assert "&lt;b&gt;dog" in page
    assert "<i>&pets" not in page
    assert "<u>" not in page
    assert page.count("data:image/png;base64,") == 2
    assert "brought to 8×8 by resize: crop" in page
    style = page[page.index("<style>") + 7 : page.index("</style>")]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in reader.policy


def test_a_page_that_can_not_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(look, "_augmentations", lambda: ({"flip": step("flip")}, []))
    assert cli.main(["data", "synthetic", "images=60", "size=8", "--augmented", str(tmp_path / "file" / "a.png")]) == 2
    assert "--augmented" in capsys.readouterr().err


def step(use: str, **settings: object) -> AugmentIngredient:
    made = catalog.parse("augment", {"use": use, **settings})
    assert isinstance(made, AugmentIngredient)
    return made


def test_an_image_is_shown_as_each_augmentation_changes_it() -> None:
    images = made()
    shown = augmented(images, 17, step("flip", p=1.0))
    assert shown.shape == (DRAWS, 8, 8, 3)
    assert (shown == images.pixels[17][:, ::-1]).all()
    crops = augmented(images, 17, step("crop", padding=3))
    assert len({one.tobytes() for one in crops}) > 1
    assert (crops == augmented(images, 17, step("crop", padding=3))).all()


def test_the_sheet_has_a_row_for_the_image_and_one_for_each_augmentation_but_normalization() -> None:
    steps = {"flip": step("flip"), "normalize": step("normalize")}
    sheet = augmentation_sheet(made(), 17, steps)
    assert sheet.height == 2 * 100 + 4
    assert (np.asarray(sheet)[10:100:12, 156:246:12] == np.asarray(augmentation_sheet(made(), 17, {}))[10:100:12, 156:246:12]).all()
