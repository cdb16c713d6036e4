"""Fifty names that try to be something else, as arms, classes and files of one study that is really trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.browser.conftest import Open

import contrast as ct
from contrast.cli import main
from contrast.insight import explain
from contrast.opened import Asked
from contrast.protocols import Places
from contrast.results import Results
from contrast.shown import shown

pytestmark = pytest.mark.slow

RUN = "window.ran=1"
CLASSES = (
    f"<script>{RUN}<", f'"><svg onload={RUN}>', f"' autofocus onfocus='{RUN}", "\u202egnp.exe", "\x1b[31mred\x1b[0m",
    "=cmd|'!A0", "x" * 255, "👩🏽‍🚀 🇪🇺",
)  # fmt: skip
ARMS = (
    f"<script>{RUN}</script>", f"</script><script>{RUN}</script>", f"</style><script>{RUN}</script>", f"javascript:{RUN}", '=HYPERLINK("http://x")',
    f"<img src=x onerror={RUN}>", "\u2066isolate\u2028line", "é" * 255, "{{ 7*7 }}", "a\r\nb\x00\x07", "-->", "]]>",
)  # fmt: skip
FILES = (
    f"<img src=x onerror={RUN}>", f"<svg onload={RUN}>", f'"><b onmouseover={RUN}>', f"' onclick='{RUN}", f"javascript:{RUN}", "<!-- comment", "-->",
    "&lt;script&gt;", "&#60;script&#62;", "{% raw %}", "${7*7}", "#{7}", "<%= 7 %>", "\u200fright", "עברית", "العربية", "数字", "\x07bell", "a\nb",
    "tab\tb", "\ufeffbom", "y" * 251, "+cmd", "-2", "@sum", "\\", "a\\u003cb", "`tick`", "💥", "\u2028line",
)  # fmt: skip
PLACES = Places()
HANDLERS = "() => [...document.querySelectorAll('*')].flatMap(one => [...one.attributes].filter(a => /^on|^style$/i.test(a.name)).map(a => a.name))"
TOUCH = """() => document.querySelectorAll('main *').forEach(one =>
  ['mouseover', 'focus', 'error', 'load'].forEach(kind => one.dispatchEvent(new Event(kind))))"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Noise in class folders, so that there are mistakes of every kind to show; some trainings as small as can be."""
    assert len(CLASSES) + len(ARMS) + len(FILES) == 50
    folder = tmp_path_factory.mktemp("hostile")
    noise = np.random.default_rng(0)
    for at, name in enumerate(CLASSES):
        (folder / "images" / name).mkdir(parents=True)
        for file in FILES[at % 2 :: 2] + FILES[:2]:
            picture = Image.fromarray(noise.integers(0, 256, (8, 8, 3), np.uint8))
            picture.save(folder / "images" / name / f"{file}.png")
    base = ct.Recipe(
        data={"use": "folder", "path": str(folder / "images"), "test": 0.4, "validation": 0.2},
        model={"use": "mlp", "hidden": [4]},
        epochs=1,
        batch_size=16,
        device="cpu",
        precision="fp32",
    )
    arms = {name: {"optimizer.lr": 0.01 * (at + 1)} for at, name in enumerate(ARMS)}
    return ct.run(ct.Study(question=f"{ARMS[0]}{ARMS[5]}?", base=base, arms=arms, seeds=1, name="hostile"), runs=folder / "study")


@pytest.fixture(scope="module")
def pages(hostile: Results, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    data = hostile.lock["data"][0]["settings"]["path"]
    assert main(["data", data, "--page", str(folder / "data.html")]) == 0
    inside = explain(hostile, hostile.planned()[1], PLACES, Asked(()), folder / "inside").page
    return {"report": hostile.report(folder / "report.html"), "inside": inside, "data": folder / "data.html"}


@pytest.mark.parametrize("bypass_csp", [False, True], ids=["as it is", "without its policy"])
@pytest.mark.parametrize("which", ["report", "inside", "data"])
def test_hostile_names_run_nothing_and_ask_nothing(look: Open, pages: dict[str, Path], which: str, bypass_csp: bool) -> None:
    seen = look(pages[which], bypass_csp=bypass_csp)
    seen.page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true; })")
    seen.page.evaluate(TOUCH)
    seen.page.wait_for_function("[...document.images].every(one => one.complete)")
    assert seen.page.evaluate("window.ran") is None
    assert seen.page.evaluate(HANDLERS) == []
    assert seen.page.locator("iframe, object, embed, base, form").count() == 0
    seen.quiet()


def test_hostile_names_are_shown_as_text(look: Open, pages: dict[str, Path]) -> None:
    page = look(pages["report"]).page
    told = page.locator("#runs-table").text_content() or ""
    assert [name for name in ARMS if shown(name, 80) not in told] == []
    told = page.locator("main").text_content() or ""
    assert [name for name in CLASSES if shown(name) not in told] == []
    gallery = page.eval_on_selector_all("[data-id]", "all => all.map(one => one.dataset.id)")
    assert sum(f"/{file}.png" in one for one in gallery for file in FILES) > 10
    data = look(pages["data"]).page.locator("main").text_content() or ""
    assert [name for name in CLASSES if shown(name) not in data] == []


def test_hostile_names_leave_the_page_in_its_shape(look: Open, pages: dict[str, Path]) -> None:
    for path in pages.values():
        seen = look(path, viewport={"width": 390, "height": 844})
        assert seen.page.evaluate("document.scrollingElement.scrollWidth") <= 390
        assert seen.serious() == []


def test_a_saved_table_holds_hostile_names_and_no_formula(look: Open, pages: dict[str, Path]) -> None:
    page = look(pages["report"]).page
    with page.expect_download() as waiting:
        page.locator('button[data-csv="runs"]').click()
    text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
    assert "'=HYPERLINK" in text
    assert "\n=HYPERLINK" not in text
