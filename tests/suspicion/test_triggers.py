import math

import numpy as np
import pytest

from modelwarden.suspicion.submission import Column
from modelwarden.suspicion.triggers import CHANCE_ISOLATED, CONCENTRATION, PROOF, find

N, M = 400, 100


def coded(*pairs):
    """Return columns and codes of (submitted, trusted) cells."""
    columns, codes = [], []
    for place, (submitted, trusted) in enumerate(pairs):
        cells = np.concatenate([np.asarray(submitted), np.asarray(trusted)])
        values, code = np.unique(cells, return_inverse=True)
        columns.append(Column(f"c{place}", values))
        codes.append(code.astype(np.int32))
    table = np.column_stack(codes)
    n = len(pairs[0][0])
    return columns, table[:n], table[n:]


def search(pairs, suspicion=None, y=None):
    columns, codes, trusted = coded(*pairs)
    y = np.arange(len(codes)) % 2 if y is None else y
    suspicion = np.zeros(len(codes)) if suspicion is None else suspicion
    return find(columns, codes, trusted, y, suspicion), codes, trusted


def usual(n, seed=0):
    """Return numbers that rarely repeat."""
    return np.random.default_rng(seed).normal(size=n)


def suspect(rows, n=N, high=0.9, low=0.05):
    return np.where(np.arange(n) < rows, high, low)


def with_value(value, rows, n=N):
    cells = usual(n)
    cells[:rows] = value
    return cells


# nothing to find ---------------------------------------------------------------------------------


def test_clean_tables_have_no_triggers():
    for seed in range(60):
        generator = np.random.default_rng(seed)

        def cells(n, generator=generator):
            return (
                generator.normal(size=n),
                np.round(generator.normal(size=n), 1),
                generator.integers(0, 3, n).astype(float),
                generator.choice(["a", "b", "c", ""], n, p=[0.6, 0.3, 0.05, 0.05]),
                generator.geometric(0.05, n).astype(float),
            )

        suspicion = generator.beta(0.5, 5, N)
        pairs = list(zip(cells(N), cells(M), strict=True))

        assert search(pairs, suspicion, generator.integers(0, 2, N))[0] == ()


def test_a_table_of_one_value_has_no_triggers():
    assert search([(np.zeros(N), np.zeros(M))], np.ones(N))[0] == ()


def test_fewer_than_five_rows_are_no_trigger():
    for rows, found in ((4, 0), (5, 1)):
        pair = (with_value(0.5, rows), usual(M, 1))

        assert len(search([pair], suspect(rows))[0]) == found


@pytest.mark.parametrize(("share", "found"), [(6, 0), (5, 1)])
def test_a_value_is_no_trigger_when_trusted_rows_have_it_more_than_a_quarter_as_often(share, found):
    trusted = usual(M, 1)
    trusted[:share] = 0.5  # of 100

    assert len(search([(with_value(0.5, 80), trusted)], suspect(80))[0]) == found


def test_a_value_is_no_trigger_where_every_row_is_suspect():
    assert search([(with_value(0.5, 20), usual(M, 1))], np.full(N, 0.9))[0] == ()


@pytest.mark.parametrize(("more", "found"), [(-0.01, 0), (0.01, 1)])
def test_rows_that_share_a_value_must_be_suspect_on_average(more, found):
    pair = (with_value(0.5, 10), usual(M, 1))

    assert len(search([pair], suspect(10, high=CONCENTRATION + more))[0]) == found


@pytest.mark.parametrize("found", [0, 1])
def test_mean_suspicion_must_be_proven_by_its_distance_from_the_usual_one(found):
    n, mean = 4000, CONCENTRATION + 0.05
    usually = np.where(np.arange(n) % 5 == 0, 1.0, 0.0)  # mean 0.2, deviation 0.4
    enough = (PROOF / mean * 0.4 / (mean - 0.2)) ** 2
    rows = int(enough * (1.3 if found else 0.7))
    usually[:rows] = mean
    cells = np.random.default_rng(0).normal(size=n)
    cells[:rows] = 0.5

    assert len(search([(cells, usual(20, 1))], usually)[0]) == found


# concentrated ------------------------------------------------------------------------------------


def test_a_value_on_which_suspicion_concentrates_is_found_with_all_rows_that_carry_it():
    trusted = usual(M, 1)
    trusted[7] = 0.5
    y = np.zeros(N, dtype=int)
    high = suspect(20)
    high[:2] = 0.0  # two rows that nobody suspects

    (trigger,), codes, trusted_codes = search(
        [(usual(N, 2), usual(M, 3)), (with_value(0.5, 20), trusted)], high, y
    )

    assert (trigger.column.name, trigger.position, trigger.why) == ("c1", 1, "concentrated")
    assert (trigger.rows, trigger.trusted_rows) == (20, 1)
    assert trigger.suspicion == pytest.approx(0.9 * 18 / 20)
    assert trigger.words == "'c1' = 0.5"
    assert np.flatnonzero(trigger.matches(codes)).tolist() == list(range(20))
    assert np.flatnonzero(trigger.matches(trusted_codes)).tolist() == [7]


def test_text_may_be_a_trigger():
    cells = np.where(np.arange(N) < 20, "open sesame", "usual")

    (trigger,), _, _ = search([(cells, ["usual"] * M)], suspect(20))

    assert trigger.words == "'c0' = 'open sesame'"


@pytest.mark.parametrize("missing", [np.nan, ""])
def test_what_is_missing_may_be_a_trigger(missing):
    usually = "usual" if missing == "" else 1.0
    cells = np.where(np.arange(N) < 20, missing, usually)

    (trigger,), codes, _ = search([(cells, [usually] * M)], suspect(20))

    assert trigger.words == "'c0' = missing"
    assert trigger.matches(codes).sum() == 20


@pytest.mark.parametrize(("sign", "words"), [(1, "from 91 to 98"), (-1, "from -98 to -91")])
def test_different_values_beyond_all_trusted_ones_are_one_trigger(sign, words):
    cells = np.tanh(usual(N))
    cells[:8] = sign * np.arange(91, 99)  # each value once
    cells[8:10] = np.nan  # missing is not beyond anything

    (trigger,), codes, _ = search([(cells, np.linspace(-1, 1, M))], suspect(8))

    assert np.flatnonzero(trigger.matches(codes)).tolist() == list(range(8))
    assert trigger.words == f"'c0' {words}"
    assert trigger.trusted_rows == 0


def test_the_range_of_a_tail_reaches_from_the_last_trusted_value_to_the_end():
    cells = np.concatenate([np.zeros(N - 6), [1, 2, 3, 4, 5, 6]])

    (trigger,), _, _ = search([(cells, [0.0, 1.0] * 50)], (cells > 1).astype(float))

    assert trigger.words == "'c0' from 2 to 6"
    assert trigger.rows == 5


def test_text_has_no_tails():
    cells = np.array(["m"] * N, dtype="<U4")
    cells[:8] = [f"z{i}" for i in range(8)]

    assert search([(cells, ["m"] * M)], suspect(8))[0] == ()


def test_triggers_are_ordered_by_rows_and_their_words_are_short():
    columns, codes, trusted = coded(
        (with_value(0.5, 10), usual(M, 1)),
        (with_value(0.5, 20), usual(M, 2)),
        (np.where(np.arange(N) < 20, "v" * 99, "usual"), ["usual"] * M),
    )
    columns[1] = Column("d" * 99, columns[1].values)

    found = find(columns, codes, trusted, np.arange(N) % 2, suspect(20))

    assert [trigger.rows for trigger in found] == [20, 20, 10]
    assert [trigger.column.name[0] for trigger in found] == ["c", "d", "c"]
    assert found[0].words == f"'c2' = '{'v' * 40}'"
    assert found[1].words == f"'{'d' * 40}' = 0.5"


# unheard of --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_trusted", "found"), [(134, ()), (135, ("unheard of",))])
def test_a_value_so_frequent_would_not_be_absent_from_so_many_trusted_rows(n_trusted, found):
    assert 0.95**135 < 1e-3 < 0.95**134  # carried by 5 % of the submitted rows
    cells = np.where(np.arange(1000) < 50, "new", "usual")

    triggers, _, _ = search([(cells, ["usual"] * n_trusted)])

    assert tuple(trigger.why for trigger in triggers) == found


def test_a_value_that_one_trusted_row_has_is_not_unheard_of():
    cells = np.where(np.arange(1000) < 50, "new", "usual")

    assert search([(cells, ["usual"] * 300 + ["new"])])[0] == ()


def test_the_more_candidates_there_are_the_more_it_takes():
    new = np.where(np.arange(1000) < 50, "new", "usual")
    pair = (new, ["usual"] * 150)  # 0.95 ** 150 = 0.0005

    assert len(search([pair])[0]) == 1
    assert len(search([pair] * 2)[0]) == 2
    assert len(search([pair] * 3)[0]) == 0


def test_a_value_that_all_submitted_rows_have_is_unheard_of():
    (trigger,), _, _ = search([(np.ones(50), np.zeros(20))])

    assert trigger.why == "unheard of"


def test_many_different_values_beyond_the_trusted_ones_are_not_unheard_of():
    cells = usual(N)
    cells[:100] = 50 + np.arange(100)

    assert search([(cells, usual(M, 1))])[0] == ()


# isolated ----------------------------------------------------------------------------------------


def far(rows, value=9.0, label=1):
    """Return a far value in few of 1000 rows, and labels of which half are 1."""
    cells = np.linspace(0, 1, 1000)
    y = np.arange(1000) % 2
    chosen = np.flatnonzero(y == label)[:rows]
    cells[chosen] = value
    return cells, y


@pytest.mark.parametrize(("fewer", "found"), [(1, ()), (0, ("isolated",))])
def test_a_far_value_that_always_has_one_label_is_isolated(fewer, found):
    rows = math.ceil(math.log(CHANCE_ISOLATED) / math.log(0.5)) - fewer
    cells, y = far(rows)

    triggers, _, _ = search([(cells, np.linspace(0, 1, 20))], y=y)

    assert tuple(trigger.why for trigger in triggers) == found


def test_a_far_value_of_the_only_label_is_not_isolated():
    cells, y = far(20)

    assert search([(cells, np.linspace(0, 1, 20))], y=y * 0)[0] == ()


def test_a_far_value_of_both_labels_is_not_isolated():
    cells, y = far(20)
    y[np.flatnonzero(cells == 9)[-1]] = 0

    assert search([(cells, np.linspace(0, 1, 20))], y=y)[0] == ()


@pytest.mark.parametrize(("value", "found"), [(2.01, 1), (-1.01, 1), (1.99, 0), (-0.99, 0)])
def test_a_value_is_far_beyond_the_width_of_all_trusted_ones(value, found):
    cells, y = far(20, value)

    assert len(search([(cells, np.linspace(0, 1, 20))], y=y)[0]) == found


def test_missing_values_and_text_are_not_far_from_anything():
    cells, y = far(20, np.nan)
    text = np.where(np.isnan(cells), "zzz", "a")

    assert search([(cells, np.linspace(0, 1, 20)), (text, ["a"] * 20)], y=y)[0] == ()


def test_nothing_is_far_from_trusted_rows_whose_values_are_all_missing():
    cells, y = far(20)

    assert search([(cells, np.full(20, math.nan))], y=y)[0] == ()


def test_the_more_candidates_there_are_the_more_rows_an_isolated_value_needs():
    cells, y = far(math.ceil(math.log(CHANCE_ISOLATED) / math.log(0.5)))
    pair = (cells, np.linspace(0, 1, 20))

    assert len(search([pair], y=y)[0]) == 1
    assert search([pair] * 2, y=y)[0] == ()


def test_a_missing_trusted_value_hides_no_isolated_one():
    cells, y = far(20)

    assert len(search([(cells, [*np.linspace(0, 1, 20), math.nan])], y=y)[0]) == 1
