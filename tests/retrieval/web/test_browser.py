"""The pages in a real Chromium: what a hand or a keyboard does to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from retrieval.service.application import create_app
from retrieval.service.desk import Desk
from retrieval.service.settings import Settings
from tests.retrieval.web.browser import Watched, browser, chromium, served, until

pytest.importorskip("playwright", reason="playwright is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this system"),
]

DESK = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 375, "height": 812}, "has_touch": True, "is_mobile": True}
AXE_KINDS = ("serious", "critical")


@pytest.fixture(scope="module")
def origin(make_desk: Callable[[], Desk]) -> Iterator[str]:
    with served(create_app(make_desk(), Settings(names=frozenset()), warm=False)) as address:
        yield address


@pytest.fixture(scope="module")
def running() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.fixture
def visit(running: Any, origin: str) -> Iterator[Callable[..., Any]]:
    """Opens pages as visitors of their own, which are looked over at the end."""
    opened: list[Watched] = []

    def visit(**options: Any) -> Any:
        opened.append(Watched(running, origin, **{**DESK, **options}))
        return opened[-1].page

    yield visit
    for watched in opened:
        watched.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, printed: bytes, sampled: bytes) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("brought")
    (folder / "page.png").write_bytes(printed)
    (folder / "ecg.csv").write_bytes(sampled)
    return {"picture": folder / "page.png", "samples": folder / "ecg.csv"}


def bring(page: Any, file: Path) -> None:
    page.goto("/")
    page.locator("[data-pick]").first.set_input_files(file)
    page.wait_for_url(re.compile(r"/answers/\d+$"))
    page.wait_for_selector("article.case")


def test_a_chosen_picture_is_answered_with_cards(visit: Any, files: dict[str, Path]) -> None:
    page = visit()
    bring(page, files["picture"])
    assert page.locator(".cases article.case").count() == 10
    until(page, "document.querySelector('.query .ecg img').naturalWidth > 0")
    page.wait_for_selector(".intervals")
    assert "/min" in page.locator("[data-measured='1']").inner_text()


def test_a_dropped_file_is_answered(visit: Any, files: dict[str, Path]) -> None:
    page = visit()
    page.goto("/")
    drop = """(text) => {
      const given = new DataTransfer();
      given.items.add(new File([text], "dropped.csv"));
      const zone = document.querySelector("[data-drop]");
      zone.dispatchEvent(new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(drop, files["samples"].read_text())
    page.wait_for_url(re.compile(r"/answers/\d+$"))
    assert page.locator("h1").inner_text() == "dropped.csv"


def test_a_dragged_corner_is_read_again(visit: Any, files: dict[str, Path]) -> None:
    page = visit()
    bring(page, files["picture"])
    first = page.url
    page.get_by_role("link", name="Correct by hand").click()
    corner = page.locator("[data-corner='0']")
    assert not page.get_by_role("checkbox", name="Read only").is_checked()
    before = float(page.locator("[name=x0]").input_value())
    box = corner.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 10, box["y"] + box["height"] / 2 + 6, steps=4)
    page.mouse.up()
    scale = page.evaluate("1 / document.querySelector('[data-turned]').getScreenCTM().a")
    assert float(page.locator("[name=x0]").input_value()) == pytest.approx(before + 10 * scale, abs=2 * scale)
    assert page.get_by_role("checkbox", name="Read only").is_checked()
    page.get_by_role("button", name="Read and search again").click()
    page.wait_for_selector("article.case")
    assert page.url != first
    assert "the part of the picture to read" in page.locator(".warnings").inner_text()


def test_corners_move_by_keys_as_they_are_seen(visit: Any, files: dict[str, Path]) -> None:
    page = visit()
    bring(page, files["picture"])
    page.goto(page.url + "/correct")
    for turn in ("0", "1", "2", "3"):
        page.locator("[name=turns]").select_option(turn)
        before = page.locator("[data-corner='0']").bounding_box()
        page.locator("[data-corner='0']").focus()
        page.keyboard.press("Shift+ArrowRight" if turn in ("0", "1") else "Shift+ArrowLeft")
        after = page.locator("[data-corner='0']").bounding_box()
        moved = after["x"] - before["x"]
        assert moved > 1 if turn in ("0", "1") else moved < -1
        assert after["y"] == pytest.approx(before["y"], abs=1)


def drag_over(page: Any, sheet: Any, mm: tuple[float, float], ms: float, mv: float) -> None:
    """Draw calipers of a known size from a place in mm on."""
    box = sheet.bounding_box()
    data = sheet.evaluate("(one) => ({...one.dataset})")
    px = box["width"] / float(data["wide"])
    x, y = box["x"] + mm[0] * px, box["y"] + mm[1] * px
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 3, y + 3)
    page.mouse.move(x + ms / 1000 * float(data["speed"]) * px, y + mv * float(data["gain"]) * px)
    page.mouse.up()


@pytest.mark.parametrize("view", ["page", "leads"])
def test_calipers_read_time_and_voltage(visit: Any, files: dict[str, Path], view: str) -> None:
    page = visit()
    bring(page, files["samples"])
    if view == "leads":
        page.locator("input[value=leads]").check()
        page.locator("[name=speed]").select_option("50")
        page.locator("[name=gain]").select_option("20")
        page.wait_for_selector("#case-1 [data-rows][data-speed='50'][data-gain='20'] .trace")
    sheet = page.locator("#case-1 [data-sheet]:not([hidden])")
    sheet.scroll_into_view_if_needed()
    drag_over(page, sheet, (60, 10), 200, 1)
    scale = float(
        page.locator("#case-1 [data-sheet]:not([hidden])").evaluate("(s) => s.dataset.wide / s.clientWidth")
    )
    ms, mv = (float(sheet.get_attribute(f"data-{name}")) for name in ("ms", "mv"))
    assert 0.05 < scale < 1  # mm to a pixel
    assert ms == pytest.approx(200, abs=scale * 1000 / 25)  # to a pixel
    assert mv == pytest.approx(1, abs=scale / 10)
    said = page.locator("[data-reading]").inner_text()
    assert f"{ms:.0f} ms ({60000 / ms:.0f}/min), {mv:.2f} mV" in said


def test_calipers_read_what_was_drawn(visit: Any, files: dict[str, Path]) -> None:
    """The calibration pulse is 1 mV high and 0.2 s long: it stands at 0.5 mm, its foot on the first baseline."""
    page = visit()
    bring(page, files["samples"])
    drawing = page.request.get(page.url + "/drawings/1.svg").text()
    pulse = re.search(r'd="M(\d+) (\d+)l0-100 50 0 0 100', drawing)  # up 10 mm, along 5 mm, down 10 mm
    assert pulse
    left, foot = int(pulse[1]) / 10, int(pulse[2]) / 10
    sheet = page.locator("#case-1 [data-sheet]:not([hidden])")
    sheet.scroll_into_view_if_needed()
    drag_over(page, sheet, (left, foot - 10), 200, 1)
    assert float(sheet.get_attribute("data-ms")) == pytest.approx(200, abs=20)
    assert float(sheet.get_attribute("data-mv")) == pytest.approx(1, abs=0.05)


def test_calipers_by_keyboard(visit: Any, files: dict[str, Path]) -> None:
    page = visit()
    bring(page, files["samples"])
    page.locator("#case-1 [data-place]").focus()
    page.keyboard.press("Enter")
    sheet = page.locator("#case-1 [data-sheet]:not([hidden])")
    assert (sheet.get_attribute("data-ms"), sheet.get_attribute("data-mv")) == ("200.0", "1.000")
    page.keyboard.press("ArrowLeft")  # the left line has the focus
    page.keyboard.press("Tab")
    page.keyboard.press("PageUp")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowUp")
    assert (sheet.get_attribute("data-ms"), sheet.get_attribute("data-mv")) == ("310.0", "1.050")
    assert page.evaluate("document.activeElement.getAttribute('aria-valuetext')") == "1.05 mV"
    page.keyboard.press("Escape")
    assert page.locator(".over").count() == 0
    assert page.evaluate("'place' in document.activeElement.dataset")


def test_zoom_and_scroll_are_locked(visit: Any, files: dict[str, Path]) -> None:
    page = visit()
    bring(page, files["samples"])
    widths = (
        "[...document.querySelectorAll('.ecg [data-sheet]:not([hidden])')].map((one) => Math.round(one.offsetWidth))"
    )
    fitted = page.evaluate(widths)
    assert len(set(fitted)) == 1
    for _ in range(4):
        page.get_by_role("button", name="Larger").click()
    zoomed = page.evaluate(widths)
    assert len(set(zoomed)) == 1
    assert zoomed[0] > 1.5 * fitted[0]
    page.locator("#case-1 .frame").evaluate("(frame) => { frame.scrollLeft = 130; }")
    frames = "[...document.querySelectorAll('.ecg .frame')].filter((one) => one.offsetParent)"
    until(page, f"{frames}.every((one) => one.scrollLeft === 130)")
    page.get_by_role("button", name="fit").click()
    assert page.evaluate(widths) == fitted


def test_leads_are_drawn_under_each_other_with_beats_aligned(visit: Any, files: dict[str, Path]) -> None:
    page = visit()
    bring(page, files["samples"])
    page.locator("input[value=leads]").check()
    page.wait_for_selector("#case-1 .trace.of-query")
    assert page.locator("#case-1 .trace").count() == 6  # three leads of two ECGs
    middle = "(one) => { const box = one.getBBox(); return [box.x, box.width]; }"
    assert page.locator("#case-1 .peak").count() == 6
    assert len({page.locator("#case-1 .peak").nth(i).get_attribute("x1") for i in range(6)}) == 1
    starts = page.locator("#case-1 .trace").first.evaluate(middle)
    page.get_by_role("button", name="Case one beat later").click()
    until(page, "!document.querySelector('#case-1 [data-rows]').dataset.stale")
    page.get_by_label("one over the other").check()
    until(page, "document.querySelectorAll('#case-1 .trace').length === 6")
    page.get_by_role("button", name="all", exact=True).click()
    until(page, "document.querySelectorAll('#case-1 .trace').length === 24")
    assert starts[1] > 100


def test_filters_more_like_this_and_back(visit: Any, files: dict[str, Path]) -> None:
    page = visit()
    bring(page, files["samples"])
    first, title = page.url, page.locator("h1").inner_text()
    page.locator("section.refine select[name=sex]").select_option("female")
    page.get_by_role("button", name="Search again").click()
    page.wait_for_url(lambda url: url != first)
    second = page.url
    assert 'sex = "female"' in page.locator(".asked").inner_text()
    name = page.locator(".cases .id").nth(1).inner_text()
    page.locator(".cases").get_by_role("button", name="More like this").nth(1).click()
    page.wait_for_url(lambda url: url != second)
    assert name in page.locator("h1").inner_text()
    page.go_back()
    assert page.url == second
    page.go_back()
    assert page.url == first
    assert page.locator("h1").inner_text() == title
    assert "busy" not in (page.locator("body").get_attribute("class") or "")
    page.get_by_role("link", name="This visit").click()
    assert page.locator(".history li").count() == 3


def test_a_condition_that_is_none_is_said_where_it_was_typed(visit: Any, files: dict[str, Path]) -> None:
    page = visit()
    bring(page, files["samples"])
    page.get_by_label("Condition").fill("age >= sixty")
    page.get_by_role("button", name="Search again").click()
    page.wait_for_selector(".refine [role=alert]")
    assert "column 8" in page.locator(".refine [role=alert]").inner_text()
    assert page.get_by_label("Condition").input_value() == "age >= sixty"


def test_with_the_keyboard_alone(visit: Any) -> None:
    page = visit()
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "text":
            break
    page.keyboard.type("atrial fibrillation")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("article.case")
    assert "atrial fibrillation" in page.locator("h1").inner_text()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.zoom || document.activeElement.className || ''"))
        if page.evaluate("document.activeElement.textContent").startswith("More like this"):
            break
    assert {"1", "frame"} <= reached
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('More like')")


def test_the_language_is_switched_and_stays(visit: Any, files: dict[str, Path]) -> None:
    page = visit()
    bring(page, files["samples"])
    page.get_by_role("link", name="Deutsch").click()
    assert page.locator("html").get_attribute("lang") == "de"
    assert page.locator("#cases").inner_text() == "Die 10 nächsten Fälle"
    page.goto("/history")
    assert page.locator("h1").inner_text() == "Dieser Besuch"
    german = visit(locale="de-DE")
    german.goto("/")
    assert german.locator("html").get_attribute("lang") == "de"


def test_without_scripts(visit: Any, files: dict[str, Path]) -> None:
    page = visit(java_script_enabled=False)
    page.goto("/")
    page.locator("[data-pick]").first.set_input_files(files["samples"])
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_selector("article.case")
    assert page.locator(".tools").is_hidden()
    page.get_by_role("link", name="Measure rate").click()
    page.wait_for_selector(".intervals")
    page.get_by_role("button", name="More like this").first.click()
    page.wait_for_selector("h1:has-text('More like')")


def test_saved_as_one_file_and_as_pdf(visit: Any, files: dict[str, Path], tmp_path: Path) -> None:
    import pypdfium2

    page = visit()
    bring(page, files["samples"])
    with page.expect_download() as coming:
        page.get_by_role("link", name="Save as PDF").click()
    coming.value.save_as(tmp_path / "kept.pdf")
    assert len(pypdfium2.PdfDocument(tmp_path / "kept.pdf")) >= 12
    with page.expect_download() as coming:
        page.get_by_role("link", name="Save as HTML").click()
    coming.value.save_as(tmp_path / "kept.html")
    kept = visit()
    kept.goto("/")
    asked: list[str] = []
    other = kept.context.new_page()
    other.on("request", lambda request: asked.append(request.url))
    other.goto((tmp_path / "kept.html").as_uri())
    assert other.locator("article.case").count() >= 10
    assert all(url.startswith(("file:", "data:")) for url in asked)
    assert other.evaluate("[...document.images].every((one) => one.naturalWidth > 0)")


TOO_WIDE = """(width) => [...document.querySelectorAll("body *")]
  .filter((one) => one.getBoundingClientRect().right > width + 1 && !one.closest(".frame > *"))
  .map((one) => `${one.tagName}.${one.className} ${one.textContent.slice(0, 50)}`).slice(0, 9)"""
VIEWS = ("answer", "leads", "home", "sentence", "correct", "refused", "history", "gone")


@pytest.mark.parametrize(("width", "scheme", "language"), [(1440, "light", "en"), (375, "dark", "de")])
def test_axe_finds_nothing_serious(
    visit: Any, files: dict[str, Path], tmp_path: Path, width: int, scheme: str, language: str
) -> None:
    page = visit(**(PHONE if width == 375 else DESK), color_scheme=scheme)
    page.goto(f"/?lang={language}")
    bring(page, files["picture"])
    for view in VIEWS:
        go_to(page, view, files, tmp_path)
        check_with_axe(page, f"{view} in {language} at {width}")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{view}: {page.evaluate(TOO_WIDE, width)}"


def go_to(page: Any, view: str, files: dict[str, Path], tmp_path: Path) -> None:
    """Open a view; the first answer of the visit has the number 1."""
    if view == "home":
        page.goto("/")
        page.locator(".filters summary").click()
    elif view == "leads":
        page.locator("input[value=leads]").check()
        page.locator("#case-1 .frame").evaluate("(frame) => frame.scrollIntoView({ block: 'center' })")
        page.wait_for_selector("#case-1 .trace")
        page.locator("#case-1 [data-place]").evaluate("(button) => button.click()")
        page.wait_for_selector(".over")
    elif view == "sentence":
        page.goto("/")
        page.locator("textarea").fill("sinus rhythm")
        page.locator("fieldset button[type=submit]").click()
        page.wait_for_selector("article.case")
    elif view == "refused":
        (tmp_path / "no.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
        page.goto("/")
        page.locator("[data-pick]").first.set_input_files(tmp_path / "no.png")
        page.wait_for_selector("[role=alert]")
    elif view != "answer":  # where the visit stands already
        page.goto({"correct": "/answers/1/correct", "history": "/history", "gone": "/answers/77777"}[view])


def check_with_axe(page: Any, where: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    found = axe.Axe().run(page).response["violations"]
    grave = [one for one in found if one["impact"] in AXE_KINDS]
    assert [(one["id"], [node["html"][:160] for node in one["nodes"]][:3]) for one in grave] == [], where
