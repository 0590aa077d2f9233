"""ONNX files: answers as the converted model's, and nothing in them that reaches outside."""

import sys

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import (
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from malicious import stored
from modelwarden.child import onnx_file
from modelwarden.child.formats import UnfitError, examine
from modelwarden.child.onnx_file import read
from modelwarden.errors import InputError
from modelwarden.models import ModelFacts, Predictor, inspect

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 4)).astype(np.float32)
TEXT, NUMBERS = (
    np.where(X[:, 0] + X[:, 1] > 0, "yes", "no"),
    np.digitize(X[:, 0], [-0.5, 0.5]) * 10,
)
FRAME = pd.DataFrame(X[:, :2].astype(float), columns=["a", "b"]).assign(
    town=RNG.choice(["Delft", "Örebro"], 80), rooms=RNG.integers(1, 9, 80)
)
MODELS = {
    "forest": RandomForestClassifier(5, random_state=0),
    "linear": make_pipeline(StandardScaler(), LogisticRegression()),
    "network": MLPClassifier((3,), max_iter=5, random_state=0),
    "stack": StackingClassifier([("a", LogisticRegression())], RandomForestClassifier(3), cv=2),
    "calibrated": CalibratedClassifierCV(RandomForestClassifier(3, random_state=0), cv=2),
}


def converted(model, zipmap=True, **asked):
    asked = asked or {"X": X[:1]}
    return to_onnx(model, **asked, options={id(model): {"zipmap": zipmap}})


def loaded(proto):
    facts, model = examine(proto.SerializeToString())
    assert facts.get("loads"), facts["why"]
    return model


def why(data):
    """Return why a file does not load."""
    facts, model = examine(data if isinstance(data, bytes) else data.SerializeToString())
    assert model is None
    assert facts["format"] == "ONNX"
    return facts["why"]


LINEAR = LogisticRegression().fit(X, TEXT)
PROTO = converted(LINEAR)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("labels", [TEXT, NUMBERS], ids=["text", "numbers"])
@pytest.mark.parametrize("name", MODELS)
def test_predicts_what_the_converted_model_does(name, labels, zipmap):
    model = MODELS[name].fit(X, labels)

    copy = loaded(converted(model, zipmap))

    np.testing.assert_array_equal(copy.classes_, model.classes_)
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    np.testing.assert_allclose(copy.predict_proba(X), model.predict_proba(X), atol=2e-6)


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("labels", [TEXT, NUMBERS], ids=["two", "three"])
def test_scores_do_not_pass_for_probabilities(labels, zipmap):
    model = RidgeClassifier().fit(X, labels)

    copy = loaded(converted(model, zipmap))

    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    assert not hasattr(copy, "predict_proba")


def test_a_file_that_is_too_large_is_not_read(monkeypatch):
    monkeypatch.setattr(onnx_file, "MAX_BYTES", 100)

    assert "100 are allowed" in why(PROTO)


def test_answers_from_a_process_of_its_own(tmp_path):
    file = stored(tmp_path, PROTO.SerializeToString(), "model.pkl")

    with Predictor(file) as predictor:
        assert predictor.facts == ModelFacts(
            format="ONNX",
            loads=True,
            estimator="ONNXClassifier",
            classes=("no", "yes"),
            n_features=4,
            has_proba=True,
            sklearn_installed=predictor.facts.sklearn_installed,
        )
        table = pd.DataFrame(X.astype(float))
        np.testing.assert_array_equal(predictor.predict(table), LINEAR.predict(X))
        shares = predictor.predict_proba(table)
        np.testing.assert_allclose(shares, LINEAR.predict_proba(X), atol=1e-6)
        assert len(predictor.predict(table[:0])) == 0
        assert predictor.predict_proba(table[:0]).shape == (0, 2)
        with pytest.raises(InputError, match="columns of numbers"):
            predictor.predict(table.assign(**{"0": "x"}).drop(columns=[0]))
        assert predictor.structure() is None
        assert "neither linear nor made of trees" in predictor.structure_why


def test_a_pipeline_over_a_table_has_an_input_for_each_column(tmp_path):
    columns = ColumnTransformer(
        [("hot", OneHotEncoder(), ["town"]), ("scaled", StandardScaler(), ["a", "b", "rooms"])]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(FRAME, TEXT)
    kinds = {"a": FloatTensorType, "b": FloatTensorType, "town": StringTensorType}
    types = [(name, kinds.get(name, Int64TensorType)([None, 1])) for name in FRAME]
    data = converted(model, initial_types=types).SerializeToString()

    with Predictor(stored(tmp_path, data)) as predictor:
        assert predictor.facts.feature_names == ("a", "b", "town", "rooms")
        shares = predictor.predict_proba(FRAME[["rooms", "town", "b", "a"]])
        np.testing.assert_allclose(shares, model.predict_proba(FRAME), atol=1e-6)
        with pytest.raises(InputError, match="expected text in each cell"):
            predictor.predict(FRAME.assign(town=[None, *FRAME.town[1:]]))
        with pytest.raises(InputError, match="expected whole numbers"):
            predictor.predict(FRAME.assign(rooms=0.5))


def test_float64_reaches_a_model_that_asks_for_it():
    model = LogisticRegression().fit(X.astype(float), TEXT)

    copy = loaded(converted(model, zipmap=False, X=X[:1].astype(float)))

    wide = X.astype(float) + 1e-9
    np.testing.assert_array_equal(copy.predict(wide), model.predict(wide))


def test_probabilities_are_in_the_order_of_their_own_map():
    proto = onnx.ModelProto()
    proto.CopyFrom(PROTO)
    (maps,) = [node for node in proto.graph.node if node.op_type == "ZipMap"]
    maps.attribute[0].strings[:] = [b"yes", b"no"]

    copy = loaded(proto)

    assert copy.classes_.tolist() == ["yes", "no"]
    np.testing.assert_allclose(copy.predict_proba(X), LINEAR.predict_proba(X), atol=1e-6)


def test_is_known_without_a_producer():
    proto = onnx.ModelProto()
    proto.CopyFrom(PROTO)
    for field in ("producer_name", "producer_version", "domain", "doc_string", "model_version"):
        proto.ClearField(field)

    assert loaded(proto).n_features_in_ == 4


# --- what is refused ------------------------------------------------------------------------------


def changed(change):
    proto = onnx.ModelProto()
    proto.CopyFrom(PROTO)
    change(proto)
    return proto


def _tensor(name="w", **fields):
    return TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], **fields)


def _outside(location):
    tensor = _tensor(data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "4")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def _branch():
    body = helper.make_graph([], "g", [], [])
    return helper.make_node("If", ["c"], ["o"], then_branch=body, else_branch=body)


def _constant(tensor):
    return helper.make_node("Constant", [], ["k"], value=tensor)


HOSTILE = {
    "weights at a path": (
        lambda p: p.graph.initializer.append(_outside("../../etc/passwd")),
        "weights in another file",
    ),
    "weights at an address": (
        lambda p: p.graph.initializer.append(_outside("*/_ORT_MEM_ADDR_/*")),
        "weights in another file",
    ),
    "a constant at a path": (
        lambda p: p.graph.node.append(_constant(_outside("/etc/shadow"))),
        "weights in another file",
    ),
    "weights said to be elsewhere": (
        lambda p: p.graph.initializer.append(_tensor(data_location=TensorProto.EXTERNAL)),
        "weights in another file",
    ),
    "an operator of its own": (
        lambda p: p.graph.node.append(helper.make_node("System", ["X"], ["o"], domain="my.ops")),
        "operators of my.ops",
    ),
    "an operator of onnxruntime's": (
        lambda p: p.graph.node.append(helper.make_node("Ctx", [], [], domain="com.microsoft")),
        "operators of com.microsoft",
    ),
    "a domain that is only declared": (
        lambda p: p.opset_import.append(helper.make_opsetid("my.ops", 1)),
        "operators of my.ops",
    ),
    "a function": (
        lambda p: p.functions.append(onnx.FunctionProto(name="f", domain="ai.onnx")),
        "functions of its own",
    ),
    "a graph inside": (lambda p: p.graph.node.append(_branch()), "graphs inside operators"),
    "training": (lambda p: p.training_info.add(), "steps of training"),
    "sparse weights": (lambda p: p.graph.sparse_initializer.add(), "sparse weights"),
    "too many operators": (
        lambda p: p.graph.node.extend([onnx.NodeProto()] * 100_001),
        "100004 operators; 100000 are allowed",
    ),
    "an operator that is not there": (
        lambda p: p.graph.node.append(helper.make_node("NoSuch", ["X"], ["o"])),
        "does not read",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_refuses(name):
    change, expected = HOSTILE[name]

    assert expected in why(changed(change))


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (b"\xa2\x06\x00", "a model with the field 100, which is not known"),
        (b"\x3a\x00", "2 graphs instead of one"),
        (b"\x3a\x7f", "a length of 127 where 0 bytes are"),
        (b"\x3b\x3c", "a graph that is written as 3"),  # protobuf's groups
        (b"\x08", "a number without an end"),
        (b"\x08" + b"\xff" * 11, "a number without an end"),
        (b"\xff", "no end"),
    ],
)
def test_refuses_bytes_that_could_be_read_in_two_ways(extra, expected):
    assert expected in why(PROTO.SerializeToString() + extra)


def test_a_file_that_is_cut_off_does_not_load():
    data = PROTO.SerializeToString()
    whole_fields = len(onnx.ModelProto(graph=PROTO.graph).SerializeToString())

    for size in range(3, whole_fields, 3):
        with pytest.raises(UnfitError):
            read(data[:size])


def test_other_models_say_why():
    neighbours = KNeighborsClassifier().fit(X, TEXT)
    value = helper.make_tensor_value_info
    table = value("X", TensorProto.FLOAT, [None, 4])
    graph = helper.make_graph([helper.make_node("Identity", ["X"], ["Y"])], "g", [table], [])
    graph.output.append(value("Y", TensorProto.FLOAT, [None, 4]))
    opset = [helper.make_opsetid("", 21)]

    assert "graphs inside operators" in why(converted(neighbours))
    assert "no label but tensor(float)" in why(
        helper.make_model(graph, opset_imports=opset, ir_version=10)
    )


def test_several_inputs_must_be_a_column_each():
    pair = helper.make_tensor_value_info("pair", TensorProto.FLOAT, [None, 2])

    assert "not a column each" in why(changed(lambda proto: proto.graph.input.append(pair)))


def test_classes_must_differ():
    def twice(proto):
        (maps,) = [node for node in proto.graph.node if node.op_type == "ZipMap"]
        maps.attribute[0].strings[:] = [b"yes", b"yes"]

    assert "does not name its classes" in why(changed(twice))


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    assert why(PROTO).endswith("onnxruntime is not installed; install modelwarden[onnx]")


def test_nothing_is_written_beside_a_model(tmp_path):
    inspect(stored(tmp_path, PROTO.SerializeToString()))

    assert [path.name for path in tmp_path.iterdir()] == ["model.joblib"]


def test_flipped_bytes_are_read_or_refused():
    data = np.frombuffer(PROTO.SerializeToString(), np.uint8)

    def outcome(seed):
        rng = np.random.default_rng(seed)
        flipped = data.copy()
        flipped[rng.integers(len(data), size=4)] = rng.integers(256, size=4)
        try:
            return bool(read(flipped.tobytes()).outputs)
        except UnfitError:
            return "refused"

    assert {outcome(seed) for seed in range(150)} == {True, "refused"}
