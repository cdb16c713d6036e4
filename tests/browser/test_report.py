"""What a reader's browser makes of the page of a study: each kind of study, light, dark, on paper, by keyboard."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page
from tests.browser.conftest import Open

from contrast.results import Results, load

pytestmark = pytest.mark.slow

Report = Callable[[str], Path]
of_every_kind = pytest.mark.parametrize("kind", ["demo", "grid", "sweep", "all designs"])
PAPER = {"width": 672, "height": 980}
"""What A4 leaves between the margins of the print style, in pixels."""
PHONE = {"width": 390, "height": 844}

FIGURES = """() => [...document.querySelectorAll('figure svg')].map(svg => {
  const box = svg.getBoundingClientRect();
  const marks = [...svg.querySelectorAll('path, rect, circle, line')].filter(mark => {
    const one = mark.getBoundingClientRect();
    return one.width + one.height > 0;
  });
  return {name: svg.getAttribute('aria-label'), width: box.width, height: box.height, marks: marks.length};
})"""
TOO_WIDE = """() => {
  const most = document.documentElement.clientWidth + 1;
  const held = one => one.closest('.unseen, .skip, defs, clipPath');
  const right = one => one.getBoundingClientRect().right;
  return [...document.querySelectorAll('body *')].filter(one => !held(one) && right(one) > most)
    .map(one => `${one.tagName} ${one.className.baseVal ?? one.className} ${one.textContent.trim().slice(0, 40)} ${right(one)}`);
}"""
CONTROLS = "a[href], button, input, select, summary, [tabindex='0']"
WATCH_FOCUS = """() => {
  window.reached = new Map();
  addEventListener('focusin', event => {
    const style = getComputedStyle(event.target), box = event.target.getBoundingClientRect();
    const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1.5;
    const there = box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    window.reached.set(event.target, ring && there);
  });
}"""
MISSED = """controls => [...document.querySelectorAll(controls)]
  .filter(one => one.checkVisibility({visibilityProperty: true}) && !window.reached.get(one))
  .map(one => one.outerHTML.slice(0, 120))"""
OPEN_ALL = "() => document.querySelectorAll('details').forEach(one => { one.open = true; })"


def saved(page: Page, press: str) -> tuple[str, list[dict[str, str]]]:
    """Name and rows of the CSV file that a button saves."""
    with page.expect_download() as waiting:
        page.locator(press).click()
    text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
    return waiting.value.suggested_filename, list(csv.DictReader(io.StringIO(text)))


@of_every_kind
@pytest.mark.parametrize(("scheme", "rules"), [("light", ()), ("dark", ("color-contrast",))], ids=["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_goes_wrong(look: Open, report: Report, kind: str, scheme: str, rules: tuple[str, ...]) -> None:
    seen = look(report(kind), color_scheme=scheme)
    seen.page.evaluate(OPEN_ALL)
    assert seen.serious(*rules) == []
    seen.quiet()


@of_every_kind
def test_every_figure_is_drawn(look: Open, report: Report, kind: str) -> None:
    seen = look(report(kind))
    seen.page.evaluate(OPEN_ALL)
    drawn = seen.page.evaluate(FIGURES)
    assert len(drawn) >= 2
    assert all(one["width"] > 100 and one["height"] > 40 and one["marks"] > 0 for one in drawn), drawn
    assert all(one["name"] for one in drawn)


@of_every_kind
def test_paper_takes_several_pages_and_cuts_nothing_off(look: Open, report: Report, kind: str) -> None:
    seen = look(report(kind), viewport=PAPER)
    seen.page.emulate_media(media="print")
    assert seen.page.evaluate(TOO_WIDE) == []
    sheets = re.findall(rb"/Type\s*/Page\b", seen.page.pdf(prefer_css_page_size=True))
    assert len(sheets) >= 3


@of_every_kind
def test_colors_that_mean_something_are_printed(look: Open, report: Report, kind: str) -> None:
    page = look(report(kind)).page
    page.emulate_media(media="print")
    kept = page.eval_on_selector_all(".swatch, [class^=shade]", "all => all.map(one => getComputedStyle(one).printColorAdjust)")
    assert kept
    assert set(kept) == {"exact"}


@of_every_kind
def test_what_is_folded_up_stands_on_paper(look: Open, report: Report, kind: str) -> None:
    seen = look(report(kind), viewport=PAPER)
    folded = seen.page.locator("details:not([open]) > :not(summary)")
    if not folded.count():
        pytest.skip("nothing is folded up on this page")
    assert not folded.first.is_visible()
    seen.page.emulate_media(media="print")
    assert all(one.bounding_box()["height"] > 0 for one in folded.all())  # type: ignore[index]


@of_every_kind
def test_a_phone_scrolls_tables_but_never_the_page(look: Open, report: Report, kind: str) -> None:
    seen = look(report(kind), viewport=PHONE)
    seen.page.evaluate(OPEN_ALL)
    assert seen.page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]


@of_every_kind
def test_every_control_is_reached_by_tab_and_shows_it(look: Open, report: Report, kind: str) -> None:
    seen = look(report(kind))
    seen.page.evaluate(OPEN_ALL)
    seen.page.evaluate(WATCH_FOCUS)
    for _ in range(seen.page.locator(CONTROLS).count() + 5):
        seen.page.keyboard.press("Tab")
    assert seen.page.evaluate(MISSED, CONTROLS) == []


def test_the_first_tab_leads_past_the_head_of_the_page(look: Open, report: Report) -> None:
    seen = look(report("sweep"))
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate("document.activeElement.textContent").startswith("Skip")
    seen.page.keyboard.press("Enter")
    assert seen.page.evaluate("document.activeElement.id") == "main"


def test_runs_are_found_by_words(look: Open, report: Report) -> None:
    page = look(report("sweep")).page
    shown = page.locator("#runs-table tbody tr:visible")
    every = shown.count()
    assert every == 24
    for words, left in (("dropout-0-3", 3), ("0-3-seed1 Finished", 1), ("DROPOUT-0-3 nothing", 0), ("", every)):
        page.fill("#filter", words)
        assert shown.count() == left
        assert page.locator("#filter-count").inner_text() == f"{left} of {every}"


@of_every_kind
def test_every_table_and_figure_gives_its_numbers(look: Open, report: Report, kind: str) -> None:
    page = look(report(kind)).page
    names = page.eval_on_selector_all("button[data-csv]", "all => all.map(one => one.dataset.csv)")
    assert {"results", "runs", "epochs"} < set(names)
    for number, name in enumerate(names):
        if number % 5 == 0:  # a page that saves ten files at once is asked about by the browser before the next
            page = look(report(kind)).page
            page.evaluate(OPEN_ALL)
        file, rows = saved(page, f'button[data-csv="{name}"]')
        assert file == f"{name}.csv"
        assert rows
    kept = load(report(kind)).runs()
    _, rows = saved(page, 'button[data-csv="runs"]')
    arms = [row["arm"].removeprefix("'") for row in rows]  # an apostrophe keeps a spreadsheet from taking “+ c” for a formula
    assert list(zip(arms, [int(row["seed"]) for row in rows], strict=True)) == list(zip(kept["arm"], kept["seed"], strict=True))


@of_every_kind
def test_every_link_leads_to_a_place_on_the_page(look: Open, report: Report, kind: str) -> None:
    page = look(report(kind)).page
    nowhere = "all => all.map(one => one.getAttribute('href')).filter(to => !to.startsWith('#') || !document.getElementById(to.slice(1)))"
    assert page.eval_on_selector_all("a[href]", nowhere) == []
    twice = "() => [...document.querySelectorAll('[id]')].map(one => one.id).filter((id, at, all) => all.indexOf(id) !== at)"
    assert page.evaluate(twice) == []


def test_mistakes_are_filtered_tagged_and_saved_and_the_next_report_counts_them(look: Open, report: Report, trained: Results, tmp_path: Path) -> None:
    seen = look(report("demo"))
    page = seen.page
    shown = page.locator("#mistakes-gallery > li:visible")
    every = shown.count()
    assert every > 10
    true = page.locator("#only-true option").nth(1).get_attribute("value")
    page.select_option("#only-true", true)
    assert 0 < shown.count() < every
    assert set(page.eval_on_selector_all("#mistakes-gallery > li:not([hidden])", "all => all.map(one => one.dataset.true)")) == {true}
    page.select_option("#only-true", "")
    fields = page.locator("#mistakes-gallery input")
    fields.nth(0).fill("=smudge")
    fields.nth(1).fill("smudge, and “more”")
    with page.expect_download() as waiting:
        page.locator("#save-causes").click()
    causes = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(causes)
    rows = list(csv.DictReader(io.StringIO(causes.read_text(encoding="utf-8-sig"))))
    assert [row["cause"] for row in rows] == ["'=smudge", "smudge, and “more”"]
    seen.quiet()
    anew = look(trained.report(tmp_path / "anew.html", causes=causes))
    assert "smudge, and “more”" in anew.page.locator("#mistakes").locator("..").inner_text()
    anew.quiet()


def test_without_scripts_the_page_still_tells_everything(look: Open, report: Report) -> None:
    page = look(report("demo"), java_script_enabled=False).page
    assert page.locator("figure svg").count() >= 2
    assert page.locator("#runs-table tbody tr").count() == 8
    assert page.locator("button:visible").count() == 0
    assert not page.locator("#filter").is_visible()
