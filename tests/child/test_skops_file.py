"""skops files: what skops writes loads; what nobody writes is refused before it acts."""

import io
import json
import sys
import zipfile

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from malicious import MARKER, Call, stored
from modelwarden.child import skops_file
from modelwarden.child.formats import examine
from modelwarden.models import Predictor, inspect

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.where(X[:, 0] > 0, "yes", "no")
MODEL = LogisticRegression().fit(X, Y)
DATA = skops.io.dumps(MODEL)


def rezipped(data, change, **members):
    """Return a skops file whose schema was changed, with further members."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        held = {name: old.read(name) for name in old.namelist()}
    schema = json.loads(held.pop("schema.json"))
    change(schema)
    held |= members | {"schema.json": json.dumps(schema).encode()}
    return zipped(held)


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            new.writestr(name, content)
    return stream.getvalue()


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def node(kind, name, **fields):
    module, _, last = name.rpartition(".")
    return {"__loader__": kind, "__module__": module, "__class__": last, **fields}


def text(value):
    return node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def several(kind, name, *items):
    return node(kind, name, content=[*items])


def arguments(*items):
    return several("TupleNode", "builtins.tuple", *items)


def mapping(**items):
    keys = several("ListNode", "builtins.list", *[node("TypeNode", "builtins.str") for _ in items])
    return node("DictNode", "builtins.dict", content=items, key_types=keys)


def attribute(value):
    """Return a model with a further attribute."""

    def change(schema):
        schema["content"]["content"]["note_"] = value
        keys = schema["content"]["key_types"]["content"]
        keys.append({**node("TypeNode", "builtins.str")})

    return rezipped(DATA, change)


def command(marker):
    return text(f"touch {marker}")


SYSTEM = "posix.system"
HOSTILE = {
    "a function": lambda m: node("FunctionNode", SYSTEM),
    "a built-in function": lambda m: node("FunctionNode", "builtins.eval"),
    "a type that is a function": lambda m: node("TypeNode", "builtins.exec"),
    "a type from outside": lambda m: node("TypeNode", "subprocess.Popen"),
    "a dotted name": lambda m: node("FunctionNode", "sklearn.base.os.system"),
    "a call": lambda m: node(
        "ConstructorFromReduceNode", SYSTEM, content=arguments(command(m))
    ),
    "a call of a class of sklearn": lambda m: node(
        "ConstructorFromReduceNode", "sklearn.linear_model._logistic.LogisticRegression",
        content=arguments(command(m)),
    ),
    "an operator": lambda m: node(
        "OperatorFuncNode", "operator.methodcaller", attrs=arguments(command(m))
    ),
    "a method": lambda m: node(
        "MethodNode", "builtins.str", content={"func": "format", "obj": command(m)}
    ),
    "a default factory": lambda m: node(
        "DefaultDictNode", "collections.defaultdict",
        content={"main": mapping(), "default_factory": node("TypeNode", "os.system")},
    ),
    "a list that calls": lambda m: several("ListNode", SYSTEM, command(m)),
    "a list that calls a tree": lambda m: several("ListNode", "sklearn.tree._tree.Tree", text(1)),
    "a tuple that calls": lambda m: several("TupleNode", "subprocess.Popen", command(m)),
    "a set that calls": lambda m: several("SetNode", "builtins.eval", command(m)),
    "a dict that calls": lambda m: {**mapping(a=text(1)), "__module__": "os", "__class__": "abort"},
    "a key that calls": lambda m: node(
        "DictNode", "builtins.dict", content={f"touch {m}": text(1)},
        key_types=several("ListNode", "builtins.list", node("TypeNode", SYSTEM)),
    ),
    "an array that calls": lambda m: node(
        "NdArrayNode", SYSTEM, type="json", shape=arguments(text(1)), content=[command(m)]
    ),
    "a loss that calls": lambda m: node(
        "LossNode", SYSTEM, __reduce__={"args": arguments(command(m))}, content=mapping()
    ),
    "a tree that calls": lambda m: node(
        "TreeNode", SYSTEM, __reduce__={"args": arguments(command(m))}, content=mapping()
    ),
    "a tree that calls a class": lambda m: node(
        "TreeNode", "sklearn.svm._classes.SVC", __reduce__={"args": arguments(command(m))},
        content=mapping(),
    ),
    "a partial function": lambda m: node(
        "PartialNode", "functools.partial",
        content={
            "func": node("FunctionNode", SYSTEM), "args": arguments(command(m)),
            "kwds": mapping(), "namespace": text(None),
        },
    ),
    "a partial class": lambda m: node(
        "PartialNode", "functools.partial",
        content={
            "func": node("TypeNode", "sklearn.svm._classes.SVC"), "args": arguments(),
            "kwds": mapping(), "namespace": text(None),
        },
    ),
    "a partial function with attributes": lambda m: node(
        "PartialNode", "functools.partial",
        content={
            "func": node("FunctionNode", "numpy.log1p"), "args": arguments(),
            "kwds": mapping(), "namespace": mapping(__array_interface__=text(1)),
        },
    ),
    "a function that makes objects": lambda m: node(
        "FunctionNode", "sklearn.neighbors._kd_tree.newObj"
    ),
    "a class as a function": lambda m: node("FunctionNode", "sklearn.svm._classes.SVC"),
    "an object of Python's": lambda m: node("ObjectNode", "builtins.object"),
    "a partial class by number": lambda m: several(
        "ListNode", "builtins.list",
        node("TypeNode", "sklearn.svm._classes.SVC", __id__=7),
        node(
            "PartialNode", "functools.partial",
            content={
                "func": node("FunctionNode", "numpy.log1p", __id__=7), "args": arguments(),
                "kwds": mapping(), "namespace": text(None),
            },
        ),
    ),
    "an object from outside": lambda m: node("ObjectNode", "subprocess.Popen", content=mapping()),
    "a distribution": lambda m: node(
        "ObjectNode", "scipy.stats._continuous_distns.norm_gen", content=mapping()
    ),
    "a window on memory": lambda m: node(
        "ObjectNode", "sklearn.svm._classes.SVC", content=mapping(__array_interface__=text(1))
    ),
    "another class": lambda m: node(
        "ObjectNode", "sklearn.svm._classes.SVC",
        content=mapping(__class__=node("TypeNode", "sklearn.tree._classes.DecisionTreeClassifier")),
    ),
    "a state by number": lambda m: several(
        "ListNode", "builtins.list",
        {**mapping(__array_interface__=text(1)), "__id__": 8},
        node("ObjectNode", "sklearn.svm._classes.SVC", content={**mapping(), "__id__": 8}),
    ),
    "a bunch with a window": lambda m: {
        **mapping(__array_interface__=text(1)),
        "__module__": "sklearn.utils._bunch", "__class__": "Bunch",
    },
    "a cached node": lambda m: node("CachedNode", "builtins.str", __id__=1),
    "a node of another library": lambda m: node(
        "QuantileForestNode", "quantile_forest._quantile_forest_fast.QuantileForest"
    ),
    "bytes": lambda m: node("BytesNode", "builtins.bytes", file="schema.json"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_refuses_by_name_and_executes_nothing(name, tmp_path):
    facts, model = examine(attribute(HOSTILE[name](tmp_path / MARKER)))

    assert model is None
    assert facts["refused"]
    assert not (tmp_path / MARKER).exists()


def test_names_what_it_refuses():
    facts, _ = examine(attribute(node("FunctionNode", SYSTEM)))

    assert facts["refused"] == ("posix.system",)
    assert facts["format"] == "skops"


def test_a_class_of_ones_own_is_refused_by_name():
    data = skops.io.dumps(make_pipeline(FunctionTransformer(zipped), MODEL))

    assert examine(data)[0]["refused"] == (f"{__name__}.zipped",)


# --- zips and arrays ------------------------------------------------------------------------------


def why(data):
    facts, model = examine(data)
    assert model is None
    assert facts["format"] == "skops"
    return facts["why"]


def same(_schema):
    pass


def array_node(name, array):
    """Return a model one of whose attributes is an array in a file of its own."""
    held = node("NdArrayNode", "numpy.ndarray", type="numpy", file=name)
    return rezipped(
        attribute(held), same, **{name: array if isinstance(array, bytes) else npy(array)}
    )


OBJECTS = np.array([Call(exec, "raise SystemExit"), None], dtype=object)
FORGED = {
    "a pickle beside the arrays": (
        lambda: rezipped(DATA, same, **{"model.pkl": b"x"}), "which skops does not write"),
    "a path": (lambda: rezipped(DATA, same, **{"../../up.py": b"x"}), "which skops does not write"),
    "a member that nothing uses": (
        lambda: rezipped(DATA, same, **{"a.npy": npy(X)}), "a member that nothing uses, 'a.npy'"),
    "an array of objects": (lambda: array_node("a.npy", OBJECTS), "Object arrays cannot be loaded"),
    "an array that is a pickle": (
        lambda: array_node("a.npy", joblib.hash(1).encode()), "the magic string is not correct"),
    "an array with something behind it": (
        lambda: array_node("a.npy", npy(X) + b"x"), "something behind it"),
    "an array that is shorter than it says": (
        lambda: array_node("a.npy", npy(X)[:-8]), "cannot be read"),
    "an array of dates": (
        lambda: array_node("a.npy", np.array(["2020-01-01"], "M8[D]")), "an array of datetime64"),
    "an array that is not there": (
        lambda: attribute(node("NdArrayNode", "numpy.ndarray", type="numpy", file="b.npy")),
        "no member 'b.npy'"),
    "an older protocol": (
        lambda: rezipped(DATA, lambda s: s.update(protocol=1)), "protocol 1; only 2 is supported"),
    "a protocol of its own": (
        lambda: rezipped(DATA, lambda s: s.update(protocol=True)), "protocol True"),
    "a schema that is a list": (lambda: zipped({"schema.json": b"[]"}), "protocol None"),
    "a key twice": (
        lambda: zipped({"schema.json": b'{"protocol": 1, "protocol": 2}'}), "a key twice"),
    "deep nesting": (lambda: zipped({"schema.json": b"[" * 99999}), "cannot be read"),
    "no end": (lambda: DATA[:-30], "cannot be read"),
    "only a start": (lambda: b"PK\x03\x04....schema.json", "cannot be read"),
    "several values as one": (
        lambda: attribute(node("JsonNode", "builtins.str", content="[1, 2]")), "more than one"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_refuses_a_file_that_skops_does_not_write(name):
    made, expected = FORGED[name]

    assert expected in why(made())


def test_a_number_is_one_number():
    held = node("NdArrayNode", "numpy.float64", type="numpy", file="a.npy")

    facts, model = examine(rezipped(attribute(held), same, **{"a.npy": npy(X)}))

    assert model is None
    assert facts["refused"] == ("call of numpy.float64",)


def test_too_many_members_are_not_read(monkeypatch):
    monkeypatch.setattr(skops_file, "MAX_MEMBERS", 3)

    assert "which is too much" in why(DATA)


def test_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(skops_file, "MAX_BYTES", 1 << 20)

    assert "2 members of" in why(rezipped(zipped({"schema.json": b"{}"}), same, **{"a.npy": BOMB}))


BOMB = bytes(1 << 20)


def test_a_member_twice_is_refused():
    data = zipped({"schema.json": b"{}", "schema.jsoN": b"{}"}).replace(b"jsoN", b"json")

    assert "two members of one name" in why(data)


def test_trees_that_lead_outside_are_refused():
    model = DecisionTreeClassifier(max_depth=3).fit(X, Y)
    state = model.tree_.__getstate__()
    state["nodes"]["left_child"][0] = 2**40
    model.tree_.__setstate__(state)

    assert why(skops.io.dumps(model)).endswith("state of sklearn.tree._tree.Tree")


def test_sparse_matrices_that_lead_outside_are_refused():
    model = LogisticRegression().fit(X, Y).sparsify()
    model.coef_ = sparse.csr_matrix(np.eye(3))
    model.coef_.indices[0] = 2**30

    assert "state of scipy.sparse._csr.csr_matrix" in why(skops.io.dumps(model))


def test_an_array_for_a_matrix_is_refused():
    data = skops.io.dumps(make_pipeline(OneHotEncoder(), SVC()).fit(np.floor(X), Y))
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        (name, *_) = [one for one in old.namelist() if one.endswith(".npz")]

    assert "cannot be read" in why(rezipped(data, same, **{name: npy(X)}))


# --- models ---------------------------------------------------------------------------------------


def test_answers_from_a_process_of_its_own(tmp_path):
    with Predictor(stored(tmp_path, DATA, "model.pkl")) as predictor:
        assert predictor.facts.format == "skops"
        np.testing.assert_array_equal(predictor.classes, ["no", "yes"])
        np.testing.assert_array_equal(predictor.predict(pd.DataFrame(X)), MODEL.predict(X))


def test_skops_is_not_needed(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "skops"]:
        monkeypatch.setitem(sys.modules, name, None)

    assert examine(DATA)[0]["loads"]


def test_says_which_sklearn_wrote_it(tmp_path):
    def older(schema):
        schema["content"]["content"]["_sklearn_version"] = text("0.1")

    facts = inspect(stored(tmp_path, rezipped(DATA, older)))

    assert (facts.loads, facts.sklearn) == (True, "0.1")


def test_compressed_files_load():
    data = skops.io.dumps(MODEL, compression=zipfile.ZIP_DEFLATED)

    assert examine(data)[0]["loads"]
