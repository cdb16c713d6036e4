"""What a notebook shows of a study: its question, the answer in two sentences, and the table of every arm. No script, nothing loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrast.report import contents, presented
from contrast.report.tables import html
from contrast.shown import shown
from contrast.study_metrics import judged
from contrast.study_tables import by_arm

if TYPE_CHECKING:
    from contrast.study_tables import StudyTables


def study_html(study: StudyTables) -> str:
    """A self-contained piece of HTML; every character of the text is escaped.

    Args:
        study: its tables.
    """
    from markupsafe import escape

    comparison, question = judged(study), shown(str(study.lock["question"] or study.name), 400)
    told = presented.ablation(comparison, by_arm(study.runs()))
    sentences = [contents.answer(comparison), contents.unfinished(study), *told.notes]
    words = "".join(f"<p>{escape(shown(sentence, 2000))}</p>" for sentence in sentences if sentence)
    return words + html(told.frame, [head not in told.left for head in told.heads], question)
