"""Models in a process of their own: right answers from good ones, clear errors from the others."""

import hashlib
import os
import pickle
import re
import signal
import sys
import tempfile
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Timer

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PolynomialFeatures,
    SplineTransformer,
)
from sklearn.tree import DecisionTreeClassifier

from malicious import MARKER, Call, corpus_file, joblib_bytes, stored
from modelwarden.child.formats import examine
from modelwarden.errors import InputError
from modelwarden.model_process import Limits
from modelwarden.models import ModelFacts, Predictor, inspect

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(200, 3)), columns=["a", "b", "c"])
LABELS = np.where(FRAME.a + FRAME.b > 0, "yes", "no")
HOLES = FRAME.mask(RNG.random(FRAME.shape) < 0.2)
MIXED = FRAME.assign(
    town=RNG.choice(["Delft", "Örebro", "東京"], 200),
    size=pd.Categorical(RNG.choice(["s", "m", "l"], 200), ["s", "m", "l"], ordered=True),
    rooms=RNG.integers(1, 9, 200),
    old=RNG.random(200) < 0.5,
)
MIXED.loc[::7, "town"] = None
FOREST = RandomForestClassifier(30, random_state=0).fit(FRAME, LABELS)
RIDGE = RidgeClassifier().fit(FRAME.to_numpy(), LABELS == "yes")
PIPELINE = make_pipeline(
    ColumnTransformer(
        [("hot", OneHotEncoder(handle_unknown="ignore"), ["town", "size", "old"])],
        remainder="passthrough",
    ),
    LogisticRegression(),
).fit(MIXED, LABELS)
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "s3cr3t-1",
    "MODELWARDEN_KEY": "s3cr3t-2",
    "KFP_TOKEN": "s3cr3t-3",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def opened(folder):
    """Open a predictor for the whole module."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        predictors = [
            Predictor(stored(folder, joblib_bytes(model), name))
            for name, model in (("forest", FOREST), ("ridge", RIDGE), ("pipeline", PIPELINE))
        ]
        yield [predictor.__enter__() for predictor in predictors]
        for predictor in predictors:
            predictor.__exit__(None, None, None)


@pytest.fixture
def forest(opened):
    return opened[0]


@pytest.fixture
def ridge(opened):
    return opened[1]


@pytest.fixture
def pipeline(opened):
    return opened[2]


def pid(predictor):
    return predictor._process._process.pid


def status(predictor, name):
    return Path(f"/proc/{pid(predictor)}/{name}").read_text()


def limits(predictor):
    """Return the soft and the hard limits of the process, by name."""
    lines = status(predictor, "limits").splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[:2] for line in lines}


def children():
    """Return the processes that this one started and that still exist."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {child for task in tasks for child in task.read_text().split()}


# --- answers --------------------------------------------------------------------------------------


def test_labels_and_probabilities_are_the_models_own(forest):
    np.testing.assert_array_equal(forest.classes, ["no", "yes"])
    np.testing.assert_array_equal(forest.predict(FRAME), FOREST.predict(FRAME))
    np.testing.assert_array_equal(forest.predict_proba(FRAME), FOREST.predict_proba(FRAME))


def test_text_categories_and_booleans_reach_a_pipeline_as_they_were(pipeline):
    np.testing.assert_array_equal(pipeline.predict(MIXED), PIPELINE.predict(MIXED))
    np.testing.assert_allclose(pipeline.predict_proba(MIXED), PIPELINE.predict_proba(MIXED))


def test_missing_values_reach_the_model(forest):
    np.testing.assert_array_equal(forest.predict_proba(HOLES), FOREST.predict_proba(HOLES))


def test_columns_are_found_by_name(forest):
    np.testing.assert_array_equal(forest.predict(FRAME[["c", "a", "b"]]), FOREST.predict(FRAME))


def test_a_model_fitted_on_an_array_gets_columns_in_order(ridge):
    whole = FRAME.assign(a=FRAME.a.round().astype(int))

    labels = ridge.predict(whole.set_axis(["x", "y", "z"], axis=1))

    np.testing.assert_array_equal(labels, RIDGE.predict(whole.to_numpy()))
    assert labels.dtype == bool


def test_a_model_without_probabilities_has_none(ridge):
    assert ridge.predict_proba(FRAME) is None


def test_no_rows_are_the_models_own_matter(forest):
    with pytest.raises(InputError, match="0 sample"):
        forest.predict(FRAME[:0])


def test_counts_calls_and_rows(forest):
    calls, rows = forest.calls, forest.rows

    forest.predict(FRAME[:7])
    forest.predict_proba(FRAME[:5])

    assert (forest.calls - calls, forest.rows - rows) == (2, 12)


def test_a_text_model_gets_its_one_column_as_texts(folder):
    texts = pd.DataFrame({"text": ["good word", "bad word", "bad bad"]})
    model = make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(texts.text, [1, 0, 0])

    with Predictor(stored(folder, pickle.dumps(model))) as predictor:
        np.testing.assert_array_equal(predictor.predict(texts), [1, 0, 0])


# --- tables that do not fit -----------------------------------------------------------------------


def test_wrong_names_are_named(forest):
    with pytest.raises(InputError) as error:
        forest.predict(FRAME.rename(columns={"b": "z"}))

    assert str(error.value) == (
        "s3://bucket/forest: expected the 3 features that the model was fitted on, got missing: "
        "'b'; unknown: 'z'; give the table that the model was made for"
    )


def test_a_wrong_number_of_columns_is_named(ridge):
    with pytest.raises(InputError, match=r"expected the 3 features .* got 2 columns \('a', 'b'\)"):
        ridge.predict(FRAME[["a", "b"]])


def test_what_the_model_itself_refuses_is_told_and_it_can_be_asked_again(ridge):
    with pytest.raises(InputError, match="Input X contains NaN"):
        ridge.predict(HOLES)

    assert len(ridge.predict(FRAME)) == 200


def test_a_column_of_many_types_is_refused(pipeline):
    odd = MIXED.assign(town=[1, "a"] * 100)

    with pytest.raises(InputError, match="expected columns that each hold one type"):
        pipeline.predict(odd)


# --- confinement ----------------------------------------------------------------------------------


def test_no_secret_of_the_parent_is_in_the_childs_environment(forest):
    names = {entry.split("=")[0] for entry in status(forest, "environ").split("\0")}

    assert not names & {*SECRETS, "AWS_ACCESS_KEY_ID", "USER", "PWD"}
    assert "s3cr3t" not in status(forest, "environ")


def test_the_child_has_no_home(forest):
    assert "HOME=/nonexistent" in status(forest, "environ").split("\0")


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("Max core file size", "0"),
        ("Max processes", "0"),
        ("Max open files", "256"),
        ("Max address space", str(8 * 2**30)),
    ],
)
def test_the_child_is_limited(forest, limit, value):
    assert limits(forest)[limit] == [value, value]


def test_each_call_has_a_limit_of_processor_time(forest):
    forest.predict(FRAME)

    assert 300 < int(limits(forest)["Max cpu time"][0]) < 400


def test_the_child_has_a_network_of_its_own(forest):
    if os.system("unshare -n true || unshare -rn true"):
        pytest.skip("this system does not let a process leave the network")

    assert os.readlink(f"/proc/{pid(forest)}/ns/net") != os.readlink("/proc/self/ns/net")


def test_other_bytes_than_were_hashed_are_not_loaded(folder):
    file = stored(folder, joblib_bytes(FOREST), "swapped")
    file.path.write_bytes(joblib_bytes(RIDGE))

    before = children()

    with pytest.raises(InputError, match=f"expected sha256 {file.sha256}, got sha256 "):
        inspect(file)

    assert children() == before


# --- models that must not be asked ----------------------------------------------------------------


def test_a_refused_name_is_told_and_nothing_runs(tmp_path):
    file = stored(tmp_path, corpus_file("os.system in joblib", tmp_path))

    with pytest.raises(InputError) as error, Predictor(file):
        pass

    assert str(error.value) == (
        "s3://bucket/model.joblib: expected a classifier that loads, got a file that asks for what "
        "is not on the allow-list: posix.system; leave out classes of your own, or let a "
        "builder vouch for the model (see docs/checks.md)"
    )
    assert not (tmp_path / MARKER).exists()


def test_inspect_tells_all_that_is_known(folder):
    assert inspect(stored(folder, pickle.dumps(FOREST))) == ModelFacts(
        format="pickle",
        loads=True,
        estimator="RandomForestClassifier",
        classes=("no", "yes"),
        n_features=3,
        feature_names=("a", "b", "c"),
        has_proba=True,
        sklearn=examine(pickle.dumps(FOREST))[0]["sklearn_installed"],
        sklearn_installed=examine(pickle.dumps(FOREST))[0]["sklearn"],
    )


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"CBM1\0\0", "CatBoost"),
        (b"PK\x03\x04....archive/data.pkl", "PyTorch"),
        (b"PK\x03\x04....config.json", "Keras"),
        (b"PK\x03\x04....x.npy", "numpy"),
        (b"\x93NUMPY\1\0", "numpy"),
        (b"\x89HDF\r\n\x1a\n\0", "HDF5"),
        (b'\x40\0\0\0\0\0\0\0{"w":{"dtype":"F32"', "safetensors"),
        (b"GGUF\3\0", "GGUF"),
    ],
)
def test_other_formats_are_known_by_their_content(start, name):
    facts, model = examine(start)

    assert facts == {
        "format": name,
        "why": f"a model in the format {name}, which is not supported yet",
    }
    assert model is None


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b'{"learner":{"attributes":{}}}', "XGBoost"),
        (b"{L\0\0\0\0\0\0\0\7learner{", "XGBoost"),
        (b"tree\nversion=v4\n", "LightGBM"),
        (b"\x08\x08\x12\x07skl2onnx", "ONNX"),
        (b"\x08\x08\x3a\x07", "ONNX"),
    ],
)
def test_formats_that_cannot_execute_are_known_by_their_content(start, name):
    facts, model = examine(start)

    assert facts["format"] == name
    assert facts["why"].startswith(f"a{'n' * (name != 'LightGBM')} {name} file that cannot be read")
    assert model is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "an empty file"),
        (b"a,b\n1,2\n", "an unknown file that starts with 'a,b\\n1,2\\n'"),
        (b"It is a text.", "a pickle that cannot be read: "),
        (b"\x80\x04broken", "a pickle that cannot be read: "),
        (pickle.dumps({"model": RIDGE}), "a dict, not a scikit-learn estimator"),
        (
            pickle.dumps(LinearRegression().fit([[0], [1]], [0, 1])),
            "a regressor, LinearRegression",
        ),
        (pickle.dumps(LogisticRegression()), "LogisticRegression without classes_"),
        (
            pickle.dumps(DecisionTreeClassifier().fit([[0], [1]], [[0, 1], [1, 0]])),
            "DecisionTreeClassifier with several outputs",
        ),
    ],
)
def test_what_is_not_a_classifier_says_why(data, why):
    facts, _ = examine(data)

    assert facts["why"].startswith(why)
    assert not facts.get("loads")


@pytest.mark.parametrize("name", ["model.onnx", "model"])
def test_a_file_is_what_its_content_says_whatever_its_name(folder, name):
    assert inspect(stored(folder, pickle.dumps(RIDGE), name)).format == "pickle"


@pytest.mark.parametrize("name", ["model.onnx"])
def test_no_name_lets_a_pickle_pass_for_something_else(tmp_path, name):
    facts = inspect(stored(tmp_path, corpus_file("eval in joblib", tmp_path), name))

    assert (facts.loads, facts.refused) == (False, ("builtins.eval",))
    assert not (tmp_path / MARKER).exists()


def test_a_memory_bomb_is_stopped(folder):
    bomb = stored(folder, pickle.dumps(Call(bytearray, 2**40)))

    assert inspect(bomb, limits=Limits(memory=2 * 2**30)).why.endswith("MemoryError")


# --- models that misbehave ------------------------------------------------------------------------


def crashing():
    """Return a model that makes scipy's compiled code read far outside of its arrays."""
    model = make_pipeline(SplineTransformer(), LogisticRegression()).fit(FRAME, LABELS)
    model[0].bsplines_[0].k = 10**9
    return model


def endless():
    """Return committees of committees that all ask the same hundred members."""
    model = LogisticRegression().fit(FRAME, LABELS)
    for _ in range(5):
        committee = VotingClassifier([("a", LogisticRegression())], voting="soft")
        committee.fit(FRAME, LABELS)
        committee.estimators, committee.estimators_ = [("a", None)] * 100, [model] * 100
        model = committee
    return model


ENDLESS = endless()


def ask(folder, model, frame=FRAME, call="predict", **limits):
    """Return the error of a model that misbehaves."""
    file = stored(folder, joblib_bytes(model))
    with Predictor(file, limits=Limits(**limits)) as predictor, pytest.raises(InputError) as error:
        getattr(predictor, call)(frame)
    assert error.value.where == "s3://bucket/model.joblib"
    return error.value.got


def test_a_crash_is_named(folder):
    said = ask(folder, crashing())

    assert re.fullmatch(r"none: the model process was killed by SIG\w+ while predicting", said)


def test_a_model_that_hangs_is_stopped_and_leaves_nothing_behind(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    predictor = Predictor(stored(folder, joblib_bytes(ENDLESS)), limits=Limits(seconds=1))
    with predictor:
        began = time.monotonic()
        with pytest.raises(InputError, match="was stopped after 1 s while predicting"):
            predictor.predict(FRAME)

    assert time.monotonic() - began < 5
    assert not Path(f"/proc/{pid(predictor)}").exists()
    assert not list(tmp_path.iterdir())
    with pytest.raises(ProcessLookupError):
        os.killpg(pid(predictor), 0)


def test_a_process_that_is_killed_is_named_and_stays_dead(folder):
    with Predictor(stored(folder, joblib_bytes(ENDLESS))) as predictor:
        Timer(0.5, os.kill, (pid(predictor), signal.SIGKILL)).start()

        with pytest.raises(InputError, match="was killed by SIGKILL while predicting"):
            predictor.predict(FRAME)
        with pytest.raises(InputError, match="got one that ended; open it again"):
            predictor.predict(FRAME)


def test_too_much_memory_is_named(folder):
    wide = np.ones((2, 60))
    model = make_pipeline(PolynomialFeatures(3), LogisticRegression()).fit(wide, [0, 1])
    table = pd.DataFrame(np.ones((20_000, 60)))

    assert ask(folder, model, table, memory=2 * 2**30) == "more"


def test_probabilities_that_are_nan_are_refused(folder):
    model = LogisticRegression().fit(FRAME, LABELS)
    model.coef_ = model.coef_ * np.nan

    assert ask(folder, model, call="predict_proba") == "NaN"


def test_another_number_of_classes_is_refused(folder):
    model = DecisionTreeClassifier().fit(FRAME, LABELS)
    model.classes_ = np.array(["maybe", "no", "yes"])

    assert ask(folder, model, call="predict_proba") == "shape (200, 2)"


def test_another_number_of_rows_is_refused(folder):
    shrink = FunctionTransformer(partial(np.matmul, np.ones((1, 200))))
    model = make_pipeline(shrink, LogisticRegression().fit(FRAME.to_numpy(), LABELS))

    assert ask(folder, model) == "shape (1,)"


def test_a_label_outside_the_classes_is_refused(folder):
    model = DummyClassifier(strategy="constant", constant="yes").fit(FRAME, LABELS)
    model.constant = "perhaps"

    assert ask(folder, model) == "others"


def test_a_model_that_prints_still_answers(folder):
    model = RandomForestClassifier(300, max_depth=1, random_state=0).fit(FRAME, LABELS)
    model.verbose = 99

    with Predictor(stored(folder, joblib_bytes(model))) as predictor:
        np.testing.assert_array_equal(predictor.predict(FRAME), model.predict(FRAME))


def test_the_parent_survives_damaged_forests(tmp_path):
    data = np.frombuffer(joblib_bytes(FOREST), np.uint8)
    rng = np.random.default_rng(17)

    def survive(number):
        damaged = data.copy()
        damaged[rng.integers(len(data), size=4)] = rng.integers(256, size=4)
        file = stored(tmp_path, damaged.tobytes(), f"damaged-{number}")
        try:
            with Predictor(file, limits=Limits(seconds=5)) as predictor:
                return len(predictor.predict(FRAME))
        except InputError as error:
            return error.got

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(survive, range(8)))

    assert all(outcome == 200 or isinstance(outcome, str) for outcome in outcomes)
    assert any(isinstance(outcome, str) for outcome in outcomes)


# --- a child that lies ----------------------------------------------------------------------------

GOOD = {"format": "joblib", "loads": True, "classes": [0, 1], "n_features": 1, "has_proba": True}


def liar(folder, *answers):
    """Return an interpreter that ignores its task and gives these answers."""
    script = folder / f"liar-{hashlib.sha256(repr(answers).encode()).hexdigest()[:8]}"
    script.write_text(
        textwrap.dedent(f"""\
            #!{sys.executable}
            import sys
            from modelwarden.model_messages import receive, send
            pipes = open(0, "rb", 0), open(1, "wb", 0)
            for answer in {answers!r}:
                receive(pipes[0], 1 << 20)
                pipes[1].write(answer) if isinstance(answer, bytes) else send(pipes[1], *answer)
            """)
    )
    script.chmod(0o700)
    return str(script)


@pytest.mark.parametrize(
    "answer",
    [
        b"Traceback: this is not a message, it is longer than one",
        b"\0\0\0\2\0\0\0\0\0\0\0\0[]",
        b"\0\0\0\2\0\1\0\0\0\0\0\0{}",
        b"\0\1\0\0\0\0\0\0\0\0\0\0" + b"[" * 2**16,
        ({"format": 3},),
        ({"format": "joblib", "loads": 1},),
        ({"format": "joblib", "loads": True, "classes": []},),
        ({"format": "joblib", "classes": [[1]]},),
        ({"format": "joblib", "pwned": True},),
        ({"format": "\x1b[2J"},),
        ({**GOOD, "n_features": "1"},),
        ({**GOOD, "has_proba": 2},),
        ({**GOOD, "classes": [[1]]},),
        ({**GOOD, "feature_names": [1]},),
        ({"fault": "x"},),
        ({"fault": ["too", "few"]},),
        ({},),
    ],
)
def test_nonsense_instead_of_facts_is_one_clear_error(folder, answer):
    with pytest.raises(InputError, match="answered nonsense while loading"):
        inspect(stored(folder, b""), python=liar(folder, answer))


@pytest.mark.parametrize(
    ("call", "body", "got"),
    [
        ("predict", np.array([0, 2]).tobytes(), "others"),
        ("predict", np.array([0, -1]).tobytes(), "others"),
        ("predict", np.array([0]).tobytes(), "16 bytes of answer, got 8"),
        ("predict", np.array([0, 1, 0]).tobytes(), "nonsense while predicting"),
        ("predict_proba", np.array([0.5, 0.5, 2, -1]).tobytes(), "others"),
        ("predict_proba", np.array([0.5, 0.5, np.nan, 1]).tobytes(), "NaN"),
    ],
)
def test_nonsense_instead_of_predictions_is_refused(folder, call, body, got):
    python = liar(folder, (GOOD,), ({}, body))

    with Predictor(stored(folder, b""), python=python) as predictor:
        ask_it = getattr(predictor, call)

        with pytest.raises(InputError, match=got):
            ask_it(pd.DataFrame({"a": [0.0, 1.0]}))


def test_an_interpreter_that_fails_is_quoted(folder):
    script = folder / "failing"
    script.write_text("#!/bin/sh\necho 'No module named modelwarden' >&2\nexit 3\n")
    script.chmod(0o700)

    with pytest.raises(
        InputError, match=r"ended with code 3 \(No module named modelwarden\) while loading"
    ):
        inspect(stored(folder, b""), python=str(script))


def test_a_process_that_closes_its_pipe_may_end_in_peace(folder):
    script = folder / "closing"
    script.write_text("#!/bin/sh\nexec 0<&- 1>&-\nsleep 0.5\nexit 7\n")
    script.chmod(0o700)

    with pytest.raises(InputError, match="ended with code 7 while loading"):
        inspect(stored(folder, b""), python=str(script))


@pytest.mark.parametrize("limit", [{"seconds": float("nan")}, {"seconds": 1e9}, {"memory": 0}])
def test_limits_that_limit_nothing_are_refused(limit):
    with pytest.raises(InputError, match="limits: expected some memory and up to"):
        Limits(**limit)


def test_an_interpreter_that_is_not_there_is_named(folder):
    with pytest.raises(InputError, match=r"python: expected an interpreter, got .*/no/such/python"):
        inspect(stored(folder, b""), python="/no/such/python")
