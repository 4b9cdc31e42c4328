"""The documentation: its commands run, its links resolve, and the site builds without a warning or a foreign file."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from retrieval.app.main import build_app
from retrieval.app.reference import commands_of
from tests.eval.corpus import make_rows, write_ptbxl
from tests.retrieval.corpora.physionet_server import serving, with_sums

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *REPOSITORY.glob("*.md")])
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")


def name_of(page):
    return page.relative_to(REPOSITORY).as_posix()


def commands_in(page):
    """What a page tells to type, a line each."""
    text = "".join(BLOCK.findall(page.read_text(encoding="utf-8"))).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip()]


@pytest.fixture
def physionet(tmp_path, monkeypatch):
    """PhysioNet, as far as the command can see, with records that can be read."""
    from dataclasses import replace

    from retrieval.corpora.sources import PTBXL, SOURCES

    folder = write_ptbxl(tmp_path / "there", make_rows(24, 4, 4, texts=12))
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with serving(with_sums(files)) as server:
        monkeypatch.setitem(SOURCES, "ptbxl", replace(PTBXL, base=server.base))
        yield


@pytest.mark.slow
def test_every_command_of_the_ten_minutes_runs(tmp_path, monkeypatch, physionet):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    commands = commands_in(DOCS / "start.md")
    assert len(commands) > 10
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "nearbeat", f"{command}: only nearbeat's own commands stand in blocks of sh"
        if words[1] == "serve":
            answers_and_stops(words[1:])
            continue
        done = CliRunner().invoke(build_app(), words[1:])
        assert done.exit_code == 0, f"{command}\n{done.output}\n{done.exception!r}"
    assert Path("demo-out/demo.html").is_file()
    assert Path("understood.png").is_file()


COMMANDS = commands_of(build_app())


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "nearbeat " in page.read_text(encoding="utf-8")], ids=name_of
)
def test_commands_on_pages_name_commands_and_options_that_there_are(page):
    for line in commands_in(page):
        words = shlex.split(line, comments=True)
        while words and ("=" in words[0] or words[0] in ("torchrun", "cd")):
            words = words[words.index("nearbeat") :] if "nearbeat" in words else []
        if words[:1] != ["nearbeat"] or "…" in line:
            continue
        words = words[1 : words.index("|") if "|" in words else None]
        name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in COMMANDS), None)
        assert name or words[0].startswith("--"), line
        if name:
            COMMANDS[name].make_context(name, words[len(name.split()) :])


def answers_and_stops(words):
    """Start the service as a user does, wait for its page, and press Ctrl-C."""
    address = f"http://127.0.0.1:{words[words.index('--port') + 1]}/"
    call = [sys.executable, "-c", "from retrieval.app.main import main; main()", *words]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert b"NearBeat" in _page(address, process)
        finally:
            process.send_signal(2)
            process.communicate(timeout=60)
    assert process.returncode in (0, 130)


def _page(address, process):
    for _ in range(240):
        assert process.poll() is None, process.stderr.read()
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310  our own, on loopback
                return answer.read()
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"nothing at {address} after two minutes")


def anchors_of(page):
    """What GitHub makes of a page's headings."""
    found = set()
    for heading in re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.strip().lower())
        found.add(plain.replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_resolve_where_the_pages_lie(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in LINK.findall(text):
        target, _, anchor = link.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), f"{name_of(page)} links to {link}"
        if anchor and place.suffix == ".md":
            assert anchor in anchors_of(place), f"{name_of(page)} links to {link}"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    done = subprocess.run(build, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


LOADED = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=["']?([^"'\s>]+)""", re.IGNORECASE)


@pytest.mark.slow
def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        foreign = [
            what for what in LOADED.findall(page.read_text(encoding="utf-8")) if what.startswith(("http", "//"))
        ]
        assert foreign == [], page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//", style.read_text(encoding="utf-8")), style.name


@pytest.mark.slow
def test_the_site_has_every_page_and_the_pictures(site):
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix(".html").as_posix().replace("README.html", "index.html")
        assert (site / name).is_file()
    assert (site / "images" / "answer.png").is_file()
    assert (site / "schemas" / "answer.json").is_file()
