import numpy as np
import pytest

from modelwarden.suspicion.patterns import FEWEST_ROWS, MOST, find
from modelwarden.suspicion.submission import Column

N, M, COLUMNS = 500, 150, 5
NOBODY = np.zeros(N, dtype=bool)
NAMES = [Column(f"c{place}", np.arange(4.0)) for place in range(COLUMNS)]


def table(rows, seed=0):
    """Return codes of columns that each hold four usual values."""
    return np.random.default_rng(seed).integers(0, 4, (rows, COLUMNS)).astype(np.int32)


def planted(rows=40, where=(1, 3), seed=0):
    """Return codes and suspicion of rows that share a value in each of some columns."""
    codes = table(N, seed)
    codes[:, where] = np.where((codes[:, where] == 2).all(axis=1)[:, None], 0, codes[:, where])
    codes[:rows, where] = 2
    return codes, np.where(np.arange(N) < rows, 0.95, 0.05)


def without_pattern(codes, where=(1, 3)):
    return codes[~(codes[:, where] == 2).all(axis=1)]


def test_clean_tables_have_no_patterns():
    for seed in range(20):
        suspicion = np.random.default_rng(seed).beta(0.5, 5, N)

        assert find(NAMES, table(N, seed), table(M, seed + 99), suspicion, without=NOBODY) == ()


@pytest.mark.parametrize("where", [(1, 3), (0, 2, 4)])
def test_usual_values_that_suspect_rows_share_are_found(where):
    codes, suspicion = planted(where=where)

    (pattern,) = find(NAMES, codes, without_pattern(table(M, 1), where), suspicion, without=NOBODY)

    assert sorted(part.position for part in pattern.parts)[:2] == sorted(where)[:2]
    assert pattern.matches(codes)[:40].all()
    assert pattern.rows == pattern.matches(codes).sum()
    assert pattern.words.count(" and ") == len(pattern.parts) - 1
    assert "'c" in pattern.words


def test_what_trusted_rows_have_as_often_is_no_pattern():
    codes, suspicion = planted()
    trusted = table(M, 1)
    trusted[:12, [1, 3]] = 2  # 8 %, as among submitted rows

    assert find(NAMES, codes, trusted, suspicion, without=NOBODY) == ()


def test_rows_that_a_trigger_explains_form_no_pattern():
    codes, suspicion = planted()

    assert find(NAMES, codes, table(M, 1), suspicion, without=np.arange(N) < 40) == ()
    assert find(NAMES, codes, table(M, 1), suspicion, without=~NOBODY) == ()


def test_few_rows_are_no_pattern():
    codes, suspicion = planted(rows=FEWEST_ROWS - 1)

    assert find(NAMES, codes, without_pattern(table(M, 1)), suspicion, without=NOBODY) == ()


def test_the_search_ends():
    codes = table(N)
    suspicion = np.where((codes[:, 0] == codes[:, 1]), 0.95, 0.05)  # four patterns of two columns

    found = find(NAMES, codes, table(M, 1) * 0 + [0, 1, 2, 3, 0], suspicion, without=NOBODY)

    assert 1 <= len(found) <= MOST


def test_two_patterns_are_found_one_after_the_other():
    codes, suspicion = planted(where=(1, 3))
    codes[(codes[:, [0, 4]] == 1).all(axis=1), 4] = 0
    codes[40:80, 0], codes[40:80, 4] = 1, 1
    suspicion[40:80] = 0.9
    trusted = without_pattern(table(M, 1))
    trusted = trusted[~(trusted[:, [0, 4]] == 1).all(axis=1)]

    found = find(NAMES, codes, trusted, suspicion, without=NOBODY)

    assert len(found) == 2
    assert found[0].matches(codes)[:40].all()
    assert found[1].matches(codes)[40:80].mean() >= 0.9
