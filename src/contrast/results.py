"""What a study's folder says: run folders read as plain data into tables, a comparison and a page.

Reading needs no torch; pandas is imported with the first table. Nothing here writes but `Results.report`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrast.errors import InputError, nearest
from contrast.run_files import RunFiles, read_object
from contrast.store import LOCK, REPORT, RunFolder

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from contrast.compare import Comparison
    from contrast.report.embedded import Restored

VERSION = 1
SUMMARY = (
    "test_accuracy", "validation_accuracy", "train_accuracy", "test_loss", "validation_loss", "train_loss", "generalization_gap",
    "best_epoch", "epochs", "steps", "seconds", "train_seconds", "evaluation_seconds", "images_per_second", "peak_memory_bytes",
    "parameters", "trainable_parameters", "last_validation_loss", "last_validation_accuracy",
    "diverged_step", "chosen_by",
)  # fmt: skip
"""Columns of `Results.runs` that come from summary.json; all but `chosen_by` are numbers."""
COUNTS = ("best_epoch", "epochs", "steps", "peak_memory_bytes", "parameters", "trainable_parameters", "diverged_step")
PER_IMAGE = ("id", "label", "prediction", "loss", "p_true")
PARTS = ("validation", "test")
BY = ("arm", "run", "epoch", "image")


class Results:
    """One study's folder, read afresh where it is asked: tables, a comparison, a page.

    Args:
        folder: the study's folder, which holds study.lock.

    Raises:
        InputError: the folder holds no study, or one of a later version.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.lock = _read_lock(self.folder)
        self._planned = [
            RunFiles(self.folder / _name(run["folder"], self.folder), str(run["arm"]), int(run["seed"]), str(run["id"]), self.lock["data"])
            for run in self.lock["runs"]
        ]

    def __repr__(self) -> str:
        return f"Results({str(self.folder)!r})"

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.lock["name"])

    @property
    def arms(self) -> list[str]:
        """Names of the arms in the order of the plan."""
        return [str(arm["name"]) for arm in self.lock["arms"]]

    @property
    def path_of_page(self) -> Path:
        """Where `report` writes when it is given no path."""
        return self.folder / REPORT

    def planned(self) -> list[RunFiles]:
        """Every planned (arm, seed); two arms that share a recipe share its folder."""
        return list(self._planned)

    def status(self) -> pd.DataFrame:
        """One row a planned run: arm, seed, status, epoch reached, epochs (of how many), seconds so far, cause of a failure."""
        import pandas as pd

        columns = ["arm", "seed", "status", "epoch", "epochs", "seconds", "cause", "folder"]
        return pd.DataFrame([self._state(run) for run in self._planned], columns=columns)

    def _state(self, run: RunFiles) -> dict[str, Any]:
        rows = run.rows("epochs.csv", RunFolder.EPOCHS)
        last = rows.iloc[-1] if len(rows) else None
        seconds = run.summary["seconds"] if run.summary else (float(last["seconds"]) if last is not None else 0.0)
        status = run.status
        return {
            "arm": run.arm,
            "seed": run.seed,
            "status": status,
            "epoch": int(last["epoch"]) if last is not None else 0,
            "epochs": self._epochs_of(run),
            "seconds": seconds,
            "cause": str((run.failure or {}).get("cause", "")) if status == "failed" else "",
            "folder": run.folder.name,
        }

    def _epochs_of(self, run: RunFiles) -> int | None:
        """How many epochs a run was given, or None where its budget is in steps."""
        changes: dict[str, Any] = next((arm.get("changes", {}) for arm in self.lock["arms"] if arm["name"] == run.arm), {})
        budget = {**self.lock["base"], **changes}
        return int(budget["epochs"]) if budget.get("steps") is None and budget.get("epochs") is not None else None

    def runs(self) -> pd.DataFrame:
        """One row a planned run: arm, seed, status, all figures of summary.json (missing until it stands), folder, id.

        Accuracies are fractions in [0, 1], times are seconds.
        """
        import pandas as pd

        rows = [
            {"arm": run.arm, "seed": run.seed, "status": run.status, "folder": run.folder.name, "id": run.id}
            | {column: (run.summary or {}).get(column) for column in SUMMARY}
            for run in self._planned
        ]
        frame = pd.DataFrame(rows, columns=["arm", "seed", "status", *SUMMARY, "folder", "id"])
        return frame.astype({column: "Int64" if column in COUNTS else "float64" for column in SUMMARY if column != "chosen_by"})

    def epochs(self) -> pd.DataFrame:
        """One row an epoch of every run that has begun: arm, seed, and the columns of epochs.csv."""
        return self._rows("epochs.csv", RunFolder.EPOCHS)

    def steps(self) -> pd.DataFrame:
        """One row an optimizer step of every run that has begun: arm, seed, and the columns of steps.csv."""
        return self._rows("steps.csv", RunFolder.STEPS)

    def _rows(self, file: str, columns: Sequence[str]) -> pd.DataFrame:
        import pandas as pd

        frames = []
        for run in self._planned:
            rows = run.rows(file, columns)
            if len(rows):
                rows.insert(0, "arm", run.arm)
                rows.insert(1, "seed", run.seed)
                frames.append(rows)
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["arm", "seed", *columns])

    def images(self, part: str = "test") -> pd.DataFrame:
        """One row per image and run: arm, seed, id, label, prediction, loss, p_true, right.

        Args:
            part: ``test`` or ``validation``.

        Raises:
            InputError: no such part, or a damaged file.
        """
        import pandas as pd

        frames = []
        for run, rows in self._per_image(part, PER_IMAGE):
            frame = rows.to_pandas()
            frame.insert(0, "arm", run.arm)
            frame.insert(1, "seed", run.seed)
            frame["right"] = frame["label"] == frame["prediction"]
            frames.append(frame)
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["arm", "seed", *PER_IMAGE, "right"])

    def _per_image(self, part: str, columns: Sequence[str]) -> Iterator[tuple[RunFiles, Any]]:
        if part not in PARTS:
            raise InputError(f"there is no part {part!r} with outcomes per image", right=nearest(part, PARTS))
        from pyarrow import ArrowException, parquet

        for run in self._planned:
            path = run.folder / f"{part}.parquet"
            if run.summary is None or not path.exists():
                continue
            try:
                yield run, parquet.read_table(path, columns=list(columns))
            except (ArrowException, OSError) as error:
                raise InputError(
                    "cannot be read as a table of outcomes", where=str(path), right="move the run's folder away and run it again"
                ) from error

    def outcomes(self, part: str = "test") -> dict[str, dict[int, NDArray[np.uint8]]]:
        """Arm → seed → right (1) or wrong (0) for each image, ``uint8 [N]``, all in one order of image ids.

        The images are those of the baseline's first finished run; a run that was judged on others is left out, and
        `warnings` names it.
        """
        return self._aligned(part)[0]

    def _aligned(self, part: str) -> tuple[dict[str, dict[int, NDArray[np.uint8]]], list[str]]:
        import numpy as np

        kept: dict[str, dict[int, NDArray[np.uint8]]] = defaultdict(dict)
        strange: list[str] = []
        first: list[str] | None = None
        baseline_first = sorted(self._per_image(part, ("id", "label", "prediction")), key=lambda pair: pair[0].arm != self.lock["baseline"])
        for run, rows in baseline_first:
            ids = rows["id"].to_pylist()
            right = (rows["label"].to_numpy() == rows["prediction"].to_numpy()).astype(np.uint8)
            first = ids if first is None else first
            if ids == first:
                kept[run.arm][run.seed] = right
            elif len(ids) == len(first) and set(ids) == set(first):
                where = {name: i for i, name in enumerate(ids)}
                kept[run.arm][run.seed] = right[[where[name] for name in first]]
            else:
                strange.append(f"{run.arm}, seed {run.seed}: its {part} images are not those of the baseline, so they are not paired image by image")
        return {arm: kept[arm] for arm in self.arms if arm in kept}, strange

    def warnings(self) -> list[str]:
        """What a reader must know before believing the tables: runs that saw other data than the plan, or other images."""
        planned = {data["fingerprint"] for data in self.lock["data"]}
        found = [
            f"{run.arm}, seed {run.seed}: the data has changed since the study was planned (fingerprint {str(seen)[:12]})"
            for run in self._planned
            if (seen := (run.environment or {}).get("data_fingerprint")) is not None and seen not in planned
        ]
        return found + self._aligned("test")[1]

    def table(self, by: str = "arm") -> pd.DataFrame:
        """The study as a table with one row an arm, run, epoch or image.

        By arm: finished and planned runs, and for each figure of `SUMMARY` its mean over finished seeds and its standard
        deviation (``…_sd``, S − 1 in the denominator, missing with one seed).

        Raises:
            InputError: `by` is none of arm, run, epoch, image.
        """
        if by not in BY:
            raise InputError(f"no table has one row a {by!r}", right=nearest(by, BY))
        if by == "arm":
            from contrast.study_tables import by_arm

            return by_arm(self.runs())
        return {"run": self.runs, "epoch": self.epochs, "image": self.images}[by]()

    def compare(self, metric: str = "test_accuracy", baseline: str | None = None, margin: float | None = None) -> Comparison:
        """Judge every arm against the baseline.

        Args:
            metric: a figure of `SUMMARY`.
            baseline: an arm's name; the plan's baseline when None.
            margin: differences up to here do not matter to the reader: points for accuracies (the study's own when None),
                else the metric's unit (no test of equivalence when None).

        Raises:
            InputError: unknown metric or baseline, a margin that is not above zero.
        """
        from contrast.study_tables import judged

        return judged(self, metric, baseline, margin)

    def report(self, path: str | Path | None = None) -> Path:
        """Write the study's page, one HTML file that needs nothing else, and return its path.

        Args:
            path: where to; report.html in the study's folder when None.
        """
        from contrast.report.page import build
        from contrast.store import write_durably

        target = Path(path) if path is not None else self.path_of_page
        write_durably(target, build(self, self.compare()))
        return target

    def environments(self) -> list[dict[str, Any]]:
        """environment.json of every run that has begun, in the order of the plan."""
        return [run.environment for run in self._planned if run.environment is not None]

    def best(self, arm: str) -> RunFiles:
        """The arm's finished run with the best validation figure (the one the study chooses by); ties go to the smaller seed.

        Raises:
            InputError: there is no such arm, or none of its runs is finished.
        """
        if arm not in self.arms:
            raise InputError(f"there is no arm {arm!r}", right=nearest(arm, self.arms))
        figure = str(self.lock["choose"])
        sign = -1.0 if figure.endswith("accuracy") else 1.0
        scored = [
            (sign * float(run.summary[figure]), run.seed, run)
            for run in self._planned
            if run.arm == arm and run.summary is not None and run.summary.get(figure) is not None
        ]
        if not scored:
            raise InputError(f"no run of arm {arm!r} is finished", where=str(self.folder), right="run the study to its end first")
        return min(scored, key=lambda entry: entry[:2])[2]


def load(path: str | Path) -> Results | Restored:
    """Open a study's folder, or restore the tables of a report from its page.

    Args:
        path: the folder that holds study.lock, or an .html file that `Results.report` wrote.

    Raises:
        InputError: there is no study at `path`.
    """
    place = Path(path)
    if place.is_file() and place.suffix.lower() in (".html", ".htm"):
        from contrast.report.embedded import restore

        return restore(place)
    return Results(place)


def _read_lock(folder: Path) -> dict[str, Any]:
    path = folder / LOCK
    if not path.is_file():
        raise InputError("this is not the folder of a study", where=str(folder), right=_studies_below(folder))
    lock = read_object(path)
    if lock.get("version") != VERSION:
        raise InputError(f"the study has version {lock.get('version')!r}", where=str(path), right=f"this release reads version {VERSION}")
    missing = [key for key in ("name", "question", "baseline", "choose", "arms", "runs", "data", "base") if key not in lock]
    if missing:
        raise InputError(f"the lock lacks {missing[0]!r}", where=str(path), right="plan the study again with `contrast run`")
    return lock


def _studies_below(folder: Path) -> str:
    if not folder.is_dir():
        return "there is no such folder"
    below = sorted(path.parent.name for path in folder.glob("*/study.lock"))
    return f"did you mean {str(folder / below[0])!r}? ({len(below)} below)" if below else "give the folder that holds study.lock"


def _name(name: Any, folder: Path) -> str:
    if not isinstance(name, str) or name in ("", ".", "..") or "\0" in name or Path(name).name != name or "\\" in name:
        raise InputError(f"{name!r} is no name of a run's folder", where=str(folder / LOCK))
    return name
