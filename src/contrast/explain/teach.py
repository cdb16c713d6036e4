"""A lesson in convolution: the example that a course report works out by hand, computed by torch, under both conventions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

Rows = tuple[tuple[int, ...], ...]

IMAGE: Rows = ((1, 0, 2, 3, 1), (3, 2, 0, 7, 0), (0, 6, 1, 1, 4))
FILTER: Rows = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))
PRINTED: Rows = ((2, -1, 11, 0, -11), (10, -4, 8, 2, -18), (14, -1, -5, 6, -9))
"""What the report gives (row N1 of the five reports)."""


@dataclass(frozen=True)
class Lesson:
    """A filter laid over an image with zeros around it.

    Attributes:
        image, kernel: whole numbers, row by row.
        correlation: cross-correlation, which deep-learning libraries call convolution: the filter as it is.
        convolution: as mathematics defines it: the filter turned by 180°.
        printed: what somebody gives as the answer.
    """

    image: Rows
    kernel: Rows
    correlation: Rows
    convolution: Rows
    printed: Rows

    @property
    def errors(self) -> tuple[tuple[int, int], ...]:
        """Row and column (from 0) of each value of `printed` that is no cross-correlation."""
        both = zip(self.printed, self.correlation, strict=True)
        return tuple((y, x) for y, (given, right) in enumerate(both) for x in range(len(right)) if given[x] != right[x])

    def products(self, row: int, column: int) -> list[tuple[int, int]]:
        """(value of the image, value of the filter) of one place of the cross-correlation, in reading order; zeros outside the image."""
        padding = len(self.kernel) // 2
        places = [(y, x) for y in range(len(self.kernel)) for x in range(len(self.kernel[0]))]
        return [(self._pixel(row + y - padding, column + x - padding), self.kernel[y][x]) for y, x in places]

    def _pixel(self, y: int, x: int) -> int:
        inside = 0 <= y < len(self.image) and 0 <= x < len(self.image[0])
        return self.image[y][x] if inside else 0

    def to_dict(self) -> dict[str, Any]:
        """The lesson as plain data."""
        grids = {name: [list(row) for row in getattr(self, name)] for name in ("image", "kernel", "correlation", "convolution", "printed")}
        return {**grids, "errors": [list(place) for place in self.errors]}

    def to_text(self) -> str:
        """The lesson as text for a terminal."""
        return "\n".join(_told(self))


def convolution(image: Rows = IMAGE, kernel: Rows = FILTER, printed: Rows = PRINTED) -> Lesson:
    """The lesson's example, computed by `torch.nn.functional.conv2d`.

    Args:
        image: whole numbers.
        kernel: as many rows as columns, an odd number.
        printed: an answer to look through.
    """
    pixels, weights = (torch.tensor(rows, dtype=torch.float64)[None, None] for rows in (image, kernel))
    padding = (len(kernel) - 1) // 2
    as_it_is, turned = (functional.conv2d(pixels, w, padding=padding)[0, 0] for w in (weights, weights.flip(2, 3)))
    return Lesson(image, kernel, _rows(as_it_is), _rows(turned), printed)


def _rows(values: torch.Tensor) -> Rows:
    return tuple(tuple(int(value) for value in row) for row in values.round().tolist())


def _told(lesson: Lesson) -> Iterator[str]:
    size, (height, width) = len(lesson.kernel), (len(lesson.image), len(lesson.image[0]))
    padding = (size - 1) // 2
    yield f"A {size}×{size} filter laid over a {height}×{width} image, with zeros around it"
    yield from ("", *_beside(("image", lesson.image), ("filter", lesson.kernel)), "")
    yield "Cross-correlation: the filter as it is. At each place, multiply what lies on one another and add up."
    yield "Deep-learning libraries call this convolution; torch.nn.functional.conv2d computes it."
    yield from ("", *_grid(lesson.correlation), "")
    yield "Convolution, as mathematics defines it, turns the filter by 180° first."
    if _turned(lesson.kernel) == tuple(tuple(-value for value in row) for row in lesson.kernel):
        yield "This filter turned is its own negative, so every sign changes."
    yield from ("", *_beside(("turned", _turned(lesson.kernel)), ("convolution", lesson.convolution)), "")
    yield "A network learns its filters, so it does not matter to it which of the two is computed: it learns the turned one."
    if lesson.errors:
        yield from ("", *_corrected(lesson))
    yield from ("", f"Size of the output: {width} + 2 × {padding} − {size} + 1 = {width} wide, {height} high. It stays the same with a padding of")
    yield f"(K − 1) / 2 zeros on each side, here ({size} − 1) / 2 = {padding}."


def _corrected(lesson: Lesson) -> Iterator[str]:
    """Where the printed answer errs, the sum written out."""
    count = len(lesson.errors)
    yield f"The report that this example is from prints {count} value{'s' if count > 1 else ''} of the cross-correlation wrong:"
    yield ""
    for row, column in lesson.errors:
        terms = " ".join(f"{'−' if a * b < 0 else '+'} {abs(a)}·{abs(b)}" for a, b in lesson.products(row, column) if a and b).removeprefix("+ ")
        right, wrong = (_signed(rows[row][column]) for rows in (lesson.correlation, lesson.printed))
        yield f"  row {row + 1}, column {column + 1}:  {terms} = {right}, not {wrong}"


def _turned(kernel: Rows) -> Rows:
    return tuple(row[::-1] for row in kernel[::-1])


def _signed(value: int) -> str:
    return str(value).replace("-", "−")


def _grid(rows: Rows) -> list[str]:
    cells = [[_signed(value) for value in row] for row in rows]
    width = max(len(cell) for row in cells for cell in row)
    return ["  " + "  ".join(cell.rjust(width) for cell in row) for row in cells]


def _beside(*grids: tuple[str, Rows]) -> list[str]:
    """Grids under their titles, one beside the other."""
    columns: list[Sequence[str]] = [[f"  {title}", *_grid(rows)] for title, rows in grids]
    height, widths = max(len(column) for column in columns), [max(len(line) for line in column) for column in columns]
    padded = [[*column, *[""] * (height - len(column))] for column in columns]
    return ["    ".join(line.ljust(width) for line, width in zip(lines, widths, strict=True)).rstrip() for lines in zip(*padded, strict=True)]
