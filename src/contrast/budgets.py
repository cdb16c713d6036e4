"""The short budget of a study: the same question in minutes, with what it gives up said beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from contrast.designs import Design, ParentKey
from contrast.errors import InputError, nearest

Budget = Literal["full", "short"]
BUDGETS: tuple[Budget, ...] = ("full", "short")


class Short(Design):
    """What the short budget of a study changes, and what it gives up by that."""

    gives_up: str = Field(min_length=1, max_length=2000, description="what can't be read from it, in a sentence")
    base: dict[str, Any] = Field(default_factory=dict, description="changes of the base (dotted path → value); the arms' own come after")
    only: Annotated[tuple[str, ...], Field(strict=False)] = Field(default=(), description="arms that stay, with what they build on; all by default")
    arms: dict[str, dict[str, Any]] = Field(default_factory=dict, description="arm → changes that stand in for its own of the same paths")
    seeds: int | list[int] | None = Field(default=None, description="how many seeds, or which; the study's own by default")

    def changed(self, arms: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """The study's named arms with the changes of this budget.

        Raises:
            InputError: there is no such arm.
        """
        unknown = next((name for name in self.arms if name not in arms), None)
        if unknown is not None:
            raise InputError("there is no such arm among the named ones", where=f"short.arms.{unknown}", right=nearest(unknown, arms))
        return {name: {**changes, **self.arms.get(name, {})} for name, changes in arms.items()}

    def taken(self) -> Short:
        """What is left to say once the changes are made: which arms stay, and what was given up."""
        return Short(gives_up=self.gives_up, only=self.only)

    @property
    def is_taken(self) -> bool:
        """Whether it changes nothing any more."""
        return not self.base and not self.arms and self.seeds is None

    def kept(self, arms: Mapping[str, Mapping[str, Any]]) -> Collection[str]:
        """Names of the arms that stay, and of those that they build on; nothing where all stay."""
        found: dict[str, None] = {}
        for name in self.only:
            link: str | None = name
            while link is not None and link not in found:
                found[link] = None
                link = arms.get(link, {}).get(ParentKey)
        return found
