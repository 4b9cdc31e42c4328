"""What mkdocs does to the pages beside rendering them: the same links hold in the repository and on the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
FROM_THE_ROOT = ("SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")
"""Pages of the repository's root that are pages of the site too."""
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#]+)(#[^)]*)?\)")


def on_config(config: Any) -> Any:
    """Leave out of the navigation what is not written yet."""
    config.nav = _written(config.nav)
    return config


def on_files(files: Files, config: Any) -> Files:
    """Take the pages of the root along."""
    for name in FROM_THE_ROOT:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Let links lead to where a page stands on the site; a link to a file of the repository becomes its name."""
    at_root = page.file.src_uri in FROM_THE_ROOT
    return _LINK.sub(lambda link: _moved(link, at_root, page.file.src_uri), markdown)


def _moved(link: re.Match[str], at_root: bool, source: str) -> str:
    text, target, anchor = link[1], link[2], link[3] or ""
    if "://" in target or target.startswith(("mailto:", "#")):
        return link[0]
    here = ROOT if at_root else (ROOT / "docs" / source).parent
    place = (here / target).resolve()
    if not place.is_relative_to(ROOT) or not place.exists():
        return link[0]  # mkdocs will complain, which is right
    name = place.relative_to(ROOT).as_posix()
    if name in FROM_THE_ROOT:
        up = "../" * source.count("/")
        return f"[{text}]({up}{name}{anchor})"
    if name.startswith("docs/"):
        return f"[{text}]({name.removeprefix('docs/')}{anchor})" if at_root else link[0]
    return text if text.startswith("`") else f"{text} (`{name}`)"


def _written(entry: Any) -> Any:
    if isinstance(entry, list):
        return [kept for kept in map(_written, entry) if kept is not None]
    if isinstance(entry, dict):
        inner = {title: _written(value) for title, value in entry.items()}
        return {title: value for title, value in inner.items() if value} or None
    is_there = (ROOT / "docs" / entry).is_file() or (entry in FROM_THE_ROOT and (ROOT / entry).is_file())
    return entry if is_there else None
