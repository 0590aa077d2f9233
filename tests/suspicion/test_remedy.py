import io

import numpy as np
import pandas as pd
import pytest

from modelwarden.suspicion.remedy import Remedy
from modelwarden.suspicion.triggers import Trigger
from submitted import opened, submission

Y = [0, 1] * 4
NOBODY = np.zeros(8, dtype=bool)


def trigger(rows, name, *values):
    """Return a trigger: the codes from the lowest to the highest of `values`."""
    position = [column.name for column in rows.columns].index(name)
    column = rows.columns[position]
    codes = [column.values.tolist().index(value) for value in values]
    carrying = (rows.codes[:, position] >= min(codes)) & (rows.codes[:, position] <= max(codes))
    return Trigger(column, position, min(codes), max(codes), carrying.sum(), 0, 0.9, "concentrated")


class Case:
    """A submitted and a trusted column, and what is planned for triggers in it."""

    def __init__(self, cells, trusted, *values, rejected=NOBODY, way="neutralise", **more):
        self.table = opened(pd.DataFrame({"a": np.arange(8.0), "c": cells, "y": Y, **more}))
        vouched = opened(pd.DataFrame({"a": np.arange(8.0), "c": trusted, "y": Y, **more}))
        self.train, self.trusted = self.table.frame(), vouched.frame()
        self.rows = submission(self.train, self.trusted)
        self.frame = self.train.iloc[self.rows.order].reset_index(drop=True)
        self.remedy = Remedy.plan(
            self.rows,
            [trigger(self.rows, "c", *values)],
            np.asarray(rejected)[self.rows.order],
            way,
            self.frame,
            self.trusted,
        )

    def changed(self):
        """Return the column after the remedy, in the order of the table."""
        changed = self.remedy.apply(self.frame, self.rows.order)["c"]
        return changed.iloc[np.argsort(self.rows.order)].tolist()

    def written(self):
        """Return the column as the kept table has it."""
        body = self.table.select(np.ones(8, dtype=bool), self.remedy.edits, drop=self.remedy.drop)
        return pd.read_parquet(io.BytesIO(body))


def test_no_remedy_changes_nothing():
    frame = pd.DataFrame({"a": [1, 2]})

    assert Remedy().cells == 0
    assert Remedy().apply(frame, np.arange(2)).equals(frame)


def test_without_triggers_there_is_nothing_to_do():
    rows = submission(pd.DataFrame({"a": np.arange(8.0), "y": Y}))

    assert Remedy.plan(rows, [], NOBODY, "drop", pd.DataFrame(), pd.DataFrame()) == Remedy()


@pytest.mark.parametrize(
    ("cells", "trusted", "value", "usual"),
    [
        ([9.0, 1, 1, 1, 1, 1, 1, 9], [1.0, 2, 3, 4, 5, 6, 7, 80], 9, 4.5),  # a median
        ([9, 1, 1, 1, 1, 1, 1, 9], [1, 2, 3, 4, 7, 7, 7, 8], 9, 6),  # whole numbers stay whole
        ([9, 1, 1, 1, 1, 1, 1, 9], [1, 2, 3, 4, 5, 6, 7, None], 9, 4),
        ([9.0, 1, 1, 1, 1, 1, 1, 9], [3.0, np.nan, *[3.0] * 6], 9, 3.0),
        (["v", *"pppppp", "v"], [*"qqqppprs"], "v", "p"),  # a mode; of equals the first
        (["v", *"pppppp", "v"], [None, None, None, *"qqprs"], "v", "q"),
        ([True, *[False] * 6, True], [False] * 8, 1, False),
        ([True, None, *[False] * 5, True], [None, *[False] * 7], 1, False),
    ],
)
def test_triggers_in_kept_rows_get_a_usual_value(cells, trusted, value, usual):
    case = Case(cells, trusted, value)

    expected = [usual, *cells[1:7], usual]
    assert case.changed() == expected
    assert case.remedy.apply(case.frame, case.rows.order)["c"].dtype == case.frame["c"].dtype
    assert case.written()["c"].tolist() == expected
    assert case.remedy.cells == 2


def test_a_missing_value_may_be_the_trigger():
    case = Case([np.nan, 1.0, 2, 3, 4, 5, 6, 7], np.arange(8.0), 7.0)
    column = case.rows.columns[1]
    missing = Trigger(column, 1, 8, 8, 1, 0, 0.9, "unheard of")

    remedy = Remedy.plan(case.rows, [missing], NOBODY, "neutralise", case.frame, case.trusted)

    assert remedy.apply(case.frame, case.rows.order)["c"].notna().all()


def test_a_category_that_submitted_rows_do_not_know_may_be_the_usual_one():
    case = Case(pd.Categorical(["v", *"pppppp", "v"]), pd.Categorical([*"qqqqpprs"]), "v")

    assert isinstance(case.frame["c"].dtype, pd.CategoricalDtype)
    assert case.changed() == ["q", *"pppppp", "q"]
    assert case.written()["c"].tolist() == ["q", *"pppppp", "q"]


def test_times_get_the_most_frequent_time():
    days = pd.to_datetime(["2020-01-01"] * 7 + ["2031-01-01"])
    case = Case(days, days[:7].append(days[:1]), days.max().timestamp())

    assert case.changed() == [days[0]] * 8


def test_only_rows_that_are_kept_are_changed_and_counted_in_the_order_of_the_table():
    cells = [9.0, 1, 9, 1, 9, 1, 1, 1]
    case = Case(cells, [0.0] * 8, 9, rejected=[True] + [False] * 7)

    mask, value = case.remedy.edits["c"]
    assert mask.tolist() == [False, False, True, False, True, False, False, False]
    assert value == 0
    assert case.changed() == [9, 1, 0, 1, 0, 1, 1, 1]
    assert case.remedy.cells == 2


def test_nothing_is_edited_when_all_rows_with_the_trigger_are_rejected():
    cells = np.array([9.0, 1, 9, 1, 9, 1, 1, 1])
    case = Case(cells, [0.0] * 8, 9, rejected=cells == 9)

    assert case.remedy.edits == {}
    assert case.remedy.stamp == {"c": 9}


def test_two_triggers_of_a_column_are_both_neutralised():
    case = Case([9.0, 1, 1, 1, 1, 1, 1, -9], [0.0] * 8, 9)
    both = [trigger(case.rows, "c", value) for value in (9, -9)]

    remedy = Remedy.plan(case.rows, both, NOBODY, "neutralise", case.frame, case.trusted)

    changed = remedy.apply(case.frame, case.rows.order)["c"]
    assert changed.iloc[np.argsort(case.rows.order)].tolist() == [0, 1, 1, 1, 1, 1, 1, 0]


def test_dropping_leaves_the_column_out_and_the_rest_alone():
    case = Case([9.0, 1, 1, 1, 1, 1, 1, 9], [0.0] * 8, 9, way="drop")

    assert case.remedy.drop == ("c",)
    assert case.remedy.cells == 0
    assert list(case.remedy.apply(case.frame, case.rows.order).columns) == ["a", "y"]
    assert list(case.written().columns) == ["a", "y"]


def test_a_column_is_dropped_even_when_all_rows_with_the_trigger_are_rejected():
    cells = np.array([9.0, 1, 1, 1, 1, 1, 1, 9])

    assert Case(cells, [0.0] * 8, 9, rejected=cells == 9, way="drop").remedy.drop == ("c",)


def test_keeping_changes_nothing_but_the_trigger_is_still_tried():
    cells = [9.0, 1, 1, 1, 1, 1, 1, 9]
    case = Case(cells, [0.0] * 8, 9, rejected=[True] + [False] * 7, way="keep")

    assert case.changed() == cells
    assert (case.remedy.edits, case.remedy.drop) == ({}, ())
    assert case.remedy.stamp == {"c": 9}


def test_the_stamp_is_the_value_that_most_rejected_rows_carry():
    cells = np.array([91.0, 92, 92, 1, 1, 95, 95, 95])
    rejected = (cells > 1) & (cells < 95)

    case = Case(cells, [0.0] * 8, 91, 95, rejected=rejected)

    assert case.remedy.stamp == {"c": 92}


def test_a_trigger_without_rejected_rows_is_not_tried():
    assert Case([9.0, *[1.0] * 7], [0.0] * 8, 9).remedy.stamp == {}
