from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest

from contrast.errors import InputError
from contrast.report.tables import FORMATS, render
from contrast.results import Results
from contrast.shown import shown

FRAME = pd.DataFrame({"arm": ["=1+1", "-x", "@b", "a|b_<c>&", "tab\tx"], "n": [1, -2, 3, 4, 5], "x": [-0.5, np.nan, np.inf, 1 / 3, 1e-9]})


def test_no_cell_of_the_csv_begins_like_a_formula_and_numbers_stay_numbers() -> None:
    back = pd.read_csv(io.StringIO(str(render(FRAME, "csv"))))
    assert back["arm"].tolist() == ["'=1+1", "'-x", "'@b", "a|b_<c>&", "tab\tx"]
    assert back["n"].tolist() == FRAME["n"].tolist()
    assert back["x"].iloc[0] == -0.5


def test_a_heading_that_begins_like_a_formula_is_guarded_too() -> None:
    assert str(render(pd.DataFrame({"=cmd": [1]}), "csv")).startswith("'=cmd")


def test_json_and_parquet_keep_every_value() -> None:
    read = json.loads(str(render(FRAME, "json")))
    assert [row["arm"] for row in read] == FRAME["arm"].tolist()
    assert [row["x"] for row in read] == [-0.5, None, None, 1 / 3, 1e-9]
    made = render(FRAME, "parquet")
    assert isinstance(made, bytes)
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(made)), FRAME)


def test_json_counts_are_whole_numbers(quickstart: Results) -> None:
    row = json.loads(str(render(quickstart.runs(), "json")))[0]
    assert row["epochs"] == 8
    assert isinstance(row["epochs"], int)


def test_markdown_and_latex_escape_what_would_act_there() -> None:
    markdown = str(render(FRAME, "markdown"))
    assert "a\\|b\\_&lt;c&gt;&amp;" in markdown
    assert len(markdown.splitlines()) == 7
    latex = str(render(FRAME, "latex"))
    assert "b\\_<c>\\&" in latex
    assert latex.startswith("\\begin{tabular}{lrr}")


def test_text_leaves_out_what_does_not_fit_and_says_so() -> None:
    lines = str(render(FRAME, "text", width=14)).splitlines()
    assert max(map(len, lines[:-1])) <= 14
    assert lines[-1] == "… and 1 more column; --format csv has all"
    assert "more column" not in str(render(FRAME, "text"))


def test_text_shows_control_characters_instead_of_sending_them() -> None:
    made = str(render(pd.DataFrame({"arm": ["\x1b[2Jgone", "two\nlines"]}), "text"))
    assert "\x1b" not in made
    assert len(made.splitlines()) == 3


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_takes_every_table_even_an_empty_one(quickstart: Results, format: str) -> None:
    for by in ("arm", "run", "epoch"):
        assert render(quickstart.table(by), format)
        assert render(quickstart.table(by).iloc[:0], format)


def test_a_misspelt_format_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'parquet'"):
        render(FRAME, "parket")


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("plain é 数字", "plain é 数字"),
        ("\x1b[31m", "␛[31m"),
        ("a\r\nb\tc", "a␍␊b␉c"),
        ("\u202egnp.exe", "‹U+202E›gnp.exe"),
        ("\ud800", "\ufffd"),
        ("\x7f\x9b", "␡‹U+009B›"),
        ("\u2028", "‹U+2028›"),
        ("\ufffe", "‹U+FFFE›"),
    ],
)
def test_names_are_shown_in_one_line_of_visible_characters(given: str, seen: str) -> None:
    assert shown(given) == seen


def test_long_names_are_cut_in_the_middle_so_that_they_stay_apart() -> None:
    one, other = ("x" * 300 + end for end in "ab")
    assert len(shown(one)) == 255
    assert shown(one) != shown(other)
