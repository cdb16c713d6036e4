"""What a person types. Each command is a few lines over the Python doors; errors are one line and an exit code."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from contrast import __version__
from contrast.errors import ContrastError, InputError, in_one_line

if TYPE_CHECKING:
    from rich.console import Console

    from contrast.results import Results
    from contrast.study import Study

app = App(
    name="contrast",
    help="Controlled experiments on image classifiers: does this change help, by how much, and how sure is that?",
    version=__version__,
    help_epilogue="Exit codes: 0 done · 1 a run failed or the disk is full · 2 the input is wrong · 70 our own fault · "
    "130 Ctrl-C and 143 SIGTERM, both resumable.",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)

Machine = Literal["text", "csv", "json", "markdown", "latex", "parquet"]
Quiet = Annotated[bool, Parameter(negative="")]


class Terminated(BaseException):
    """SIGTERM came; unwinds like Ctrl-C, so that locks are let go and workers ended."""


@app.command
def run(
    study: str,
    /,
    *changes: str,
    runs: Path | None = None,
    data: Path | None = None,
    executor: Literal["inline", "local"] = "inline",
    workers: int | None = None,
    dry_run: Quiet = False,
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
        Settings of the base to override, as path=value: epochs=3, model.norm=batch, seeds=5.
    runs
        The study's folder; runs/NAME by default.
    data
        Where data sets lie; then $CONTRAST_DATA and the user's cache folder are searched.
    executor
        inline: one run after another; local: several processes side by side.
    workers
        Processes of the local executor.
    dry_run
        Print the plan and stop: runs, what each arm changes, disk.
    trust_code
        Let the study run code from outside the package.
    relock
        Set the old runs aside and plan anew for this machine.
    quiet
        No progress, only the answer.
    verbose
        A line for every epoch.
    """
    from contrast.doors import Doing, carry_out, plan

    asked = _study(study, changes, trust_code)
    options = [*(["--data", str(data)] if data else []), *(["--runs", str(runs)] if runs else []), *(["--trust-code"] if trust_code else [])]
    command = shlex.join(["contrast", "run", study, *changes, *options])
    level = "quiet" if quiet else "verbose" if verbose else "normal"
    doing = Doing.of(asked, runs=runs, data=data, executor=executor, workers=workers, level=level, command=command, relock=relock)
    if dry_run:
        from contrast.report.plan import render

        with _told_with(study):
            prepared = plan(asked, doing)
        render(prepared.lock, len(prepared.orders), prepared.bytes_needed, _out())
        return 0
    with _told_with(study):
        results = carry_out(asked, doing)
    _answer(results)
    return 0


@app.command
def status(runs: str, /) -> int:
    """What is finished, running, failed; and how long the rest will take.

    Parameters
    ----------
    runs
        A study's folder, or its name below runs/.
    """
    from contrast.report.status import render

    render(_results(runs), _out())
    return 0


@app.command
def table(runs: str, /, *, by: Literal["arm", "run", "epoch", "image"] = "arm", format: Machine = "text") -> int:
    """Print a study's measurements.

    Parameters
    ----------
    runs
        A study's folder, or its name below runs/.
    by
        One row an arm, a run, an epoch or an image.
    format
        text: the columns that people read, accuracies in percent; all others hold every column.
    """
    from contrast.report import excerpt, tables

    if format == "text":
        excerpt.show(_results(runs), by, _out())
        return 0
    made = tables.render(_results(runs).table(by), format)
    sys.stdout.buffer.write(made if isinstance(made, bytes) else made.encode("utf-8", "replace"))
    return 0


@app.command
def compare(runs: str, /, *, metric: str = "test_accuracy", baseline: str | None = None, margin: float | None = None) -> int:
    """Say for each arm whether it helps, by how much, and how sure that is.

    Parameters
    ----------
    runs
        A study's folder, or its name below runs/.
    metric
        What is compared: test_accuracy, validation_accuracy, test_loss, seconds, …
    baseline
        The arm that the others are compared with.
    margin
        Difference (in points, for accuracies) below which nothing matters; the study's own by default.
    """
    print(_results(runs).compare(metric, baseline=baseline, margin=margin))
    return 0


@app.command
def report(runs: str, /, *, out: Path | None = None) -> int:
    """Write the study's page: one HTML file that opens anywhere, without a network.

    Parameters
    ----------
    runs
        A study's folder, or its name below runs/.
    out
        The file; report.html in the study's folder by default.
    """
    print(_results(runs).report(out))
    return 0


@app.command(name="list")
def list_(kind: str | None = None, /) -> int:
    """Every ingredient and shipped study, one line each.

    Parameters
    ----------
    kind
        Only this kind: studies, data, model, augment, optimizer, schedule, loss, averaging, …
    """
    from contrast.report.listing import render

    render(kind, _out())
    return 0


@app.command
def data(
    name: str,
    /,
    *changes: str,
    data: Path | None = None,
    format: Literal["text", "json"] = "text",
    picture: Path | None = None,
    audit: Quiet = False,
    exclusions: Path | None = None,
) -> int:
    """Look at a data set: counts, shapes, channel statistics, a picture of samples.

    Parameters
    ----------
    name
        A data set (`contrast list data`) or a folder of class folders.
    changes
        Its settings, as path=value: validation=5000, size=64.
    data
        Where data sets lie; then $CONTRAST_DATA and the user's cache folder are searched.
    format
        text or json.
    picture
        Write samples with their labels to this PNG file.
    audit
        Look for damage, duplicates, leaks between the parts, imbalance.
    exclusions
        With --audit: write the images to leave out to this file.
    """
    from contrast.doors import places
    from contrast.look import data_source, tell_audit, tell_data

    source = data_source(name, _pairs(changes))
    if audit:
        tell_audit(source, places(data), as_json=format == "json", exclusions=exclusions)
    else:
        tell_data(source, places(data), as_json=format == "json", picture=picture)
    return 0


@app.command
def model(name: str, /, *changes: str, input: str = "3x32x32", classes: int = 10, formulas: Quiet = False, trust_code: Quiet = False) -> int:
    """The layer table: output shape, parameters, MACs, receptive field; total, trainable, frozen.

    Parameters
    ----------
    name
        A model (`contrast list model`), or module:factory with --trust-code.
    changes
        Its settings, as path=value: channels=[32,64], norm=batch.
    input
        Channels x height x width of one image.
    classes
        Width of the output.
    formulas
        Show how each parameter count comes about.
    trust_code
        Let code from outside the package run.
    """
    from contrast.look import shape_of, tell_model

    if trust_code:
        sys.path.insert(0, str(Path.cwd()))
    tell_model(name, _pairs(changes), shape_of(input), classes, formulas=formulas, trust=trust_code)
    return 0


@app.command
def doctor(*, data: Path | None = None) -> int:
    """Device, precision, threads, memory, data found, and how to get what is missing.

    Parameters
    ----------
    data
        Where data sets lie; then $CONTRAST_DATA and the user's cache folder are searched.
    """
    from contrast.doctor import render

    render(data, _out())
    return 0


def _out() -> Console:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def _study(name: str, changes: tuple[str, ...], trust: bool) -> Study:
    from contrast import study_file

    path = study_file.find(name)
    if trust:
        sys.path.insert(0, str(path.parent.resolve()))
    asked, overrides = study_file.read(path, trust=trust), _pairs(changes)
    try:
        return asked.with_changes(overrides) if overrides else asked
    except InputError as error:
        raise error.within("command line") from None


@contextlib.contextmanager
def _told_with(study: str) -> Iterator[None]:
    """Put the study file before the key paths that are wrong in it."""
    try:
        yield
    except InputError as error:
        raise (error.within(Path(study).name) if error.where.partition(".")[0] in ("base", "arms", "sweep", "grid") else error) from None


def _pairs(changes: tuple[str, ...]) -> dict[str, Any]:
    """``path=value`` words as a mapping; values are read as YAML."""
    from contrast.study_file import read_yaml

    made: dict[str, Any] = {}
    for word in changes:
        path, sign, value = word.partition("=")
        if not sign or not path:
            raise InputError(f"{word!r} is no path=value", where="command line", right="write e.g. epochs=3")
        if path in made:
            raise InputError("is given twice", where=f"command line: {path}", right="give it once")
        made[path] = read_yaml(value, f"command line: {path}")
    return made


def _results(runs: str) -> Results:
    from contrast.results import Results

    below = Path("runs") / runs
    return Results(below if not Path(runs).exists() and below.exists() else Path(runs))


def _answer(results: Results) -> None:
    from contrast.report.terminal import render

    page = results.report()
    render(results, results.compare(), _out(), page=page)


def main(words: list[str] | None = None) -> int:
    """Run the command line; never a traceback.

    Returns:
        The exit code.
    """
    _on_sigterm()
    try:
        return int(app(words) or 0)
    except CycloptsError as error:
        return _told(f"{' '.join(str(error).split())} (contrast --help)", 2)
    except ContrastError as error:
        return _told(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _told("interrupted; the same command goes on from the last checkpoint", 130)
    except Terminated:
        return _told("ended by SIGTERM; the same command goes on from the last checkpoint", 143)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, and Python would complain at exit
        return 0
    except Exception as error:
        return _our_fault(error)


def entry() -> None:
    """What the installed command calls."""
    sys.exit(main())


def _on_sigterm() -> None:
    import signal

    def end(number: int, frame: object) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, end)


def _told(line: str, code: int) -> int:
    print(f"contrast: {in_one_line(line)}", file=sys.stderr)
    return code


def _our_fault(error: Exception) -> int:
    import traceback
    from datetime import datetime

    from platformdirs import user_log_path

    if isinstance(error, OSError) and error.strerror:
        return _told(f"{error.filename or 'the system'}: {error.strerror}", 1)
    path = user_log_path("contrast", ensure_exists=True) / f"fault-{datetime.now():%Y%m%d-%H%M%S}.log"
    path.write_text(traceback.format_exc(), encoding="utf-8")
    return _told(f"a fault of our own ({type(error).__name__}); please report it with {path}", 70)
