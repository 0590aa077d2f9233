import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.tree import DecisionTreeClassifier

from modelwarden.child.structure import structure_of
from modelwarden.space.rules import Rules
from modelwarden.space.table import Space
from modelwarden.structure import Encoding, Structure, Unit
from modelwarden.trees.ensemble import Trees
from modelwarden.trees.grid import Lines, Surveyor


def stumps(*thresholds, single=False):
    """Return trees of one split each, of feature 0."""
    n = len(thresholds)
    roots = 3 * np.arange(n)
    return Trees(
        roots=roots,
        feature=np.tile([0, -1, -1], n),
        threshold=np.array([cell for at in thresholds for cell in (at, 0.0, 0.0)]),
        left=np.array([cell for root in roots for cell in (root + 1, 0, 0)]),
        right=np.array([cell for root in roots for cell in (root + 2, 0, 0)]),
        missing_left=np.zeros(3 * n, dtype=bool),
        value=np.ones((3 * n, 1)) * np.tile([0.0, 1.0, -1.0], n)[:, None],
        base=np.zeros(1),
        single=single,
    )


def lines(trees, *, whole=False, slope=1.0, offset=0.0):
    return Lines(trees, np.array([whole]), np.array([slope]), np.array([offset]))


def test_a_value_on_a_threshold_is_to_its_right():
    cut = lines(stumps(1.0, 2.0))

    assert cut.cells(np.array([[0.9], [1.0], [1.5], [2.0], [np.inf]]))[:, 0].tolist() == [
        0,
        1,
        1,
        2,
        2,
    ]


def test_a_row_goes_left_where_its_cell_is_below_the_split():
    trees = stumps(2.0, 1.0, 2.0)
    cut = lines(trees)

    splits = cut.splits(trees)[trees.roots]

    cells = cut.cells(np.array([[0.0], [1.0], [1.9], [2.0]]))
    assert ((cells < splits) == (np.array([[0.0], [1.0], [1.9], [2.0]]) < [2.0, 1.0, 2.0])).all()


def test_missing_features_have_a_cell_of_no_meaning():
    assert lines(stumps(1.0)).cells(np.array([[np.nan]])).tolist() == [[0]]


def test_float32_is_compared_as_float32():
    at = float(np.float32(0.1))
    just_below = np.nextafter(at, 0)  # the same float32

    assert lines(stumps(at), whole=False).cells(np.array([[just_below]])).tolist() == [[0]]
    assert lines(stumps(at, single=True)).cells(np.array([[just_below]])).tolist() == [[1]]


def test_thresholds_between_the_same_integers_are_one():
    trees = stumps(0.2, 0.5, 1.5, 3.0)
    cut = lines(trees, whole=True)

    assert cut.splits(trees)[trees.roots].tolist() == [1, 1, 2, 3]
    assert cut.cells(np.array([[0.0], [1.0], [2.0], [3.0]]))[:, 0].tolist() == [0, 1, 2, 3]


def test_scaled_integers_are_integers():
    trees = stumps(-0.9, -0.6, -0.4)  # 2 - x/2: at 5.8, 5.2, 4.8
    cut = lines(trees, whole=True, slope=-0.5, offset=2.0)

    assert cut.splits(trees)[trees.roots].tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("low", "high", "ends"),
    [(0, 0, (-np.inf, 1.0)), (1, 1, (1.0, 2.0)), (0, 1, (-np.inf, 2.0)), (2, 2, (2.0, np.inf))],
)
def test_cells_have_ends(low, high, ends):
    assert lines(stumps(1.0, 2.0)).ends(0, low, high) == ends


def test_each_node_knows_its_tree_wherever_it_stands():
    trees = stumps(1.0, 2.0)

    assert trees.tree.tolist() == [0, 0, 0, 1, 1, 1]


def test_a_reach_is_all_cells_between_its_ends():
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0] * 5})
    model = DecisionTreeClassifier().fit(frame, frame["x"] > 1.5)
    there = Space(frame, np.arange(4), Rules(version=1, columns={"x": {"scale": 1.0}}))
    structure = structure_of(model)

    reach = there.reach(there.box(0.5))
    grid = Surveyor(structure, there.frame, reach).survey(reach)

    assert grid.low[:, 0].tolist() == [0, 0, 0, 1]
    assert grid.high[:, 0].tolist() == [0, 0, 1, 1]  # 1.5 itself goes left


def test_a_reach_within_a_distance_keeps_steps_and_categories_that_it_pays():
    frame = pd.DataFrame({"n": [0, 5, 10], "c": ["a", "b", "a"], "x": [0.5, np.nan, 2.0]})
    rules = Rules(
        version=1,
        columns={
            "n": {"scale": 2.0},
            "c": {"values": ["a", "b"], "cost": 1.0},
            "x": {"scale": 1.0},
        },
    )
    there = Space(frame, np.arange(3), rules)

    near = there.reach(there.box(np.inf)).within(there.frame, np.array([0.9, 0.9, 1.0]))

    assert np.transpose(near.numbers["n"]).tolist() == [[0, 1], [4, 6], [8, 10]]
    assert near.values["c"][1].tolist() == [[True, False], [False, True], [True, True]]
    np.testing.assert_array_equal(
        np.transpose(near.numbers["x"]), [[0.5, 1.4], [np.nan] * 2, [1, 2]]
    )


def test_a_reach_says_what_has_to_hold_and_of_which_rows():
    frame = pd.DataFrame({"a": [1.0, 5.0, np.nan], "b": [2.0, 1.0, 3.0]})
    there = Space(frame, np.arange(3), Rules(version=1, relations=["a <= b"], max_changed=1))

    reach = there.reach(there.box(1.0))

    assert reach.most == 1
    assert dict(reach.relations[0].weights) == {"a": 1.0, "b": -1.0}
    assert reach.relations[0].asked.tolist() == [True, False, False]
    assert reach.take(np.array([1])).relations[0].asked.tolist() == [False]


def test_what_rounding_may_put_on_either_side_of_a_threshold_is_on_both():
    encoding = Encoding(
        (Unit("x", "number"),),
        sparse.csr_array(np.array([[0.1]])),
        np.array([0.7]),
        np.array([True]),
    )
    at = float(encoding.features(pd.DataFrame({"x": [3.0]}))[0, 0])
    structure = Structure(encoding, stumps(at), 2)
    frame = pd.DataFrame({"x": [3.0, 4.0, 2.0]})
    rules = Rules(version=1, columns={"x": {"scale": 1.0, "least": 0.0, "most": 9.0}})
    there = Space(frame, np.arange(3), rules)

    reach = there.reach(there.box(1.0))
    grid = Surveyor(structure, there.frame, reach).survey(reach)

    assert grid.own[:, 0].tolist() == [1, 1, 0]
    assert grid.low[:, 0].tolist() == [0, 0, 0]  # 4 - 1 may be below
    assert grid.high[:, 0].tolist() == [1, 1, 1]  # and 2 + 1 may be not
    assert (grid.still_low[0, 0], grid.still_high[0, 0]) == (0, 1)
