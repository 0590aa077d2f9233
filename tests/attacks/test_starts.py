import numpy as np
import pytest

from boxes import around, bounded, held
from modelwarden.attacks.engine import Answers
from modelwarden.attacks.starts import AT_ONCE, NEAREST, Begun, Neighbours


def found(box, pool, pool_labels, truth=None):
    rows = np.arange(len(box.origin))
    truth = np.zeros(len(rows), np.intp) if truth is None else np.asarray(truth)
    return (
        Neighbours(box, np.asarray(pool, float), np.asarray(pool_labels)).of(rows, truth).tolist()
    )


def test_rows_of_another_label_come_first_and_the_nearest_of_them_before_the_others():
    box = around([[0.0, 0]])

    assert found(box, [[1, 1], [3, 3], [0, 0], [2, 2]], [1, 1, 0, 1])[0] == [0, 3, 1, 2]


def test_what_a_row_is_labelled_otherwise_depends_on_its_own_class():
    box = around([[0.0], [0.0]])

    ranks = found(box, [[1], [2]], [0, 1], truth=[0, 1])

    assert [rank[0] for rank in ranks] == [1, 0]


def test_near_is_near_the_row_wherever_that_is():
    assert found(around([[5.0, 5]]), [[9, 9], [-5, -5], [5, 6]], [1, 1, 1])[0] == [2, 0, 1]


def test_where_all_of_the_pool_has_one_label_all_of_it_is_returned():
    assert sorted(found(around([[0.0]]), [[1], [2], [3]], [0, 0, 0])[0]) == [0, 1, 2]


def test_a_pool_of_one_row_is_enough():
    assert found(around([[0.0], [1.0]]), [[5]], [1]) == [[0], [0]]


def test_a_large_pool_gives_a_bounded_number_of_rows():
    pool = np.arange(100.0)[::-1, None]

    ranks = found(around([[0.0]]), pool, np.ones(100))[0]

    assert ranks == list(range(99, 99 - NEAREST, -1))


def test_a_column_counts_by_the_room_that_it_has():
    box = bounded(around([[0.0, 0]]), [-1, -100], [1, 100])

    assert found(box, [[1, 0], [0, 40]], [1, 1])[0] == [1, 0]


def test_a_column_that_cannot_move_is_no_distance():
    box = held(around([[0.0, 0]]), [1])

    assert found(box, [[1, 0], [0.5, 9]], [1, 1])[0] == [1, 0]


def test_missing_cells_are_no_distance_and_no_error():
    box = around([[0.0, np.nan]])

    assert found(box, [[2, 0], [1, np.nan]], [1, 1])[0] == [1, 0]


def begun(box, pool, breaks, particles=1, budget=99):
    """Begin, with answers by a function of an array; return the rows and what they asked."""
    rows = np.arange(len(box.origin)) + 10  # names differ from places
    start, asked = Begun(box, rows, particles), []
    closest = np.tile(np.arange(len(pool)), (len(rows), 1))
    run = start.begin(np.asarray(pool, float), closest)
    wish = next(run, None)
    while wish is not None:
        asked.append(wish)
        margins = np.where(breaks(wish.values), -1.0, 1.0)
        margins[sum(len(w.rows) for w in asked[:-1]) + np.arange(len(margins)) >= budget] = np.inf
        try:
            wish = run.send(Answers(margins, rows))
        except StopIteration:
            break
    return start, asked


def test_a_row_begins_at_the_nearest_point_that_breaks_it():
    start, _ = begun(around([[0.0]]), [[1], [3], [2]], lambda v: v[:, 0] > 1.5)

    assert start.points.tolist() == [[[2]]]
    assert start.live.tolist() == [0]


def test_particles_begin_at_different_points_and_the_last_is_repeated():
    start, _ = begun(around([[0.0]]), [[1], [3], [2]], lambda v: v[:, 0] > 1.5, particles=3)

    assert start.points[0, :, 0].tolist() == [2, 3, 3]


def test_a_start_is_drawn_into_the_box():
    start, asked = begun(around([[0.0]], limit=2), [[5]], lambda v: v[:, 0] > 1.5)

    assert asked[0].values.tolist() == [[2]]
    assert start.points[0, 0, 0] == 2


def test_only_rows_that_are_not_broken_yet_ask_on():
    box = held(around([[0.0, 0], [1, 0]]), [0])
    pool = np.column_stack([np.zeros(20), np.arange(20)])

    start, asked = begun(box, pool, lambda v: v[:, 1] > 5 + 4 * v[:, 0])

    assert [len(wish.rows) for wish in asked] == [2 * AT_ONCE, AT_ONCE]
    assert {*asked[1].rows.tolist()} == {11}
    assert start.live.tolist() == [0, 1]


def test_a_row_that_nothing_breaks_is_left_alone():
    start, asked = begun(around([[0.0]]), np.ones((NEAREST, 1)), lambda v: v[:, 0] > 2)

    assert len(asked) == NEAREST // AT_ONCE
    assert start.live.tolist() == []
    assert start.points.tolist() == [[[0]]]


@pytest.mark.parametrize("budget", [0, 1])
def test_a_start_that_was_not_asked_about_breaks_nothing(budget):
    start, _ = begun(around([[0.0]]), [[1], [3]], lambda v: v[:, 0] > 2, budget=budget)

    assert start.live.tolist() == []
