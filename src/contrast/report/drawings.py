"""Figures for people in Python: each shows itself in a notebook, gives its numbers, and saves itself as SVG, PNG, PDF or CSV."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, overload

from contrast import catalog
from contrast.errors import InputError, nearest
from contrast.figures import _alone, _converted
from contrast.figures._picture import Material, Picture
from contrast.report.pictures import drawn
from contrast.report.tables import render
from contrast.store import write_durably
from contrast.study_metrics import judged

if TYPE_CHECKING:
    import pandas as pd

    from contrast.study_tables import StudyTables

SUFFIXES = (".svg", ".png", ".pdf", ".csv")
FILTERED = ("status", "runs", "epochs", "mc_dropout", "updates", "images", "calibration")
"""Tables of a study that have a row for each arm or run."""


class Figure:
    """One figure of a study; see `contrast.results.Results.figures`.

    Attributes:
        name: the name of its file where it is saved without one.
        title: one or two words.
        caption: full sentences.
        data: the numbers behind it (a copy each time).
    """

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self.name, self.title, self.caption = picture.name, picture.title, picture.caption

    @property
    def data(self) -> pd.DataFrame:
        return self._picture.data.copy()

    def svg(self, *, narrow: bool = False) -> str:
        """The whole figure, its colors explained above it.

        Args:
            narrow: panels below each other, for the column of a paper.
        """
        return _alone.alone(self._picture, _alone.NARROW if narrow else _alone.WIDE)

    def png(self, scale: float = 2.0) -> bytes:
        """The same as PNG, on white.

        Args:
            scale: pixels for each of the drawing's own; 3 for print.

        Raises:
            InputError: a name in it has characters that no font of this machine has.
        """
        return _converted.png(self.svg(), scale)

    def pdf(self, *, narrow: bool = False) -> bytes:
        """The same as PDF of one page, its fonts embedded.

        Raises:
            InputError: as `png`.
        """
        return _converted.pdf(self.svg(narrow=narrow))

    def save(self, path: str | Path) -> Path:
        """Write it to a file, in the format that the suffix names; csv is the numbers behind it.

        Raises:
            InputError: another suffix than svg, png, pdf or csv; or as `png`.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix not in SUFFIXES:
            raise InputError(f"{target.name!r} has no suffix that a figure can be saved with", right=f"one of: {', '.join(SUFFIXES)}")
        makers: dict[str, Callable[[], str | bytes]] = {
            ".svg": self.svg,
            ".png": self.png,
            ".pdf": self.pdf,
            ".csv": lambda: render(self._picture.data, "csv"),
        }
        write_durably(target, makers[suffix]())
        return target

    def __repr__(self) -> str:
        return f"Figure({self.name!r})"

    def _repr_html_(self) -> str:
        from markupsafe import escape

        return f'<figure style="margin:0">{self.svg()}<figcaption><b>{escape(self.title)}.</b> {escape(self.caption)}</figcaption></figure>'


class Figures(Sequence[Figure]):
    """All figures of a study, by place or by name."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self._figures = tuple(figures)

    @property
    def names(self) -> list[str]:
        """Their names, in the order of the page."""
        return [figure.name for figure in self]

    @overload
    def __getitem__(self, which: int | str) -> Figure: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[Figure]: ...
    def __getitem__(self, which: int | str | slice) -> Figure | Sequence[Figure]:
        if not isinstance(which, str):
            return self._figures[which]
        if which not in self.names:
            raise InputError(f"the study has no figure {which!r}", right=nearest(which, self.names))
        return self._figures[self.names.index(which)]

    def __len__(self) -> int:
        return len(self._figures)

    def save(self, folder: str | Path, suffix: str = ".svg") -> list[Path]:
        """Write each to a file of its name.

        Args:
            folder: made where it is not there.
            suffix: .svg, .png, .pdf or .csv.

        Raises:
            InputError: as `Figure.save`.
        """
        return [figure.save(Path(folder) / f"{figure.name}{suffix}") for figure in self]

    def __repr__(self) -> str:
        return f"Figures({', '.join(self.names)})"

    def _repr_html_(self) -> str:
        return "".join(figure._repr_html_() for figure in self)


def figures(study: StudyTables, arms: Collection[str] | None = None) -> Figures:
    """Every figure that the study has numbers for.

    Args:
        study: its tables.
        arms: only their measurements are drawn (curves, costs, norms); verdicts and effects were judged together and stay so. All when None.

    Raises:
        InputError: there is no such arm.
    """
    return Figures([Figure(picture) for picture in drawn(_material(study, arms))])


def figure(study: StudyTables, name: str, arms: Collection[str] | None = None) -> Figure:
    """One figure: by its own name, or by that of the file that draws it (`contrast list figure`).

    Raises:
        InputError: there is none of that name, the study has no numbers for it, or several figures of that file; or no such arm.
    """
    if name not in catalog.names("figure"):
        return figures(study, arms)[name]
    found = [Figure(picture) for picture in catalog.file("figure", name).pictures(_material(study, arms))]
    if len(found) != 1:
        told = f"draws {', '.join(one.name for one in found)}" if found else "has no numbers in this study"
        raise InputError(f"the figure {name!r} {told}", right="name one of them" if found else "results.figures().names tells which there are")
    return found[0]


def _material(study: StudyTables, arms: Collection[str] | None) -> Material:
    comparison = judged(study)
    if arms is None:
        return Material(study, comparison)
    unknown = next((arm for arm in arms if arm not in study.arms), None)
    if unknown is not None:
        raise InputError(f"there is no arm {unknown!r}", right=nearest(unknown, study.arms))
    return Material(cast("StudyTables", _SomeArms(study, set(arms))), comparison)


class _SomeArms:
    """The measurements of a study as if it had some of its arms alone; its verdicts stay those of all arms together."""

    def __init__(self, study: StudyTables, arms: set[str]) -> None:
        self._study, self._arms = study, arms
        self.lock = {**study.lock, "arms": [arm for arm in study.lock["arms"] if arm["name"] in arms], "designs": {}}
        self.arms = [arm for arm in study.arms if arm in arms]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._study, name)
        if name not in FILTERED:
            return found

        def some(*given: Any) -> pd.DataFrame:
            table: pd.DataFrame = found(*given)
            return table[table["arm"].isin(self._arms)].reset_index(drop=True)

        return some
