"""What happens to trigger values that are left in kept rows: one survivor can keep a backdoor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from modelwarden.suspicion.submission import Submission
from modelwarden.suspicion.triggers import Trigger

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Remedy:
    """Changes of kept rows.

    Parameters
    ----------
    edits : mapping of str to (ndarray of bool of shape (n_rows,), value)
        By column: the kept rows that carry a trigger, in the order of the table, and the harmless
        value that they get.
    drop : tuple of str
        Columns that go.
    stamp : mapping of str to value
        The trigger itself, to try it out: the value that rejected rows carry most, by column.
    """

    edits: Mapping[str, tuple[Mask, Any]] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    stamp: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def plan(
        cls,
        rows: Submission,
        triggers: Sequence[Trigger],
        rejected: Mask,
        way: str,
        frame: pd.DataFrame,
        trusted: pd.DataFrame,
    ) -> "Remedy":
        """Plan what happens to `triggers`.

        Parameters
        ----------
        rows : Submission
            All rows.
        triggers : sequence of Trigger
            What was found.
        rejected : ndarray of bool of shape (n_rows,)
            Rows that go anyway, in the order of `rows`.
        way : {"neutralise", "drop", "keep"}
            Replace the values by a usual one, drop their columns, or do nothing.
        frame, trusted : DataFrame
            Both tables; `frame` in the order of `rows`.
        """
        edits: dict[str, tuple[Mask, Any]] = {}
        stamp: dict[str, Any] = {}
        for trigger in triggers:
            carrying = trigger.matches(rows.codes)
            left = np.zeros(rows.n_rows, dtype=bool)
            left[rows.order] = carrying & ~rejected
            for part in trigger.parts:
                name = part.column.name
                if (carrying & rejected).any():
                    usual = frame[name][carrying & rejected].mode(dropna=False).iloc[0]
                    stamp.setdefault(name, usual)
                before = edits[name][0] if name in edits else False
                edits[name] = (left | before, _usual(trusted[name]))
        left_over = {name: edit for name, edit in edits.items() if edit[0].any()}
        return cls(
            edits=left_over if way == "neutralise" else {},
            drop=tuple(edits) if way == "drop" else (),
            stamp=stamp,
        )

    @property
    def cells(self) -> int:
        """Return how many values are replaced."""
        return sum(int(mask.sum()) for mask, _ in self.edits.values())

    def apply(self, frame: pd.DataFrame, order: npt.NDArray[np.intp]) -> pd.DataFrame:
        """Return `frame`, whose rows are in `order`, as the kept table will have it."""
        changed = frame.drop(columns=list(self.drop))
        for name, (mask, value) in self.edits.items():
            column = changed[name]
            if types.is_integer_dtype(column.dtype) and isinstance(value, float):
                value = round(value)
            if isinstance(column.dtype, pd.CategoricalDtype) and value is not None:
                column = column.cat.set_categories(column.cat.categories.union([value], sort=False))
            changed[name] = column.mask(mask[order], value)
        return changed


def _usual(column: pd.Series) -> Any:
    """Return a harmless value: the median of numbers, what is most frequent of anything else."""
    if types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype):
        return float(column.median())
    return column.mode().iloc[0] if column.notna().any() else None
