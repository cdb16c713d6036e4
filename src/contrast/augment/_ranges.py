"""Settings that are a range: its least and its greatest number."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError(f"it should rise: write [{ends[1]:g}, {ends[0]:g}]")
    return ends


Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]

PositiveRange = Annotated[tuple[Positive, Positive], Field(strict=False), AfterValidator(_rising)]
"""Numbers above 0."""

ShareRange = Annotated[tuple[Share, Share], Field(strict=False), AfterValidator(_rising)]
"""Numbers from 0 to 1."""
