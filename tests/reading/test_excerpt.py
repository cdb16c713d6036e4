from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from tests.reading.made_study import Made, write

from contrast.report import excerpt
from contrast.results import Results


def cells(results: Results, by: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in excerpt.text(results, by).splitlines()]


def test_by_arm_people_see_what_the_comparison_says_in_percent_and_points(quickstart: Results) -> None:
    heads, baseline, norm, _ = cells(quickstart, "arm")
    assert heads[:8] == ["arm", "seeds", "test accuracy, %", "difference", "95 % interval", "p", "verdict", "validation accuracy, %"]
    contrast = quickstart.compare().contrasts[0]
    mean = 100 * quickstart.table().set_index("arm")["test_accuracy"]
    assert norm[0] == "batch norm"
    assert norm[1] == "3"
    assert float(norm[2].partition(" ± ")[0]) == pytest.approx(mean["batch norm"], abs=0.06)
    assert float(norm[3]) == pytest.approx(contrast.effect, abs=0.06)
    assert norm[6] == contrast.verdict.kind
    assert norm[-1] == "105,962"
    assert len(baseline) == len(norm) - 4


def test_by_run_and_epoch_accuracies_are_percent(quickstart: Results) -> None:
    runs, epochs = quickstart.runs(), quickstart.epochs()
    by_run, by_epoch = cells(quickstart, "run"), cells(quickstart, "epoch")
    assert len(by_run) == len(runs) + 1
    assert len(by_epoch) == len(epochs) + 1
    assert by_run[1][by_run[0].index("test, %")] == f"{100 * runs.loc[0, 'test_accuracy']:.2f}"
    assert by_epoch[1][by_epoch[0].index("validation, %")] == f"{100 * epochs.loc[0, 'validation_accuracy']:.2f}"


@pytest.mark.parametrize("by", ["arm", "run", "epoch"])
def test_a_table_fits_a_wide_terminal_and_ends_by_naming_the_formats_that_hold_all(quickstart: Results, by: str) -> None:
    stream = io.StringIO()
    excerpt.show(quickstart, by, Console(file=stream, width=40))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 140
    assert lines[:-1] == excerpt.text(quickstart, by).splitlines()
    assert all(word in lines[-1] for word in ("csv", "json", "parquet"))


def test_a_table_by_image_is_whole_and_says_nothing_of_more(quickstart: Results) -> None:
    stream = io.StringIO()
    excerpt.show(quickstart, "image", Console(file=stream))
    assert stream.getvalue().splitlines()[0].split() == list(quickstart.images().columns)
    assert len(stream.getvalue().splitlines()) == 9001


def test_the_last_line_is_dim_on_a_terminal(quickstart: Results) -> None:
    stream = io.StringIO()
    excerpt.show(quickstart, "run", Console(file=stream, force_terminal=True, color_system="standard"))
    assert stream.getvalue().splitlines()[-1].startswith("\x1b[2m")


@pytest.mark.parametrize("by", ["arm", "run", "epoch"])
@pytest.mark.parametrize("state", ["planned", "failed"])
def test_what_is_not_known_yet_is_a_dash(tmp_path: Path, by: str, state: str) -> None:
    made = Made(gains={"a": 0.0, "\x1b[2Jb": 0.1}, seeds=[0], images=20, states={(arm, 0): state for arm in ("a", "\x1b[2Jb")})
    told = excerpt.text(Results(write(tmp_path / "s", made)), by)
    assert not {"nan", "None", "<NA>"} & set(told.replace("  ", " ").split(" "))
    assert "\x1b" not in told
    assert by == "epoch" or "–" in told
