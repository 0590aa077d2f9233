"""Estimators of the user's own: fitted in a child, from a file or from code that is trusted."""

import hashlib
import os
import sys
import textwrap
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from malicious import MARKER, corpus_file, joblib_bytes, stored
from modelwarden.errors import InputError
from modelwarden.estimators import ESTIMATORS, Estimator, find_estimator
from modelwarden.model_process import Limits

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(120, 3)), columns=["a", "b", "c"])
LABELS = pd.Series(np.where(FRAME.a + FRAME.b > 0, "yes", "no"))
MIXED = FRAME.assign(
    size=pd.Categorical(RNG.choice(["s", "m", "l"], 120), ["s", "m", "l", "xl"], ordered=True),
    town=RNG.choice(["Delft", "東京"], 120),
)
MIXED.loc[::7, "town"] = None
MIXED.loc[::5, "a"] = np.nan
TRAIN, ROWS = slice(0, 80), slice(80, 120)


@contextmanager
def from_file(model, folder, **limits):
    file = stored(folder, joblib_bytes(model), "estimator.joblib")
    with Estimator(file, limits=Limits(**limits)) as estimator:
        yield estimator


def refused(message):
    return pytest.raises(InputError, match=message)


def forecast(estimator, frame=FRAME, labels=LABELS, **more):
    return estimator.forecast(frame[TRAIN], labels[TRAIN], frame[ROWS], **more)


@pytest.fixture
def code(tmp_path, monkeypatch):
    """Write a module, trust names in it, and return what opens one."""
    package = tmp_path / "shop_code"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(source, *names, module="training"):
        (package / f"{module}.py").write_text(textwrap.dedent(source))
        monkeypatch.setenv(ESTIMATORS, ", ".join(f"shop_code.{module}:{name}" for name in names))
        return f"python:shop_code.{module}:{names[0]}"

    return write


@contextmanager
def opened(uri, **limits):
    with Estimator(find_estimator(uri), limits=Limits(**limits)) as estimator:
        yield estimator


# A model file


@pytest.mark.parametrize("fitted", [False, True])
def test_a_file_is_fitted_again_and_what_it_learned_is_forgotten(tmp_path, fitted):
    wrong = LABELS.map({"yes": "no", "no": "yes"})
    model = RandomForestClassifier(5, warm_start=True, random_state=0)  # would go on from there
    if fitted:
        model.fit(FRAME, wrong)
    known = RandomForestClassifier(5, random_state=0).fit(FRAME[TRAIN], LABELS[TRAIN])

    with from_file(model, tmp_path) as estimator:
        forecast(estimator, labels=wrong)
        np.testing.assert_array_equal(forecast(estimator), known.predict(FRAME[ROWS]))
        assert estimator.name == "RandomForestClassifier"


def test_categories_text_and_missing_values_arrive_as_they_are(tmp_path):
    columns = ColumnTransformer(
        [("hot", OneHotEncoder(handle_unknown="ignore"), ["town", "size"])], remainder="passthrough"
    )
    model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=5))
    known = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=5))
    known.fit(MIXED[TRAIN], LABELS[TRAIN])

    with from_file(model, tmp_path) as estimator:
        found = forecast(estimator, MIXED)

    np.testing.assert_array_equal(found, known.predict(MIXED[ROWS]))


@pytest.mark.parametrize(
    "labels",
    [
        LABELS == "yes",
        (LABELS == "yes").astype(int) * 7,
        np.where(LABELS == "yes", 1.0, -1.0),
        LABELS.astype("category"),
        pd.Series(np.array(["a", "b", "東"])[RNG.integers(3, size=120)]),
    ],
)
def test_labels_come_back_as_they_went(tmp_path, labels):
    known = GaussianNB().fit(FRAME[TRAIN], np.asarray(labels)[TRAIN]).predict(FRAME[ROWS])

    with from_file(GaussianNB(), tmp_path) as estimator:
        found = forecast(estimator, labels=labels)

    assert found.tolist() == known.tolist()
    assert found.dtype.kind == np.asarray(labels).dtype.kind


def test_each_fit_begins_alike(tmp_path):
    with from_file(RandomForestClassifier(3, max_features=1), tmp_path) as estimator:
        first = forecast(estimator)
        forecast(estimator, labels=LABELS[::-1].reset_index(drop=True))

        np.testing.assert_array_equal(forecast(estimator), first)


def test_code_that_draws_draws_the_same_each_time(code):
    uri = code(
        """
        import random
        from sklearn.dummy import DummyClassifier
        class Drawing(DummyClassifier):
            def fit(self, X, y, sample_weight=None):
                self.strategy, self.constant = "constant", random.choice(["yes", "no"])
                return super().fit(X, y)
        """,
        "Drawing",
    )

    with opened(uri) as estimator:
        assert len({forecast(estimator)[0] for _ in range(12)}) == 1


def test_weights_count(tmp_path):
    weight = np.where(LABELS[TRAIN] == "yes", 1.0, 0.0)

    with from_file(GaussianNB(var_smoothing=1.0), tmp_path) as estimator:
        assert set(forecast(estimator)) == {"no", "yes"}
    with from_file(DecisionTreeClassifier(), tmp_path) as estimator:
        assert set(forecast(estimator, sample_weight=weight)) == {"yes"}


def test_weights_reach_the_last_step_of_nested_pipelines(tmp_path):
    model = make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), LogisticRegression()))
    weight = np.where(LABELS[TRAIN] == "yes", 1.0, 1e-9)

    with from_file(model, tmp_path) as estimator:
        assert set(forecast(estimator, sample_weight=weight)) == {"yes"}


def test_weights_that_cannot_be_used_are_told(tmp_path):
    with (
        from_file(KNeighborsClassifier(), tmp_path) as estimator,
        refused(r"an estimator that fits, got TypeError: .*weight"),
    ):
        forecast(estimator, sample_weight=np.ones(80))


@pytest.mark.parametrize("weight", [np.ones(79), np.full(80, np.nan), -np.ones(80)])
def test_weights_are_one_number_a_row(tmp_path, weight):
    with (
        from_file(GaussianNB(), tmp_path) as estimator,
        refused("one weight for each row, finite, 0 or more"),
    ):
        forecast(estimator, sample_weight=weight)


def test_labels_are_one_a_row_and_none_is_missing(tmp_path):
    with from_file(GaussianNB(), tmp_path) as estimator:
        for labels in (LABELS[:79], LABELS.mask(LABELS.index == 3)[TRAIN]):
            with pytest.raises(InputError, match="one label for each row of train"):
                estimator.forecast(FRAME[TRAIN], labels, FRAME[ROWS])


def test_rows_have_the_columns_of_train(tmp_path):
    with (
        from_file(GaussianNB(), tmp_path) as estimator,
        refused("the columns of train, got 'c', 'a', 'b'"),
    ):
        estimator.forecast(FRAME[TRAIN], LABELS[TRAIN], FRAME[ROWS][["c", "a", "b"]])


def test_a_fit_that_fails_is_one_line_and_the_next_may_succeed(tmp_path):
    with from_file(LogisticRegression(), tmp_path) as estimator:
        with pytest.raises(InputError) as error:
            forecast(estimator, FRAME.mask(FRAME > 2))
        assert len(forecast(estimator)) == 40

    assert str(error.value) == (
        "s3://bucket/estimator.joblib: expected an estimator that fits, got ValueError: Input X "
        "contains NaN."
    )


def test_what_is_not_on_the_allow_list_is_refused_and_does_not_run(tmp_path):
    file = stored(tmp_path, corpus_file("os.system in joblib", tmp_path))

    with pytest.raises(InputError, match=r"not on the allow-list: posix\.system"), Estimator(file):
        pass
    assert not (tmp_path / MARKER).exists()


@pytest.mark.parametrize(
    ("model", "got"),
    [
        (LinearRegression(), "a regressor, LinearRegression"),
        (StandardScaler(), "a StandardScaler"),
        ({"a": 1}, "a dict"),
    ],
)
def test_refuses_what_is_no_classifier(tmp_path, model, got):
    with pytest.raises(InputError, match=f"got {got}"), from_file(model, tmp_path):
        pass


def test_a_wall_limit_is_a_fault(code):
    uri = code(
        """
        import time
        from sklearn.naive_bayes import GaussianNB
        class Slow(GaussianNB):
            def fit(self, X, y):
                time.sleep(60)
        """,
        "Slow",
    )

    with opened(uri, seconds=1) as estimator, refused("was stopped after 1 s while fitting"):
        forecast(estimator)


# Code

PLAIN = """
    from sklearn.tree import DecisionTreeClassifier
    def make():
        return DecisionTreeClassifier(random_state=0)
    ready = make().fit([[0], [1]], [0, 1])
    """


@pytest.mark.parametrize("name", ["make", "ready", "DecisionTreeClassifier"])
def test_a_factory_an_estimator_and_a_class_are_fitted(code, name):
    known = DecisionTreeClassifier(random_state=0).fit(FRAME[TRAIN], LABELS[TRAIN])

    with opened(code(PLAIN, name)) as estimator:
        np.testing.assert_array_equal(forecast(estimator), known.predict(FRAME[ROWS]))


def test_the_digest_is_that_of_the_source_and_nothing_runs_here(code, tmp_path):
    uri = code(f"open({str(tmp_path / MARKER)!r}, 'w')", "make")
    (tmp_path / "shop_code/__init__.py").write_text(f"open({str(tmp_path / MARKER)!r}, 'w')")
    found = find_estimator(uri)

    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert found.path == tmp_path / "shop_code/training.py"
    assert not (tmp_path / MARKER).exists()
    assert "shop_code" not in sys.modules


@pytest.mark.parametrize("listed", [None, "", "shop_code.training", "shop_code.training:mak", "*"])
def test_code_that_is_not_listed_is_refused_before_it_is_looked_for(code, monkeypatch, listed):
    uri = code(PLAIN, "make")
    monkeypatch.delenv(ESTIMATORS)
    if listed is not None:
        monkeypatch.setenv(ESTIMATORS, listed)

    with pytest.raises(InputError) as error:
        find_estimator(uri)

    assert str(error.value) == (
        "python:shop_code.training:make: expected an estimator that MODELWARDEN_ESTIMATORS lists, "
        "got one that it does not; ask whoever runs the platform: it runs your code"
    )


@pytest.mark.parametrize(
    "uri", ["python:", "python:a", "python:a:", "python:a.b:c()", "python:../a:b", "python:a:b.c"]
)
def test_an_import_path_has_one_form(uri, monkeypatch):
    monkeypatch.setenv(ESTIMATORS, uri.removeprefix("python:"))

    with pytest.raises(InputError, match="expected python:module:name"):
        find_estimator(uri)


@pytest.mark.parametrize("module", ["no_such", "no_such.inner", "math", "json.nothing", "os.shop"])
def test_a_module_without_source_is_named(module, monkeypatch, tmp_path):
    (tmp_path / "shop.py").write_text("")  # which is not os.shop
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv(ESTIMATORS, f"{module}:make")

    with pytest.raises(InputError, match="a module whose source is here, got none"):
        find_estimator(f"python:{module}:make")


def test_source_that_changed_after_it_was_hashed_is_not_run(code, tmp_path):
    file = find_estimator(code(PLAIN, "make"))
    file.path.write_text(f"open({str(tmp_path / MARKER)!r}, 'w')")

    with pytest.raises(InputError, match=f"expected sha256 {file.sha256}"), Estimator(file):
        pass
    assert not (tmp_path / MARKER).exists()


def test_a_compiled_copy_beside_the_source_is_not_run(code, tmp_path):
    import importlib.util
    import py_compile

    uri = code(PLAIN, "make")
    source = tmp_path / "shop_code/training.py"
    evil = tmp_path / "evil.py"
    evil.write_text("raise SystemExit(9)".ljust(source.stat().st_size))
    os.utime(evil, ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))
    py_compile.compile(str(evil), importlib.util.cache_from_source(str(source)), str(source))

    with opened(uri) as estimator:
        assert len(forecast(estimator)) == 40


def test_code_sees_no_key_and_no_network(code, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
    monkeypatch.setenv("MODELWARDEN_DATA_KEY", "s3cr3t")
    uri = code(
        """
        import os
        from sklearn.tree import DecisionTreeClassifier
        secrets = [n for n in os.environ if n.startswith(("AWS", "MODELWARDEN"))]
        assert not secrets, secrets
        make = DecisionTreeClassifier
        """,
        "make",
    )

    with opened(uri) as estimator:
        assert len(forecast(estimator)) == 40


@pytest.mark.parametrize(
    ("source", "got"),
    [
        ("1/0", "got ZeroDivisionError: division by zero"),
        ("def make(:", "got SyntaxError: "),
        ("import no_such_package", "got ModuleNotFoundError: "),
        ("other = 1", "got AttributeError: "),
        ("make = 3", "got TypeError: "),
        ("make = lambda needed: needed", "got TypeError: "),
        ("make = lambda: 3", "expected a scikit-learn estimator, got a int"),
        ("import os; os._exit(7)", "ended with code 7 while loading"),
        ("import sys; sys.exit('bye')", "ended with code 1 "),
        ("import os; os.close(1); os.write(2, b'x'); os._exit(0)", "ended with code 0 while"),
    ],
)
def test_code_that_fails_to_load_is_one_clear_error(code, source, got):
    uri = code(source, "make")

    with pytest.raises(InputError) as error, opened(uri):
        pass

    assert error.value.where == uri
    assert got in str(error.value)
    assert "\n" not in str(error.value)


def test_predictions_are_classes_and_one_a_row(code):
    uri = code(
        """
        import numpy as np
        from sklearn.naive_bayes import GaussianNB
        class Odd(GaussianNB):
            def predict(self, X):
                return np.array(["perhaps"] * len(X))
        class Short(GaussianNB):
            def predict(self, X):
                return np.array(["yes"])
        """,
        "Odd",
        "Short",
    )
    for name, got in (("Odd", "labels among its classes_, got others"), ("Short", "shape (1,)")):
        with opened(uri.replace("Odd", name)) as estimator, pytest.raises(InputError) as error:
            forecast(estimator)
        assert got in str(error.value)


def test_a_package_may_be_the_module(code, tmp_path, monkeypatch):
    code(PLAIN, "make")
    (tmp_path / "shop_code/__init__.py").write_text("from .training import make")
    monkeypatch.setenv(ESTIMATORS, "shop_code:make")

    with opened("python:shop_code:make") as estimator:
        assert estimator.name == "DecisionTreeClassifier"


def test_other_addresses_name_no_code():
    assert find_estimator("s3://bucket/python:a:b") is None
    assert find_estimator("/models/estimator.joblib") is None


def test_functions_in_a_file_stay_refused(tmp_path):
    model = make_pipeline(FunctionTransformer(textwrap.dedent), GaussianNB())

    with pytest.raises(InputError, match="not on the allow-list"), from_file(model, tmp_path):
        pass
