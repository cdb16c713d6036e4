from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console
from tests.reading.made_study import Made, write

from contrast.report.contents import cost
from contrast.report.speed import memory
from contrast.report.terminal import render
from contrast.results import Results
from contrast.study_tables import by_arm


def printed(results: Results, *, terminal: bool = False, page: Path | None = None) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, color_system="truecolor" if terminal else None, width=60, legacy_windows=False)
    render(results, results.compare(), console, page)
    return stream.getvalue()


def test_a_finished_study_prints_question_table_method_page_and_command(quickstart: Results) -> None:
    lines = printed(quickstart, page=Path("runs/quickstart/report.html")).splitlines()
    assert lines[0] == "Does batch norm or dropout help a small CNN on 5,000 digits?          9 runs · 1:00 · cpu, bf16, 2 threads"
    assert lines[1] == ""
    assert lines[2].split("   ")[0].strip() == "arm"
    assert "against baseline, 95 % interval" in lines[2]
    assert [line.split("  ")[1] for line in lines[3:6]] == ["baseline", "batch norm", "dropout"]
    assert "helps by" in lines[4]
    assert "undecided" in lines[5]
    assert lines[7] == "  ± is the standard deviation over 3 seeds. Weights were chosen on validation; test was opened once per run."
    assert lines[-2:] == ["  page   runs/quickstart/report.html", "  again  contrast run quickstart"]


def test_one_line_says_how_fast_the_baseline_trained_and_what_memory_it_took(quickstart: Results) -> None:
    assert printed(quickstart).splitlines()[-2] == "  speed  5,211 images/s · 0.19 TFLOP/s · 412 MB (baseline)"


def test_runs_of_a_release_that_counted_no_operations_are_told_without_them(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", Made(images=60))
    for path in folder.glob("*/summary.json"):
        summary = json.loads(path.read_text(encoding="utf-8"))
        del summary["tflop_per_second"]
        path.write_text(json.dumps(summary), encoding="utf-8")
    results = Results(folder)
    assert "  speed  5,211 images/s · 412 MB (baseline)" in printed(results).splitlines()
    assert [row["achieved"] for row in cost(results, by_arm(results.runs()))] == ["–", "–", "–"]


def test_memory_of_a_gpu_stands_beside_that_of_the_machine() -> None:
    assert memory({"peak_memory_bytes": 1_400_000_000, "peak_gpu_memory_bytes": 3_200_000_000}) == "1.4 GB + 3.2 GB on the GPU"
    assert memory({"peak_memory_bytes": 1_400_000_000, "peak_gpu_memory_bytes": float("nan")}) == "1.4 GB"


def test_columns_stand_below_their_headings(quickstart: Results) -> None:
    lines = printed(quickstart).splitlines()
    start = lines[2].index("verdict")
    assert lines[4][start:].startswith("helps")
    assert lines[5][start:].startswith("undecided")
    assert lines[4][start - 1] == lines[5][start - 1] == " "


def test_no_line_is_broken_and_no_escape_is_sent_where_there_is_no_terminal(quickstart: Results) -> None:
    plain = printed(quickstart)
    assert max(map(len, plain.splitlines())) > 60
    assert "\x1b" not in plain


def test_verdicts_have_color_on_a_terminal(quickstart: Results) -> None:
    assert "\x1b[32mhelps" in printed(quickstart, terminal=True)


def test_names_with_escapes_and_markup_are_only_shown(tmp_path: Path) -> None:
    gains = {"base[red]": 0.0, "\x1b[2Jwipe": 0.2, "[bold]x[/bold]": 0.4}
    made = Made(gains=gains, question="\x1b]0;title\x07 [blink]?", images=60)
    text = printed(Results(write(tmp_path / "s", made)))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "base[red]" in text
    assert "␛[2Jwipe" in text
    assert "[bold]x[/bold]" in text


def test_an_unfinished_study_says_how_far_it_is(tmp_path: Path) -> None:
    states = {("dropout", 2): "interrupted", ("baseline", 0): "diverged"}
    text = printed(Results(write(tmp_path / "s", Made(states=states, images=60))))
    assert "8 of 9 runs" in text
    assert "the seeds that finished" in text


def test_a_single_arm_with_one_seed_prints_without_a_verdict(tmp_path: Path) -> None:
    text = printed(Results(write(tmp_path / "s", Made(gains={"baseline": 0.0}, seeds=[0], images=60))))
    assert "verdict" not in text
    assert "±" not in text


def test_designs_are_told_in_eight_lines_or_fewer_below_the_arms(everything: Results) -> None:
    lines = printed(everything).splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("  factor "))
    last = next(i for i in range(first, len(lines)) if not lines[i])
    assert 4 <= last - first <= 8
    told = "\n".join(lines[first:last])
    assert all(f"\n  {word} " in f"\n{told}" for word in ("factor", "best", "step"))


def test_a_study_without_designs_has_no_lines_for_them(quickstart: Results) -> None:
    assert [line for line in printed(quickstart).splitlines() if line.startswith(("  factor", "  trend", "  best", "  step"))] == []
