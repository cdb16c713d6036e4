from __future__ import annotations

from pathlib import Path

from tests.browser.conftest import Open
from tests.reading.made_study import Made, write

from contrast.results import Results


def test_a_page_opens_without_a_network_draws_its_figures_and_finds_a_run(look: Open, tmp_path: Path) -> None:
    """The one test of this folder that runs every time; the others are slow."""
    seen = look(Results(write(tmp_path / "study", Made(images=30, epochs=2, seeds=[0, 1]))).report())
    assert seen.page.locator("figure svg path").count() > 20
    seen.page.fill("#filter", "dropout seed1")
    assert seen.page.locator("#runs-table tbody tr:visible").count() == 1
    seen.quiet()
