import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from retrieval.ecg.recording import LEADS
from tests.retrieval.conftest import heartbeats
from tests.retrieval.web.conftest import HOSTILE

NOTICES = {"en": "Research software, not a diagnosis.", "de": "Forschungssoftware, keine Diagnose."}


class Seen(HTMLParser):
    """The elements of a page and its text, as a browser would take them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def upload(client: TestClient, data: bytes, name: str = "ecg.csv", **fields: Any) -> Any:
    return client.post("/search", files={"file": (name, data)}, data=fields)


@pytest.fixture
def answer(client: TestClient, sampled: bytes) -> Any:
    page = upload(client, sampled)
    assert page.status_code == 200
    return page


def cards(page: str) -> list[str]:
    """The ids of the cases in the list of the nearest."""
    part = page.partition('class="cases"')[2].partition("</section>")[0]
    return [one.strip() for one in re.findall(r'<span class="id">(.*?)</span>', part)]


def test_the_first_page_offers_both_ways_to_ask(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    names = {attributes.get("name") for tag, attributes in Seen(page.text).elements if tag in ("input", "textarea")}
    assert {"file", "text", "age_from", "where"} <= names
    assert 'capture="environment"' in page.text


def test_an_upload_is_answered_with_its_cases(answer: Any) -> None:
    assert re.search(r"/answers/\d+$", str(answer.url))
    assert len(cards(answer.text)) == 10
    seen = Seen(answer.text)
    assert "case-03" in cards(answer.text)[0]  # it is in the gallery itself
    assert "1.000" in seen.text
    assert "exact search" in seen.text
    assert "ward 1" in seen.text


def test_an_answer_lasts_for_back_and_reload(client: TestClient, answer: Any) -> None:
    assert client.get(str(answer.url)).text == answer.text
    assert answer.history[0].status_code == 303  # going back does not post again


def test_a_sentence_is_answered(client: TestClient) -> None:
    page = client.post("/search", data={"text": "Vorhofflimmern", "k": "5"})
    assert page.status_code == 200
    assert len(cards(page.text)) == 5
    assert "“Vorhofflimmern”" in Seen(page.text).text


def test_words_are_added_to_an_ecg(client: TestClient, sampled: bytes) -> None:
    page = upload(client, sampled, text="atrial fibrillation")
    assert "+ “atrial fibrillation”" in Seen(page.text).text
    plain = client.post(f"{page.url}/refine", data={"text": ""})
    assert "atrial fibrillation”" not in Seen(plain.text).text


def test_a_page_says_in_which_terms_it_asked_and_asks_in_the_typed_ones_alone_when_told(client: TestClient) -> None:
    page = client.post("/search", data={"text": "AF", "by": "words"})
    assert "Also asked as: atrial fibrillation, Vorhofflimmern." in Seen(page.text).text
    assert cards(page.text)
    exports = [client.get(f"{page.url}/export.{kind}") for kind in ("html", "pdf")]
    assert "Also asked as: atrial fibrillation, Vorhofflimmern." in exports[0].text
    assert exports[1].status_code == 200
    plain = client.post(f"{page.url}/refine", data={"text": "AF", "by": "words", "as_written": "1"})
    assert "Also asked as" not in Seen(plain.text).text
    assert cards(plain.text) == []
    ticked = [a for _, a in Seen(plain.text).elements if a.get("name") == "as_written"]
    assert [("checked" in a) for a in ticked] == [True]


def test_nothing_to_search_for(client: TestClient) -> None:
    page = client.post("/search", data={"text": "  ", "age_from": "60"})
    assert page.status_code == 422
    assert "choose a file, or write a finding" in Seen(page.text).text
    assert 'value="60"' in page.text  # what was typed stands there still


def test_filters_choose_cases(client: TestClient, answer: Any) -> None:
    page = client.post(f"{answer.url}/refine", data={"sex": "female", "present": "IMI", "k": "5"})
    assert page.status_code == 200
    assert cards(page.text) == [name for name in cards(page.text) if int(name[5:7]) % 2 and int(name[5:7]) % 3 == 2]
    assert 'sex = "female" and has "IMI"' in Seen(page.text).text
    nobody = client.post(f"{answer.url}/refine", data={"age_from": "119"})
    assert cards(nobody.text) == []
    assert "loosen the filters" in Seen(nobody.text).text


def test_a_condition_that_is_none_is_said(client: TestClient, answer: Any) -> None:
    page = client.post(f"{answer.url}/refine", data={"where": "age >= sixty", "sex": "male"})
    assert page.status_code == 422
    seen = Seen(page.text)
    assert "column 8" in seen.text
    assert any(a.get("name") == "where" and a.get("value") == "age >= sixty" for _, a in seen.elements)
    home = client.post("/search", data={"text": "x", "where": "has"})
    assert home.status_code == 422


def test_more_like_a_neighbour(client: TestClient, answer: Any) -> None:
    name = "case-03"
    page = client.post(f"{answer.url}/like", data={"case_id": name})
    assert page.status_code == 200
    assert name not in " ".join(cards(page.text))
    assert f"More like {name}" in Seen(page.text).text
    nothing = client.post(f"{answer.url}/like", data={"case_id": "no such"})
    assert nothing.status_code == 422
    assert "no such" in Seen(nothing.text).text


def test_history_is_of_the_visit_and_can_be_forgotten(client: TestClient, application: Any, answer: Any) -> None:
    client.post("/search", data={"text": "sinus rhythm"})
    history = Seen(client.get("/history").text)
    assert history.text.index("sinus rhythm") < history.text.index("ecg.csv")
    other = TestClient(application)
    assert "ecg.csv" not in other.get("/history").text
    assert other.get(str(answer.url)).status_code == 404
    assert other.get(f"{answer.url}/traces/query.json").status_code == 404
    assert "ecg.csv" not in client.post("/forget").text
    assert client.get(str(answer.url)).status_code == 404


@pytest.mark.parametrize("path", ["", "/export.html", "/measures"])
def test_what_comes_from_files_and_galleries_is_escaped(client: TestClient, sampled: bytes, path: str) -> None:
    page = upload(client, sampled, name="<script>alert(1)<b>.csv", text=HOSTILE, k="20")
    assert "&lt;script&gt;" in page.text
    found = client.get(str(page.url) + path)
    assert found.status_code == 200
    check_harmless(found.text)
    if path != "/measures":
        assert HOSTILE in Seen(found.text).text  # it is all there, as text


def check_harmless(page: str) -> None:
    for tag, attributes in Seen(page).elements:
        assert not any(name.startswith("on") for name in attributes)
        if tag == "script":
            assert str(attributes.get("src")).startswith("/static/")
        assert not any(str(value).startswith("javascript:") for value in attributes.values())
        assert attributes.get("src") != "x"


def pages(client: TestClient, answer: Any, printed: bytes) -> Iterator[Any]:
    picture = upload(client, printed, "page.png")
    refused = upload(client, png_of_nothing(), "blank.png")
    yield from (answer, picture, refused)
    for path in ("/", "/history", f"{picture.url}/correct", "/answers/999", f"{answer.url}?measure=1"):
        yield client.get(str(path))


@pytest.mark.parametrize("language", ["en", "de"])
def test_each_page_keeps_to_the_policy_and_says_what_it_is(
    client: TestClient, answer: Any, printed: bytes, language: str
) -> None:
    client.get(f"/?lang={language}")
    for page in pages(client, client.get(str(answer.url)), printed):
        seen = Seen(page.text)
        assert NOTICES[language] in seen.text, page.url
        assert seen.elements[0][1]["lang"] == language
        assert page.headers["cache-control"] == "no-store"
        assert "script-src 'self'" in page.headers["content-security-policy"]
        for tag, attributes in seen.elements:
            assert "style" not in attributes, page.url
            assert tag != "style"
            assert tag != "script" or attributes.get("src")
        check_harmless(page.text)


def test_the_language_stays_and_the_cookie_cannot_be_read(client: TestClient) -> None:
    page = client.get("/?lang=de")
    assert "HttpOnly" in page.headers["set-cookie"]
    assert '<html lang="de">' in client.get("/").text
    assert '<html lang="en">' in client.get("/?lang=en").text


def test_simulated_cases_are_marked_wherever_they_are(client: TestClient) -> None:
    page = client.post("/search", data={"text": "Sinus rhythm", "where": "source = simulated"})
    assert Seen(page.text).text.count("SIMULATED") >= len(cards(page.text)) + 1
    real = client.post("/search", data={"text": "Sinus rhythm", "where": "source = archive"})
    assert "SIMULATED" not in Seen(real.text).text


def test_an_example_says_that_it_is_simulated(client: TestClient) -> None:
    page = client.post("/examples/print")
    assert page.status_code == 200
    assert "SIMULATED" in Seen(page.text).text
    assert client.post("/examples/none").status_code == 404


def png_of_nothing() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (900, 600), "white").save(data, "PNG")
    return data.getvalue()


def test_a_picture_without_an_ecg_can_be_corrected(client: TestClient) -> None:
    page = upload(client, png_of_nothing(), "blank.png")
    assert page.status_code == 422
    assert "No ECG was found" in Seen(page.text).text
    correct = client.get(f"{page.url}/correct")
    assert 'viewBox="0 0 900 600"' in correct.text


def test_a_correction_is_read_and_said(client: TestClient, printed: bytes) -> None:
    page = upload(client, printed, "page.png")
    assert client.get(f"{page.url}/picture").content == printed
    again = client.post(f"{page.url}/correct", data={"speed": "50", "turns": "4"})
    assert again.status_code == 200
    assert str(again.url) != str(page.url)
    assert "Set by hand" in Seen(again.text).text
    assert "50 mm/s" in Seen(again.text).text
    corners = {
        "use_corners": "1",
        "x0": "1",
        "y0": "1",
        "x1": "1",
        "y1": "9",
        "x2": "9",
        "y2": "9",
        "x3": "9",
        "y3": "1",
    }
    wrong = client.post(f"{page.url}/correct", data=corners)
    assert wrong.status_code == 422
    assert "pixels long" in Seen(wrong.text).text


def saved(picture: bytes, kind: str) -> bytes:
    data = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").save(data, kind)
    return data.getvalue()


@pytest.mark.parametrize("kind", ["PDF", "TIFF", "BMP"])
def test_corners_are_set_on_pages_that_no_browser_shows_itself(client: TestClient, printed: bytes, kind: str) -> None:
    page = upload(client, saved(printed, kind), f"page.{kind.lower()}")
    assert page.status_code == 200
    shown = client.get(f"{page.url}/picture")
    assert shown.headers["content-type"] == "image/jpeg"
    wide, high = Image.open(io.BytesIO(shown.content)).size
    correct = client.get(f"{page.url}/correct")
    size = re.search(r'viewBox="0 0 (\d+) (\d+)"', correct.text)
    assert size is not None
    assert int(size[1]) / int(size[2]) == pytest.approx(wide / high, rel=0.01)
    values = re.findall(r'name="([xy]\d)"[^>]*value="([\d.]+)"', correct.text)
    assert len(values) == 8
    again = client.post(f"{page.url}/correct", data={"use_corners": "1", **dict(values)})
    assert again.status_code == 200
    assert "Set by hand" in Seen(again.text).text


def test_a_refused_tiff_can_be_corrected_and_a_refused_table_has_no_picture(client: TestClient) -> None:
    page = upload(client, saved(png_of_nothing(), "TIFF"), "blank.tiff")
    assert page.status_code == 422
    assert 'viewBox="0 0 900 600"' in client.get(f"{page.url}/correct").text
    assert client.get(f"{page.url}/picture").headers["content-type"] == "image/jpeg"
    table = upload(client, b"I,II\n1,2\n", "table.csv")
    assert table.status_code == 422
    assert client.get(f"{table.url}/picture").status_code == 404
    assert "viewBox" not in client.get(f"{table.url}/correct").text.partition("<form class")[2]


def test_a_table_that_says_nothing_of_its_samples_is_read_once_that_is_said(client: TestClient) -> None:
    beats = heartbeats(5)
    rows = "\n".join(",".join(f"{value:.3f}" for value in sample) for sample in beats.signal.T)
    page = upload(client, (",".join(LEADS) + "\n" + rows).encode(), "ecg.csv")
    assert page.status_code == 422
    assert f"{page.url}/correct".partition("/answers")[2] in page.text
    form = client.get(f"{page.url}/correct").text
    assert 'name="rate"' in form
    assert 'name="layout"' not in form
    wrong = client.post(f"{page.url}/correct", data={"rate": "many", "unit": "mV"})
    assert wrong.status_code == 422
    assert 'value="many"' in wrong.text
    assert "the unit is 'ohm'" in Seen(client.post(f"{page.url}/correct", data={"unit": "ohm"}).text).text
    half = client.post(f"{page.url}/correct", data={"unit": "mV"})
    assert "how many samples a second" in Seen(half.text).text
    read = client.post(f"{half.url}/correct", data={"rate": f"{beats.rate:g}"})
    assert read.status_code == 200
    assert len(cards(read.text)) == 10


@pytest.mark.parametrize("start", [b"%PDF-1.7 and nothing more", b"\x89PNG\r\n\x1a\n no picture"])
def test_a_damaged_page_has_no_picture(client: TestClient, start: bytes) -> None:
    page = upload(client, start, "page")
    assert page.status_code == 422
    assert "/picture" not in page.text
    assert client.get(f"{page.url}/picture").status_code == 404
    assert client.get(f"{page.url}/correct").status_code == 200


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"", "The file is empty"), (b"hello", "This kind of file is not known"), (b"\xff\xd8\xff\xe0" * 99, "damaged")],
)
def test_bad_files_are_refused_in_words(client: TestClient, data: bytes, kind: str) -> None:
    page = upload(client, data, "a.bin")
    assert page.status_code == 422
    assert kind.casefold() in Seen(page.text).text.casefold() or "0 bytes" in page.text


def test_a_wfdb_record_comes_as_two_files(client: TestClient) -> None:
    header = b"rec 1 500 10\nrec.dat 16 200 16 0 0 0 0 I\n"
    alone = upload(client, header, "rec.hea")
    assert "rec.dat" in Seen(alone.text).text
    both = client.post("/search", files=[("file", ("rec.dat", bytes(20))), ("file", ("rec.hea", header))])
    assert "rec.dat" not in Seen(both.text).text or "missing" not in Seen(both.text).text


def test_forms_of_other_sites_are_not_answered(client: TestClient) -> None:
    page = client.post("/search", data={"text": "x"}, headers={"origin": "https://elsewhere.example"})
    assert page.status_code == 403
    page = client.post("/search", data={"text": "x"}, headers={"sec-fetch-site": "cross-site"})
    assert page.status_code == 403


def test_files_of_the_pages(client: TestClient) -> None:
    page = client.get("/").text
    assert "/logout" not in page  # nobody had to log in
    addresses = re.findall(r'"(/static/[^"]+)"', page)
    assert len(addresses) >= 4
    for address in addresses:
        assert client.get(address).status_code == 200
    assert client.get("/static/x/nothing.js").status_code == 404
    assert client.get("/static/x/..%2Fsite.py").status_code == 404


def test_numbers_that_are_none(client: TestClient) -> None:
    for path in ("/answers/0", "/answers/9999999999999999999999", "/answers/1/picture", "/answers/1/export.pdf"):
        assert client.get(path).status_code == 404
    assert client.get("/answers/x").status_code == 404


def test_the_same_ecg_at_another_rate_is_drawn_at_the_same_scale(client: TestClient, answer: Any) -> None:
    drawing = client.get(f"{answer.url}/drawings/1.svg")
    assert drawing.headers["content-type"].startswith("image/svg+xml")
    assert 'viewBox="0 0 2560 1280"' in drawing.text
    assert client.get(f"{answer.url}/drawings/99.svg").status_code == 404
    assert client.get(f"{answer.url}/drawings/query.svg").text.count("<text") >= 12


def test_earlier_ecgs_of_the_patient_stand_apart(client: TestClient, answer: Any) -> None:
    page = client.post(f"{answer.url}/like", data={"case_id": "case-00"})  # case-01 is of the same patient
    assert "Earlier ECGs of the same patient" in Seen(page.text).text
    assert 'id="case-earlier-1"' in page.text
    assert not {"case-00", "case-01"} & set(cards(page.text))
    assert client.get(f"{page.url}/drawings/earlier-1.svg").status_code == 200
    assert "Earlier ECGs" not in client.get(str(answer.url)).text
