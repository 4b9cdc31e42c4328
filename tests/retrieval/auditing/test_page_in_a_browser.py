"""The page in a real browser: its script runs under its own policy, and the page is readable without."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from retrieval import open_gallery
from retrieval.auditing import Plan, audit

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium to look with")
def test_the_script_runs_and_without_it_all_is_said(tmp_path, small_gallery, towers):
    with open_gallery(small_gallery, towers) as engine:
        audit(engine, Plan(None, k=4), tmp_path / "out")
    page = tmp_path / "out" / "audit.html"
    shown = dom(page, tmp_path)
    assert "12 of 12" in shown
    assert '<form id="tools">' in shown
    text = page.read_text(encoding="utf-8")
    assert '<form id="tools" hidden>' in text
    page.write_text(text.replace("Filter, order and marks.", "Another script."), encoding="utf-8")
    assert '<form id="tools" hidden' in dom(page, tmp_path)  # the policy lets no other script run
    assert "case-07" in text


def dom(page, scratch):
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={scratch / 'profile'}"]
    done = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout
