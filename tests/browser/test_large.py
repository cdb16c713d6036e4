"""Pages of studies that are large, or that lack something."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyarrow import parquet
from tests.browser.conftest import Open, Opened
from tests.reading.made_study import Made, write

from contrast.results import Results

pytestmark = pytest.mark.slow

MOST_BYTES = 10_000_000
MOST_SECONDS = 10
"""Five times what is promised of a quiet machine; the time itself is printed."""
LOADED = "() => performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"


def opened(look: Open, page: Path) -> Opened:
    seen = look(page)
    seen.page.wait_for_function("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
    seconds = seen.page.evaluate(LOADED)
    print(f"{page.stat().st_size / 1e6:.2f} MB, loaded in {seconds:.2f} s")
    assert page.stat().st_size <= MOST_BYTES
    assert seconds <= MOST_SECONDS
    seen.quiet()
    return seen


def test_27_runs_of_10_000_test_images_stay_small_and_load_soon(look: Open, tmp_path: Path) -> None:
    gains = {"baseline": 0.0} | {f"arm {at}": 0.1 * at for at in range(1, 9)}
    seen = opened(look, Results(write(tmp_path / "large", Made(gains=gains, images=10_000))).report())
    assert seen.page.locator("#runs-table tbody tr").count() == 27


def test_a_thousand_classes_keep_a_useful_page(look: Open, tmp_path: Path) -> None:
    made = Made(gains={"baseline": 0.0, "other": 0.5}, seeds=[0, 1], images=2000, epochs=2, classes=[f"class {at}" for at in range(1000)])
    seen = opened(look, Results(write(tmp_path / "classes", made)).report())
    assert seen.page.locator("tr").count() < 1500
    assert "and 960 more" in seen.page.locator("main").inner_text()


def test_two_hundred_runs_are_listed_and_found(look: Open, tmp_path: Path) -> None:
    gains = {"baseline": 0.0} | {f"arm {at}": 0.05 * at for at in range(1, 20)}
    seen = opened(look, Results(write(tmp_path / "runs", Made(gains=gains, seeds=range(10), images=100, epochs=2))).report())
    seen.page.fill("#filter", "arm-7-seed3")
    assert seen.page.locator("#runs-table tbody tr:visible").count() == 1
    assert seen.page.locator("#filter-count").inner_text() == "1 of 200"
    seen.page.set_viewport_size({"width": 390, "height": 844})
    assert seen.page.evaluate("document.scrollingElement.scrollWidth") <= 390


def test_a_study_without_probabilities_has_a_page_without_what_needs_them(look: Open, tmp_path: Path) -> None:
    folder = write(tmp_path / "bare", Made(images=100, epochs=2))
    for path in folder.glob("*/*.parquet"):
        parquet.write_table(parquet.read_table(path).drop_columns(["probabilities", "p_true", "loss"]), path)
    seen = opened(look, Results(folder).report())
    assert seen.page.locator("figure svg").count() >= 2
    assert "NaN" not in seen.page.locator("main").inner_text()


def test_a_study_that_has_not_begun_has_a_page(look: Open, tmp_path: Path) -> None:
    states = {(arm, seed): "planned" for arm in ("baseline", "batch norm", "dropout") for seed in range(3)}
    seen = opened(look, Results(write(tmp_path / "planned", Made(images=60, states=states))).report())
    assert "9 planned" in seen.page.locator("header").inner_text()
    assert seen.serious() == []
