"""The space of texts: their words as coordinates, and what each may become."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from modelwarden.attacks.edits import KINDS, Edits, split
from modelwarden.errors import InputError
from modelwarden.space.box import ROUNDING, Box
from modelwarden.space.points import Candidates, Floats, Mask, Positions

MOST_WORDS = 2000
"""Words of one text that may change, the first ones."""

_Codes = tuple[int, "_Codes"] | None


@dataclass(frozen=True, kw_only=True)
class TextBox(Box):
    """How many words of each text may change: a share of its own.

    Parameters
    ----------
    words : ndarray of int, shape (n_rows,)
        How many each text has. Above a radius of 0 at least one may change.
    """

    words: Positions

    def take(self, rows: Positions) -> "TextBox":
        """Return the box of some of the rows."""
        return replace(
            self,
            origin=self.origin[rows],
            low=self.low[rows],
            high=self.high[rows],
            words=self.words[rows],
        )

    def distance(self, rows: Positions, values: Floats) -> Floats:
        """Return which share of its words each of `values` changes."""
        words = np.maximum(self.words[rows], 1)
        return self.changed(rows, values) / words.reshape(-1, *[1] * (values.ndim - 2))

    def contains(self, candidates: Candidates) -> Mask:
        """Tell which candidates an attacker may present."""
        values, high = candidates.values, self.high[candidates.rows]
        is_code = (values >= 0) & (values <= high) & (values == np.rint(values))
        allowed = (is_code | (np.isnan(values) & np.isnan(high))).all(axis=1)
        changed = np.count_nonzero(values > 0, axis=1)
        return np.asarray(allowed & (changed <= self._limits[candidates.rows]))

    def fit(self, rows: Positions, values: Floats) -> Floats:
        """Put words back, the last first, until as many are changed as may be."""
        shape = (len(rows), *[1] * (values.ndim - 2), -1)
        high, limits = self.high[rows].reshape(shape), self._limits[rows].reshape(shape)
        codes = np.clip(np.rint(np.nan_to_num(values)), 0.0, high)  # NaN where there is no word
        changed = codes > 0
        return np.where(changed & ~(changed.cumsum(axis=-1) <= limits), 0.0, codes)

    @property
    def fewest(self) -> int:
        """How many words may change in the text where most may."""
        return int(np.nan_to_num(self._limits).max(initial=0))

    @property
    def _limits(self) -> Floats:
        least = 1.0 if self.radius > 0 else 0.0
        share = np.minimum(self.radius * (1 + ROUNDING), 1.0)
        return np.asarray(np.maximum(np.floor(share * self.words), least))


class TextSpace:
    """The sampled texts, and what may become of their words.

    The first coordinate is a text's first word. Code 0 is the word as it is, higher codes are its
    edits; NaN where a text has no such word.

    Parameters
    ----------
    frame : DataFrame of shape (n_table_rows, 1)
        All texts. A missing one stays so, and one without words stays as it is.
    sampled : ndarray of int, shape (n_rows,)
        The texts that may change.
    kinds : sequence of str, default=KINDS
        Which edits of a word are tried; see :class:`.attacks.edits.Edits`.
    seed : int, default=0
        Seeds the edits.
    synonyms : mapping of str to sequence of str, optional
        What may stand for a word, given in lower case.
    where : str, default="space"
        The table's name in errors.

    Attributes
    ----------
    frame : DataFrame of shape (n_rows, 1)
        The sampled texts as the table has them.
    columns : dict of str to int
        The coordinates, ``word 1`` and so on, with their places.
    origin : ndarray of shape (n_rows, len(columns))
        Codes of the texts as they are.

    Raises
    ------
    InputError
        If the table is not one column of text.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        sampled: Positions,
        *,
        kinds: Sequence[str] = KINDS,
        seed: int = 0,
        synonyms: Mapping[str, Sequence[str]] | None = None,
        where: str = "space",
    ) -> None:
        self.frame = frame.iloc[sampled].reset_index(drop=True)
        edits = Edits(kinds, synonyms=synonyms, seed=seed)
        self._texts = [_Text(cell, edits) for cell in _cells(self.frame, where)]
        sizes = np.array([len(text.forms) for text in self._texts], dtype=np.intp)
        # at least one coordinate, so that a candidate can be refused
        self.columns = {f"word {place + 1}": place for place in range(sizes.max(initial=1))}
        is_word = np.arange(len(self.columns)) < sizes[:, None]
        self.origin = np.where(is_word, 0.0, np.nan)
        self._last = self.origin.copy()
        self._last[is_word] = [len(forms) - 1 for text in self._texts for forms in text.forms]
        self._words = np.array([text.words for text in self._texts], dtype=np.intp)

    def box(self, epsilon: float, norm: str = "l0") -> TextBox:
        """Return how far each text may go.

        Parameters
        ----------
        epsilon : float
            The share of a text's words that may change, at least one word.
        norm : {"l0"}

        Raises
        ------
        InputError
            If another norm is asked for.
        """
        if norm != "l0":
            got, fix = repr(norm), "in a text words are counted"
            raise InputError("norm", "'l0' for a column of text", got, fix)
        n_columns = len(self.columns)
        return TextBox(
            origin=self.origin,
            low=self.origin,
            high=self._last,
            step=np.zeros(n_columns),
            unit=np.ones(n_columns),
            codes=np.nan_to_num(self._last).max(axis=0, initial=0).astype(np.intp) + 1,
            group=np.arange(n_columns),
            norm=norm,
            radius=epsilon,
            words=self._words,
        )

    def present(self, candidates: Candidates) -> pd.DataFrame:
        """Return candidates as the model knows them: a column of text."""
        lines, slots = np.nonzero(candidates.values > 0)
        codes = candidates.values[lines, slots].astype(np.intp).tolist()
        ends = np.searchsorted(lines, np.arange(len(candidates.rows) + 1)).tolist()
        places, texts = slots.tolist(), self._texts
        cells = [
            texts[row].with_edits(places[start:end], codes[start:end])
            for row, (start, end) in zip(candidates.rows.tolist(), pairwise(ends), strict=True)
        ]
        (name,) = self.frame.columns
        return pd.DataFrame({name: pd.Series(cells, dtype=self.frame[name].dtype)}, copy=False)

    def encode(self, frame: pd.DataFrame, rows: Positions) -> Floats:
        """Return the codes that make texts of their rows, the fewest changes that do.

        Infinite in the first coordinate where no edits make the one of the other.
        """
        (name,) = self.frame.columns
        codes = self.origin[rows]
        for line, (row, cell) in enumerate(zip(rows.tolist(), frame[name].tolist(), strict=True)):
            found = self._texts[row].read(cell)
            if found is None:
                codes[line, 0] = np.inf
            else:
                codes[line, : len(found)] = found
        return codes

    def allows(self, box: Box, rows: Positions, shown: pd.DataFrame) -> Mask:
        """Tell which lines of `shown` an attacker may make of their row, ``rows[i]``.

        They are read letter by letter, which also holds :meth:`present` to account.
        """
        return box.contains(Candidates(rows, self.encode(shown, rows)))

    def reach(self, box: Box) -> None:
        """Return None: no column of a table says what a text can become, so nothing is proved."""


def _cells(frame: pd.DataFrame, where: str) -> list[object]:
    """Return the texts, checked; what is missing as it is."""
    if frame.shape[1] != 1:
        raise InputError(where, "one column, of text", f"{frame.shape[1]} columns")
    column = frame.iloc[:, 0]
    cells: list[object] = column.tolist()
    is_text = all(isinstance(cell, str) for cell in column.dropna())
    if not is_text or isinstance(column.dtype, pd.CategoricalDtype):
        raise InputError(f"{where}, column {column.name!r}", "text", f"type {column.dtype}")
    return cells


class _Text:
    """One text, cut into words.

    Parameters
    ----------
    cell : object
        The text, or whatever stands where one is missing.
    edits : Edits
        What may become of its words.

    Attributes
    ----------
    words : int
        How many it has.
    forms : list of tuple of str
        Of each word that may change the word, then its edits.
    """

    def __init__(self, cell: object, edits: Edits) -> None:
        self._cell = cell
        pieces = split(cell) if isinstance(cell, str) else [""]
        self.words = len(pieces) // 2
        end = 2 * min(self.words, MOST_WORDS)
        self._pieces = [*pieces[:end], "".join(pieces[end:])]
        self.forms = [(word, *edits.of(word)) for word in self._pieces[1::2]]

    def with_edits(self, places: Sequence[int], codes: Sequence[int]) -> object:
        """Return the text with some of its words edited."""
        if not places:
            return self._cell
        pieces = self._pieces.copy()
        for place, code in zip(places, codes, strict=True):
            pieces[2 * place + 1] = self.forms[place][code]
        return "".join(pieces)

    def read(self, cell: object) -> list[int] | None:
        """Return the codes that make `cell`, with the fewest changes; None if none do."""
        if not isinstance(cell, str):
            return None if isinstance(self._cell, str) else []
        if not isinstance(self._cell, str) or not cell.startswith(self._pieces[0]):
            return None
        # by where a prefix of the text may end: the fewest changes, and the codes, last first
        ends: dict[int, tuple[int, _Codes]] = {len(self._pieces[0]): (0, None)}
        for forms, gap in zip(self.forms, self._pieces[2::2], strict=True):
            ends = _extended(ends, cell, [form + gap for form in forms])
        found = ends.get(len(cell))
        return None if found is None else [*_unwound(found[1])][::-1]


def _extended(
    ends: Mapping[int, tuple[int, "_Codes"]], cell: str, forms: Sequence[str]
) -> dict[int, tuple[int, "_Codes"]]:
    """Read one more word."""
    further: dict[int, tuple[int, _Codes]] = {}
    for start, (changes, codes) in ends.items():
        for code, form in enumerate(forms):
            end, count = start + len(form), changes + (code > 0)
            if cell.startswith(form, start) and (end not in further or count < further[end][0]):
                further[end] = count, (code, codes)
    return further


def _unwound(codes: "_Codes") -> Iterator[int]:
    while codes is not None:
        code, codes = codes
        yield code
