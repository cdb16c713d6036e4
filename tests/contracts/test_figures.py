"""What every figure promises, whoever wrote it: the tests find the files of `figures/` by themselves."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
from tests.reading.made_designs import everything
from tests.reading.made_study import Made, write

from contrast import catalog
from contrast.figures import _style, _svg
from contrast.figures._picture import Material, Picture
from contrast.report.pictures import pictures
from contrast.report.tables import render
from contrast.results import Results

FIGURES = [catalog.file("figure", name) for name in catalog.names("figure")]
ATTRIBUTES = _svg.ATTRIBUTES | {"class", "role", "aria-label"}
HOSTILE = (
    "\x1b[31mred",
    "<script>alert(1)</script>",
    'quo"te & <b>',
    "a.b[0]['c']",
    "datum.x\\",
    "{{ 7 * 7 }}",
    "\u202etxt.exe",
    "a\nb",
    "${x}",
    "\ud800",
)
RATES = {f"model.dropout {p}": p for p in (0.1, 0.2, 0.4)}
SWEPT: dict[str, Any] = {
    "gains": {"baseline": 0.0} | RATES,
    "changes": {arm: {"model.dropout": rate} for arm, rate in RATES.items()},
    "axes": {arm: ("model.dropout", rate) for arm, rate in RATES.items()},
}
NASTY = dict(itertools.pairwise(HOSTILE))
MADE = {
    "three arms": Made(images=60, epochs=3),
    "a sweep": Made(images=60, epochs=3, watched=["weight_norm", "update_ratio"], masks=[1, 4], test_watched=True, **SWEPT),
    "one arm, one run": Made(gains={"only": 0.0}, seeds=[0], images=60, epochs=1),
    "not all well": Made(images=60, epochs=2, states={("batch norm", 0): "diverged", ("dropout", 1): "failed", ("dropout", 2): "interrupted"}),
    "designs": everything(),
    "hostile": Made(
        gains={name: i / 20 for i, name in enumerate(HOSTILE)},
        axes={HOSTILE[1]: (HOSTILE[6], 0.5)},
        origins=dict.fromkeys(HOSTILE[2:6], "grid"),
        changes={name: {HOSTILE[2]: name, HOSTILE[4]: other} for name, other in list(NASTY.items())[2:6]},
        designs={
            "factorial": {
                "fraction": "full",
                "factors": [{"name": HOSTILE[1], "levels": list(HOSTILE[:2])}, {"name": HOSTILE[7], "levels": list(HOSTILE[2:4])}],
                "cells": [{"levels": [i // 2, i % 2], "arm": HOSTILE[i]} for i in range(4)],
            },
            "ladder": {"add": [{"name": HOSTILE[5], "arm": HOSTILE[5], "against": HOSTILE[1]}]},
        },
        seeds=[0, 1],
        images=60,
        epochs=2,
        watched=["weight_norm"],
        masks=[2],
    ),
    "not begun": Made(images=60, states={(arm, seed): "planned" for arm in ("baseline", "batch norm", "dropout") for seed in range(3)}),
}
"""Studies of every kind. A new figure that has numbers for none of them adds one that it has."""

of_every_study = pytest.mark.parametrize("which", MADE)


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Material]:
    folder = tmp_path_factory.mktemp("studies")
    opened = {which: Results(write(folder / which, made)) for which, made in MADE.items()}
    return {which: Material(results, results.compare()) for which, results in opened.items()}


@cache
def drawn(figure: ModuleType, material: Material) -> list[Picture]:
    made: list[Picture] = figure.pictures(material)
    return made


def roots(picture: Picture) -> Iterator[ElementTree.Element]:
    return (ElementTree.fromstring(panel) for panel in picture.panels)


@pytest.fixture(scope="module")
def on_the_page(studies: dict[str, Material]) -> list[Picture]:
    return pictures(studies["a sweep"].study, studies["a sweep"].comparison)


@pytest.mark.parametrize("figure", FIGURES, ids=catalog.names("figure"))
class TestFigures:
    def test_file_says_in_one_line_what_it_is(self, figure: ModuleType) -> None:
        line = catalog.listing("figure")[figure.__name__.rpartition(".")[2]]
        assert line.endswith(".")
        assert 10 < len(line) <= 120

    def test_offers_prepare_draw_and_pictures_and_its_place_on_the_page(self, figure: ModuleType) -> None:
        for name in ("prepare", "draw", "pictures"):
            function = getattr(figure, name)
            assert function.__module__ == figure.__name__
            assert function.__doc__
        assert str(inspect.signature(figure.prepare).return_annotation).endswith("DataFrame")
        for name in ("draw", "pictures"):
            first, *others = inspect.signature(getattr(figure, name)).parameters.values()
            assert first.default is first.empty
            assert all(other.default is not other.empty for other in others)
        assert type(figure.ORDER) is int

    def test_has_numbers_for_a_study_and_none_for_one_that_has_not_begun(self, figure: ModuleType, studies: dict[str, Material]) -> None:
        assert any(drawn(figure, material) for material in studies.values())
        assert drawn(figure, studies["not begun"]) == []

    def test_the_page_shows_what_it_gives_in_its_place(self, figure: ModuleType, on_the_page: list[Picture], studies: dict[str, Material]) -> None:
        own = drawn(figure, studies["a sweep"])
        earlier = [other for other in FIGURES if (other.ORDER, other.__name__) < (figure.ORDER, figure.__name__)]
        before = sum(len(drawn(other, studies["a sweep"])) for other in earlier)
        shown = on_the_page[before : before + len(own)]
        assert [(one.name, one.caption, one.panels) for one in shown] == [(one.name, one.caption, one.panels) for one in own]

    @of_every_study
    def test_pictures_have_a_name_a_caption_panels_numbers_and_known_colors(
        self, figure: ModuleType, studies: dict[str, Material], which: str
    ) -> None:
        for picture in drawn(figure, studies[which]):
            assert isinstance(picture, Picture)
            assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", picture.name)
            assert picture.title.strip()
            assert picture.caption.endswith(".")
            assert picture.panels
            assert len(picture.data) > 0
            assert render(picture.data, "csv")
            assert {role for _, role in picture.keys} <= set(_style.COLORS)

    @of_every_study
    def test_panels_are_shapes_and_text_with_words_for_who_does_not_see_them(
        self, figure: ModuleType, studies: dict[str, Material], which: str
    ) -> None:
        for picture in drawn(figure, studies[which]):
            for root, panel in zip(roots(picture), picture.panels, strict=True):
                tags = {element.tag.removeprefix(f"{{{_svg.SVG}}}") for element in root.iter()}
                assert tags <= _svg.ELEMENTS
                assert {"path", "text"} <= tags
                assert {name for element in root.iter() for name in element.attrib} <= ATTRIBUTES
                assert root.get("role") == "img"
                assert (root.get("aria-label") or "").strip()
                assert "url(http" not in panel
                assert not re.search(r"\son\w+=|href|style=", panel)
                assert not re.search(r"\b(NaN|nan|undefined|null|None)\b", panel)

    def test_hostile_names_become_text_and_control_nothing(self, figure: ModuleType, studies: dict[str, Material]) -> None:
        for picture in drawn(figure, studies["hostile"]):
            texts = [text for root in roots(picture) for text in root.itertext()] + [root.get("aria-label") or "" for root in roots(picture)]
            told = "".join([*texts, picture.title, picture.caption, *(name for name, _ in picture.keys)])
            assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", told)
            assert "<script" not in "".join(picture.panels)
            assert "<b>" not in "".join(picture.panels)

    @of_every_study
    def test_its_numbers_can_be_drawn_anew(self, figure: ModuleType, studies: dict[str, Material], which: str) -> None:
        for picture in drawn(figure, studies[which]):
            before = picture.data.copy()
            assert "vega-lite" in figure.draw(picture.data).to_dict()["$schema"]
            pd.testing.assert_frame_equal(picture.data, before)


@of_every_study
def test_names_and_ids_are_no_other_picture_s(studies: dict[str, Material], which: str) -> None:
    """A page holds them all, and offers the tables of results, runs and epochs besides."""
    every = [picture for file in FIGURES for picture in drawn(file, studies[which])]
    names = ["results", "runs", "epochs", *(picture.name for picture in every)]
    ids = [element.attrib["id"] for picture in every for root in roots(picture) for element in root.iter() if "id" in element.attrib]
    assert len(names) == len(set(names))
    assert len(ids) == len(set(ids))
