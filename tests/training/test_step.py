"""A batch in parts has the gradient of the same parts kept in one graph: dropout repeats, statistics move once."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from retrieval.errors import BadArgument
from tests.training.shared_run import compare, in_parts
from tests.training.tiny import tiny_recipe

pytestmark = [pytest.mark.train, pytest.mark.slow]


def test_parts_have_the_gradient_of_one_graph(tmp_path):
    compare(in_parts(tmp_path), tmp_path / "run")


def test_the_number_of_pages_at_once_is_checked(tmp_path):
    with pytest.raises(BadArgument, match="pages_at_once is -1"):
        tiny_recipe(tmp_path, pages_at_once=-1)
