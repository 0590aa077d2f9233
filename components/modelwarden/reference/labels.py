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
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

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
    values, counts = (part.to_pylist() for part in pc.value_counts(known).flatten())
    found = {_name(value): count for value, count in zip(values, counts, strict=True)}
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
    found, first = [], _first_half(len(codes))
    for name in batch.columns:
        wrong, guessed, rows = _errors(batch[name], codes, first)
        if guessed < GUESSED or wrong > (1 - GIVEN_AWAY) * guessed:
            continue
        saved = (
            f"says the label alone: it saves {1 - wrong / guessed:.0%} of the errors of guessing"
        )
        if name not in reference.columns:
            found.append(Change(name, "leakage", f"is new and {saved}"))
            continue
        before, usual, of = _errors(reference[name], known, _first_half(len(known)))
        fewer = _alike(wrong, rows, before, of, alternative="less") * len(batch.columns)
        if usual and before > (1 - USUAL) * usual and fewer <= alpha:
            words = f"{saved}, {1 - before / usual:.0%} in trusted rows"
            found.append(Change(name, "leakage", words))
    return found


def _errors(column: pd.Series, codes: Codes, first: Mask) -> tuple[int, int, int]:
    """Return errors of a column, those of guessing, and the rows.

    What a column says is learnt from each half of the rows and judged by the other.
    """
    rows = len(codes)
    if not first.any():
        return 0, 0, rows
    numbers = column.to_numpy() if column.dtype == np.float64 else None
    if numbers is None:
        places = np.asarray(pd.factorize(column)[0], dtype=np.intp)
    else:  # in rising order the values between two edges are neighbours, and nothing is searched
        order = np.argsort(numbers)  # what is missing comes last
        numbers, codes, first = numbers[order], codes[order], first[order]
        numbers = numbers[: rows - int(np.isnan(numbers).sum())]
    classes, wrong, guessed = int(codes.max()) + 1, 0, 0
    for learn in (first, ~first):
        if numbers is not None:
            places = _ranges(numbers, codes, learn, classes)
        size = (int(places.max()) + 1) * classes * 2
        counts = np.bincount((places * classes + codes) * 2 + learn, minlength=size)
        judged, seen = np.moveaxis(counts.reshape(-1, classes, 2), 2, 0)
        usual = int(seen.sum(axis=0).argmax())
        said = np.where(seen.any(axis=1), seen.argmax(axis=1), usual)
        wrong += int(judged.sum() - judged[np.arange(len(said)), said].sum())
        guessed += int(judged.sum() - judged[:, usual].sum())
    return wrong, guessed, rows


def _first_half(rows: int) -> Mask:
    """Tell which rows are the first half, in an order that has nothing to do with them."""
    first = np.zeros(rows, dtype=np.bool_)
    first[np.random.default_rng(0).permutation(rows)[: rows // 2]] = True
    return first


def _ranges(numbers: Floats, codes: Codes, learn: Mask, classes: int) -> Codes:
    """Return a number for each row: of the range that its value is in.

    Parameters
    ----------
    numbers : ndarray of shape (n_known,)
        In rising order; the rows after them have none.
    codes, learn : ndarray of shape (n_rows,)
        Labels, and the rows whose quantiles are the edges.
    classes : int
        Labels that there are.
    """
    known, cuts = len(numbers), [np.empty(0)]
    own = np.where(learn[:known], codes[:known], classes)
    for label in range(classes):
        at = np.flatnonzero(own == label)
        if len(at):
            steps = np.linspace(0, 1, min(EDGES, len(at) // RANGE) + 2)
            cuts.append(numbers[at[(steps * (len(at) - 1)).astype(np.intp)]])
    edges = np.unique(np.concatenate(cuts))
    # the values themselves, and what lies between two of them
    starts = np.stack([np.searchsorted(numbers, edges, side) for side in ("left", "right")], axis=1)
    sizes = np.diff([0, *starts.ravel().tolist(), known, len(codes)])
    return np.repeat(np.arange(len(sizes)), sizes)


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
