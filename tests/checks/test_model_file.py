"""The check of model files: what it counts, what it says, what it does not promise."""

import numpy as np
import pytest
import sklearn
import xgboost
from sklearn.linear_model import LinearRegression, LogisticRegression

from malicious import MARKER, corpus_file, joblib_bytes, stored
from modelwarden.checks.model_file import model_file

X, Y = [[0.0], [1.0]], ["no", "yes"]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    data = joblib_bytes(LogisticRegression().fit(X, Y))
    return model_file(stored(tmp_path_factory.mktemp("good"), data)).report


def test_accepts_a_classifier(good):
    assert (good.metrics, good.failures) == ({"unsafe_globals": 0, "loads": 1}, ())


def test_describes_the_model(good):
    assert good.details == {
        "format": "joblib",
        "estimator": "LogisticRegression",
        "classes": ["no", "yes"],
        "n_classes": 2,
        "n_features": 1,
    }


def test_says_what_it_does_not_promise(good):
    assert any("memory errors" in note for note in good.notes)


def test_counts_and_names_what_it_refuses(tmp_path):
    data = corpus_file("os.system in compressed", tmp_path)

    report = model_file(stored(tmp_path, data)).report

    assert report.metrics == {"unsafe_globals": 1, "loads": 0}
    assert report.failures == ("posix.system is not on the allow-list",)
    assert not (tmp_path / MARKER).exists()


def test_an_unknown_file_fails_with_an_unknown_count(tmp_path):
    report = model_file(stored(tmp_path, b"<html>")).report

    assert report.metrics == {"unsafe_globals": None, "loads": 0}
    assert report.failures == ("an unknown file that starts with '<html>'",)


def test_a_regressor_fails(tmp_path):
    data = joblib_bytes(LinearRegression().fit(X, [0.0, 1.0]))

    report = model_file(stored(tmp_path, data)).report

    assert report.metrics["loads"] == 0
    assert "regressor" in report.failures[0]


@pytest.mark.parametrize("children", [0, 10**8])
def test_boosted_trees_that_would_crash_their_library_fail(tmp_path, children):
    data = b"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=0\n"
    data += b"objective=binary sigmoid:1\nfeature_names=a\n\nTree=0\nnum_leaves=2\nnum_cat=0\n"
    data += b"split_feature=0\nthreshold=0\ndecision_type=2\nleaf_value=0 1\n"
    data += b"left_child=%d\nright_child=%d\n\nend of trees\n" % (children, children)

    report = model_file(stored(tmp_path, data)).report

    assert report.metrics["loads"] == 0
    assert "no sound trees: node 0 of tree 0" in report.failures[0]


def test_accepts_boosted_trees(tmp_path):
    data = xgboost.DMatrix(np.array(X), np.array([0, 1]))
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 1)

    report = model_file(stored(tmp_path, bytes(booster.save_raw("ubj")))).report

    assert report.metrics == {"unsafe_globals": 0, "loads": 1}
    assert report.details["format"] == "XGBoost"


def test_notes_another_version_of_sklearn(tmp_path):
    data = joblib_bytes(LogisticRegression().fit(X, Y))
    older = "0" + sklearn.__version__[1:]
    data = data.replace(sklearn.__version__.encode(), older.encode())

    report = model_file(stored(tmp_path, data)).report

    assert report.metrics["loads"] == 1
    assert report.notes[-1].startswith(f"Written by scikit-learn {older}")


def test_the_same_file_gives_the_same_report(tmp_path, good):
    data = joblib_bytes(LogisticRegression().fit(X, Y))

    assert model_file(stored(tmp_path, data)).report == good
