import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier

from modelwarden.child.structure import structure_of
from modelwarden.trees.duel import Duel
from modelwarden.trees.ensemble import Trees
from modelwarden.trees.grid import Lines
from modelwarden.trees.veritas import Ensemble


def stump(left, right, *, single=False, base=(0.0,)):
    return Trees(
        roots=np.array([0]),
        feature=np.array([0, -1, -1]),
        threshold=np.array([1.0, 0.0, 0.0]),
        left=np.array([1, 0, 0]),
        right=np.array([2, 0, 0]),
        missing_left=np.zeros(3, dtype=bool),
        value=np.array([np.zeros_like(left), left, right], dtype=float),
        base=np.array(base),
        single=single,
    )


SPLIT = np.array([1, 0, 0])


@pytest.mark.parametrize(("rival", "sign"), [(1, 1.0), (0, -1.0)])
def test_of_two_classes_the_score_speaks_for_the_second(rival, sign):
    duel = Duel.of(stump([-2.0], [3.0], base=(0.5,)), SPLIT, 1 - rival, rival)

    assert (sign * duel.gain).tolist() == [0, -2, 3]
    assert duel.base == sign * 0.5


def test_of_more_classes_the_rivals_score_counts_against_the_true_ones():
    trees = stump([1.0, 0.0, 5.0], [0.0, 2.0, 7.0], base=(0.1, 0.2, 0.4))

    duel = Duel.of(trees, SPLIT, truth=0, rival=1)

    assert duel.gain.tolist() == [0, -1, 2]
    assert duel.base == pytest.approx(0.1)


def test_what_rounding_may_turn_is_within_the_margin():
    double, single = (Duel.of(stump([-2.0], [3.0], single=s), SPLIT, 0, 1) for s in (False, True))

    assert 0 < double.margin < 1e-6
    assert single.margin > 3 * 2.0**-24


def hard():
    """Return a forest as a search, its widest box, and a floor that takes a while."""
    rows, labels = make_classification(400, 8, n_informative=8, n_redundant=0, random_state=0)
    frame = pd.DataFrame(rows)
    frame.columns = [f"f{place}" for place in range(8)]
    trees = structure_of(RandomForestClassifier(20, random_state=0).fit(frame, labels)).model
    lines = Lines(trees, np.zeros(8, dtype=bool), np.ones(8), np.zeros(8))
    duel = Duel.of(trees, lines.splits(trees), 0, 1)
    high = np.array([len(known) for known in lines.thresholds])
    return Ensemble(duel.trees, duel.split, duel.gain, duel.base), np.zeros_like(high), high


def test_a_search_that_ran_out_of_steps_is_not_done():
    ensemble, low, high = hard()

    found = ensemble.search(low, high, 0.999, 3)

    assert not found.is_done
    assert found.cells is None
    assert found.steps == 3


def test_a_search_that_looked_at_all_is_done():
    ensemble, low, high = hard()

    found = ensemble.search(low, high, 1.01, 1000)

    assert found.is_done
    assert found.cells is None


def test_a_solution_is_above_the_floor_and_within_the_box():
    ensemble, low, high = hard()

    found = ensemble.search(low, high, 0.5, 1000)

    assert found.output >= 0.5
    assert all(low[f] <= a <= b <= high[f] for f, (a, b) in found.cells.items())


@pytest.mark.parametrize(("floor", "is_there"), [(3.0, True), (3.1, False)])
def test_the_floor_itself_is_of_interest(floor, is_there):
    duel = Duel.of(stump([-2.0], [3.0]), SPLIT, 0, 1)
    ensemble = Ensemble(duel.trees, duel.split, duel.gain, duel.base)

    found = ensemble.search(np.array([0]), np.array([1]), floor, 10)

    assert (found.cells is not None) == is_there
    assert found.is_done is not is_there


@pytest.mark.parametrize(("base", "is_there"), [(1.0, True), (-1.0, False)])
def test_trees_that_add_nothing_leave_the_base(base, is_there):
    duel = Duel.of(stump([0.0], [0.0], base=(base,)), SPLIT, 0, 1)
    ensemble = Ensemble(duel.trees, duel.split, duel.gain, duel.base)

    found = ensemble.search(np.array([0]), np.array([1]), 0.0, 10)

    assert (found.cells is not None) == is_there
    assert found.is_done is not is_there
