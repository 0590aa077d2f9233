"""The allow-list loader: what must load does; what must not is refused before it acts."""

import inspect
import pickle
from contextlib import suppress
from functools import partial

import joblib
import numpy as np
import pytest
import sklearn
import skops.io
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, SplineTransformer
from sklearn.svm import SVC, LinearSVC
from sklearn.utils import all_estimators

from malicious import CORPUS, FORGERIES, MARKER, Call, corpus_file, joblib_bytes
from modelwarden.child import skops_file
from modelwarden.child.allowed import Refused
from modelwarden.child.unpickling import MAX_REFUSED, load

RNG = np.random.default_rng(0)
X = np.abs(RNG.normal(size=(60, 4)))
Y = np.where(X[:, 0] + X[:, 1] > 1.5, "yes", "no")
TEXTS = np.where(Y == "yes", "good __init__ word", "bad word")


# --- hostile files --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CORPUS)
def test_the_corpus_executes_when_loaded_without_care(name, tmp_path):
    data = corpus_file(name, tmp_path)
    (tmp_path / "model").write_bytes(data)

    with suppress(Exception):
        joblib.load(tmp_path / "model")

    assert (tmp_path / MARKER).exists()


@pytest.mark.parametrize("name", CORPUS)
def test_refuses_the_corpus_and_executes_nothing(name, tmp_path):
    data = corpus_file(name, tmp_path)

    with pytest.raises(Refused):
        load(data)

    assert not (tmp_path / MARKER).exists()


@pytest.mark.parametrize("name", FORGERIES)
def test_refuses_forgeries_that_need_no_forbidden_name(name):
    with pytest.raises(Refused):
        load(FORGERIES[name]())


def test_says_every_name_that_was_refused():
    data = pickle.dumps([eval, {"a": Call(exec, "1")}, LogisticRegression(), pytest.Item])

    with pytest.raises(Refused) as refused:
        load(data)

    assert refused.value.names == ("builtins.eval", "builtins.exec", "_pytest.nodes.Item")


def test_stops_after_a_hundred_names():
    data = b"".join(b"cno%d\nsuch\n0" % number for number in range(9999)) + b"N."

    with pytest.raises(Refused) as refused:
        load(data)

    assert len(refused.value.names) == MAX_REFUSED


def test_shows_names_in_printable_characters():
    with pytest.raises(Refused) as refused:
        load(b"\x80\x04\x8c\x01o\x8c\x0b<b>\x1b[2J\xe2\x80\xae\n\x93.")

    assert refused.value.names == ("o.<b>\\x1b[2J\\u202e\\n",)


@pytest.mark.parametrize(
    "name",
    [
        "sklearn.tests.test_common.AllTests",
        "sklearn.ensemble.tests.test_bagging.DummySizeEstimator",
        "sklearn.utils._testing.BaseEstimator",
        "sklearn.utils._mocking.CheckingClassifier",
        "sklearn.cluster._birch._CFNode",
        "sklearn.datasets._base.load_files",
        "sklearn.tree.DecisionTreeClassifier",  # not where it is defined
        "sklearn.base.clone",
        "sklearn.linear_model._base.Parallel",
        "sklearn.linear_model.no_such_module.Thing",
        "numpy.memmap",
        "numpy.load",
        "numpy.void",
        "scipy.stats._continuous_distns.norm_gen",
        "functools.reduce",
        "builtins.getattr",
        "builtins.type",
    ],
)
def test_refuses_what_is_near_to_the_allow_list(name):
    module, _, last = name.rpartition(".")

    with pytest.raises(Refused):
        load(f"c{module}\n{last}\n.".encode())


def test_numpys_array_class_is_never_handed_out():
    assert load(b"cnumpy\nndarray\n.").model is not np.ndarray


@pytest.mark.parametrize("data", [b"", b"\x80", b"hello.", b"x\x9cnot zlib", b"\x80\x04K\x01"])
def test_what_is_no_pickle_is_an_unpickling_error(data):
    with pytest.raises(pickle.UnpicklingError):
        load(data)


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("xz", 3), ("bz2", 3)])
def test_a_model_with_something_behind_its_end_is_refused(compress):
    data = joblib_bytes(LogisticRegression().fit(X, Y), compress=compress)

    with pytest.raises(pickle.UnpicklingError):
        load(data + b"PK\x03\x04")


def test_no_truncation_of_a_model_loads_or_raises_anything_else():
    data = joblib_bytes(LogisticRegression().fit(X, Y))

    for size in range(0, len(data) - 1, 7):
        with pytest.raises(pickle.UnpicklingError):
            load(data[:size])


# --- models ---------------------------------------------------------------------------------------

CLASSIFIERS = dict(all_estimators("classifier"))
SEVERAL_OUTPUTS = {"ClassifierChain", "MultiOutputClassifier"}
PARTS = [("a", LogisticRegression()), ("b", RandomForestClassifier(3))]


def fitted(name):
    """Return a classifier of sklearn, fitted on little."""
    kind = CLASSIFIERS[name]
    options = inspect.signature(kind).parameters
    chosen = {"estimator": LogisticRegression(), "estimators": PARTS, "random_state": 0}
    one = (Y == "yes").astype(int)
    several = np.stack([one, X[:, 0] > 1], axis=1)
    model = kind(**{option: chosen[option] for option in chosen if option in options})
    return model.fit(X, several if name in SEVERAL_OUTPUTS else one)


def same(data, before, table=X, read=load):
    after = read(data).model
    assert type(after) is type(before)
    np.testing.assert_array_equal(after.predict(table), before.predict(table))
    if hasattr(before, "predict_proba"):
        np.testing.assert_allclose(
            after.predict_proba(table), before.predict_proba(table), rtol=1e-12
        )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_of_sklearn_predicts_the_same(name):
    model = fitted(name)

    same(joblib_bytes(model), model)
    same(pickle.dumps(model), model)
    same(skops.io.dumps(model), model, read=skops_file.load)


COLUMNS = ColumnTransformer(
    [
        ("log", FunctionTransformer(np.log1p), [0]),
        ("spline", SplineTransformer(), [1]),
        ("hot", OneHotEncoder(handle_unknown="ignore"), slice(2, 3)),
    ],
    remainder="passthrough",
)
PIPELINES = {
    "columns": make_pipeline(COLUMNS, LogisticRegression()),
    "sparse neighbours": make_pipeline(OneHotEncoder(), KNeighborsClassifier(metric="cosine")),
    "sparse vectors": make_pipeline(OneHotEncoder(), SVC()),
    "selected": make_pipeline(SelectKBest(k=2), LogisticRegression()),
    "searched": GridSearchCV(LogisticRegression(), {"C": [1, 2]}, scoring="f1_macro", cv=2),
    "calibrated": CalibratedClassifierCV(LinearSVC(), method="isotonic", cv=2),
    "categories": HistGradientBoostingClassifier(categorical_features=[0], max_iter=2),
    "partial": make_pipeline(FunctionTransformer(partial(np.maximum, 1)), LogisticRegression()),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines_predict_the_same(name):
    table = np.floor(X * 3)
    model = PIPELINES[name].fit(table, Y)

    same(joblib_bytes(model), model, table)
    same(skops.io.dumps(model), model, table, read=skops_file.load)


def test_a_text_model_may_have_any_word_in_its_vocabulary():
    model = make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(TEXTS, Y)

    same(joblib_bytes(model), model, TEXTS)
    same(skops.io.dumps(model), model, TEXTS, read=skops_file.load)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dump", [pickle.dumps, joblib_bytes])
def test_every_protocol_loads(dump, protocol):
    model = RandomForestClassifier(3, random_state=0).fit(X, Y)

    same(dump(model, protocol=protocol), model)


@pytest.mark.parametrize("method", ["zlib", "gzip", "bz2", "lzma", "xz"])
def test_every_compression_of_joblib_loads(method):
    model = RandomForestClassifier(3, random_state=0).fit(X, Y)

    same(joblib_bytes(model, compress=(method, 3)), model)


@pytest.mark.parametrize(
    "dtype", [object, "U5", "S3", "f4", "i2", "?", "c16", [("a", "i1"), ("b", "f8")]]
)
@pytest.mark.parametrize("shape", [(0,), (3,), (2, 2)])
@pytest.mark.parametrize("dump", [pickle.dumps, joblib_bytes])
def test_arrays_arrive_as_they_were(dump, shape, dtype):
    array = np.ones(shape, dtype)

    loaded = load(dump([array, array.T])).model[1]

    assert loaded.dtype == array.dtype
    np.testing.assert_array_equal(loaded, array.T)


def test_tells_joblib_from_pickle():
    model = LogisticRegression().fit(X, Y)

    formats = [load(dump(model)).format for dump in (joblib_bytes, pickle.dumps)]

    assert formats == ["joblib", "pickle"]


def test_says_which_sklearn_wrote_the_file():
    data = pickle.dumps(LogisticRegression())

    older = "0" + sklearn.__version__[1:]

    assert load(data).sklearn == sklearn.__version__
    assert load(data.replace(sklearn.__version__.encode(), older.encode())).sklearn == older


def test_a_class_of_ones_own_is_refused_by_name():
    data = pickle.dumps(make_pipeline(Own(), LogisticRegression()))

    with pytest.raises(Refused) as refused:
        load(data)

    assert refused.value.names == (f"{__name__}.Own",)


class Own(BaseEstimator):
    pass
