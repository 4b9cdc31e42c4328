"""The page of answers: self-contained, honest about what is simulated, and safe with whatever a report says."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from index import Case
from retrieval import open_gallery
from retrieval.app.html import Section, picture_of, render_page, write_page
from retrieval.ecg.page import canonical_page
from tests.retrieval.conftest import heartbeats

pytestmark = pytest.mark.slow

VOID = {"meta", "link", "img", "br", "hr", "input", "rect", "image", "path"}


class Reader(HTMLParser):
    """Collects tags, texts and every attribute that could load something, and checks that tags close."""

    def __init__(self):
        super().__init__()
        self.tags, self.sources, self.text, self.open = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in {"src", "href", "xlink:href", "srcset", "data"}]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader, " ".join(" ".join(reader.text).split())


@pytest.fixture
def page(small_gallery, towers):
    """An ECG with samples, a page without, and a sentence; two of the cases are simulated."""
    with open_gallery(small_gallery, towers) as engine:
        answers = [
            engine.query(heartbeats(50), k=12),
            engine.query(canonical_page(heartbeats(51)), k=12),
            engine.search("atrial fibrillation", k=12),
        ]
        return render_page([Section(answer) for answer in answers], engine.statement_counts(), "Nearest cases")


def test_nothing_is_fetched_from_anywhere(page):
    reader, _ = read(page)
    assert reader.sources
    assert all(source.startswith("data:image/") for source in reader.sources)
    assert "http:" not in page
    assert "https:" not in page
    assert "script" not in reader.tags
    assert "@import" not in page
    assert set(re.findall(r"url\(([^)]*)\)", page)) <= {"#square", "#squares"}
    assert "default-src 'none'" in page


def test_it_says_what_it_is_and_what_is_simulated(page):
    reader, text = read(page)
    assert "not a diagnosis" in text
    assert text.count("SIMULATED") >= 4
    assert page.count('class="badge simulated"') == 3 * 2
    assert "atrial fibrillation" in text
    assert "Sinus rhythm. Inferior infarct." in text
    assert "80 %" in text
    assert reader.tags.count("svg") > 36


def test_every_drawing_has_one_scale(page):
    frames = set(re.findall(r'class="paper" viewBox="([^"]*)"', page))
    assert frames == {"0 0 2560 1280"}


def test_reports_and_names_cannot_become_markup(small_gallery, towers):
    attack = "<script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>"
    with open_gallery(small_gallery, towers) as engine:
        answer = engine.query(heartbeats(50), k=1)
    case = Case("<b>id</b>", attack, {"<i>": None}, source=attack)
    hit = replace(answer.hits[0], case=case)
    query = replace(answer.query, file=f"scans/{attack}.png", warnings=(attack,))
    text = render_page([Section(replace(answer, hits=(hit,), query=query), note=attack)], {})
    reader, shown = read(text)
    assert "script" not in reader.tags
    assert "b" in reader.tags  # our own
    assert not any("evil" in source for source in reader.sources)
    assert attack in shown


def test_a_damaged_picture_leaves_the_case_readable(small_gallery, towers):
    with open_gallery(small_gallery, towers) as engine:
        answer = engine.query(heartbeats(50), k=1)
    hit = replace(answer.hits[0], case=replace(answer.hits[0].case, waveform=b"damaged"))
    _, text = read(render_page([Section(replace(answer, hits=(hit,)))], {}))
    assert hit.report in text


def test_an_answer_without_cases_says_so(small_gallery, towers):
    with open_gallery(small_gallery, towers) as engine:
        answer = engine.query(heartbeats(50), k=1)
    _, text = read(render_page([Section(replace(answer, hits=()))], {}))
    assert "No case of the gallery may answer" in text


def test_the_page_is_written_whole_or_not_at_all(small_gallery, towers, tmp_path, monkeypatch):
    with open_gallery(small_gallery, towers) as engine:
        section = Section(engine.query(heartbeats(50), k=1))
    path = tmp_path / "deep" / "page.html"
    write_page(path, [section], {})
    assert path.read_text(encoding="utf-8").endswith("</html>")
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]


def test_a_photo_is_shown_small_and_other_files_not(tmp_path):
    Image.new("RGB", (4000, 3000), "white").save(tmp_path / "photo.jpg")
    (tmp_path / "x.pdf").write_bytes(b"%PDF-1.4")
    data = picture_of(str(tmp_path / "photo.jpg"))
    assert data is not None
    assert len(data) < 100_000
    assert picture_of(str(tmp_path / "x.pdf")) is None
    assert picture_of(None) is None


def test_the_command_writes_it_and_keeps_the_original_out_unless_asked(nearbeat, ecg_files, tmp_path):
    plain, shown = tmp_path / "plain.html", tmp_path / "shown.html"
    done = nearbeat("query", ecg_files / "page.png", ecg_files / "record.hea", "--html", plain)
    assert done.exit_code == 0, done.output
    assert nearbeat("query", ecg_files / "page.png", "--html", shown, "--show-original").exit_code == 0
    assert "As it came" not in plain.read_text()
    assert "As it came" in shown.read_text()
    assert "SIMULATED" in plain.read_text()
    assert nearbeat("search", "Infarkt", "--html", tmp_path / "s.html").exit_code == 0
    assert "Infarkt" in (tmp_path / "s.html").read_text()
