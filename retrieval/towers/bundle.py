"""The model bundle: a folder of two exported towers, a tokenizer and a card, and how it turns ECGs into vectors."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.encodings import Encoding, tower_image
from retrieval.ecg.page import CANONICAL, PAPER, Gray
from retrieval.ecg.recording import Recording
from retrieval.errors import BadArgument, BundleError, EmptySentence, NoWaveform

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

FORMAT = 1
CARD = "bundle.json"
MODEL_FILES = ("image.onnx", "text.onnx", "tokenizer.json")
PAGE = {"width": CANONICAL.width_px, "height": CANONICAL.height_px, "px_per_mm": CANONICAL.px_per_mm}
SHIPPED = Path(__file__).parent / "shipped"
"""The bundle inside the package."""

Vectors = NDArray[np.float32]
Progress = Callable[[int], None]


class Bundle:
    """Two towers of one embedding space.

    Every page and every sentence is encoded on its own, in one thread, so that its vector is the same to the bit
    whatever came beside it and however many threads work on a batch.
    """

    def __init__(self, folder: Path, card: dict[str, Any]) -> None:
        self.folder = folder
        self.card = card
        self.name: str = card["name"]
        self.version: str = card["version"]
        self.dim: int = card["dim"]
        self.encoding = Encoding.from_settings(card.get("encoding", {}))
        self.held_out_statements: tuple[str, ...] = tuple(card.get("held_out_statements", ()))
        """Codes that the towers were never trained on, so that finding them by name is zero-shot."""

    @classmethod
    def load(cls, folder: str | Path | None = None) -> Bundle:
        """Open a bundle and check every file against its checksum.

        Args:
            folder: the bundle; without one, the bundle shipped inside the package.

        Raises:
            BundleError: when a file is missing or damaged, or the bundle asks for another version of this program.
        """
        path = Path(folder) if folder is not None else SHIPPED
        card = _read_card(path)
        for name in MODEL_FILES:
            _check_file(path / name, card["files"][name])
        return cls(path, card)

    @cached_property
    def sha256(self) -> str:
        """What the vectors depend on: the model files and the way their input is made. Card texts are left out."""
        parts = {name: self.card["files"][name] for name in MODEL_FILES}
        parts |= {"page": self.card["page"], "text": self.card["text"]}
        if not self.encoding.is_page:
            parts["encoding"] = self.encoding.settings()
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def image_of(self, page: Gray | None, recording: Recording | None) -> Gray:
        """What the image tower reads of an ECG: its page, or the encoding of its recording.

        Args:
            page: the canonical page, uint8 ``[256, 512]``, where it was drawn already.
            recording: the samples, where they are known.

        Raises:
            NoWaveform: when the tower reads recordings and only a picture of a page is there.
        """
        if self.encoding.is_page and page is not None:
            return page
        return tower_image(self.checked(recording), self.encoding)

    def checked(self, recording: Recording | None) -> Recording:
        """The recording itself, where the tower cannot do without one.

        Raises:
            NoWaveform: when there is none.
        """
        if recording is None:
            raise NoWaveform(
                f"the bundle {self.name} reads {self.encoding.name} images, which are computed from the samples of a "
                "recording; a picture of a page has none: bring the waveform file, or use a bundle that reads pages"
            )
        return recording

    def encode_pages(self, pages: Sequence[Gray], threads: int = 0, progress: Progress | None = None) -> Vectors:
        """Unit vectors ``[n, dim]`` of canonical pages, each uint8 ``[256, 512]``.

        Args:
            pages: the pages.
            threads: pages encoded at once; 0 takes one thread per core.
            progress: called with 1 after each page.
        """
        session = self._image_session

        def encode(page: Gray) -> Vectors:
            vector = session.run(["vectors"], {"pages": page_input(page)})[0]
            if progress is not None:
                progress(1)
            return _unit(np.asarray(vector))

        return self._gather(encode, pages, threads)

    def encode_texts(self, texts: Sequence[str], threads: int = 0) -> Vectors:
        """Unit vectors ``[n, dim]`` of sentences.

        Raises:
            EmptySentence: when one holds no letter or digit.
        """
        for text in texts:
            if not any(letter.isalnum() for letter in text):
                raise EmptySentence(
                    f"the sentence '{text}' holds no word; describe the ECG, such as 'atrial fibrillation'"
                )
        session = self._text_session

        def encode(text: str) -> Vectors:
            return _unit(np.asarray(session.run(["vectors"], {"input_ids": self.tokens(text)})[0]))

        return self._gather(encode, texts, threads)

    def tokens(self, text: str) -> NDArray[np.int64]:
        """The token ids ``[1, tokens]`` of a sentence, with the prefix that the tower was trained with."""
        settings = self.card["text"]
        ids = self._tokenizer.encode(settings["prefix"] + text).ids[: settings["max_tokens"]]
        return np.array([ids], dtype=np.int64)

    def _gather(self, encode: Callable[[Any], Vectors], items: Sequence[Any], threads: int) -> Vectors:
        if not len(items):
            return np.zeros((0, self.dim), np.float32)
        workers = min(threads if threads > 0 else os.cpu_count() or 1, len(items))
        if workers == 1:
            return np.concatenate([encode(item) for item in items])
        with ThreadPoolExecutor(workers) as pool:
            return np.concatenate(list(pool.map(encode, items)))

    @cached_property
    def _image_session(self) -> InferenceSession:
        return _session(self.folder / "image.onnx")

    @cached_property
    def _text_session(self) -> InferenceSession:
        return _session(self.folder / "text.onnx")

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        file = self.folder / "tokenizer.json"
        try:
            return Tokenizer.from_file(str(file))
        except Exception as error:  # tokenizers raises nothing more particular
            raise BundleError(f"{file} is no tokenizer that can be read: {error}") from error


def page_input(page: Gray) -> NDArray[np.float32]:
    """What the image tower takes: ``[1, 1, 256, 512]``, 0 for paper and 1 for ink."""
    if page.shape != CANONICAL.shape or page.dtype != np.uint8:
        raise ValueError(f"a canonical page is uint8 {CANONICAL.shape}, not {page.dtype} {page.shape}")
    paper = np.float32(PAPER)
    return ((paper - page.astype(np.float32)) / paper)[None, None]


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _read_card(path: Path) -> dict[str, Any]:
    file = path / CARD
    if not file.is_file():
        raise BundleError(
            f"{path} holds no {CARD}, so it is no model bundle; give the folder that 'nearbeat train' wrote"
        )
    try:
        card: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        known = card["format"]
        if known == FORMAT:
            _check_settings(card)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(f"{file} is not the card of a bundle ({error!r}); copy the bundle again") from error
    if known != FORMAT:
        raise BundleError(
            f"{file} is of format {known}, this program reads format {FORMAT}; install a matching version"
        )
    if card["page"] != PAGE:
        raise BundleError(
            f"{file} is of a bundle that reads pages of {card['page']}; this program draws pages of {PAGE}"
        )
    return card


def _check_settings(card: dict[str, Any]) -> None:
    """Look at every setting that is used; a wrong one must not surface later, as another error."""
    kinds = {"name": str, "version": str, "dim": int, "page": dict, "text": dict, "files": dict}
    wrong = [name for name, kind in kinds.items() if not isinstance(card[name], kind)]
    wrong += [
        name for name, kind in (("prefix", str), ("max_tokens", int)) if not isinstance(card["text"][name], kind)
    ]
    wrong += [name for name in MODEL_FILES if not isinstance(card["files"][name], str)]
    held_out = card.get("held_out_statements", [])
    if not isinstance(held_out, list) or not all(isinstance(code, str) for code in held_out):
        wrong.append("held_out_statements")
    try:
        Encoding.from_settings(card.get("encoding", {}))
    except BadArgument as error:
        raise ValueError(str(error)) from error
    if wrong:
        raise TypeError(f"{', '.join(wrong)} of another type")


def _check_file(path: Path, expected: str) -> None:
    if not path.is_file():
        raise BundleError(f"the bundle lacks {path.name} in {path.parent}; copy the bundle again")
    seen = file_sha256(path)
    if seen != expected:
        raise BundleError(
            f"{path} is damaged: its SHA-256 is {seen[:12]}…, its card says {expected[:12]}…; copy the bundle again"
        )


def _session(path: Path) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Left alone, ONNX Runtime turns int8 weights into kernels that round the activations to int8 too, by what the
    # processor can do. With this the weights become float once, at loading, and arithmetic stays float everywhere.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BundleError(f"{path} cannot be run by ONNX Runtime {onnxruntime.__version__}: {error}") from error


def _unit(rows: NDArray[Any]) -> Vectors:
    wide = np.asarray(rows, dtype=np.float64)
    return (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)
