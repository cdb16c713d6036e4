"""The figures of the page: every file of `figures/` that the study has numbers for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrast import catalog
from contrast.figures._picture import Material, Picture

if TYPE_CHECKING:
    from contrast.compare import Comparison
    from contrast.study_tables import StudyTables


def pictures(study: StudyTables, comparison: Comparison) -> list[Picture]:
    """All pictures of a study, by the `ORDER` of their files, least first; files with one order by name."""
    return drawn(Material(study, comparison))


def drawn(material: Material) -> list[Picture]:
    """The same of material that is at hand."""
    files = sorted((catalog.file("figure", name) for name in catalog.names("figure")), key=lambda file: (file.ORDER, file.__name__))
    return [picture for file in files for picture in file.pictures(material)]
