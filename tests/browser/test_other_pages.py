"""The pages of `contrast explain` and `contrast data`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.browser.conftest import Open
from tests.browser.test_report import CONTROLS, FIGURES, MISSED, PAPER, PHONE, TOO_WIDE, WATCH_FOCUS

from contrast.cli import main
from contrast.insight import explain
from contrast.opened import Asked
from contrast.protocols import Places
from contrast.results import Results

pytestmark = pytest.mark.slow

of_both = pytest.mark.parametrize("arm", ["batch norm", "no convolution"])
of_all = pytest.mark.parametrize("which", ["batch norm", "no convolution", "data"])


@pytest.fixture(scope="module")
def pages(trained: Results, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What `explain` tells of two networks, one without convolutions, and `data` of the digits."""
    folder = tmp_path_factory.mktemp("others")
    found = {}
    for arm in ("batch norm", "no convolution"):
        run = next(run for run in trained.planned() if run.arm == arm and run.seed == 0)
        found[arm] = explain(trained, run, Places(), Asked(()), folder / arm).page
    assert main(["data", "mnist5k", "--page", str(folder / "data.html")]) == 0
    return found | {"data": folder / "data.html"}


@of_all
@pytest.mark.parametrize(("scheme", "rules"), [("light", ()), ("dark", ("color-contrast",))], ids=["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_goes_wrong(
    look: Open, pages: dict[str, Path], which: str, scheme: str, rules: tuple[str, ...]
) -> None:
    seen = look(pages[which], color_scheme=scheme)
    assert seen.serious(*rules) == []
    seen.quiet()


@of_all
def test_nothing_is_cut_off_on_paper_and_a_phone_never_scrolls_the_page(look: Open, pages: dict[str, Path], which: str) -> None:
    page = look(pages[which], viewport=PHONE).page
    assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]
    page = look(pages[which], viewport=PAPER).page
    page.emulate_media(media="print")
    assert page.evaluate(TOO_WIDE) == []


@of_all
def test_every_control_is_reached_by_tab_and_shows_it(look: Open, pages: dict[str, Path], which: str) -> None:
    page = look(pages[which]).page
    page.evaluate(WATCH_FOCUS)
    for _ in range(page.locator(CONTROLS).count() + 5):
        page.keyboard.press("Tab")
    assert page.evaluate(MISSED, CONTROLS) == []


@of_both
def test_every_figure_is_drawn_and_every_picture_seen(look: Open, pages: dict[str, Path], arm: str) -> None:
    page = look(pages[arm]).page
    drawn = page.evaluate(FIGURES)
    assert drawn
    assert all(one["width"] > 100 and one["marks"] > 0 for one in drawn)
    page.wait_for_function("[...document.images].every(one => one.complete)")
    assert page.evaluate("[...document.images].filter(one => !one.naturalWidth).length") == 0
    assert page.locator("img").count() > 20


def test_causes_are_saved(look: Open, pages: dict[str, Path]) -> None:
    seen = look(pages["batch norm"])
    seen.page.locator("#mistakes-gallery input").first.fill("blurred")
    with seen.page.expect_download() as waiting:
        seen.page.locator("#save-causes").click()
    text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
    assert text.count("blurred") == 1
    seen.quiet()
