"""The report as LaTeX: a body for `\\input`, a main file that compiles it, figures as PDF and their numbers as CSV beside them."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrast.errors import InputError
from contrast.figures import _alone, _converted
from contrast.report.written import Table, keep_numbers, place, written
from contrast.shown import shown
from contrast.store import write_durably

if TYPE_CHECKING:
    from contrast.compare import Comparison
    from contrast.figures._picture import Picture
    from contrast.study_tables import StudyTables

FOLDER = Path(__file__).parent
SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "[": "{[}", "]": "{]}",
}  # fmt: skip
"""Characters that LaTeX takes for its own."""
JOINED = "-'"
"""Characters of which LaTeX makes another one where two stand together."""
SIGNS = {
    "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$", "…": r"\dots{}", "–": "--", "—": "---", "≤": r"$\le$", "≥": r"$\ge$",
    "√": r"$\surd$", "→": r"$\rightarrow$", "“": "``", "”": "''", "‘": "`", "’": "'", "²": r"\textsuperscript{2}", "\u00a0": "~",
    "‹": r"\guilsinglleft{}", "›": r"\guilsinglright{}", "␣": r"\textvisiblespace{}",
}  # fmt: skip
LATIN = range(0xA1, 0x180)
"""Letters that every engine knows by their own sign."""
BELOW_EACH_OTHER = 2
LONG = 36
"""Rows from which a table may break over pages."""


class Typeset(str):
    """Text in which characters of LaTeX may act: ours, or escaped before."""

    __slots__ = ()


def write(study: StudyTables, comparison: Comparison, path: Path) -> Path:
    """Write the report and what stands beside it: ``report.tex``, ``report-body.tex``, ``report-figures/``.

    Args:
        study: its tables.
        comparison: its answer.
        path: of the main file.

    Returns:
        The path.

    Raises:
        InputError: the file's name has a space or a character of LaTeX's, or no font of this machine has a character of a figure.
    """
    folder, body = place(path), path.with_name(f"{path.stem}-body.tex")
    if " " in path.stem:
        raise InputError(f"{path.name!r} can't be named in \\input", where="out", right="a name without spaces")
    told = written(study, comparison)
    drawn = {figure.name: _converted.pdf(_alone.alone(figure, _room(figure))) for figure in told.figures}
    for name, content in drawn.items():
        write_durably(folder / f"{name}.pdf", content)
    keep_numbers(told.figures, folder)
    names = {"folder": Typeset(folder.name), "body": Typeset(body.stem)}
    for template, target in (("body.tex.j2", body), ("report.tex.j2", path)):
        write_durably(target, _environment().get_template(template).render(told=told, table=_table, **names))
    return path


def _room(figure: Picture) -> float:
    """Two panels stand below each other, where their text stays large; more would need a page."""
    return _alone.NARROW if len(figure.panels) <= BELOW_EACH_OTHER else _alone.WIDE


def _environment() -> Any:
    """Templates with signs that LaTeX has no use for, in which every value that is not ours is escaped for LaTeX."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    signs = {"block_start_string": "<%", "block_end_string": "%>", "variable_start_string": "<<", "variable_end_string": ">>"}
    comments = {"comment_start_string": "<#", "comment_end_string": "#>"}
    kept = {"trim_blocks": True, "lstrip_blocks": True, "undefined": StrictUndefined, "finalize": _escaped}
    made = Environment(loader=FileSystemLoader(FOLDER), **signs, **comments, **kept)  # type: ignore[arg-type]  # noqa: S701  HTML's escaping is not LaTeX's
    made.filters["ours"] = Typeset
    made.filters["code"] = lambda text: Typeset(rf"\texttt{{{latex_text(text, 2000)}}}")
    return made


def _escaped(value: object) -> str:
    return value if isinstance(value, Typeset) else latex_text(str(value))


def latex_text(text: str, most: int = 2000) -> str:
    """Text in which no character of LaTeX acts, for every engine: what pdfTeX does not know stands as ``\\contrastchar{732B}{猫}``."""
    seen = shown(text, most)
    apart = ("{}" if character == before and character in JOINED else "" for before, character in zip(f" {seen}", seen, strict=False))
    return "".join(gap + _character(character) for gap, character in zip(apart, seen, strict=True))


def _character(character: str) -> str:
    found = SPECIAL.get(character) or SIGNS.get(character)
    if found is not None:
        return found
    if ord(character) < 0x7F or ord(character) in LATIN:
        return character
    words = unicodedata.name(character, "").split()
    if words[:3] == ["GREEK", "SMALL", "LETTER"] and len(words) == 4 and words[3] != "OMICRON":
        return rf"$\{words[3].lower().replace('lamda', 'lambda')}$"
    return rf"\contrastchar{{{ord(character):04X}}}{{{character}}}"


def _table(table: Table) -> Typeset:
    """A tabular with the rules of booktabs; a long one breaks over pages."""
    cells = table.cells
    columns = "".join("l" if head in table.words else "r" for head in cells.heads)
    head = rf"{_row(cells.heads)} \midrule"
    rows = "\n".join(_row(row) for row in cells.rows)
    caption = rf"\caption{{{latex_text(' '.join((table.title + '.', *cells.notes)))}}}\label{{tab:{table.name}}}"
    if len(cells.rows) > LONG:
        made = rf"\begin{{longtable}}{{{columns}}}{caption}\\ \toprule {head} \endhead{chr(10)}{rows} \bottomrule{chr(10)}\end{{longtable}}"
        return Typeset(f"{{\\scriptsize\\setlength{{\\tabcolsep}}{{3pt}}\n{made}\n}}")
    inner = f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{head}\n{rows}\n\\bottomrule\n\\end{{tabular}}"
    fitted = f"\\begin{{adjustbox}}{{max width=\\linewidth}}\n{inner}\n\\end{{adjustbox}}"
    return Typeset(f"\\begin{{table}}[htbp]\n\\centering\n{caption}\n{fitted}\n\\end{{table}}")


def _row(cells: tuple[str, ...]) -> str:
    return f"{' & '.join(latex_text(cell, 120) for cell in cells)} \\\\"
