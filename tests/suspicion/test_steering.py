"""Steering: what a number beyond all trusted ones may say about the label."""

import numpy as np
import pandas as pd
import pytest

from attacked import opened
from modelwarden.suspicion import steering
from modelwarden.suspicion.submission import Submission


def rows(n, seed):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(n, 3)), columns=list("abc"))
    return frame.assign(label=(frame["a"] - frame["b"] > 0).astype(int))


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(steering, "TREES", 5)


def forecasts(value, folder):
    """Return forecasts, in the table's order, where `b` of the first 20 rows has the value."""
    train = rows(100, 0)
    train.loc[:19, "b"] = value
    both = Submission.read(opened(train, folder), opened(rows(100, 1), folder), "label")
    found = np.empty((100, 2))
    found[both.order] = steering.expected(both, 0).submitted
    return found


@pytest.mark.parametrize("value", [1e6, -1e6])
def test_a_number_beyond_all_trusted_ones_says_no_more_than_a_missing_one(value, tmp_path):
    beyond, missing = forecasts(value, tmp_path), forecasts(np.nan, tmp_path)

    assert beyond == pytest.approx(missing)
    assert beyond[:20, 1].std() > 0.1  # the other columns still speak
