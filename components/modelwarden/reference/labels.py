"""The labels of a table: which there are, how many of each, and which columns give them away."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types
from scipy import stats

from modelwarden.errors import InputError
from modelwarden.reference.contract import Change
from modelwarden.reference.profile import ColumnProfile, Profile
from modelwarden.reference.survey import written
from modelwarden.tables import MAX_CLASSES, Table

Codes = npt.NDArray[np.intp]

SHARE = 0.02
"""Change of a class's share that is worth a person's time."""
GIVEN_AWAY = 0.9
"""Share of the errors of guessing that a column saves, above which it all but is the label."""
USUAL = 0.8
"""The same of trusted rows: a column that saved more was known to give labels away."""
EDGES = 64
"""Quantiles of each class between which a number may change what it says of the label."""
RANGE = 5
"""Rows of a class between two of them at least, so that what is said is not read off one row."""
GUESSED = 20
"""Rows that guessing gets wrong at least, where a column is judged by what it saves."""


def counted(table: Table, target: str) -> dict[str, int]:
    """Return how many rows have each label, written as a profile writes it.

    Raises
    ------
    InputError
        If the labels look like regression: fractions, or too many different numbers.
    """
    (column,) = table.columns_of([target])
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    known = column.drop_null()
    if types.is_floating(known.type):
        known = known.filter(pc.is_finite(known))
    found = {_name(e["values"]): e["counts"] for e in pc.value_counts(known).to_pylist()}
    numbers = types.is_integer(column.type) or types.is_floating(column.type)
    if numbers and (len(found) > MAX_CLASSES or any("." in name for name in found)):
        where = f"{table.uri}, column {target!r}"
        expected, fix = "class labels: text, or up to 100 whole numbers", "choose another target"
        raise InputError(where, expected, "other numbers", fix)
    return found


def _name(value: object) -> str:
    is_whole = isinstance(value, float) and value.is_integer()
    return f"{value:.0f}" if is_whole else written(value)


def balance(
    found: Mapping[str, int], rows: int, known: ColumnProfile, profile: Profile, alpha: float
) -> list[Change]:
    """Compare labels with those of a profile.

    Parameters
    ----------
    found : mapping of str to int
        How often each label occurs among `rows`.
    rows : int
        Rows of the batch.
    known : ColumnProfile
        The labels' column.
    profile : Profile
        Of all trusted rows.
    alpha : float
        Share of unchanged batches in which a class may seem to have changed.

    Returns
    -------
    list of Change
        ``unlabelled``, ``new labels``, and ``balance``: classes whose share changed by `SHARE` or
        more, and by more than chance (Fisher's exact test, corrected for the number of classes).
    """
    missing, changes = rows - sum(found.values()), []
    if missing and not known.missing:
        changes.append(Change(known.name, "unlabelled", f"is missing in {missing} of {rows} rows"))
    new = [name for name in found if name not in known.values]
    unnamed = max(0, known.distinct - len(known.values))  # too rare for a profile to name
    if len(new) > unnamed:
        count = sum(found[name] for name in new)
        words = f"has {len(new)} labels, in {count} rows, that the profile does not know"
        changes.append(Change(known.name, "new labels", words))
    n, m = sum(found.values()), profile.rows - known.missing
    for name, before in known.values.items():
        share = (found.get(name, 0) / n if n else 0.0, before / m)
        p = _alike(found.get(name, 0), n, before, m) * len(known.values)
        if p <= alpha and abs(share[0] - share[1]) >= SHARE:
            words = f"has class {name!r} in {share[0]:.1%} of the rows, {share[1]:.1%} before"
            changes.append(Change(known.name, "balance", words))
    return changes


def _alike(seen: int, rows: int, known: int, of: int, *, alternative: str = "two-sided") -> float:
    table = [[seen, rows - seen], [known, of - known]]
    return float(stats.fisher_exact(table, alternative=alternative).pvalue)


def leaks(
    batch: pd.DataFrame,
    codes: Codes,
    reference: pd.DataFrame,
    known: Codes,
    alpha: float,
) -> list[Change]:
    """Name columns that all but determine the label, and did not in trusted rows.

    Each half of the rows says what a column tells of the label, the other whether that is so: the
    share of errors saved over guessing the most frequent label [1]_. A column of row numbers saves
    nothing, because its values do not come again.

    Parameters
    ----------
    batch, reference : DataFrame
        Features, :func:`modelwarden.suspicion.encoding.plain`; the batch may have more columns.
    codes, known : ndarray of int, shape (n_rows,)
        Labels, with one code for each, the same on both sides.
    alpha : float
        Share of unchanged batches in which a column that was there may seem to give labels away.

    References
    ----------
    .. [1] Goodman and Kruskal, "Measures of Association for Cross Classifications", 1954.
    """
    found = []
    for name in batch.columns:
        wrong, guessed, rows = _errors(batch[name], codes)
        if guessed < GUESSED or wrong > (1 - GIVEN_AWAY) * guessed:
            continue
        saved = (
            f"says the label alone: it saves {1 - wrong / guessed:.0%} of the errors of guessing"
        )
        if name not in reference.columns:
            found.append(Change(name, "leakage", f"is new and {saved}"))
            continue
        before, usual, of = _errors(reference[name], known)
        fewer = _alike(wrong, rows, before, of, alternative="less") * len(batch.columns)
        if usual and before > (1 - USUAL) * usual and fewer <= alpha:
            words = f"{saved}, {1 - before / usual:.0%} in trusted rows"
            found.append(Change(name, "leakage", words))
    return found


def _errors(column: pd.Series, codes: Codes) -> tuple[int, int, int]:
    """Return errors of a column, those of guessing, and the rows.

    What a column says is learnt from each half of the rows and judged by the other.
    """
    order = np.random.default_rng(0).permutation(len(codes))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    if not len(halves[0]):
        return 0, 0, len(codes)
    wrong = guessed = 0
    for learn, judge in (halves, halves[::-1]):
        said, usual = _learnt(column, codes, learn)
        wrong += int((said[judge] != codes[judge]).sum())
        guessed += int((codes[judge] != usual).sum())
    return wrong, guessed, len(codes)


def _learnt(column: pd.Series, codes: Codes, learn: Codes) -> tuple[Codes, int]:
    """Return the label that each value stands for in some rows, and their most frequent label."""
    classes = int(codes.max()) + 1
    usual = int(np.bincount(codes[learn], minlength=classes).argmax())
    places = _places(column, codes, learn, classes)
    size = int(places.max()) + 2
    votes = np.bincount(places[learn] * classes + codes[learn], minlength=size * classes)
    votes = votes.reshape(-1, classes)
    said = np.where(votes.any(axis=1), votes.argmax(axis=1), usual)
    return said[places], usual


def _places(column: pd.Series, codes: Codes, learn: Codes, classes: int) -> Codes:
    """Return a number for each value: of a text its own, of a number that of its range."""
    if column.dtype != np.float64:
        return np.asarray(pd.factorize(column)[0], dtype=np.intp)
    values, gone = column.to_numpy(), column.isna().to_numpy()
    cuts: list[float] = []
    for label in range(classes):
        own = values[learn][(codes[learn] == label) & ~gone[learn]]
        if len(own):
            steps = np.linspace(0, 1, min(EDGES, len(own) // RANGE) + 2)
            cuts += np.quantile(own, steps, method="lower").tolist()
    edges = np.unique(cuts)
    # the values themselves, and what lies between two of them
    at = np.searchsorted(edges, values, side="left")
    hit = at < len(edges)
    hit[hit] = edges[at[hit]] == values[hit]
    return np.where(gone, 2 * len(edges) + 1, 2 * at + hit).astype(np.intp)


def coded(*columns: pa.ChunkedArray) -> list[Codes]:
    """Return labels as codes, the same for equal labels of all columns; one for what is missing."""
    known: dict[str, int] = {}
    found = []
    for column in columns:
        coded = column.combine_chunks().dictionary_encode()
        names = ["" if v is None else _name(v) for v in coded.dictionary.to_pylist()]
        codes = np.array([known.setdefault(name, len(known)) for name in [*names, ""]])
        found.append(codes[coded.indices.fill_null(len(names)).to_numpy()].astype(np.intp))
    return found
