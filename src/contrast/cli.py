"""The command line: which commands there are, and how they end; errors are one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from cyclopts import App, CycloptsError

from contrast import __version__
from contrast.commands import insides, studies
from contrast.errors import ContrastError, in_one_line

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

COMMANDS: tuple[Callable[..., int], ...] = (
    studies.run,
    studies.status,
    studies.table,
    studies.compare,
    studies.report,
    studies.serve,
    insides.data,
    insides.model,
    insides.explain,
    insides.predict,
    insides.export,
    insides.doctor,
)
for _command in COMMANDS:
    app.command(_command)
app.command(studies.list_, name="list")
app.command("contrast.look:teach", help="A lesson, worked out by the library's own calls.")


class Terminated(BaseException):
    """SIGTERM came; unwinds like Ctrl-C, so that locks are let go and workers ended."""


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
