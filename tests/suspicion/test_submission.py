import numpy as np
import pandas as pd
import pytest

from modelwarden.errors import InputError
from modelwarden.suspicion.submission import Column
from submitted import submission


def frame(**columns):
    return pd.DataFrame(columns)


PLAIN = frame(a=[1.0, 2.0, 3.0, 4.0], t=["x", "x", "z", None], y=["no", "yes", "no", "yes"])


# refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "trusted", "message"),
    [
        (PLAIN[["y", "a"]].rename(columns={"a": "who"}), None, "feature columns, got only 'y'"),
        (frame(t=["p", "q"], y=[0, 1]), None, "train: expected a column of numbers or repeated"),
        (PLAIN, PLAIN.assign(t=list("pqrs"), a=None), "column 'a': expected numbers"),
        (PLAIN, PLAIN.drop(columns="t"), "trusted: expected the feature columns.*'t' missing"),
        (PLAIN, PLAIN.assign(y=["no", "maybe"] * 2), "only labels that trusted rows have, got 'ye"),
        (PLAIN.assign(y=[1, 0, 1, 0]), PLAIN, "only labels that trusted rows have, got 0, 1"),
        (PLAIN.assign(y="no"), PLAIN, "train.*two classes"),
        (PLAIN, PLAIN.assign(y="no"), "trusted.*two classes"),
    ],
)
def test_tables_that_do_not_go_together_are_refused(train, trusted, message):
    with pytest.raises(InputError, match=message):
        submission(train, trusted, besides=("who",))


# what is read ------------------------------------------------------------------------------------


def test_without_a_trusted_table_submitted_rows_encode_themselves():
    rows = submission(PLAIN)

    assert (rows.n_rows, rows.n_trusted, rows.n_classes) == (4, 0, 2)
    assert rows.trusted_x.shape == (0, 2)
    assert rows.trusted_codes.shape == (0, 2)
    assert not rows.vouched.any()
    np.testing.assert_allclose(rows.x.mean(axis=0)[0], 0, atol=1e-12)


def test_submitted_rows_are_encoded_by_statistics_of_trusted_ones_in_their_columns_order():
    trusted = frame(t=["z", "z"], y=["yes", "no"], a=[0.0, 2.0])

    rows = submission(PLAIN, trusted)

    back = np.argsort(rows.order)
    assert rows.x[back].tolist() == [[0, 0], [0, 1], [1, 2], [0, 3]]
    assert rows.trusted_x.tolist() == [[1, -1], [1, 1]]
    assert [column.name for column in rows.columns] == ["t", "a"]


def test_labels_become_codes_of_the_trusted_classes():
    trusted = frame(a=[0.0, 1.0, 2.0], t="x", y=["yes", "rare", "no"])

    rows = submission(PLAIN, trusted)

    assert rows.classes.tolist() == ["no", "rare", "yes"]
    assert rows.y[np.argsort(rows.order)].tolist() == [0, 2, 0, 2]
    assert rows.trusted_y.tolist() == [2, 1, 0]


def test_columns_besides_the_features_are_left_out_and_trusted_rows_may_lack_them():
    train = PLAIN.assign(who=["p", "q", "r", "s"], w=[1.0, 2.0, 3.0, 4.0])

    rows = submission(train, PLAIN.assign(w=1.0), besides=("who", "w", ""))

    assert [column.name for column in rows.columns] == ["a", "t"]
    assert rows.vouched.all()


def test_cells_are_codes_of_their_sorted_values_in_both_tables():
    trusted = frame(a=[2.0, 9.0], t=["x", "x"], y=["no", "yes"])

    rows = submission(PLAIN.assign(a=[1.0, np.nan, 3.0, np.inf]), trusted)

    number, text = rows.columns
    back = np.argsort(rows.order)
    np.testing.assert_array_equal(number.values, [1, 2, 3, 9, np.nan])
    assert text.values.tolist() == ["", "x", "z"]
    assert rows.codes[back].tolist() == [[0, 1], [4, 1], [2, 2], [4, 0]]
    assert rows.trusted_codes.tolist() == [[1, 1], [3, 1]]
    assert rows.codes.dtype == np.int32


def test_one_long_text_does_not_make_every_cell_as_long():
    texts = ["x" * 2_000_000, *["y"] * 99]  # as an array of fixed width: 800 MB

    rows = submission(frame(a=range(100), t=texts, y=[0, 1] * 50))

    assert rows.columns[1].values.dtype == object


def test_texts_that_differ_in_invisible_marks_are_different():
    rows = submission(frame(a=range(4), t=["p", "p\0", "p ", "p"], y=[0, 1, 0, 1]))

    assert len(rows.columns[1].values) == 3


def test_a_column_knows_what_is_a_number_and_what_is_missing():
    number, text = Column("n", np.array([1.0, np.nan])), Column("t", np.array(["", "x"], object))

    assert (number.is_number, text.is_number) == (True, False)
    assert number.is_finite.tolist() == [True, False]
    assert text.is_finite.tolist() == [False, True]


# vouched -----------------------------------------------------------------------------------------


def test_rows_that_equal_a_trusted_row_are_vouched_for_label_included():
    train = pd.concat([PLAIN, PLAIN.assign(y=PLAIN["y"].to_numpy()[::-1])])
    trusted = frame(a=[1.0, 4.0, 7.0], t=["x", None, "x"], y=["no", "yes", "no"])

    rows = submission(train, trusted)

    vouched = np.zeros(8, dtype=bool)
    vouched[rows.order] = rows.vouched
    assert vouched.tolist() == [True, False, False, True, *[False] * 4]


def test_twins_are_equal_in_every_cell_and_label_in_both_tables():
    train = frame(a=[1.0, 1.0, 1.0, np.nan], t=["x", "x", "z", ""], y=[0, 1, 0, 1])
    trusted = frame(a=[np.nan, 1.0, 1.0], t=["", "x", "x"], y=[1, 0, 0])

    rows = submission(train, trusted)

    twins = np.concatenate([rows.twins[:4][np.argsort(rows.order)], rows.twins[4:]])
    assert [np.flatnonzero(twins == twin).tolist() for twin in twins[:4]] == [
        [0, 5, 6],
        [1],
        [2],
        [3, 4],
    ]


# order -------------------------------------------------------------------------------------------


def test_however_rows_are_shuffled_they_are_read_in_the_same_order():
    generator = np.random.default_rng(0)
    train = frame(
        a=generator.integers(0, 2, 200),
        t=generator.choice(["p", "q"], 200),
        free=[f"text {i}" for i in generator.integers(0, 60, 200)],  # not encoded: cells only
        y=generator.integers(0, 2, 200),
    )
    trusted = train[:40].assign(free=[f"other {i}" for i in range(40)])
    shuffled = train.iloc[generator.permutation(200)]

    one, other = submission(train, trusted), submission(shuffled, trusted)

    for name in ("x", "y", "codes", "vouched"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    pd.testing.assert_frame_equal(
        train.iloc[one.order].reset_index(drop=True),
        shuffled.iloc[other.order].reset_index(drop=True),
    )


def test_the_order_leads_back_to_the_table():
    rows = submission(PLAIN)

    for place, row in enumerate(rows.order):
        value = rows.columns[0].values[rows.codes[place, 0]]
        assert value == PLAIN["a"][row]


def test_the_most_different_column_is_named_with_its_distance():
    train = frame(a=[1.0, 2.0, 3.0, 4.0], b=list("xxyz"), y=[0, 1, 0, 1])

    rows = submission(train, train.assign(a=[1.5, 2.5, 3.5, 4.5], b="x"))

    assert rows.most_different() == ("b", 0.5)
