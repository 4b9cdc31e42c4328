"""Rounded weights: which are rounded, how far they move, and that the graph still runs and answers alike."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper, numpy_helper

from retrieval.towers.bundle import _session
from training.quantise import MIN_VALUES, _round, quantise_weights

WIDTH, HIDDEN, WORDS = 64, 96, 300


def weights():
    """One of each: read by Gather, MatMul, Gemm both ways round, and what must stay as it is."""
    rng = np.random.default_rng(5)

    def normal(*shape):
        # Rows and columns of very different size, as in a trained network; a scale for all would lose the small ones.
        return (rng.normal(size=shape) * 10 ** rng.uniform(-2, -0.5, (1, shape[-1]))).astype(np.float32)

    return {
        "table": (rng.normal(size=(WORDS, WIDTH)) * 10 ** rng.uniform(-1, 0.5, (WORDS, 1))).astype(np.float32),
        "matmul": normal(WIDTH, HIDDEN),
        "gemm_t": (rng.normal(size=(WIDTH, HIDDEN)) * 10 ** rng.uniform(-2, -0.5, (WIDTH, 1))).astype(np.float32),
        "gemm": normal(WIDTH, WIDTH),
        "tiny": normal(WIDTH, 4),
        "stack": normal(1, WIDTH, WIDTH),
        "added": normal(WORDS, WIDTH),
        "whole": rng.integers(0, 9, (WORDS, WIDTH)),
        "bias": normal(WIDTH),
    }


ROUNDED = {"table": 0, "matmul": 1, "gemm_t": 0, "gemm": 1}
"""The axis along which each rounded weight keeps a scale of its own: a table's row, a product's output."""


SEEN = ("twice", "kept_twice", "whole_float")


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """``(float file, rounded file)``."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["words"]),
        helper.make_node("ReduceMean", ["words", "axis"], ["x0"], keepdims=0),
        helper.make_node("MatMul", ["x0", "matmul"], ["x1"]),
        helper.make_node("Tanh", ["x1"], ["x2"]),
        helper.make_node("Gemm", ["x2", "gemm_t", "bias"], ["x3"], transB=1),
        helper.make_node("Tanh", ["x3"], ["x4"]),
        helper.make_node("Gemm", ["x4", "gemm"], ["x5"]),
        helper.make_node("MatMul", ["x5", "stack"], ["x6"]),
        helper.make_node("Squeeze", ["x6", "first"], ["x7"]),
        helper.make_node("MatMul", ["x7", "tiny"], ["out"]),
        helper.make_node("Gather", ["added", "ids"], ["seen"]),
        helper.make_node("Add", ["added", "added"], ["twice"]),
        helper.make_node("Cast", ["whole"], ["whole_float"], to=TensorProto.FLOAT),
    ]
    constants = {**weights(), "axis": np.array([1]), "first": np.array([0])}
    # "added" is read by a Gather too, so that one is rounded; "kept" is read by an Add alone.
    constants["kept"] = constants["added"] + 1
    nodes.append(helper.make_node("Add", ["kept", "kept"], ["kept_twice"]))
    graph = helper.make_graph(
        nodes,
        "towers",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n", "t"])],
        [
            helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 4]),
            *(helper.make_tensor_value_info(name, TensorProto.FLOAT, [WORDS, WIDTH]) for name in SEEN),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    folder = tmp_path_factory.mktemp("graphs")
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(folder / "float.onnx"))
    quantise_weights(folder / "float.onnx", folder / "int8.onnx")
    return folder / "float.onnx", folder / "int8.onnx"


def stored(file):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(str(file)).graph.initializer}


def plainly(file, ids):
    """The answer of ONNX Runtime without any of its rewriting of graphs."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return session.run(["out"], {"ids": ids})[0]


def ids(n=40, length=7):
    return np.random.default_rng(9).integers(0, WORDS, (n, length))


@pytest.mark.parametrize(("name", "axis"), ROUNDED.items())
def test_rounded_weights_are_within_half_a_step_of_their_own_row_or_column(graphs, name, axis):
    after, before = stored(graphs[1]), weights()[name].astype(np.float64)
    whole, scale = after[f"{name}.int8"], after[f"{name}.scale"].astype(np.float64)
    assert whole.dtype == np.int8
    assert scale.shape == (before.shape[axis],)
    step = np.expand_dims(scale, 1 - axis)
    assert np.all(np.abs(whole * step - before) <= 0.5 * step * 1.0001)
    np.testing.assert_allclose(scale, np.abs(before).max(axis=1 - axis) / 127, rtol=1e-6)
    assert np.abs(whole.astype(int)).max(axis=1 - axis).min() == 127
    assert name not in after


@pytest.mark.parametrize("name", ["tiny", "stack", "whole", "bias", "kept"])
def test_everything_else_is_left_alone(graphs, name):
    """What is small, has three axes, holds integers, or is read by an operation that is not known here."""
    np.testing.assert_array_equal(stored(graphs[1])[name], stored(graphs[0])[name])
    assert f"{name}.int8" not in stored(graphs[1])


def test_the_size_limit_is_where_it_says():
    assert WIDTH * WIDTH == MIN_VALUES
    assert "gemm" in ROUNDED


def test_the_graph_runs_and_answers_alike(graphs):
    wanted, got = (_session(file).run(["out", "twice", "kept_twice"], {"ids": ids()}) for file in graphs)
    cosine = (wanted[0] * got[0]).sum(axis=1) / np.linalg.norm(wanted[0], axis=1) / np.linalg.norm(got[0], axis=1)
    assert cosine.min() > 0.999
    np.testing.assert_array_equal(got[2], wanted[2])
    np.testing.assert_allclose(got[1], wanted[1], atol=np.abs(wanted[1]).max() / 200)


def test_the_run_time_rounds_nothing_but_the_weights(graphs):
    """ONNX Runtime, left alone, rounds activations beside int8 weights too: some per cent off in this graph."""
    wanted = plainly(graphs[1], ids())
    (got,) = _session(graphs[1]).run(["out"], {"ids": ids()})
    np.testing.assert_allclose(got, wanted, atol=1e-4 * np.abs(wanted).max())


def test_the_graph_answers_as_numpy_does_on_the_rounded_weights(graphs):
    after, plain = stored(graphs[1]), weights()
    steps = {name: np.expand_dims(after[f"{name}.scale"], 1 - axis) for name, axis in ROUNDED.items()}
    w = {name: after[f"{name}.int8"].astype(np.float64) * step for name, step in steps.items()}
    x = np.tanh(w["table"][ids()].mean(axis=1) @ w["matmul"])
    x = np.tanh(x @ w["gemm_t"].T + plain["bias"]) @ w["gemm"] @ plain["stack"][0].astype(np.float64) @ plain["tiny"]
    (got,) = _session(graphs[1]).run(["out"], {"ids": ids()})
    np.testing.assert_allclose(got, x, atol=1e-3 * np.abs(x).max())


def test_one_by_one_the_answer_is_the_same_to_the_bit_in_any_order(graphs):
    run = _session(graphs[1])
    rows = ids()
    forward = [run.run(["out"], {"ids": row[None]})[0].tobytes() for row in rows]
    run.run(["out"], {"ids": rows})
    backward = [run.run(["out"], {"ids": row[None]})[0].tobytes() for row in rows[::-1]]
    assert forward == backward[::-1]
    assert (
        forward
        == [_session(graphs[1]).run(["out"], {"ids": row[None]})[0].tobytes() for row in rows[:3]] + forward[3:]
    )


def test_no_activation_is_quantised(graphs):
    kinds = [node.op_type for node in onnx.load(str(graphs[1])).graph.node]
    assert kinds.count("DequantizeLinear") == len(ROUNDED) + 1
    assert not [kind for kind in kinds if "Quant" in kind and kind != "DequantizeLinear"]


def test_the_file_is_smaller(graphs):
    rounded = sum(weights()[name].size for name in (*ROUNDED, "added"))
    saved = graphs[0].stat().st_size - graphs[1].stat().st_size
    assert saved > 2.7 * rounded


@given(
    arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.floats(-1000, 1000, width=32)),
    st.sampled_from([0, 1]),
)
def test_rounding_any_matrix(values, axis):
    """Also rows of zeros, and rows whose largest value is the smallest there is."""
    whole, scale = _round(values, axis)
    back = whole.astype(np.float64) * np.expand_dims(scale.astype(np.float64), 1 - axis)
    step = np.broadcast_to(np.expand_dims(scale, 1 - axis), values.shape).astype(np.float64)
    assert np.all(np.abs(back - values) <= 0.5001 * step + 1e-12)
    assert (whole[values == 0] == 0).all()


def test_a_file_without_large_weights_comes_through_as_it_was(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(np.eye(3, dtype=np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(tmp_path / "a.onnx"))
    quantise_weights(tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert onnx.load(str(tmp_path / "b.onnx")) == model
