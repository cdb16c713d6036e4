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
from contrast.report.embedded import ELEMENT, PICTURE, Restored, in_html
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
ARMS = 14
"""So many of them are arms; all are classes, remarks and lost settings, and the rest are settings and trials of a search."""


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
def designed(everything: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return everything.report(tmp_path_factory.mktemp("designed") / "report.html")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert len(set(HOSTILE)) == 50
    folder = tmp_path_factory.mktemp("hostile")
    arms, rest = HOSTILE[:ARMS], HOSTILE[ARMS:]
    words = {"question": HOSTILE[0] + HOSTILE[48], "name": HOSTILE[2], "classes": HOSTILE, "remarks": HOSTILE, "lost": {HOSTILE[5]: HOSTILE}}
    changes = {name: {name: name} for name in arms} | {HOSTILE[1]: {name: name for name in rest}}
    cells = [{"levels": [i // 2, i % 2], "arm": HOSTILE[i]} for i in range(4)]
    factors = [{"name": HOSTILE[1], "levels": HOSTILE[:2]}, {"name": HOSTILE[7], "levels": HOSTILE[2:4]}]
    steps = [{"name": HOSTILE[5], "arm": HOSTILE[5], "against": HOSTILE[1]}]
    design = {"factorial": {"fraction": "full", "factors": factors, "cells": cells}, "ladder": {"add": steps}}
    designs = {"designs": design, "trials": [({name: name}, 0.5) for name in rest], "origins": dict.fromkeys(HOSTILE[8:12], "grid")}
    gains = {name: i / 100 for i, name in enumerate(arms)}
    made = Made(gains=gains, seeds=[0, 1], images=60, epochs=2, changes=changes, states={(HOSTILE[3], 1): "failed"}, **words, **designs)
    return Results(write(folder / "s", made)).report()


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study in which a run diverged, one failed and one was cut off."""
    states = {("batch norm", 0): "diverged", ("dropout", 1): "failed", ("dropout", 2): "interrupted"}
    made = Made(images=30, states=states, remarks=["a remark of the plan"])
    return Results(write(tmp_path_factory.mktemp("troubled") / "s", made)).report()


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
        assert tag not in {"link", "iframe", "object", "embed", "base", "form", "audio", "video", "use", "image", "foreignobject"}
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in {"style", "srcset", "action", "xlink:href", "background"}
            assert name != "src" or (tag == "img" and PICTURE.fullmatch(value or ""))
            assert name != "href" or (value or "").startswith("#")


def test_fifty_hostile_names_become_text_and_nothing_else(hostile: Path, page: Path) -> None:
    parsed, plain = seen(hostile), seen(page)
    assert len(parsed.scripts) == len(plain.scripts) == 3
    assert parsed.scripts[-1] == plain.scripts[-1]
    assert {tag for tag, _ in parsed.elements} <= {tag for tag, _ in plain.elements} | {"clippath", "defs", "tspan", "img"}
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
    assert restored.arms == HOSTILE[:ARMS]
    assert set(restored.runs()["arm"]) == set(HOSTILE[:ARMS])
    assert len(restored.compare().contrasts) == ARMS - 1
    assert restored.lock["data"][0]["classes"] == [name.replace("\ud800", "?") for name in HOSTILE]


def test_downloads_are_safe_for_spreadsheets(hostile: Path) -> None:
    downloads = json.loads(seen(hostile).scripts[1])
    assert {"results", "runs", "epochs", "effects", "curves"} <= set(downloads)
    for name, text in downloads.items():
        assert not re.search(r'(?m)(^|,)"?[=@]', text), name
    assert "'=1+1" in downloads["design-search"] or '""=1+1""' in downloads["design-search"]


def test_every_number_s_column_and_every_figure_leads_in_one_click_to_a_named_method(designed: Path, everything: Results) -> None:
    parsed = seen(designed)
    told = {attributes["id"] for _, attributes in parsed.elements if (attributes.get("id") or "").startswith("method-")}
    asked = {(attributes.get("href") or "")[1:] for tag, attributes in parsed.elements if tag == "a"}
    assert told == {name for name in asked if name.startswith("method-")}
    for name in ("paired-t", "two-way", "holm", "tost", "factorial", "slope", "sample-splitting", "seeds-needed", "mean-t"):
        assert f"method-{name}" in told
    page = designed.read_text(encoding="utf-8")
    captions = re.findall(r"<figure id=.*?<figcaption>(.*?)</figcaption>", page, re.DOTALL)
    assert len(captions) >= 7
    assert all("#method-" in caption for caption in captions)
    heads = re.findall(r"<thead>(.*?)</thead>", page[page.index('id="results"') : page.index('id="figures"')], re.DOTALL)
    plain = {"seeds", "per", "of", "validation accuracy, %"}
    for head in heads:
        for cell in re.findall(r'<th scope="col" class="n">(.*?)</th>', head, re.DOTALL):
            assert "#method-" in cell or cell.strip() in plain


def test_the_page_tells_what_the_designs_answer_and_that_a_search_was_choosing(designed: Path, everything: Results) -> None:
    text = " ".join("".join(seen(designed).text).split())
    for answer in everything.designs():
        for sentence in answer.sentences:
            assert sentence in text
    assert "14 settings tried, chosen by validation accuracy alone, one seed each. This was choosing, not judging: test was not opened." in text
    assert "3 more settings in the table of trials. 1 setting diverged." in text
    assert "optimizer.lr 0.13" in text


def test_downloads_hold_the_tables_of_the_designs_in_full(designed: Path, everything: Results) -> None:
    downloads = json.loads(seen(designed).scripts[1])
    assert {"design-factors", "design-trend", "design-best", "design-steps", "design-search"} <= set(downloads)
    assert downloads["design-search"].count("\n") == 15


def test_threats_that_the_design_implies_are_printed(designed: Path, tmp_path: Path) -> None:
    text = " ".join("".join(seen(designed).text).split())
    assert "was picked among 3 values of model.dropout and not measured anew on other seeds" in text
    assert "Only the baseline's learning rate may be tuned" not in text  # the search's winner has its own
    designs = {"race": {"looks": [3, 5]}, "splits": {"folds": 5, "rotates": "validation", "overlap": 0.25}}
    results = Results(write(tmp_path / "s", Made(images=30, epochs=1, designs=designs)))
    for run in results.planned():
        epochs = pd.read_csv(run.folder / "epochs.csv")
        epochs.assign(test_accuracy=0.5).to_csv(run.folder / "epochs.csv", index=False)
    told = " ".join("".join(seen(results.report()).text).split())
    for expected in (
        "Only the baseline's learning rate may be tuned: arms change the network",
        "Splits overlap", "Nadeau & Bengio 2003", "Test was watched", "test was watched in every epoch", "looked at with 3, 5",
        "Racing by alpha spending",
    ):  # fmt: skip
        assert expected in told
    assert "All runs share one training sample and one split" not in told


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
        "contrast run quickstart", "AMD EPYC 9R14", "3,200", "412 MB", "0.19", "105,962", "split_seed",
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


def test_the_same_study_makes_the_same_page_be_it_from_its_folder_or_from_a_page(page: Path, quickstart: Results) -> None:
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
        Made(gains={"baseline": 0.0}, seeds=[0], images=30, question=""),
        Made(seeds=[0], images=30),
        Made(images=30, states={(arm, seed): "planned" for arm in ("baseline", "batch norm", "dropout") for seed in range(3)}),
    ],
    ids=["one arm", "one seed", "not begun"],
)
def test_every_kind_of_study_has_a_page(tmp_path: Path, made: Made) -> None:
    whole(Results(write(tmp_path / "s", made)).report(tmp_path / "page.html"), made.question or made.name)


def whole(page: Path, title: str) -> None:
    text = "".join(seen(page).text)
    assert title in text
    assert "nan" not in text.replace("domain", "").lower()
    assert "None" not in text


def test_what_went_wrong_is_told_on_the_page(troubled: Path) -> None:
    whole(troubled, Made().question)
    text = " ".join("".join(seen(troubled).text).split())
    assert "7 of 9 runs ended; 1 interrupted, 1 failed." in text
    assert "The run of dropout, seed 1, failed: the disk is full." in text
    assert "diverged in 1 of 3 seeds" in text
    assert "A remark of the plan." in text
