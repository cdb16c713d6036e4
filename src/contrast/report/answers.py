"""What the designs of a study answer, for people in Python: sentences when printed, tables in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from contrast.report import presented
from contrast.report.tables import html
from contrast.shown import shown

if TYPE_CHECKING:
    import pandas as pd

    from contrast.design_values import Answer


class Answers(Sequence["Answer"]):
    """All answers of a study's designs; see `contrast.results.Results.designs`."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = tuple(answers)

    @overload
    def __getitem__(self, index: int) -> Answer: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Answer]: ...
    def __getitem__(self, index: int | slice) -> Answer | Sequence[Answer]:
        return self._answers[index]

    def __len__(self) -> int:
        return len(self._answers)

    def table(self, design: str) -> pd.DataFrame:
        """One design's numbers, in full.

        Args:
            design: ``factors``, ``trend``, ``best`` or ``steps``.

        Raises:
            KeyError: the study does not ask this.
        """
        return {answer.design: answer.table for answer in self}[design]

    def __str__(self) -> str:
        return "\n".join(line for answer in self for line in (*answer.sentences, *(f"({remark})" for remark in answer.remarks)))

    def __repr__(self) -> str:
        return f"Answers({', '.join(answer.design for answer in self)})"

    def _repr_html_(self) -> str:
        from markupsafe import escape

        parts = []
        for answer in self:
            told = presented.answer(answer) if len(answer.table) else None
            parts.append(html(told.frame, [head not in told.left for head in told.heads], answer.title) if told else "")
            parts += [str(escape(shown(remark, 400)).join(("<p>", "</p>"))) for remark in answer.remarks]
        return "".join(parts)
