"""The commands about studies: run, status, table, compare, report, list."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from contrast.commands import typed
from contrast.commands.typed import Quiet

if TYPE_CHECKING:
    from contrast.doors import Doing
    from contrast.results import Results
    from contrast.study import Study

ReportFormat = Literal["html", "markdown", "latex"]
Machine = Literal["text", "csv", "json", "markdown", "latex", "parquet", "html"]
TableRows = Literal["arm", "run", "epoch", "image", "ablation", "factors", "final", "latest"]


def run(
    study: str,
    /,
    *changes: str,
    runs: Path | None = None,
    data: Path | None = None,
    executor: Literal["inline", "local", "stacked", "fastest"] = "inline",
    workers: int | None = None,
    dry_run: Quiet = False,
    profile: Quiet = False,
    trust_code: Quiet = False,
    relock: Quiet = False,
    quiet: Quiet = False,
    verbose: Quiet = False,
) -> int:
    """Carry out a study, or go on with it, and print its answer.

    Parameters
    ----------
    study
        A study file, or the name of a shipped study (`contrast list studies`).
    changes
        Settings of the base to override, as path=value: epochs=3, model.norm=batch, seeds=5; budget=short for a study that has one.
    runs
        The study's folder; runs/NAME by default, runs/NAME-short with budget=short.
    data
        Where data sets lie; then $CONTRAST_DATA and the user's cache folder are searched.
    executor
        inline: one run after another; local: several processes side by side; stacked: networks of one shape as one, for small networks on a GPU;
        fastest: what a short trial of these finds.
    workers
        Runs at a time: processes of the local executor (2), networks of the stacked one (8).
    dry_run
        Print the plan and stop: runs, what each arm changes, minutes (a few steps of each network are timed), disk.
    profile
        Print where a step's time goes in each distinct network, write a trace of it to the study's folder, and stop.
    trust_code
        Let the study run code from outside the package.
    relock
        Set the old runs aside and plan anew for this machine.
    quiet
        No progress, only the answer.
    verbose
        A line for every epoch.
    """
    from contrast.doors import Doing, carry_out

    asked = typed.study_of(study, changes, trust_code)
    options = [*(["--data", str(data)] if data else []), *(["--runs", str(runs)] if runs else []), *(["--trust-code"] if trust_code else [])]
    command = shlex.join(["contrast", "run", study, *changes, *options])
    level = "quiet" if quiet else "verbose" if verbose else "normal"
    doing = Doing.of(asked, runs=runs, data=data, executor=executor, workers=workers, level=level, command=command, relock=relock)
    if dry_run or profile:
        with typed.told_with(study):
            return _profile(asked, doing) if profile else _dry_run(asked, doing)
    with typed.told_with(study):
        results = carry_out(asked, doing)
    _answer(results, data)
    return 0


def _dry_run(asked: Study, doing: Doing) -> int:
    from contrast.doors import expected_seconds, plan
    from contrast.pilot import pilot
    from contrast.report.plan import render
    from contrast.results import Results
    from contrast.store import LOCK

    prepared = plan(asked, doing)
    seconds = expected_seconds(prepared, doing)
    told = pilot(Results(doing.runs), prepared.lock) if (doing.runs / LOCK).exists() else None
    render(prepared.lock, len(prepared.orders), prepared.bytes_needed, seconds, typed.out(), told)
    return 0


def _profile(asked: Study, doing: Doing) -> int:
    from contrast.doors import plan, profiled
    from contrast.report.profiled import render

    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's tracer writes to the terminal as it goes; read when torch is imported

    prepared = plan(asked, doing)
    render(profiled(prepared, doing), prepared.lock["machine"], typed.out())
    return 0


def status(runs: str, /) -> int:
    """What is finished, running, failed; and how long the rest will take.

    Parameters
    ----------
    runs
        A study's folder, or its name below runs/.
    """
    from contrast.report.status import render

    render(typed.results_of(runs), typed.out())
    return 0


def table(runs: str, /, *, by: TableRows = "arm", format: Machine = "text") -> int:
    """Print a study's measurements.

    Parameters
    ----------
    runs
        A study's folder, or its name below runs/.
    by
        One row an arm, a run, an epoch or an image; ablation: differences from the baseline with intervals; factors: effects of a
        factorial; final: loss and accuracy on every part; latest: the last weights against the chosen ones.
    format
        text: the columns that people read, accuracies in percent; all others hold every column.
    """
    from contrast.report import excerpt

    if format == "text":
        excerpt.show(typed.results_of(runs), by, typed.out())
        return 0
    made = excerpt.written(typed.results_of(runs), by, format)
    sys.stdout.buffer.write(made if isinstance(made, bytes) else made.encode("utf-8", "replace"))
    return 0


def compare(runs: str, /, *, metric: str = "test_accuracy", baseline: str | None = None, margin: float | None = None) -> int:
    """Say for each arm whether it helps, by how much, and how sure that is.

    Parameters
    ----------
    runs
        A study's folder, or its name below runs/.
    metric
        What is compared: test_accuracy, validation_accuracy, test_loss, seconds, balanced_accuracy, calibration_error,
        accuracy_of_CLASS, epochs_to_best, seconds_to_accuracy_90 (on validation, any percentage), …
    baseline
        The arm that the others are compared with.
    margin
        Difference (in points, for accuracies) below which nothing matters; the study's own by default.
    """
    print(typed.results_of(runs).compare(metric, baseline=baseline, margin=margin))
    return 0


def report(runs: str, /, *, format: ReportFormat = "html", out: Path | None = None, data: Path | None = None, causes: Path | None = None) -> int:
    """Write the study's page: one HTML file that opens anywhere, without a network; or its report for a paper.

    Parameters
    ----------
    runs
        A study's folder, or its name below runs/.
    format
        html: the page. markdown: a file, with its figures as SVG in a folder beside it. latex: a main file, a body for \\input, figures as PDF.
    out
        The file; report.html (report.md, report.tex) in the study's folder by default.
    data
        Where data sets lie; then $CONTRAST_DATA and the user's cache folder are searched. Test images are shown where they are at hand.
    causes
        Causes of mistakes that a page saved, to be counted; causes.csv in the study's folder by default, if it is there.
    """
    print(typed.results_of(runs).report(out, format=format, data=data, causes=causes))
    return 0


def serve(runs: str, /, *, port: int = 8642) -> int:
    """Show the study's page in a browser on this machine, as it stands while the study runs; Ctrl-C ends it.

    Parameters
    ----------
    runs
        A study's folder, or its name below runs/.
    port
        Where it is served, on 127.0.0.1 alone; 0 takes a free one.
    """
    from contrast.serving import serve as listen

    listen(typed.results_of(runs).folder, port)
    return 0


def list_(kind: str | None = None, /) -> int:
    """Every ingredient and shipped study, one line each.

    Parameters
    ----------
    kind
        Only this kind: studies, data, model, augment, optimizer, schedule, loss, averaging, …
    """
    from contrast.report.listing import render

    render(kind, typed.out())
    return 0


def _answer(results: Results, data: Path | None) -> None:
    from contrast.report.terminal import render

    page = results.report(data=data)
    render(results, results.compare(), typed.out(), page=page)
