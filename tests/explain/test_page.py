"""The page and pictures of a run: whole, closed to the network, safe against names, and graceful where something is missing."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet
from tests.explain.conftest import PLACES

from contrast.cli import main
from contrast.explain import page
from contrast.explain.confusion import distinct, draw, prepare
from contrast.explain.mistakes import Mistake
from contrast.explain.page import Bars, Chart, Gallery, One, Section, Table
from contrast.explain.probabilities import Bar, Group, Said
from contrast.explain.sheets import Sheet, Tile
from contrast.insight import Insight, explain
from contrast.opened import Asked
from contrast.results import Results
from contrast.run_files import RunFiles

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202egnp.exe",
    "\x1b[31mred",
    "=cmd|'/C calc'!A0",
    "x" * 300,
    "' autofocus onfocus='",
    "\ud800",
    " ",
]


class Reader(HTMLParser):
    """Elements, and what could make a browser act."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.acting: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.acting += [(tag, name) for name, value in attrs if name.startswith("on") or name == "style"]
        self.acting += [(tag, value or "") for name, value in attrs if name in ("src", "href") and not (value or "").startswith(("data:image/", "#"))]


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


@pytest.fixture(scope="module")
def found(study: Results, run: RunFiles, tmp_path_factory: pytest.TempPathFactory) -> Insight:
    folder = tmp_path_factory.mktemp("explained")
    photo = folder / "a <b>photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)).save(photo)
    return explain(study, run, PLACES, Asked((photo,)), folder)


def test_the_page_has_every_section_and_picture(found: Insight) -> None:
    text = found.page.read_text(encoding="utf-8")
    titles = re.findall(r'<h2 id="[\w-]+">([^<]+)</h2>', text)
    expected = ["Findings", "Your images", "Filters", "Activations", "What units want", "Attribution", "Probabilities", "Mistakes"]
    assert titles == [*expected, "Classes and confusion", "Calibration", "Between arms"]
    names = {path.stem for path in found.pictures}
    some = {"filters-before", "filters-after", "filters-and-maps", "maps-block2-conv", "units-block1-conv", "attribution", "mistakes", "confusion"}
    assert some | {"reliability", "classes", "given-images", "surest-wrong", "never-right"} <= names
    for path in found.pictures:
        with Image.open(path) as picture:
            assert picture.mode == "RGB"
            assert min(picture.size) > 20
    assert any("still improving" in line or "cannot tell whether" in line for line in found.findings)
    assert found.left_out == ()


def test_the_page_runs_nothing_but_its_own_script_and_asks_nothing(found: Insight) -> None:
    text = found.page.read_text(encoding="utf-8")
    reader = read(found.page)
    assert reader.acting == []
    assert reader.tags.count("script") == 1
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    for tag in ("style", "script"):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content.group(1).encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in policy.group(0)
    assert "default-src &#39;none&#39;" in policy.group(0)
    assert "a &lt;b&gt;photo.png" in text


def test_mistakes_carry_what_the_script_saves(found: Insight, run: RunFiles) -> None:
    text = found.page.read_text(encoding="utf-8")
    rows = parquet.read_table(run.folder / "test.parquet").to_pandas()
    wrong = rows[rows["label"] != rows["prediction"]]
    assert set(re.findall(r'<li data-id="([^"]+)"', text)) == set(wrong["id"])
    assert text.count('<input list="causes"') == len(wrong)


def test_hostile_names_are_only_shown(tmp_path: Path) -> None:
    gray = np.zeros((4, 4), np.uint8)
    tiles = tuple(Tile(gray, name) for name in HOSTILE)
    names = tuple(HOSTILE)
    sheet = Sheet("mistakes", HOSTILE[0], HOSTILE[1], tiles, columns=3, heads=names[:3], scale=("gray", HOSTILE[0], HOSTILE[1]))
    bars = tuple(Bar(name, 0.5, False, False) for name in HOSTILE)
    group = Group(
        "said", HOSTILE[0], HOSTILE[1], tuple(Said(tile, bars, true, tile.caption) for tile, true in zip(tiles, [None, *names[1:]], strict=True))
    )
    mistakes = tuple(Mistake(name, tile, at, 0, 0.5) for at, (name, tile) in enumerate(zip(HOSTILE, tiles, strict=True)))
    counts = np.eye(len(names), dtype=np.int64)
    table = Table(HOSTILE[0], HOSTILE[1], names[:2], tuple((name, name) for name in HOSTILE))
    gallery = Gallery(mistakes, names, dict.fromkeys(HOSTILE, HOSTILE[1]), sheet)
    chart = Chart("confusion", HOSTILE[0], HOSTILE[1], draw(prepare(counts, names)))
    parts = (One(sheet), Bars(group), gallery, table, chart)
    sections = [Section("all", "All", names, names, parts)]
    path = tmp_path / "page.html"
    path.write_text(page.build(HOSTILE[0], names, sections), encoding="utf-8")
    reader = read(path)
    assert reader.acting == []
    assert reader.tags.count("script") == 1
    shown = re.sub(r'data-id="[^"]*"', "", path.read_text(encoding="utf-8"))  # ids come back as they are, and nobody sees them
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert set(page.files(sections)) == {"mistakes", "said", "confusion"}
    assert len(set(distinct(["a", "a", *HOSTILE]))) == 2 + len(HOSTILE)


def test_a_network_without_convolutions_says_what_is_missing_and_saved_causes_are_counted(
    study: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = next(run for run in study.planned() if run.arm == "no convolution" and run.seed == 0)
    rows = parquet.read_table(run.folder / "test.parquet").to_pandas()
    wrong = rows[rows["label"] != rows["prediction"]]["id"].tolist()
    (tmp_path / "causes.csv").write_text(f"id,cause\n{wrong[0]},<b>smudge</b>\n{wrong[1]},<b>smudge</b>\n", encoding="utf-8")
    assert main(["explain", f"{study.folder}:no convolution/0", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("· ")
    assert "left out: The network has no convolution" in said
    assert f"page      {tmp_path / 'explain.html'}" in said
    text = (tmp_path / "explain.html").read_text(encoding="utf-8")
    assert "What is not shown" in text
    assert 'id="attribution"' in text
    assert "What a reader saw in 2 mistakes" in text
    assert text.count('value="&lt;b&gt;smudge&lt;/b&gt;"') == 2
    assert main(["explain", f"{study.folder}:no convolution/0", "--layer", "conv", "--out", str(tmp_path)]) == 2
    assert "there is no convolution 'conv'; this network has no convolution" in capsys.readouterr().err


def test_a_run_without_weights_and_probabilities_shows_what_is_left(copied: Results) -> None:
    run = next(run for run in copied.planned() if run.arm == "baseline")
    (run.folder / "best.safetensors").unlink()
    for part in ("validation", "test"):
        rows = parquet.read_table(run.folder / f"{part}.parquet")
        parquet.write_table(rows.drop_columns(["probabilities"]), run.folder / f"{part}.parquet")
    found = explain(copied, run, PLACES)
    text = found.page.read_text(encoding="utf-8")
    assert found.page == run.folder / "explain.html"
    assert any("kept no weights" in line for line in found.left_out)
    assert any("kept no probabilities" in line for line in found.left_out)
    assert 'id="filters"' not in text
    assert "Confusion matrix" in text
    assert 'id="mistakes-gallery"' in text


@pytest.mark.slow
def test_only_the_greatest_probabilities_and_a_thousand_classes_are_enough(copied: Results) -> None:
    run = next(run for run in copied.planned() if run.arm == "baseline")
    lock = json.loads((copied.folder / "study.lock").read_text(encoding="utf-8"))
    for entry in lock["data"]:
        entry["classes"] = [*entry["classes"], *(f"class {at}" for at in range(10, 1000))]
    (copied.folder / "study.lock").write_text(json.dumps(lock), encoding="utf-8")
    (run.folder / "best.safetensors").unlink()
    for part in ("validation", "test"):
        rows = parquet.read_table(run.folder / f"{part}.parquet").to_pandas()
        shares = np.stack(rows.pop("probabilities").tolist())
        order = np.argsort(-shares, axis=1)[:, :5]
        rows["top_classes"], rows["top_probabilities"] = order.tolist(), np.take_along_axis(shares, order, axis=1).tolist()
        _write_lists(rows, run.folder / f"{part}.parquet")
    results = Results(copied.folder)
    found = explain(results, next(one for one in results.planned() if one.folder == run.folder), PLACES)
    text = found.page.read_text(encoding="utf-8")
    assert any("No temperature was fitted" in line for line in found.left_out)
    assert "1,000 classes, true ones downward" in text
    matrix = re.search(r'id="confusion".*?src="data:image/png;base64,([^"]+)"', text, re.DOTALL)
    assert matrix is not None
    with Image.open(io.BytesIO(base64.b64decode(matrix.group(1)))) as picture:
        assert picture.size == (1000, 1000)
    assert "Most confused" in text
    assert "Expected calibration error" in text
    assert found.page.stat().st_size < 3_000_000


def _write_lists(rows, path: Path) -> None:
    import pyarrow as pa

    columns = {name: pa.array(rows[name]) for name in rows.columns if not name.startswith("top_")}
    for name, kind in (("top_classes", pa.int32()), ("top_probabilities", pa.float32())):
        columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(np.stack(rows[name]).ravel(), kind), 5)
    parquet.write_table(pa.table(columns), path)


@pytest.mark.slow
def test_changed_data_is_told_and_no_wrong_picture_is_shown(copied: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    from contrast.datasets.mnist5k import Mnist5k

    read_before = Mnist5k.read
    monkeypatch.setattr(Mnist5k, "read", lambda self, places: read_before(self, places).known_by("f" * 64))
    run = next(run for run in copied.planned() if run.arm == "no convolution")
    found = explain(copied, run, PLACES)
    assert any("the data has changed" in line for line in found.left_out)
    assert 'id="mistakes-gallery"' not in found.page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("word", "wrong"),
    [
        ("{study}:batch/norm/7", "arm 'batch/norm' has no seed '7'"),
        ("{study}:bat/norm/0", "there is no arm 'bat/norm'"),
        ("{study}", "is a study, not one of its runs"),
        ("{study}/splits", "knows no such run"),
        ("nowhere:x/0", "there is no run"),
        ("/", "is no run's folder"),
    ],
)
def test_a_run_that_is_not_there_is_told_in_one_line(study: Results, word: str, wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", word.format(study=study.folder)]) == 2
    said = capsys.readouterr().err
    assert wrong in said
    assert said.count("\n") == 1


def test_an_image_that_can_not_be_used_is_told_in_one_line(study: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no.png").write_bytes(b"<html>")
    assert main(["explain", f"{study.folder}:baseline", str(tmp_path / "no.png"), "--out", str(tmp_path)]) == 2
    assert "no.png: is a web page, not an image" in capsys.readouterr().err
