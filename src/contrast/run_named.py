"""What a person means by RUN: a run's folder, or ``RUNS:arm/seed``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from contrast.errors import InputError, nearest
from contrast.store import LOCK

if TYPE_CHECKING:
    from contrast.results import Results
    from contrast.run_files import RunFiles

RIGHT = "name a run's folder, or RUNS:arm/seed (RUNS:arm for its best)"


def find(name: str) -> tuple[Results, RunFiles]:
    """The study and the finished run that a name means.

    Args:
        name: a run's folder; or a study's folder (also its name below ``runs/``), a colon, an arm and, after a slash, a seed.
            Without a seed: the run of the arm that validation likes best.

    Raises:
        InputError: there is no such study, arm or seed, or the run is not finished; says which there are.
    """
    results, run = _by_folder(Path(name)) if Path(name).is_dir() else _by_words(name)
    if run.summary is None:
        raise InputError("the run is not finished", where=str(run.folder), right="run the study to its end first")
    return results, run


def _by_folder(folder: Path) -> tuple[Results, RunFiles]:
    from contrast.results import Results

    if (folder / LOCK).is_file():
        raise InputError("is a study, not one of its runs", where=str(folder), right=_example(Results(folder)))
    place = folder.resolve()
    if not (place.parent / LOCK).is_file():
        raise InputError("is no run's folder: the folder above it holds no study.lock", where=str(folder), right=RIGHT)
    results = Results(place.parent)
    run = next((run for run in results.planned() if run.folder.name == place.name), None)
    if run is None:
        raise InputError("the study's lock knows no such run", where=str(folder), right=_example(results))
    return results, run


def _by_words(name: str) -> tuple[Results, RunFiles]:
    from contrast.results import Results

    study, wanted = next(_studies(name), (None, ""))
    if study is None:
        raise InputError(f"there is no run {name!r}", right=RIGHT)
    results = Results(study)
    if wanted in results.arms:
        return results, results.best(wanted)
    arm, slash, seed = wanted.rpartition("/")
    if not slash or arm not in results.arms:
        raise InputError(f"there is no arm {(arm or wanted)!r}", where=str(study), right=nearest(arm or wanted, results.arms))
    run = next((run for run in results.planned() if run.arm == arm and str(run.seed) == seed), None)
    if run is None:
        seeds = ", ".join(str(run.seed) for run in results.planned() if run.arm == arm)
        raise InputError(f"arm {arm!r} has no seed {seed!r}", where=str(study), right=f"one of: {seeds}")
    return results, run


def _studies(name: str) -> Iterator[tuple[Path, str]]:
    """Every way to read a name as a study's folder, a colon and the rest; names of folders and arms may hold colons too."""
    for at, character in enumerate(name):
        if character == ":":
            for folder in (Path(name[:at]), Path("runs") / name[:at]):
                if (folder / LOCK).is_file():
                    yield folder, name[at + 1 :]


def _example(results: Results) -> str:
    run = results.planned()[0]
    return f"name one of them, e.g. {results.folder}:{run.arm}/{run.seed}"
