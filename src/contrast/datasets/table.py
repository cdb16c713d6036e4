"""Table: your own images as a CSV or Parquet table of paths and labels, with split and groups where it has them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from contrast.class_folders import Entry
from contrast.errors import InputError, nearest
from contrast.image_files import ImageFilesIngredient, Listed
from contrast.images import TEST, TRAIN, VALIDATION, Images
from contrast.official import missing
from contrast.protocols import Places, Share

if TYPE_CHECKING:
    import pandas as pd

_PARTS = {"train": TRAIN, "training": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "test": TEST, "testing": TEST}
_ENDINGS = (".csv", ".parquet")
_SPLIT, _GROUP = "split", "group"
_SHOWN = 5


class Table(ImageFilesIngredient):
    """One row an image. Classes are in plain sorted order of their names as text, so that 10 comes before 2.

    The columns `split` and `group` are used where the table has them; another name that is given must be there.
    """

    test: Share | None = Field(default=0.2, description="held out for the end where no row is of the test part: count or fraction")
    path: str = Field(min_length=1, description="the table: absolute, or below one of the places where data is looked for")
    image: str = Field(default="path", min_length=1, description="column of paths, relative to the table's folder; they are the images' ids")
    label: str = Field(default="label", min_length=1, description="column of class names")
    split: str | None = Field(default=_SPLIT, min_length=1, description="column of train, validation or test; null: not used")
    group: str | None = Field(default=_GROUP, min_length=1, description="column of what images belong to; no group is on two sides; null: not used")
    anywhere: bool = Field(default=False, description="allow paths that are absolute or lead out of the table's folder")

    def read(self, places: Places) -> Images:
        """Decode the images of all rows, in the order of their paths.

        Raises:
            InputError: the table or a column is missing, a row is incomplete or named twice, or images are missing,
                lie elsewhere, or can't be read; names the first.
        """
        table = self._table(places)
        rows = _rows(table)
        rows = rows.sort_values(self._column(rows, self.image))
        names, labels = (self._texts(rows, column, table) for column in (self.image, self.label))
        if len(set(names)) < len(names):
            twice = next(name for name, after in itertools.pairwise(names) if name == after)
            raise InputError(f"{twice!r} stands in two rows", where=str(table), right="give each image one row")
        entries = [
            Entry(name, location, label, part)
            for name, location, label, part in zip(names, self._locations(names, table), labels, self._parts(rows, table), strict=True)
        ]
        return self.gathered(Listed(str(table), tuple(sorted(set(labels))), entries, self._groups(rows, table)), places)

    def _table(self, places: Places) -> Path:
        path = Path(self.path).expanduser()
        found = path if path.is_absolute() else places.find(self.path)
        if found is None or not found.is_file():
            raise missing(f"the table {self.path!r}", names=[repr(self.path)], folders=places.folders, get="check the name")
        return found.resolve()

    def _column(self, rows: pd.DataFrame, column: str) -> str:
        if column not in rows.columns:
            setting = next(name for name in ("image", "label", "split", "group") if getattr(self, name) == column)
            raise InputError(f"the table has no column {column!r}", where=f"data.{setting}", right=nearest(column, map(str, rows.columns)))
        return column

    def _texts(self, rows: pd.DataFrame, column: str, table: Path) -> list[str]:
        """A column as texts.

        Raises:
            InputError: the column is missing, or empty in a row.
        """
        found: list[str] = rows[self._column(rows, column)].tolist()
        empty = next((row for row, text in zip(rows.index, found, strict=True) if not text.strip() or "\0" in text), None)
        if empty is not None:
            raise InputError(f"row {empty + 1} has no {column} that can be used", where=str(table), right="fill it in, or leave the row out")
        return found

    def _parts(self, rows: pd.DataFrame, table: Path) -> list[str]:
        if self.split is None or (self.split == _SPLIT and _SPLIT not in rows.columns):
            return [TRAIN] * len(rows)
        given = self._texts(rows, self.split, table)
        unknown = next((text for text in given if text.strip().lower() not in _PARTS), None)
        if unknown is not None:
            raise InputError(f"{unknown!r} is no part of a split", where=f"{table}: {self.split}", right="write train, validation or test")
        return [_PARTS[text.strip().lower()] for text in given]

    def _groups(self, rows: pd.DataFrame, table: Path) -> list[str] | None:
        if self.group is None or (self.group == _GROUP and _GROUP not in rows.columns):
            return None
        return self._texts(rows, self.group, table)

    def _locations(self, names: Sequence[str], table: Path) -> list[str]:
        """Where the files lie.

        Raises:
            InputError: some are missing, or lie elsewhere than the table allows.
        """
        root = str(table.parent)
        locations = [os.path.join(root, name) for name in names]  # noqa: PTH118 (text: there may be a million)
        if not self.anywhere and (out := _leading_out(names, locations, root)):
            told = f"{len(out)} paths lead out of the table's folder, {out[0]!r} first"
            raise InputError(told, where=str(table), right="move the images below it, or allow it: anywhere: true")
        gone = [name for name, location in zip(names, locations, strict=True) if not os.path.isfile(location)]  # noqa: PTH113
        if gone:
            shown = ", ".join(repr(name) for name in gone[:_SHOWN]) + (f", and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else "")
            raise InputError(
                f"{len(gone)} of {len(names)} files are missing: {shown}", where=str(table), right="mend the paths or leave the rows out"
            )
        return locations


def _leading_out(names: Sequence[str], locations: Sequence[str], root: str) -> list[str]:
    """Names of the files that do not lie below a folder once links are followed."""
    real: dict[str, str] = {}
    out = []
    for name, location in zip(names, locations, strict=True):
        folder, file = os.path.split(location)
        if folder not in real:
            real[folder] = os.path.realpath(folder)
        whole = os.path.realpath(location) if os.path.islink(location) else os.path.normpath(os.path.join(real[folder], file))  # noqa: PTH114, PTH118
        if not whole.startswith(root.rstrip(os.sep) + os.sep):
            out.append(name)
    return out


def _rows(table: Path) -> pd.DataFrame:
    """All rows, every value as text; what is absent is empty.

    Raises:
        InputError: the file is no table, or has no row.
    """
    import pandas as pd

    if table.suffix.lower() not in _ENDINGS:
        raise InputError("is no table by its name", where=str(table), right=f"its name should end in {' or '.join(_ENDINGS)}")
    try:
        if table.suffix.lower() == ".csv":
            rows = pd.read_csv(table, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        else:
            rows = pd.read_parquet(table)
            rows = rows.astype(object).where(rows.notna(), "").map(str)
    except Exception as error:  # its readers raise many things on damaged bytes
        told = " ".join(str(error).split())[:120]
        raise InputError(f"is no table that can be read ({told})", where=str(table), right="write it again as CSV (UTF-8) or Parquet") from error
    if rows.empty:
        raise InputError("has no row", where=str(table), right="give one row an image")
    return rows.reset_index(drop=True)
