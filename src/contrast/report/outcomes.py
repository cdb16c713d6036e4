"""The sections that single images, single arms and kept weights fill, put together for the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from contrast.explain.thumbnails import is_smooth
from contrast.report import arm_pages, behavior, calibration, classes, gallery
from contrast.study_tables import by_arm

if TYPE_CHECKING:
    import pandas as pd

    from contrast.report.arm_pages import ArmPage
    from contrast.report.behavior import Behavior
    from contrast.report.calibration import Calibration
    from contrast.report.classes import Classes
    from contrast.report.embedded import Restored
    from contrast.report.gallery import Gallery


class Source(Protocol):
    """What a page can be given beyond tables; `contrast.evidence.Evidence` is one."""

    def kept(self) -> dict[str, Any]: ...
    def pictures(self, ids: Iterable[str]) -> tuple[dict[str, str], str]: ...


@dataclass(frozen=True)
class Sections:
    """What the page's template names; a section that the study has nothing for is None."""

    behavior: Behavior | None
    gallery: Gallery | None
    classes: Classes | None
    calibration: Calibration | None
    arm_pages: list[ArmPage]
    edges: list[str]
    filter_scale: float
    smooth: bool

    @classmethod
    def of(cls, study: Restored) -> Sections:
        """Fill all sections from a study's tables and what its page keeps beside them."""
        _, height, width = study.lock["data"][0]["shape"]
        return cls(
            behavior.of(study),
            gallery.of(study),
            classes.of(study),
            calibration.of(study),
            arm_pages.of(study, by_arm(study.runs())),
            arm_pages.edges(study),
            float((study.evidence.get("filters") or {}).get("scale", 1.0)),
            is_smooth((height, width)),
        )

    @property
    def ids(self) -> list[str]:
        """The images whose pictures the page shows."""
        return [*(self.behavior.ids if self.behavior else ()), *(self.gallery.ids if self.gallery else ())]

    @property
    def methods(self) -> list[str]:
        """Names of the methods that the sections name."""
        found = ["churn", *(["by-chance"] if self.behavior.changed else [])] if self.behavior else []
        found += ["wilson"] if self.classes else []
        if self.calibration:
            found += [
                "calibration",
                *(["temperature"] if self.calibration.is_fitted else []),
                *(["thresholds"] if self.calibration.two_classes else []),
            ]
        return found

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """What can be saved, by name."""
        found = dict(self.behavior.tables) if self.behavior else {}
        return found | ({"accuracy by class": self.classes.table} if self.classes else {})
