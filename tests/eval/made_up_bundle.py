"""Stand-ins for a bundle: one whose vectors are random, and one that reads the answer off the corpus."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import numpy as np

from retrieval.ecg.page import canonical_page

DIM = 256
"""In few dimensions random vectors have hubs, which a gallery that stays the same shows in every draw."""


def digest(content):
    return hashlib.sha256(content).digest()


def random_direction(content, dim=DIM):
    vector = np.random.default_rng(int.from_bytes(digest(content)[:8])).standard_normal(dim)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class RandomBundle:
    """Every page and every sentence has a direction of its own, which depends on nothing but its bytes."""

    name, version, dim = "random", "0", DIM
    encoding = SimpleNamespace(is_page=True)
    held_out_statements = ()

    def __init__(self, sha256="d" * 64):
        self.sha256 = sha256

    def image_of(self, page, recording):
        return page

    def encode_pages(self, pages):
        return np.stack([random_direction(page.tobytes()) for page in pages])

    def encode_texts(self, texts):
        return np.stack([random_direction(text.encode()) for text in texts])


class LeakingBundle(RandomBundle):
    """Knows each page's statements, or the report that belongs to it."""

    name = "leaking"

    def __init__(self, corpus, what, sha256="e" * 64):
        super().__init__(sha256)
        self._vectors = {}
        codes = sorted({code for row in corpus.rows for code in row.statements})
        for row in corpus.rows:
            page = canonical_page(corpus.recording(row)).pixels
            if what == "report":
                vector = self.encode_texts([row.report])[0]
            else:
                vector = np.zeros(DIM, np.float32)
                vector[[codes.index(code) for code in row.statements]] = 1 / np.sqrt(len(row.statements))
            self._vectors[digest(page.tobytes())] = vector

    def encode_pages(self, pages):
        return np.stack(
            [self._vectors.get(digest(page.tobytes()), random_direction(page.tobytes())) for page in pages]
        )
