from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.reading.made_study import Made, write

from contrast.compare.rounding import decimals_for
from contrast.errors import InputError
from contrast.report.excerpt import PRESENTED, text, written
from contrast.report.presented import presented
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


def test_latex_has_the_rules_of_booktabs_and_signs_that_old_engines_know() -> None:
    made = str(render(pd.DataFrame({"arm": ["a_b × c"], "x": ["−1 ± 2"]}), "latex", left=["arm"]))
    assert made.startswith("\\begin{tabular}{lr}\n\\toprule\n")
    assert "\\midrule" in made
    assert "\\bottomrule" in made
    assert "a\\_b $\\times$ c & $-$1 $\\pm$ 2 \\\\" in made


def test_html_is_one_table_without_script_or_request_and_every_name_is_text() -> None:
    hostile = pd.DataFrame({"<b>h</b>": ["<script>alert(1)</script>", "\x1b[31m"], "{{u}} <i>u</i>": ["{{ 7 }}", "&lt;"]})
    made = str(render(hostile, "html"))
    assert "<script" not in made
    assert "<b>" not in made
    assert "<i>" not in made
    assert "\x1b" not in made
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in made
    assert "&amp;lt;" in made
    assert "http" not in made
    assert render(hostile, "html") == made


def test_the_ablation_table_begins_with_the_baseline_and_holds_what_the_comparison_says(quickstart: Results) -> None:
    comparison = quickstart.compare()
    pd.testing.assert_frame_equal(quickstart.table("ablation"), comparison.table())
    told = presented(quickstart, "ablation")
    assert [row[0] for row in told.rows] == ["baseline", "batch norm", "dropout"]
    contrast, row = comparison.contrasts[0], told.rows[1]
    assert contrast.effect is not None
    assert contrast.interval is not None
    decimals = len(row[3].partition(".")[2])
    assert decimals >= min(2, decimals_for(contrast.standard_error))
    assert float(row[3]) == pytest.approx(contrast.effect, abs=0.51 * 10**-decimals)
    assert row[4] == f"+{contrast.interval.low:.{decimals}f} … +{contrast.interval.high:.{decimals}f}"
    assert row[-1] == "helps"


def test_the_final_table_holds_loss_and_accuracies_as_means_over_seeds(quickstart: Results) -> None:
    runs, table = quickstart.runs(), quickstart.table("final").set_index("arm")
    own = runs[runs["arm"] == "dropout"]
    for figure in ("train_loss", "train_accuracy", "validation_accuracy", "test_accuracy"):
        assert (table.loc["dropout", figure], table.loc["dropout", f"{figure}_sd"]) == pytest.approx((own[figure].mean(), own[figure].std(ddof=1)))


def test_the_latest_weights_stand_beside_the_best_and_have_a_test_figure_only_where_it_was_asked_for(quickstart: Results, tmp_path: Path) -> None:
    asked = Results(write(tmp_path / "s", Made(images=50, test_of_the_latest=True)))
    runs, epochs = asked.runs(), asked.epochs()
    latest, best = (asked.table("latest").query("arm == 'dropout' and weights == @which").iloc[0] for which in ("latest", "best"))
    own = runs[runs["arm"] == "dropout"]
    last = epochs[(epochs["arm"] == "dropout") & (epochs["epoch"] == 8)]
    assert (latest["epoch"], latest["train_loss"]) == pytest.approx((8, last["train_loss"].mean()))
    assert latest["validation_accuracy"] == pytest.approx(own["last_validation_accuracy"].mean())
    assert latest["test_accuracy"] == pytest.approx(own["last_test_accuracy"].mean())
    assert (best["epoch"], best["validation_loss"]) == pytest.approx((own["best_epoch"].mean(), own["validation_loss"].mean()))
    assert best["test_accuracy"] == pytest.approx(own["test_accuracy"].mean())
    assert not any("last_test_accuracy" in note for note in presented(asked, "latest").notes)
    told = presented(quickstart, "latest")
    assert [row[-1] == "–" for row in told.rows] == [True, False] * 3
    assert "evaluate: {latest: true}" in told.notes[-1]


@pytest.mark.parametrize("by", PRESENTED)
def test_tables_for_print_are_rounded_and_files_for_programs_hold_every_digit(everything: Results, by: str) -> None:
    told = presented(everything, by)
    assert text(everything, by).splitlines()[0].split("  ")[0] == told.heads[0]
    for format in ("markdown", "latex", "html"):
        assert len(str(written(everything, by, format))) < 60_000
    back = pd.read_csv(io.StringIO(str(written(everything, by, "csv"))))
    assert len(back) == len(told.rows)
    assert len(back.columns) > len(told.heads) - 2


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
