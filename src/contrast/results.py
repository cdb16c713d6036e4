"""What a study's folder says: its tables, a comparison and a page.

Reading needs no torch; pandas is imported with the first table. Nothing here writes but `Results.report` and `Results.explain`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from contrast.errors import InputError, nearest
from contrast.run_files import RunFiles
from contrast.study_runs import StudyRuns

if TYPE_CHECKING:
    import pandas as pd

    from contrast.compare import Comparison
    from contrast.insight import Insight
    from contrast.report.answers import Answers
    from contrast.report.drawings import Figure, Figures
    from contrast.report.embedded import Restored

ReportFormat = Literal["html", "markdown", "latex"]


class Results(StudyRuns):
    """One study's folder, read afresh where it is asked: tables, a comparison, a page.

    Args:
        folder: the study's folder, which holds study.lock.

    Raises:
        InputError: the folder holds no study, or one of a later version.
    """

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
