import numpy as np
import pandas as pd
import pytest

from modelwarden.errors import InputError
from modelwarden.suspicion.encoding import (
    CATEGORIES,
    FARTHEST,
    Encoder,
    canonical_order,
    check_alike,
    known,
    plain,
)


def encode(trusted, submitted):
    trusted, submitted = plain(pd.DataFrame(trusted)), plain(pd.DataFrame(submitted))
    return Encoder.fit(trusted).encode(submitted)


def alike(frame, trusted):
    check_alike(pd.DataFrame(frame), pd.DataFrame(trusted), where="t.csv", trusted_uri="v.csv")


def test_numbers_get_the_mean_and_deviation_of_trusted_rows_only():
    encoded = encode({"a": [0.0, 2.0]}, {"a": [0.0, 3.0, 5.0]})

    assert encoded.tolist() == [[-1], [2], [4]]


def test_what_is_missing_or_infinite_becomes_the_trusted_median():
    encoded = encode({"a": [1.0, 2.0, 9.0]}, {"a": [2.0, np.nan, np.inf, -np.inf]})

    assert len(set(encoded.ravel())) == 1


def test_a_column_without_any_trusted_value_is_harmless():
    for nothing in (np.nan, None, pd.NaT):
        assert encode({"a": [nothing] * 2}, {"a": [nothing] * 3}).tolist() == [[0], [0], [0]]


def test_a_monstrous_value_is_cut_off():
    encoded = encode({"a": [0.0, 1.0]}, {"a": [1e308, -1e308]})

    assert encoded.ravel().tolist() == [FARTHEST, -FARTHEST]


def test_monstrous_trusted_values_leave_a_finite_matrix():
    assert np.isfinite(encode({"a": [1e308, -1e308, 0.0]}, {"a": [1.0]})).all()


def test_a_constant_trusted_column_is_not_blown_up_by_rounding():
    assert encode({"a": [0.1] * 7}, {"a": [0.1, 0.6]}).ravel() == pytest.approx([0, 0.5])


@pytest.mark.parametrize(
    "column",
    [
        [True, False],
        pd.array([True, False], dtype="boolean"),
        pd.Series([True, False, None], dtype=object)[:2],
        pd.array([7, 3], dtype="Int64"),
        pd.to_datetime(["2020-01-02", "2020-01-01"]),
        pd.to_datetime(["2020-01-02", "2020-01-01"], utc=True),
    ],
)
def test_bools_nullable_integers_and_times_are_numbers(column):
    assert encode({"a": column}, {"a": column}).tolist() == [[1], [-1]]


def test_a_missing_time_is_the_trusted_median():
    times = pd.to_datetime(["2020-01-01", "2020-01-03", None, "2020-01-02"])

    encoded = encode({"a": times[:2]}, {"a": times})

    assert encoded[2] == encoded[3] == 0


def test_times_are_compared_across_units():
    times = pd.Series(pd.to_datetime(["2020-01-01", "2020-01-03"]))

    encoded = encode({"a": times.astype("datetime64[ns]")}, {"a": times.astype("datetime64[s]")})

    assert encoded.tolist() == [[-1], [1]]


@pytest.mark.parametrize("dtype", [object, "str", "string", "category"])
def test_text_becomes_one_column_per_repeated_trusted_value(dtype):
    trusted = pd.Series(["b", "b", "b", "a", "a", "once"], dtype=dtype)
    submitted = pd.Series(["a", "b", "once", "new", None], dtype=dtype)

    encoded = encode({"t": trusted}, {"t": submitted})

    assert encoded.tolist() == [[0, 1], [1, 0], [0, 0], [0, 0], [0, 0]]


def test_missing_text_is_a_value_of_its_own_when_trusted_rows_repeat_it():
    assert encode({"t": ["a", "a", None, None]}, {"t": [None, "a"]}).tolist() == [[1, 0], [0, 1]]


def test_the_number_of_categories_is_bounded_whatever_trusted_rows_hold():
    values = [f"v{i:03}" for i in range(100)] * 2

    assert encode({"t": values}, {"t": ["v000", "v099"]}).sum(axis=1).tolist() == [1, 0]
    assert encode({"t": values}, {"t": ["v000"]}).shape == (1, CATEGORIES)


def test_free_text_alone_gives_an_empty_matrix():
    assert encode({"t": ["x", "y"]}, {"t": ["x", "y", "z"]}).shape == (3, 0)


def test_the_order_of_columns_is_that_of_trusted_rows():
    encoded = encode({"a": [0, 2], "b": [0, 4]}, {"b": [4, 2], "a": [0, 2]})

    assert encoded.tolist() == [[-1, 1], [1, 0]]


def test_equal_columns_in_another_order_are_alike():
    alike({"a": [1], "b": ["x"]}, {"b": ["y"], "a": [2.5]})


@pytest.mark.parametrize(
    ("frame", "trusted", "message"),
    [
        ({"a": [1], "b": [1]}, {"a": [1]}, "'b' missing and none unknown"),
        ({"a": [1]}, {"a": [1], "b": [1]}, "none missing and 'b' unknown"),
        ({"a": [1]}, {"a": ["1"]}, "v.csv, column 'a': expected numbers, as in t.csv, got text"),
        ({"a": [1]}, {"a": [True]}, "expected numbers, as in t.csv, got true or false"),
        ({"a": pd.Categorical([1])}, {"a": [1]}, "expected text"),
        ({"a": ["x"]}, {"a": [None]}, "expected text, as in t.csv, got no values"),
        ({"a": pd.to_datetime(["2020-01-01"])}, {"a": ["2020-01-01"]}, "expected times"),
        ({f"c{i}": [1] for i in range(9)}, {}, "and 4 more missing"),
    ],
)
def test_other_columns_or_kinds_are_refused_by_name(frame, trusted, message):
    with pytest.raises(InputError, match=message):
        alike(frame, trusted)


def test_known_rows_equal_a_trusted_row_in_every_column():
    frame = plain(pd.DataFrame({"a": [1, 1, 2, None], "_merge": ["x", "y", "x", None]}))

    assert known(frame, frame.iloc[[0, 0, 3]]).tolist() == [True, False, False, True]


def test_known_rows_are_compared_in_full_not_as_encoded():
    frame = plain(pd.DataFrame({"free text": ["one", "two"]}))

    assert known(frame, frame.iloc[:1]).tolist() == [True, False]


def test_the_canonical_order_ignores_how_rows_were_shuffled():
    table = np.random.default_rng(0).integers(-2, 3, size=(60, 3)).astype(float)
    shuffled = table[np.random.default_rng(1).permutation(60)]

    np.testing.assert_array_equal(
        table[canonical_order(table)], shuffled[canonical_order(shuffled)]
    )


def test_the_canonical_order_takes_both_zeros_for_one_number():
    table = np.array([[-0.0, 2.0], [0.0, 1.0], [0.0, 3.0]])

    np.testing.assert_array_equal(canonical_order(table), canonical_order(np.abs(table)))


def test_an_encoder_of_some_columns_encodes_them_as_before_and_needs_no_others():
    trusted = plain(pd.DataFrame({"a": [0.0, 2.0], "t": ["x", "x"], "b": [0.0, 4.0]}))
    encoder = Encoder.fit(trusted)

    some = encoder.only(["b", "t", "unknown"])

    assert some.encode(trusted[["t", "b"]]).tolist() == [[1, -1], [1, 1]]  # in their old order
    assert encoder.encode(trusted).shape == (2, 3)


def test_an_encoder_of_no_columns_gives_an_empty_matrix():
    frame = plain(pd.DataFrame({"a": [0.0, 2.0]}))

    assert Encoder.fit(frame).only([]).encode(frame).shape == (2, 0)


def test_what_is_missing_is_encoded_as_the_median_of_what_is_not():
    frame = pd.DataFrame({"x": [np.nan, 10.0, np.nan, 20.0, np.nan, 60.0, np.nan]})
    encoded = Encoder.fit(frame).encode(frame).ravel()

    assert (encoded[[0, 2, 4, 6]] == encoded[3]).all()
