"""The page: one HTML file that shows a study, needs nothing else, asks no network, and holds its tables."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrast.errors import InputError
from contrast.figures._picture import Material
from contrast.figures._style import ROLES
from contrast.report import embedded
from contrast.report.classes import told
from contrast.report.contents import contents
from contrast.report.outcomes import Sections
from contrast.report.pictures import drawn
from contrast.report.tables import render
from contrast.shown import shown
from contrast.study_published import conclusions, published

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Environment
    from markupsafe import Markup

    from contrast.compare import Comparison
    from contrast.design_values import Answer
    from contrast.figures._picture import Picture
    from contrast.report.outcomes import Source
    from contrast.study_tables import StudyTables

FOLDER = Path(__file__).parent
MOST_OF_A_QUESTION = 2000
LATER = "Pictures, calibration and the surest mistakes are added when the page is written with `contrast report`, or when the study ends."


def build(study: StudyTables, comparison: Comparison, evidence: Source | None = None) -> str:
    """Make the page of a study, finished or not.

    Args:
        study: its tables: a folder's `Results`, or what was restored from a page.
        comparison: its answer.
        evidence: what its run folders and data hold beyond tables; None for a page without, and for what was restored from a page.

    Returns:
        HTML. Its policy allows no request and no script but the one it carries; everything from the user is escaped.
    """
    kept = embedded.packed(study)
    kept |= study.beside_tables if isinstance(study, embedded.Restored) else {"no_pictures": LATER}
    kept |= {"evidence": evidence.kept()} if evidence is not None else {}
    # Read once: all sections tell of the same moment, also while runs go on.
    study = embedded.Restored(kept)
    sections = Sections.of(study)
    if evidence is not None:
        kept["pictures"], kept["no_pictures"] = evidence.pictures(sections.ids)
    material = Material(study, comparison)
    pictures = drawn(material)
    style, script = _style_sheet(), _script()
    template = _environment().get_template("page.html.j2")
    return template.render(
        **contents(study, comparison, material.answers, [*sections.methods, *(name for picture in pictures for name in picture.methods)]),
        **vars(sections),
        arm_names=study.arms,
        thumbnails=study.pictures,
        no_pictures=study.no_pictures,
        pictures=pictures,
        policy=_policy(style, script),
        style=_as_it_is(style),
        script=_as_it_is(script),
        tables_element=embedded.ELEMENT,
        tables=_as_it_is(embedded.in_html(kept)),
        downloads=_as_it_is(embedded.in_html(_downloads(study, comparison, material.answers, pictures) | _rendered(sections.tables))),
    )


def _downloads(study: StudyTables, comparison: Comparison, answers: Sequence[Answer], pictures: list[Picture]) -> dict[str, Any]:
    frames: dict[str, pd.DataFrame] = {"results": comparison.table(), "runs": study.runs(), "epochs": study.epochs()}
    frames |= {picture.name: picture.data for picture in pictures}
    frames |= {f"design-{answer.design}": answer.table for answer in answers if len(answer.table)}
    reported = {"published": published(study), "conclusions": conclusions(study)}
    frames |= {name: frame for name, frame in reported.items() if len(frame)}
    trials = study.search()
    frames |= {"design-search": trials} if len(trials) else {}
    return _rendered(frames)


def _rendered(frames: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    return {name: render(frame, "csv") for name, frame in frames.items()}


def _policy(style: str, script: str) -> str:
    def source(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return f"default-src 'none'; style-src {source(style)}; script-src {source(script)}; img-src data:; base-uri 'none'; form-action 'none'"


def _style_sheet() -> str:
    uses = {"fill": "fill", "stroke": "stroke", "key": "background"}
    rules = [f".{kind}-{role}{{{attribute}:var(--{role})}}" for role in ROLES.values() for kind, attribute in uses.items()]
    return "\n".join([_file("page.css"), _file("outcomes.css"), *rules])


def _script() -> str:
    """The page's own script, and that of galleries, which other pages share."""
    return f"{_file('page.js')}\n{(FOLDER.parent / 'explain' / 'page.js').read_text(encoding='utf-8')}"


@cache
def _file(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["named"] = named
    made.filters["svg"] = _as_it_is
    made.filters["visible"] = visible
    made.filters["words"] = lambda text: shown(str(text))
    made.filters["utf8"] = lambda text: str(text).encode("utf-8", "replace").decode("utf-8")
    made.filters["address"] = address
    made.filters["told"] = told
    return made


def visible(text: object) -> str:
    """Our own sentence, which may hold a user's words; figures and what they are of are not parted at the end of a line."""
    return re.sub(r" (?=%)|(?<=\bp) (?=[=<])|(?<=[=<]) (?=\d)", "\u00a0", shown(str(text), MOST_OF_A_QUESTION))


def address(text: object) -> str:
    """A picture's address, which is the page's own.

    Raises:
        InputError: it is another, in a page that someone changed.
    """
    if not embedded.PICTURE.fullmatch(str(text)):
        raise InputError("a picture in the page is damaged", right="write the page again with `contrast report`")
    return str(text)


def named(text: object, most: int = 255) -> Markup:
    """A user's word: visible, escaped, not longer than `most`, and kept from turning the direction of what stands around it."""
    from markupsafe import Markup

    words = shown(str(text), most)
    return Markup("<bdi>{}</bdi>").format(words if words.strip() else words.replace(" ", "␠"))


def _as_it_is(text: str) -> Markup:
    """What is safe by its making: our own style and script, JSON from `embedded.in_html`, shapes and escaped text from `figures._svg`."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704
