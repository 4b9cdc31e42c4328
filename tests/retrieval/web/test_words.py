import re
from importlib.resources import files
from string import Formatter

import pytest

from retrieval.errors import BadInput
from retrieval.intake.correction import LAYOUT_NAMES
from retrieval.web.examples import EXAMPLES, SENTENCES
from retrieval.web.language import LANGUAGES, Words, choose, table
from retrieval.web.measures import MARGINS


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys_and_places() -> None:
    english, german = table("en"), table("de")
    assert set(english) == set(german)
    assert {key: names_in(english[key]) for key in english} == {key: names_in(german[key]) for key in german}


def test_hardly_a_text_was_left_untranslated() -> None:
    english, german = table("en"), table("de")
    same = {key for key in english if english[key] == german[key]}
    assert {key for key in same if re.findall("[a-z]{5,}", re.sub("{.*?}", "", english[key]))} == set()


def sources() -> dict[str, str]:
    folders = [files("retrieval.web"), files("retrieval.web").joinpath("templates")]
    named = [one for folder in folders for one in folder.iterdir() if one.name.endswith((".py", ".html"))]
    return {one.name: one.read_text(encoding="utf-8") for one in named}


def test_each_key_that_is_asked_for_is_there() -> None:
    for name, text in sources().items():
        for key in re.findall(r"""\bt\(['"]([a-z_]+\.[a-z_0-9]+)['"][,)]""", text):
            assert key in table("en"), f"{name} asks for {key}"


def test_each_word_that_a_script_asks_for_is_there() -> None:
    for one in files("retrieval.web").joinpath("static").iterdir():
        if one.name.endswith(".js"):
            for key in re.findall(r'\bword\("(\w+)"', one.read_text(encoding="utf-8")):
                assert f"script.{key}" in table("de"), f"{one.name} asks for {key}"


def test_what_is_named_by_its_own_name_has_words() -> None:
    keys = set(table("de"))
    assert {f"layout.{name}" for name in LAYOUT_NAMES} <= keys
    assert {f"example.{name}" for name in EXAMPLES} <= keys
    assert {f"measure.{name}" for name in MARGINS} <= keys
    assert {f"error.{one.kind}" for one in BadInput.__subclasses__()} - keys <= {"error.empty_sentence"}
    assert set(SENTENCES) == set(LANGUAGES)


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "language"),
    [
        (None, None, None, "en"),
        ("de", "en", "en", "de"),
        (None, "de", "en", "de"),
        ("fr", None, "de-AT,de;q=0.8", "de"),
        (None, None, "fr,en;q=0.3,de;q=0.7", "de"),
        (None, None, "de;q=0,en;q=0.1", "en"),
        (None, None, "de;q=x, *", "en"),
        (None, "<", "," * 3000, "en"),
    ],
)
def test_language_is_chosen(asked: str | None, kept: str | None, accepted: str | None, language: str) -> None:
    assert choose(asked, kept, accepted) == language


def test_numbers_and_statements_are_of_the_language() -> None:
    assert (Words("en").number(-1.25, 1), Words("de").number(1.25, 2)) == ("\N{MINUS SIGN}1.2", "1,25")
    assert Words("de").statement("AFIB") == "Vorhofflimmern"
    assert Words("de").statement("what is this") == "what is this"
