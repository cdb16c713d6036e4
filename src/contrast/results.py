"""What a study's folder says: run folders read as plain data into tables, a comparison and a page.

Reading needs no torch; pandas is imported with the first table. Nothing here writes but `Results.report`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from contrast.errors import InputError, nearest
from contrast.run_files import RunFiles, read_object
from contrast.run_images import CONFIDENCE, aligned, calibration_error, per_image, right
from contrast.store import LOCK, REPORT, RunFolder
from contrast.study_tables import MC_DROPOUT, designs_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from contrast.compare import Comparison
    from contrast.insight import Insight
    from contrast.report.answers import Answers
    from contrast.report.drawings import Figure, Figures
    from contrast.report.embedded import Restored
    from contrast.study_tables import Judged, Outcomes

VERSION = 1
ReportFormat = Literal["html", "markdown", "latex"]
SUMMARY = (
    "test_accuracy", "validation_accuracy", "train_accuracy", "test_loss", "validation_loss", "train_loss", "generalization_gap",
    "validation_gap",
    "best_epoch", "epochs", "steps", "seconds", "train_seconds", "evaluation_seconds", "images_per_second", "loading_share", "peak_memory_bytes",
    "parameters", "trainable_parameters", "macs", "last_validation_loss", "last_validation_accuracy",
    "last_test_loss", "last_test_accuracy",
    "diverged_step", "chosen_by",
)  # fmt: skip
"""Columns of `Results.runs` that come from summary.json; all but `chosen_by` are numbers."""
COUNTS = ("best_epoch", "epochs", "steps", "peak_memory_bytes", "parameters", "trainable_parameters", "macs", "diverged_step")
PER_IMAGE = ("id", "label", "prediction", "loss", "p_true")


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

    def updates(self) -> pd.DataFrame:
        """What recipes watch at every update (`watch`), in windows of a few updates: see `contrast.study_updates.windows`."""
        import pandas as pd

        from contrast.study_updates import watches, windows

        nothing = pd.DataFrame(columns=["arm", "seed", *RunFolder.STEPS])
        return windows(self.steps() if watches(self.lock) else nothing)

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

    def table(self, by: str = "arm") -> pd.DataFrame:
        """The study as a table.

        Args:
            by: ``arm``, ``run``, ``epoch``, ``image``: one row each. ``ablation``: the baseline first, then every arm's difference
                with its intervals (`Comparison.table`). ``factors``: main effects and interactions of a factorial. ``latest``: the last
                epoch's weights against the chosen ones. ``final``: loss and accuracies of the chosen weights.
                ``published``: numbers that reports printed, beside ours; ``conclusions``: whether what they concluded stands.

        By arm: finished and planned runs, and for each figure of `SUMMARY` its mean over finished seeds and its standard
        deviation (``…_sd``, S − 1 in the denominator, missing with one seed).

        Raises:
            InputError: `by` is none of these, or the study has no factorial.
        """
        from contrast.study_designs import table

        return table(self, by)

    def designs(self, metric: str = "test_accuracy") -> Answers:
        """What the study's designs answer besides each arm against the baseline; prints as sentences, shows as tables in a notebook.

        Main effects and interactions of a factorial, the trend along a sweep, the best of many arms estimated on seeds that did
        not choose it, the steps of a ladder.

        Args:
            metric: see `compare`.

        Raises:
            InputError: unknown metric.
        """
        from contrast.report.answers import Answers
        from contrast.study_designs import answers

        return Answers(answers(self, metric))

    def compare(self, metric: str = "test_accuracy", baseline: str | None = None, margin: float | None = None) -> Comparison:
        """Judge every arm against the baseline.

        Args:
            metric: a figure of `SUMMARY`, or `balanced_accuracy`, `accuracy_of_CLASS`, `calibration_error`, `epochs_to_best`,
                `seconds_to_accuracy_90` (also epochs, steps; any percentage of validation accuracy).
            baseline: an arm's name; the plan's baseline when None.
            margin: differences up to here do not matter to the reader: points for accuracies (the study's own when None),
                else the metric's unit (no test of equivalence when None).

        Raises:
            InputError: unknown metric or baseline, a margin that is not above zero.
        """
        from contrast.study_metrics import judged

        return judged(self, metric, baseline, margin)

    def figures(self, arms: Collection[str] | None = None) -> Figures:
        """Every figure that the study has numbers for: each shows itself in a notebook and saves itself (`contrast.report.drawings`).

        Args:
            arms: only their measurements are drawn; effects and verdicts, which were judged together, stay whole. All when None.

        Raises:
            InputError: there is no such arm.
        """
        from contrast.report.drawings import figures

        return figures(self, arms)

    def figure(self, name: str, arms: Collection[str] | None = None) -> Figure:
        """One figure, by the name of its file (`contrast list figure`) or its own: ``results.figure("curves", ["baseline", "dropout"])``.

        Raises:
            InputError: the study has no numbers for it, or there is no such figure or arm.
        """
        from contrast.report.drawings import figure

        return figure(self, name, arms)

    def _repr_html_(self) -> str:
        from contrast.report.notebook import study_html

        return study_html(self)

    def report(
        self, path: str | Path | None = None, *, format: ReportFormat = "html", data: str | Path | None = None, causes: str | Path | None = None
    ) -> Path:
        """Write the study's page, one HTML file that needs nothing else, or its report as Markdown or LaTeX, and return the path.

        Args:
            path: where to; report.html (report.md, report.tex) in the study's folder when None. Markdown and LaTeX put their figures
                into a folder beside it.
            format: html, markdown or latex.
            data: where data sets lie, as for a study: test images are shown where they are at hand; nothing is downloaded.
            causes: a file of causes that a page saved, to be counted; causes.csv in the study's folder when None, if it is there.

        Raises:
            InputError: no such format; `data` is no folder, or `causes` can't be read; a figure of a LaTeX report needs a character that no
                font of this machine has.
        """
        if format != "html":
            return self._written(path, format)
        from contrast.evidence import Evidence
        from contrast.protocols import Places
        from contrast.report.page import build
        from contrast.store import write_durably

        target = Path(path) if path is not None else self.path_of_page
        evidence = Evidence(self, Places.usual(data), Path(causes) if causes is not None else None)
        write_durably(target, build(self, self.compare(), evidence))
        return target

    def _written(self, path: str | Path | None, format: str) -> Path:
        from contrast.report import latex, markdown

        makers = {"markdown": ("md", markdown.write), "latex": ("tex", latex.write)}
        if format not in makers:
            raise InputError(f"there is no format {format!r}", right="one of: html, markdown, latex")
        suffix, write = makers[format]
        return write(self, self.compare(), Path(path) if path is not None else self.path_of_page.with_suffix(f".{suffix}"))

    def environments(self) -> list[dict[str, Any]]:
        """environment.json of every run that has begun, in the order of the plan."""
        return [run.environment for run in self._planned if run.environment is not None]

    def explain(
        self,
        arm: str,
        seed: int | None = None,
        *,
        images: Sequence[Path] = (),
        layer: str | None = None,
        data: Path | None = None,
        out: Path | None = None,
    ) -> Insight:
        """Look inside a finished run: a page, PNG files and findings.

        Args:
            arm: its name.
            seed: which of its runs; the one that validation likes best when None.
            images: photographs to see through the network's eyes; some test images when empty.
            layer: whose maps are shown; the first and the last convolution when None.
            data: where data sets lie, as for a study.
            out: the folder to write to; the run's own when None.

        Raises:
            InputError: there is no such run, or it is not finished.
        """
        from contrast.insight import explain
        from contrast.opened import Asked
        from contrast.protocols import Places

        run = self.best(arm) if seed is None else next((one for one in self._planned if (one.arm, one.seed) == (arm, seed)), None)
        if run is None or run.summary is None:
            raise InputError(f"arm {arm!r} has no finished run with seed {seed}", where=str(self.folder))
        return explain(self, run, Places.usual(data), Asked(tuple(images), layer), out)

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
