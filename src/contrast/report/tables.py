"""A table in the format that was asked for: text, CSV, JSON, Markdown, LaTeX, Parquet."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from contrast.errors import InputError, nearest
from contrast.numbers import NOTHING, is_number, significant
from contrast.shown import shown

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("text", "csv", "parquet", "json", "markdown", "latex")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
MOST_OF_A_CELL = 32


def render(frame: pd.DataFrame, format: str = "text", *, width: int | None = None) -> str | bytes:
    """Write a table for stdout.

    Args:
        frame: the table; its index is not written.
        format: one of `FORMATS`. CSV is made safe for spreadsheets: text that would be read as a formula is given a leading
            apostrophe; JSON (a list of objects, null for what is missing) and Parquet keep every value as it is.
        width: of the terminal in columns, for text: what does not fit is left out, and said to be. None leaves nothing out.

    Returns:
        Text that ends with a newline, or the bytes of a Parquet file.

    Raises:
        InputError: there is no such format.
    """
    if format == "text":
        return _text(frame, width)
    makers: dict[str, Callable[[pd.DataFrame], str | bytes]] = {
        "csv": _csv,
        "parquet": _parquet,
        "json": _json,
        "markdown": _markdown,
        "latex": _latex,
    }
    if format not in makers:
        raise InputError(f"there is no format {format!r}", right=nearest(format, FORMATS))
    return makers[format](frame)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain data; None for what is missing or not finite."""
    columns = {str(name): [plain(value) for value in frame[name].tolist()] for name in frame.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def plain(value: Any) -> Any:
    """A cell as JSON has it; a float that counts something (epochs) as an integer."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return None if not math.isfinite(value) else value
    return None if str(value) in ("<NA>", "NaT") else str(value)


def guarded(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection); numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def _csv(frame: pd.DataFrame) -> str:
    safe = frame.map(guarded)
    safe.columns = [guarded(str(column)) for column in frame.columns]
    return str(safe.to_csv(index=False, lineterminator="\n"))


def _parquet(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    return stream.getvalue()


def _json(frame: pd.DataFrame) -> str:
    return json.dumps(records(frame), indent=1, allow_nan=False) + "\n"


def _markdown(frame: pd.DataFrame) -> str:
    heads = [_markdown_cell(str(column)) for column in frame.columns]
    right = [_is_numeric(frame, column) for column in frame.columns]
    lines = [heads, ["---:" if numeric else "---" for numeric in right]]
    lines += [[_markdown_cell(_cell(value)) for value in row.values()] for row in records(frame)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _markdown_cell(text: str) -> str:
    """Text in which no character of Markdown or HTML acts."""
    escaped = "".join(f"\\{c}" if c in "\\`*_{}[]#|!~$" else c for c in shown(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _latex(frame: pd.DataFrame) -> str:
    cells = frame.astype(object).map(lambda value: _cell(plain(value)).replace("−", "-"))
    alignment = "".join("r" if _is_numeric(frame, column) else "l" for column in frame.columns)
    return str(cells.to_latex(index=False, escape=True, column_format=alignment))


def _text(frame: pd.DataFrame, width: int | None) -> str:
    rows = [[str(column) for column in frame.columns]] + [[shown(_cell(v), MOST_OF_A_CELL) for v in row.values()] for row in records(frame)]
    return aligned(rows, [_is_numeric(frame, column) for column in frame.columns], width)


def aligned(rows: Sequence[Sequence[str]], right: Sequence[bool], width: int | None = None) -> str:
    """Cells in columns for a terminal, wide characters counted as two.

    Args:
        rows: the headings, then one row each.
        right: for each column whether its cells end at one edge, as numbers do.
        width: see `render`.
    """
    from rich.cells import cell_len

    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(right))]
    fitting = _fitting(widths, width)
    lines = []
    for row in rows:
        cells = [" " * (w - cell_len(c)) + c if r else c + " " * (w - cell_len(c)) for c, w, r in zip(row, widths, right, strict=True)]
        lines.append("  ".join(cells[:fitting]).rstrip())
    left_out = len(right) - fitting
    note = [f"… and {left_out} more column{'s' * (left_out > 1)}; --format csv has all"] if left_out else []
    return "\n".join([*lines, *note]) + "\n"


def _fitting(widths: list[int], width: int | None) -> int:
    if width is None:
        return len(widths)
    used, count = -2, 0
    for one in widths:
        used += one + 2
        if used > width and count:
            break
        count += 1
    return count


def _is_numeric(frame: pd.DataFrame, column: Any) -> bool:
    return frame[column].dtype.kind in "iufb"


def _cell(value: Any) -> str:
    if value is None:
        return NOTHING
    return significant(value) if is_number(value) else str(value)
