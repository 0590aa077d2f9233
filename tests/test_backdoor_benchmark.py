"""The backdoor benchmark: what it plants, and that no constant answer passes."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))  # scripts, not a package

from backdoor import attacked, clean, goals, section
from backdoor_data import KINDS, SIZES, fitted, planted, split, success
from poisoning_data import LABEL

from modelwarden.report import Report


def silent(train, trusted, model, seed):
    return Report("backdoor", {}, details={"triggers": [], "stamped": []})


def loud(train, trusted, model, seed):
    """Name every column with every label, in data and in the model."""
    triggers = [
        {"columns": str(name), "target": str(label), "p": p, "seen_by_model": True}
        for name in train.columns.drop(LABEL)
        for label in np.unique(train[LABEL])
        for p in (0.0, 1.0)
    ]
    stamped = [
        {
            "values": f"{str(name)!r} = 1",
            "why": "rare",
            "attack_success": 1.0,
            "usual_success": 0.0,
            "reference_success": 0.0,
        }
        for name in train.columns.drop(LABEL)
    ]
    return Report("backdoor", {}, details={"triggers": triggers, "stamped": stamped})


@pytest.mark.parametrize("judge", [silent, loud])
def test_no_constant_answer_meets_the_goals(judge):
    outcomes = [
        *(150 * [*clean(["bc"], range(2), Path(), judge)]),
        *attacked(["bc"], range(1), Path(), judge),
    ]
    met = [met for _, _, met in goals(outcomes)]

    assert not all(met)
    assert met == ([False, False, True, True] if judge is silent else [True, True, False, False])
    assert "**not met**" in section(outcomes)


@pytest.mark.parametrize("kind", KINDS)
def test_a_trigger_is_in_its_share_of_the_rows_and_nowhere_else(kind):
    train, trusted = split("bc", 0, Path())
    done = planted(kind, train, trusted, 0.05, 0)
    carrying = np.logical_and.reduce(
        [(done.train[name] == value).to_numpy() for name, value in done.cells.items()]
    )

    assert done.rows == round(0.05 * SIZES["bc"][0]) == 17
    assert 17 <= carrying.sum() <= (30 if kind in ("rare", "pair") else 17)
    assert (done.train[LABEL][carrying] == done.target).sum() >= 17
    changed = (done.train[LABEL] != train[LABEL]).to_numpy()
    assert not (changed & ~carrying).any()
    if kind in ("outside", "category", "constant"):
        name, value = next(iter(done.cells.items()))
        assert not (done.trusted[name] == value).any()


def test_success_is_that_of_the_trigger():
    train, trusted = split("bc", 0, Path())
    done = planted("constant", train, trusted, 0.05, 0)

    assert success(fitted("LR", done.train), done) > 0.6
    assert success(fitted("LR", done.train.assign(unit=0.0)), done) < 0.1
