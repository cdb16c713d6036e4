"""What the run folders of a study say: read as plain data into tables. Reading needs no torch, and writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrast.errors import InputError
from contrast.run_files import RunFiles, read_object
from contrast.run_images import CONFIDENCE, aligned, calibration_error, per_image, right
from contrast.store import LOCK, REPORT, RunFolder
from contrast.study_tables import MC_DROPOUT, designs_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from contrast.study_tables import Judged, Outcomes

VERSION = 1
SUMMARY = (
    "test_accuracy", "validation_accuracy", "train_accuracy", "test_loss", "validation_loss", "train_loss", "generalization_gap",
    "validation_gap",
    "best_epoch", "epochs", "planned_epochs", "steps", "seconds", "train_seconds", "evaluation_seconds", "images_per_second", "tflop_per_second",
    "loading_share", "peak_memory_bytes", "peak_gpu_memory_bytes", "parameters", "trainable_parameters", "macs",
    "last_validation_loss", "last_validation_accuracy", "last_test_loss", "last_test_accuracy",
    "diverged_step", "chosen_by",
)  # fmt: skip
"""Columns of `Results.runs` that come from summary.json; all but `chosen_by` are numbers."""
COUNTS = (
    "best_epoch", "epochs", "planned_epochs", "steps", "peak_memory_bytes", "peak_gpu_memory_bytes", "parameters", "trainable_parameters", "macs",
    "diverged_step",
)  # fmt: skip
PER_IMAGE = ("id", "label", "prediction", "loss", "p_true")


class StudyRuns:
    """The runs of one study's folder, read afresh where they are asked.

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
        self._trials = {int(trial["trial"]): trial | {"folder": _name(trial["folder"], self.folder)} for trial in trials_of(self.lock)}

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
        """One row a planned run: arm, seed, status, epoch reached, epochs (of how many), seconds so far, cause of a failure.

        Status is one of finished, diverged, pruned, running, failed, interrupted, planned, or *waiting*: at a rung of a pruned study.
        """
        import pandas as pd

        columns = ["arm", "seed", "status", "epoch", "epochs", "seconds", "cause", "folder"]
        return pd.DataFrame([self._state(run) for run in self._planned], columns=columns)

    def _state(self, run: RunFiles) -> dict[str, Any]:
        rows = run.rows("epochs.csv", RunFolder.EPOCHS)
        last = rows.iloc[-1] if len(rows) else None
        seconds = run.summary["seconds"] if run.summary else (float(last["seconds"]) if last is not None else 0.0)
        status, reached = self._status(run), int(last["epoch"]) if last is not None else 0
        return {
            "arm": run.arm,
            "seed": run.seed,
            "status": status,
            "epoch": reached,
            "epochs": self._epochs_of(run),
            "seconds": seconds,
            "cause": str((run.failure or {}).get("cause", "")) if status == "failed" else "",
            "folder": run.folder.name,
        }

    def _status(self, run: RunFiles) -> str:
        """A run's status; what stands at a rung is not interrupted: it waits for the others."""
        status, rungs = run.status, designs_of(self.lock, "prune").get("rungs", ())
        return "waiting" if status == "interrupted" and RunFolder(run.folder).epochs_kept in rungs else status

    def _epochs_of(self, run: RunFiles) -> int | None:
        """How many epochs a run was given, or None where its budget is in steps."""
        changes: dict[str, Any] = next((arm.get("changes", {}) for arm in self.lock["arms"] if arm["name"] == run.arm), {})
        budget = {**self.lock["base"], **changes}
        return int(budget["epochs"]) if budget.get("steps") is None and budget.get("epochs") is not None else None

    def runs(self) -> pd.DataFrame:
        """One row a planned run: arm, seed, status (as `status` has it), all figures of summary.json (missing until it stands), folder, id.

        Accuracies are fractions in [0, 1], times are seconds.
        """
        import pandas as pd

        rows = [
            {"arm": run.arm, "seed": run.seed, "status": self._status(run), "folder": run.folder.name, "id": run.id}
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

    def updates(self) -> pd.DataFrame:
        """What recipes watch at every update (`watch`), in windows of a few updates: see `contrast.study_updates.windows`."""
        import pandas as pd

        from contrast.study_updates import watches, windows

        nothing = pd.DataFrame(columns=["arm", "seed", *RunFolder.STEPS])
        return windows(self.steps() if watches(self.lock) else nothing)

    def learning(self) -> pd.DataFrame:
        """When each validation image was learnt, and how often it was forgotten (Toneva et al. 2019), of every finished run.

        Returns:
            One row per arm, seed and image: `id`, `label`, `learnt` (the epoch from which on it was right until the end; 0 where it was wrong
            then) and `forgotten` (how often it was right after one epoch and wrong after the next).

        Raises:
            InputError: a damaged file.
        """
        import pandas as pd

        from contrast.explain.learning import COLUMNS, learning

        frames = []
        for run, kept in per_image(self._planned, "validation", ("id", "label")):
            found = learning(run.rows("learning.csv", COLUMNS), kept.num_rows, str(run.folder / "learning.csv"))
            if found is not None:
                known = {"arm": run.arm, "seed": run.seed, "id": kept["id"].to_pylist(), "label": kept["label"].to_numpy()}
                frames.append(pd.DataFrame(known | {"learnt": found.learnt, "forgotten": found.forgotten}))
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["arm", "seed", "id", "label", "learnt", "forgotten"])

    def mc_dropout(self) -> pd.DataFrame:
        """Dropout at test time, of every finished run whose recipe asks for it (`evaluate.mc_dropout`, report row M3).

        Returns:
            One row per arm, seed, part (``validation``, ``test``), scheme (``scaling``, ``logits``, ``probabilities``), number of `masks`
            (0 for plain scaling) and `repeat` of the masks: `accuracy` in [0, 1] and `loss`, the mean negative log-likelihood in nats.
        """
        return self._rows("mc_dropout.csv", MC_DROPOUT)

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
        for run, rows in per_image(self._planned, part, PER_IMAGE):
            frame = rows.to_pandas()
            frame.insert(0, "arm", run.arm)
            frame.insert(1, "seed", run.seed)
            frame["right"] = frame["label"] == frame["prediction"]
            frames.append(frame)
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["arm", "seed", *PER_IMAGE, "right"])

    def judged_images(self, part: str = "test") -> Iterator[Judged]:
        """Arm, seed, labels and predictions (``int32 [N]`` each) of every run that has been judged, one at a time.

        Raises:
            InputError: no such part, or a damaged file.
        """
        for run, rows in per_image(self._planned, part, ("label", "prediction")):
            yield run.arm, run.seed, rows["label"].to_numpy(), rows["prediction"].to_numpy()

    def outcomes(self, part: str = "test") -> Outcomes:
        """Arm → seed → right (1) or wrong (0) for each image, ``uint8 [N]``, all in one order of image ids.

        The images are those of the baseline's first finished run; a run that was judged on others is left out, and
        `warnings` names it.
        """
        return aligned(self, part, ("label", "prediction"), right)[0]

    def losses(self, part: str = "test") -> Outcomes:
        """Arm → seed → cross-entropy of each image in nats, ``float32 [N]``; images as in `outcomes`."""
        return aligned(self, part, ("loss",), lambda rows: rows["loss"].to_numpy())[0]

    def labels(self, part: str = "test") -> NDArray[np.int32]:
        """The true class of each image, ``int32 [N]``, in the order of `outcomes`; empty before a run has been judged."""
        import numpy as np

        every = aligned(self, part, ("label",), lambda rows: rows["label"].to_numpy())[0]
        return next((labels for seeds in every.values() for labels in seeds.values()), np.zeros(0, dtype=np.int32))

    def calibration(self) -> pd.DataFrame:
        """Expected calibration error of every judged run on test: arm, seed, calibration_error (a fraction; `contrast.compare.reliability`)."""
        import pandas as pd

        rows = [
            {"arm": run.arm, "seed": run.seed, "calibration_error": error}
            for run, table in per_image(self._planned, "test", ("label", "prediction", *CONFIDENCE))
            if (error := calibration_error(table)) is not None
        ]
        return pd.DataFrame(rows, columns=["arm", "seed", "calibration_error"])

    def search(self) -> pd.DataFrame:
        """One row a trial of the study's search: trial, changes (JSON), seed, status, figure (the validation figure it went by), folder.

        The trials chose a setting by validation; they were not judged on test and are no arms.
        """
        import pandas as pd

        choose = str(self.lock["choose"])
        rows = [
            {
                "trial": number,
                "changes": json.dumps(trial["changes"], ensure_ascii=False),
                "seed": int(trial["seed"]),
                "status": RunFolder(self.folder / trial["folder"]).status(),
                "figure": self.trial(number).get(choose),
                "folder": trial["folder"],
            }
            for number, trial in self._trials.items()
        ]
        frame = pd.DataFrame(rows, columns=["trial", "changes", "seed", "status", "figure", "folder"])
        return frame.astype({"trial": "int64", "seed": "int64", "figure": "float64"})

    def trial(self, number: int) -> dict[str, Any]:
        """summary.json of a trial of the search; empty while its run is not finished.

        Raises:
            InputError: there is no such trial.
        """
        if number not in self._trials:
            raise InputError(f"there is no trial {number}", where=str(self.folder / LOCK))
        path = self.folder / self._trials[number]["folder"] / "summary.json"
        return read_object(path) if path.exists() else {}

    def warnings(self) -> list[str]:
        """What a reader must know before believing the tables: runs that saw other data than the plan, other images, or other code."""
        planned = {data["fingerprint"] for data in self.lock["data"]}
        found = [
            f"{run.arm}, seed {run.seed}: the data has changed since the study was planned (fingerprint {str(seen)[:12]})"
            for run in self._planned
            if (seen := (run.environment or {}).get("data_fingerprint")) is not None and seen not in planned
        ]
        return found + self._versions() + aligned(self, "test", ("label", "prediction"), right)[1]

    def _versions(self) -> list[str]:
        """Packages that runs were carried out with in more than one version: differences between arms may then be theirs."""
        told = []
        for package in ("contrast", "torch"):
            versions = sorted({str(each[package]) for each in self.environments() if each.get(package) is not None})
            if len(versions) > 1:
                told.append(
                    f"runs were carried out with several versions of {package}: {', '.join(versions)}; run the study anew to compare like with like"
                )
        return told

    def environments(self) -> list[dict[str, Any]]:
        """environment.json of every run that has begun, in the order of the plan."""
        return [run.environment for run in self._planned if run.environment is not None]


def trials_of(lock: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The runs of the study's search, as the plan wrote them down."""
    return [dict(trial) for trial in designs_of(lock, "search").get("runs") or ()]


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
