"""Reports for papers, and what notebooks show: nothing a user typed acts, every figure stands beside the text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.reading.made_study import Made, write

from contrast import cli
from contrast.errors import InputError
from contrast.figures import _alone, _converted, _svg
from contrast.report import latex
from contrast.report.drawings import Figure
from contrast.report.latex import latex_text
from contrast.report.tables import markdown_text
from contrast.results import Results, load

NASTY = ["base", "\\input{/etc/passwd} $x$ & 50% #1", "<script>alert(1)</script>", "[a](javascript:b) `c` | d", "=cmd() ~^{}--''", "\u202etxt"]

GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega"
COMMANDS = set(re.findall(r"\\([a-zA-Z]+)", " ".join([*latex.SPECIAL.values(), *latex.SIGNS.values()]))) | {"contrastchar", *GREEK.split()}


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Results:
    gains = {name: place / 20 for place, name in enumerate(NASTY)}
    made = Made(gains=gains, images=40, epochs=2, seeds=(0, 1), question="<b>Which?</b> 100% \\relax")
    return Results(write(tmp_path_factory.mktemp("runs") / "nasty", made))


@pytest.fixture(scope="module")
def papers(nasty: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("papers")
    for suffix, format in (("md", "markdown"), ("tex", "latex")):
        assert cli.main(["report", str(nasty.folder), "--format", format, "--out", str(folder / f"report.{suffix}")]) == 0
    return folder


class TestMarkdown:
    def test_every_figure_and_its_numbers_stand_beside_it(self, papers: Path, nasty: Results) -> None:
        links = re.findall(r"\(<(report-figures/[^>]+)>\)", (papers / "report.md").read_text())
        assert {Path(link).suffix for link in links} == {".svg", ".csv"}
        assert {Path(link).stem for link in links} == set(nasty.figures().names)
        assert all((papers / link).is_file() for link in links)

    def test_what_a_user_typed_is_text(self, papers: Path) -> None:
        html = MarkdownIt("commonmark", {"html": True}).enable("table").render((papers / "report.md").read_text())
        seen = _Seen()
        seen.feed(html)
        assert seen.tags <= {"h1", "h2", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "a", "img", "pre", "code", "em"}
        assert all(link.startswith("report-figures/") for link in seen.links)
        for name in NASTY[:-1]:
            assert name in seen.text

    def test_cells_that_begin_with_a_formula_are_guarded_in_the_numbers(self, papers: Path) -> None:
        assert "\n'=cmd()" in (papers / "report-figures/effects.csv").read_text()

    @settings(max_examples=50)
    @given(st.text(max_size=60))
    def test_any_text_comes_back_from_a_cell_as_it_was_shown(self, text: str) -> None:
        html = MarkdownIt("commonmark").enable("table").render(f"| a |\n| --- |\n| x{markdown_text(text)}x |\n")
        seen = _Seen()
        seen.feed(html)
        assert seen.tags <= {"table", "thead", "tbody", "tr", "th", "td"}


class TestLatex:
    def test_the_main_file_takes_in_a_body_whose_figures_are_there(self, papers: Path) -> None:
        assert r"\input{report-body}" in (papers / "report.tex").read_text()
        body = (papers / "report-body.tex").read_text()
        named = re.findall(r"\\includegraphics\[[^]]*\]\{\\contrastfigures/([a-z0-9-]+\.pdf)\}", body)
        assert len(named) == body.count(r"\begin{figure}") > 0
        assert all((papers / "report-figures" / name).read_bytes().startswith(b"%PDF") for name in named)

    def test_what_a_user_typed_is_no_macro(self, papers: Path) -> None:
        body = (papers / "report-body.tex").read_text()
        assert r"\textbackslash{}input\{/etc/passwd\}" in body
        assert r"\input{" not in body.replace(r"\input this file", "")
        assert r"\$x\$ \& 50\% \#1" in body
        assert r"100\% \textbackslash{}relax" in (papers / "report.tex").read_text()

    def test_groups_and_environments_close(self, papers: Path) -> None:
        body = (papers / "report-body.tex").read_text()
        plain = re.sub(r"\\[{}%]|%.*", "", body)
        assert plain.count("{") == plain.count("}")
        assert sorted(re.findall(r"\\begin\{(\w+)\}", body)) == sorted(re.findall(r"\\end\{(\w+)\}", body))

    @given(st.text(max_size=60))
    def test_no_character_of_any_text_acts(self, text: str) -> None:
        plain = re.sub(r"\\[{}$&#%_]", "", latex_text(text))
        assert plain.count("{") == plain.count("}")
        assert plain.count("$") % 2 == 0
        assert not re.search("[#%&_^]", plain)
        assert set(re.findall(r"\\([a-zA-Z]+|.)", plain)) <= COMMANDS

    def test_two_hyphens_stay_two_and_strange_letters_are_named(self) -> None:
        assert latex_text("a--b") == "a-{}-b"
        assert latex_text("λ猫") == r"$\lambda$\contrastchar{732B}{猫}"

    @pytest.mark.slow
    def test_a_table_of_many_arms_breaks_over_pages(self, tmp_path: Path) -> None:
        made = Made(gains={f"arm {i}": i / 99 for i in range(40)}, images=20, epochs=1, seeds=(0,))
        Results(write(tmp_path / "many", made)).report(tmp_path / "many.tex", format="latex")
        assert r"\begin{longtable}" in (tmp_path / "many-body.tex").read_text()

    def test_a_file_whose_name_latex_cannot_take_is_refused(self, nasty: Results, tmp_path: Path) -> None:
        for name in ("two words.tex", "a%b.tex"):
            with pytest.raises(InputError, match="can't be named"):
                nasty.report(tmp_path / name, format="latex")
        assert not list(tmp_path.iterdir())


class TestFiguresInPython:
    def test_a_figure_saves_itself_in_the_format_of_the_suffix(self, nasty: Results, tmp_path: Path) -> None:
        figure = nasty.figure("forest")
        begins = {".svg": b"<svg", ".png": b"\x89PNG", ".pdf": b"%PDF", ".csv": b"arm,"}
        for suffix, start in begins.items():
            assert figure.save(tmp_path / f"x{suffix}").read_bytes().startswith(start)
        with pytest.raises(InputError, match=r"\.svg"):
            figure.save(tmp_path / "x.docx")

    def test_two_arms_can_be_drawn_in_one_figure(self, quickstart: Results) -> None:
        pair = quickstart.figure("curves", ["baseline", "batch norm"])
        assert set(pair.data["arm"]) == {"baseline", "batch norm"}
        assert set(pair.data["measure"]) == {"accuracy", "loss"}
        assert set(quickstart.figure("forest", ["dropout"]).data["arm"]) == {"batch norm", "dropout"}, "effects were judged together"

    def test_a_figure_or_arm_that_is_not_there_is_told_with_the_nearest(self, quickstart: Results) -> None:
        for call in (lambda: quickstart.figure("curvs"), lambda: quickstart.figures(["dropuot"])):
            with pytest.raises(InputError, match=r"curves|dropout"):
                call()
        with pytest.raises(InputError, match="has no numbers"):
            quickstart.figure("heatmap")

    @pytest.mark.slow
    def test_a_page_gives_the_same_figures_back(self, quickstart: Results, tmp_path: Path) -> None:
        restored = load(quickstart.report(tmp_path / "page.html"))
        assert restored.figures().names == quickstart.figures().names
        pd.testing.assert_frame_equal(restored.figure("cost").data, quickstart.figure("cost").data)

    def test_colors_are_explained_in_the_drawing_itself(self, quickstart: Results) -> None:
        root = ElementTree.fromstring(quickstart.figure("curves").svg())
        texts = [element.text for element in root.findall(f"{{{_svg.SVG}}}text")]
        assert texts == ["baseline", "batch norm", "dropout"]

    def test_panels_stand_below_each_other_where_there_is_no_room(self) -> None:
        sizes = [(400.0, 200.0), (400.0, 300.0), (400.0, 100.0)]
        assert _alone._placed(sizes, 900)[0] == [(0, 0), (416, 0), (0, 316)]
        assert _alone._placed(sizes, 500) == ([(0, 0), (0, 216), (0, 532)], 400, 632)

    def test_a_character_that_no_font_has_is_told_in_one_line(self, quickstart: Results) -> None:
        (picture,) = [figure._picture for figure in quickstart.figures() if figure.name == "curves"]
        strange = Figure(type(picture)(**{**vars(picture), "keys": (("arm \U0010fff0", "blue"),)}))
        with pytest.raises(InputError, match=r"no font of this machine has .*U\+10FFF0") as raised:
            strange.png()
        assert "\n" not in str(raised.value)
        assert "\U0010fff0" in strange.svg()

    def test_letters_that_a_font_has_are_known(self) -> None:
        assert _converted.unknown_characters("Accuracy é, 95 %\u0301\u200d") == []


class TestNotebook:
    def test_everything_shows_itself_without_script_or_request_and_escaped(self, nasty: Results) -> None:
        shown = [nasty, nasty.compare(), nasty.figures(), nasty.figure("curves"), nasty.designs()]
        for html in (thing._repr_html_() for thing in shown):
            seen = _Seen()
            seen.feed(html)
            assert "script" not in seen.tags
            assert seen.links == set()
            assert not seen.acting
            assert "@import" not in html
            assert "url(http" not in html

    def test_a_study_shows_its_question_its_answer_and_every_arm(self, quickstart: Results) -> None:
        html = quickstart._repr_html_()
        for words in ("Does batch norm or dropout help", "The baseline reaches", "batch norm", "undecided"):
            assert words in html


class _Seen(HTMLParser):
    """Which elements, addresses and acting attributes a piece of HTML has, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags, self.links, self.acting, self.text = set[str](), set[str](), set[str](), ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links |= {value or "" for name, value in attributes if name in ("href", "src", "xlink:href")}
        self.acting |= {name for name, _ in attributes if name.startswith("on")}

    def handle_data(self, data: str) -> None:
        self.text += data
