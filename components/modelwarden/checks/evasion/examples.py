"""What broke rows, cell by cell and as pictures: rows of data, written only on request."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from modelwarden.checks.evasion.campaign import Found
from modelwarden.checks.evasion.subject import Changes
from modelwarden.pictures import Pair, pictures_page
from modelwarden.space.box import Box
from modelwarden.space.points import Candidates, Floats, Positions
from modelwarden.space.rules import Image
from modelwarden.tables import Table

Ask = Callable[[pd.DataFrame], Positions]
COLUMNS = ("row", "label", "predicted", "attack", "distance", "column", "before", "after")


@dataclass(frozen=True)
class Examples:
    """The broken rows that changed least, nearest first.

    Parameters
    ----------
    rows : ndarray of int, shape (n,)
        Their places among the sampled rows.
    numbers : ndarray of int, shape (n,)
        Their places in the table, from 1.
    before, after : DataFrame of n rows
    labels, predicted : list of str
        What is right, and what the model said of `after`.
    attacks : list of str
        Who found it.
    distances : ndarray, shape (n,)
    """

    rows: Positions
    numbers: Positions
    before: pd.DataFrame
    after: pd.DataFrame
    labels: list[str]
    predicted: list[str]
    attacks: list[str]
    distances: Floats

    @classmethod
    def of(
        cls,
        found: Found,
        space: Changes,
        truth: Positions,
        ask: Ask,
        box: Box,
        sampled: Positions,
        classes: list[object],
        count: int,
    ) -> "Examples":
        """Choose up to `count` of them.

        Parameters
        ----------
        found : Found
            What was measured.
        space : Changes
            The sampled rows.
        truth : ndarray of int, shape (n_rows,)
            Their true classes.
        ask : callable(DataFrame) -> ndarray of int, shape (n,)
            What the model says of rows.
        box : Box
            Where rows could move at the policy's size.
        sampled : ndarray of int, shape (n_rows,)
            The rows' places in their table.
        classes : list
            The model's labels.
        count : int
            Rows to show at most.
        """
        rows = np.flatnonzero(found.main.broken)
        points = found.main.values if found.distances is None else found.distances.points
        distances = box.distance(rows, points[rows])
        nearest = np.argsort(distances, kind="stable")[:count]
        rows, distances = rows[nearest], distances[nearest]
        after = space.present(Candidates(rows, points[rows]))
        predicted = ask(after) if len(rows) else rows
        return cls(
            rows=rows,
            numbers=sampled[rows] + 1,
            before=space.frame.iloc[rows].reset_index(drop=True),
            after=after,
            labels=[str(classes[code]) for code in truth[rows]],
            predicted=[str(classes[code]) for code in predicted],
            attacks=[found.main.won[row] for row in rows.tolist()],
            distances=distances,
        )

    def tables(self, evaluation: Table, image: Image | None) -> dict[str, bytes]:
        """Return what was asked for: changed cells, and of images their pixels."""
        shown = {"broken": evaluation.encode(self.cells())}
        if image is not None:
            shown["pictures"] = pictures_page("Broken images", self.pairs(image)).encode()
        return shown

    def cells(self) -> pd.DataFrame:
        """Return a line per changed cell, with `COLUMNS`; cells are text."""
        lines = []
        for line, number in enumerate(self.numbers.tolist()):
            told = (
                number,
                self.labels[line],
                self.predicted[line],
                self.attacks[line],
                float(self.distances[line]),
            )
            for name in self.before.columns:
                old, new = self.before[name].iloc[line], self.after[name].iloc[line]
                if old != new and not (pd.isna(old) and pd.isna(new)):
                    lines.append((*told, str(name), str(old), str(new)))
        kinds = {"row": "int64", "distance": "float64"}
        table = pd.DataFrame(lines, columns=list(COLUMNS))  # of no lines: no types
        return table.astype({name: kinds.get(name, "str") for name in COLUMNS})

    def pairs(self, image: Image) -> list[Pair]:
        """Return each row's pixels before and after, 0 the darkest and 1 the brightest."""
        shape = (-1, image.height, image.width, image.channels)
        sides = [
            side.to_numpy(dtype=np.float64).reshape(shape) for side in (self.before, self.after)
        ]
        low, high = min(map(np.nanmin, sides)), max(map(np.nanmax, sides))
        before, after = ((side - low) / max(high - low, 1e-300) for side in sides)
        return [
            Pair(f"row {number}: {label} is taken for {predicted}", before[line], after[line])
            for line, (number, label, predicted) in enumerate(
                zip(self.numbers.tolist(), self.labels, self.predicted, strict=True)
            )
        ]
