from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.reading.made_study import Made, write

from contrast.errors import InputError
from contrast.report.embedded import ELEMENT, Restored, in_html
from contrast.results import Results, load

HOSTILE = [
    "<script>alert(1)</script>", "</script><script>alert(2)</script>", "<img src=x onerror=alert(3)>", "<svg onload=alert(4)>",
    '"><b onmouseover=alert(5)>', "' onfocus='alert(6)", "<!-- comment", "-->", "<![CDATA[x]]>", "]]>", "&lt;script&gt;",
    "&#60;script&#62;", "javascript:alert(7)", "{{ 7*7 }}", "{% raw %}", "${7*7}", "#{7}", "<%= 7 %>", "\u202egnp.exe", "\u2066isolate",
    "\u200fright", "עברית", "العربية", "数字", "\x1b[31mred\x1b[0m", "\x00nul", "\x07bell", "a\nb", "a\r\nb", "tab\tb", "\u2028line",
    "\ufeffbom", "x" * 255, "é" * 255, " ", "\ud800", "=1+1", "+cmd", "-2", "@sum", '=HYPERLINK("http://x")', "a.b", "a[0]", "a['b']",
    "datum.x", '\\', "a\\u003cb", "`tick`", "</style><style>*{display:none}</style>", "<iframe src=//x>",
]  # fmt: skip
"""Fifty names that try to be something else."""


class Seen(HTMLParser):
    """What a browser would make of a page: elements, attributes, scripts, text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.text: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside == "style":
            self.styles.append(data)
        else:
            self.text.append(data)


def seen(page: Path) -> Seen:
    parser = Seen()
    parser.feed(page.read_text(encoding="utf-8"))
    parser.close()
    return parser


@pytest.fixture(scope="module")
def page(quickstart: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quickstart.report(tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert len(set(HOSTILE)) == 50
    folder = tmp_path_factory.mktemp("hostile")
    gains = {name: i / 100 for i, name in enumerate(HOSTILE)}
    words = {
        "question": HOSTILE[0] + HOSTILE[48],
        "name": HOSTILE[2],
        "classes": HOSTILE[:10],
        "remarks": HOSTILE[:20],
        "lost": {HOSTILE[5]: HOSTILE[:5]},
    }
    changes = {name: {name: name} for name in HOSTILE}
    made = Made(gains=gains, seeds=[0, 1], images=40, epochs=2, changes=changes, states={(HOSTILE[3], 1): "failed"}, **words)
    return Results(write(folder / "s", made)).report()


def test_the_policy_allows_the_page_s_own_style_and_script_and_nothing_else(page: Path) -> None:
    parsed = seen(page)
    policy = next(attributes["content"] for tag, attributes in parsed.elements if attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    code = parsed.scripts[-1]
    for directive, content in (("style-src", "".join(parsed.styles)), ("script-src", code)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy


@pytest.mark.parametrize("which", ["page", "hostile"])
def test_nothing_on_the_page_asks_for_anything_elsewhere(which: str, request: pytest.FixtureRequest) -> None:
    parsed = seen(request.getfixturevalue(which))
    for tag, attributes in parsed.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form", "audio", "video", "use", "image", "foreignobject"}
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in {"src", "style", "srcset", "action", "xlink:href", "background"}
            assert name != "href" or (value or "").startswith("#")


def test_fifty_hostile_names_become_text_and_nothing_else(hostile: Path, page: Path) -> None:
    parsed, plain = seen(hostile), seen(page)
    assert len(parsed.scripts) == len(plain.scripts) == 3
    assert parsed.scripts[-1] == plain.scripts[-1]
    assert {tag for tag, _ in parsed.elements} <= {tag for tag, _ in plain.elements} | {"clippath", "defs", "tspan"}
    text = "".join(parsed.text)
    for name in ("<script>alert(1)</script>", "{{ 7*7 }}", "&lt;script&gt;", "עברית", "‹U+202E›gnp.exe", "␛[31mred␛[0m", "x" * 255):
        assert name in text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", hostile.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [*HOSTILE, "</script x", "<!--<script"])
def test_embedded_json_holds_no_character_that_a_parser_acts_on(name: str) -> None:
    text = in_html({name: name})
    assert not set(text) & set("<>&\u2028")
    assert text.isascii()
    assert json.loads(text) == {name: name}


def test_hostile_names_come_back_from_the_page_as_they_were(hostile: Path) -> None:
    restored = load(hostile)
    expected = [name.replace("\ud800", "?") for name in HOSTILE]
    assert restored.arms == expected
    assert set(restored.runs()["arm"]) == set(expected)
    assert len(restored.compare().contrasts) == 49


def test_downloads_are_safe_for_spreadsheets(hostile: Path) -> None:
    downloads = json.loads(seen(hostile).scripts[1])
    assert {"results", "runs", "epochs", "effects", "curves"} <= set(downloads)
    for name, text in downloads.items():
        assert not re.search(r'(?m)(^|,)"?[=@]', text), name
    assert "'=1+1" in downloads["runs"]


def test_every_download_button_has_its_table(page: Path) -> None:
    parsed = seen(page)
    asked = {attributes["data-csv"] for tag, attributes in parsed.elements if "data-csv" in attributes}
    assert asked == set(json.loads(parsed.scripts[1]))


def test_the_page_says_what_a_reader_needs(page: Path, quickstart: Results) -> None:
    text = " ".join("".join(seen(page).text).split())
    comparison = quickstart.compare()
    for expected in (
        "Does batch norm or dropout help a small CNN on 5,000 digits?", comparison.answer, "1:00 of training", "cpu, bf16, 2 threads",
        comparison.contrasts[0].verdict.sentence, "test was opened once per run", "model.norm", "3 seeds per arm are few", "one training sample",
        "contrast run quickstart", "AMD EPYC 9R14", "3,200", "412 MB", "105,962", "split_seed",
    ):  # fmt: skip
        assert expected in text


def test_headings_landmarks_and_labels_are_there_for_a_screen_reader(page: Path) -> None:
    parsed = seen(page)
    tags = [tag for tag, _ in parsed.elements]
    assert {"main", "nav", "header", "footer"} <= set(tags)
    assert tags.count("h1") == 1
    ids = {attributes["id"] for _, attributes in parsed.elements if "id" in attributes}
    assert len(ids) == sum("id" in attributes for _, attributes in parsed.elements)
    for tag, attributes in parsed.elements:
        for name in ("aria-labelledby", "for", "aria-controls"):
            assert attributes.get(name) is None or attributes[name] in ids
        if tag == "a":
            assert (attributes.get("href") or "")[1:] in ids
        if tag == "th":
            assert attributes.get("scope") in ("col", "row")
        if tag == "svg":
            assert attributes.get("role") == "img"
            assert attributes.get("aria-label")


def test_a_page_restores_the_tables_it_was_made_from(page: Path, quickstart: Results) -> None:
    restored = load(page)
    assert isinstance(restored, Restored)
    for by in ("arm", "run", "epoch"):
        pd.testing.assert_frame_equal(restored.table(by), quickstart.table(by))
    columns = ["arm", "seed", "id", "label", "prediction", "right"]
    pd.testing.assert_frame_equal(restored.images(), quickstart.images()[columns])
    for arm, seeds in quickstart.outcomes().items():
        for seed, right in seeds.items():
            np.testing.assert_array_equal(restored.outcomes()[arm][seed], right)
    assert restored.compare() == quickstart.compare()
    pd.testing.assert_frame_equal(restored.status(), quickstart.status())


def test_a_page_made_from_a_page_is_the_same_page(page: Path, quickstart: Results) -> None:
    from contrast.report.page import build

    restored = load(page)
    assert isinstance(restored, Restored)
    assert build(restored, restored.compare()) == page.read_text(encoding="utf-8")


ELEMENT_BEGINS = f'<script type="application/json" id="{ELEMENT}">'


@pytest.mark.parametrize("text", ["", "<html></html>", ELEMENT_BEGINS + '{"format": 1}</script>', ELEMENT_BEGINS + "{</script>"])
def test_a_page_that_is_none_of_ours_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.html"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_packed_block_that_grows_beyond_its_count_is_refused(page: Path, tmp_path: Path) -> None:
    import zlib

    text = page.read_text(encoding="utf-8")
    content = json.loads(re.search(rf'id="{ELEMENT}">(.*?)</script>', text).group(1))  # type: ignore[union-attr]
    content["images"]["test"][0]["labels"] = base64.b64encode(zlib.compress(bytes(10_000_000))).decode()
    forged = tmp_path / "forged.html"
    forged.write_text(f"{ELEMENT_BEGINS}{in_html(content)}</script>")
    with pytest.raises(InputError, match="damaged"):
        load(forged).images()


@pytest.mark.parametrize(
    "made",
    [
        Made(gains={"baseline": 0.0}, seeds=[0], images=30),
        Made(seeds=[0], images=30),
        Made(images=30, states={(arm, seed): "planned" for arm in ("baseline", "batch norm", "dropout") for seed in range(3)}),
        Made(images=30, states={("batch norm", 0): "diverged", ("dropout", 1): "failed", ("dropout", 2): "interrupted"}),
        Made(images=30, question="", gains={f"arm {i}": i / 50 for i in range(9)}, seeds=[0, 1], epochs=2),
    ],
    ids=["one arm", "one seed", "not begun", "not all well", "many arms"],
)
def test_every_kind_of_study_has_a_page(tmp_path: Path, made: Made) -> None:
    path = Results(write(tmp_path / "s", made)).report(tmp_path / "page.html")
    text = "".join(seen(path).text)
    assert (made.question or made.name) in text
    assert "nan" not in text.replace("domain", "").lower()
    assert "None" not in text


def test_what_went_wrong_is_told_on_the_page(tmp_path: Path) -> None:
    made = Made(images=30, states={("batch norm", 0): "diverged", ("dropout", 1): "failed"}, remarks=["a remark of the plan"])
    text = " ".join("".join(seen(Results(write(tmp_path / "s", made)).report()).text).split())
    assert "8 of 9 runs ended; 1 failed." in text
    assert "The run of dropout, seed 1, failed: the disk is full." in text
    assert "diverged in 1 of 3 seeds" in text
    assert "A remark of the plan." in text


def test_the_same_study_makes_the_same_page(quickstart: Results, page: Path, tmp_path: Path) -> None:
    assert quickstart.report(tmp_path / "again.html").read_bytes() == page.read_bytes()
