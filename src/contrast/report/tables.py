"""A table in the format that was asked for: text, CSV, JSON, Markdown, LaTeX, HTML, Parquet."""

from __future__ import annotations

import io
import json
import math
import zlib
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from contrast.errors import InputError, nearest
from contrast.numbers import NOTHING, is_number, significant
from contrast.shown import MOST, shown

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("text", "csv", "parquet", "json", "markdown", "latex", "html")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
MOST_OF_A_CELL = 32
MOST_OF_A_LATEX_CELL = 120
LATEX_SIGNS = {"−": "$-$", "±": "$\\pm$", "…": "\\dots{}", "×": "$\\times$", "–": "--"}
"""Signs of ours that old engines do not know."""


def render(frame: pd.DataFrame, format: str = "text", *, width: int | None = None, left: Collection[str] | None = None) -> str | bytes:
    """Write a table for stdout.

    Args:
        frame: the table; its index is not written.
        format: one of `FORMATS`. CSV is made safe for spreadsheets: text that would be read as a formula is given a leading
            apostrophe; JSON (a list of objects, null for what is missing) and Parquet keep every value as it is.
        width: of the terminal in columns, for text: what does not fit is left out, and said to be. None leaves nothing out.
        left: columns that begin at one edge; all others end at one, as numbers do. None: those that hold no numbers.

    Returns:
        Text that ends with a newline, or the bytes of a Parquet file.

    Raises:
        InputError: there is no such format.
    """
    right = [_is_numeric(frame, column) if left is None else column not in left for column in frame.columns]
    makers: dict[str, Callable[[], str | bytes]] = {
        "text": lambda: _text(frame, right, width),
        "csv": lambda: _csv(frame),
        "parquet": lambda: _parquet(frame),
        "json": lambda: _json(frame),
        "markdown": lambda: _markdown(frame, right),
        "latex": lambda: _latex(frame, right),
        "html": lambda: html(frame, right),
    }
    if format not in makers:
        raise InputError(f"there is no format {format!r}", right=nearest(format, FORMATS))
    return makers[format]()


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


def _markdown(frame: pd.DataFrame, right: Sequence[bool]) -> str:
    heads = [markdown_text(str(column)) for column in frame.columns]
    lines = [heads, ["---:" if numeric else "---" for numeric in right]]
    lines += [[markdown_text(_cell(value)) for value in row.values()] for row in records(frame)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def markdown_text(text: str, most: int = MOST) -> str:
    """Text in which no character of Markdown or HTML acts; longer than `most` it is cut."""
    escaped = "".join(f"\\{c}" if c in "\\`*_{}[]#|!~$" else c for c in shown(text, most))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _latex(frame: pd.DataFrame, right: Sequence[bool]) -> str:
    """A tabular with the rules of booktabs (``\\usepackage{booktabs}``); every character of the text is escaped."""
    cells = frame.astype(object).map(lambda value: shown(_cell(plain(value)), MOST_OF_A_LATEX_CELL))
    made = str(cells.to_latex(index=False, escape=True, column_format="".join("r" if numeric else "l" for numeric in right)))
    for sign, command in LATEX_SIGNS.items():
        made = made.replace(sign, command)
    return made


def html(frame: pd.DataFrame, right: Sequence[bool] | None = None, title: str = "") -> str:
    """A self-contained HTML table by great-tables, with its own style and no script; every character of the text is escaped.

    Args:
        frame: the table.
        right: for each column whether its cells end at one edge; None: those that hold numbers.
        title: stands above it.
    """
    import great_tables
    from great_tables import GT, loc, style
    from markupsafe import escape

    sides = [_is_numeric(frame, column) for column in frame.columns] if right is None else list(right)
    cells = [[shown(_cell(value)) for value in row.values()] for row in records(frame)]
    made, names = _numbered(cells, [shown(str(column)) for column in frame.columns])
    # In a plain label it would read units between braces and leave what stands there unescaped.
    table = GT(made, id=f"contrast-{zlib.crc32(repr((title, cells)).encode()):08x}").cols_label(
        {key: great_tables.html(str(escape(name))) for key, name in names.items()}
    )
    for side, wanted in (("right", True), ("left", False)):
        table = table.cols_align(side, columns=[key for key, numeric in zip(names, sides, strict=True) if numeric == wanted])
    if title:
        table = table.tab_header(title=shown(title))
    table = table.tab_options(table_font_size="14px", data_row_padding="4px")
    return f"{table.tab_style(style.css('font-variant-numeric: tabular-nums'), loc.body()).as_raw_html()}\n"


def _numbered(cells: list[list[str]], heads: Sequence[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Columns under names of ours: great-tables makes ids of them, and reads markup in some."""
    import pandas as pd

    names = {f"column{number}": head for number, head in enumerate(heads)}
    return pd.DataFrame(cells, columns=list(names), dtype="object"), names


def _text(frame: pd.DataFrame, right: Sequence[bool], width: int | None) -> str:
    rows = [[shown(str(column)) for column in frame.columns]] + [[shown(_cell(v), MOST_OF_A_CELL) for v in row.values()] for row in records(frame)]
    return aligned(rows, right, width)


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
