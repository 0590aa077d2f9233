"""A table against the profile of trusted data: what a suite of expectations does not see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.errors import InputError
from modelwarden.reference.contract import Change, Schema, compare, listed
from modelwarden.reference.copies import Copies, bursts, hashed, repeats
from modelwarden.reference.labels import balance, coded, counted, leaks, named
from modelwarden.reference.profile import ColumnProfile, Profile
from modelwarden.suspicion.encoding import Encoder, plain

if TYPE_CHECKING:
    from modelwarden.tables import Table

ALPHA = 0.01
"""Share of unchanged tables in which chance alone finds something."""
TESTS = 4
"""Tests that share it: copies, bursts, balance and leakage."""
REPEATED = 0.001
"""Share of rows too many among those that repeat another, below which nobody need be told."""
BURST_ROWS = 50_000
"""Rows that are looked at for bursts."""
LEAK_ROWS = 20_000
"""Rows that are looked at for columns that give labels away."""


@dataclass(frozen=True)
class Contract:
    """What trusted data looks like, and what is asked about it.

    Parameters
    ----------
    profile : Profile
        Of all trusted rows.
    sample : Table or None
        Some of them; without them rows are not compared.
    target : str
        Column of labels; "" leaves labels alone.
    ignore : frozenset of str
        Columns that are left out.
    """

    profile: Profile
    sample: "Table | None"
    target: str
    ignore: frozenset[str]

    @classmethod
    def of(cls, profile: Profile, sample: "Table | None", target: str, ignore: str) -> "Contract":
        """Return the contract, or refuse a target that the profile does not know as labels."""
        if target and target not in profile.by_name:
            got = ", ".join(map(repr, [*profile.by_name][:12]))
            raise InputError("target", "a column of the profile", f"{target!r}, not in {got}")
        if target:
            _check_labels(profile.by_name[target], sample)
        return cls(profile, sample, target, listed(ignore) - {target})


@dataclass(frozen=True)
class Kept:
    """What was measured.

    Parameters
    ----------
    changes : tuple of Change
        What differs from the contract.
    metrics : mapping of str to number or None
        None where something was not measured.
    notes : tuple of str
        What was left out, and why.
    """

    changes: tuple[Change, ...]
    metrics: dict[str, float | None]
    notes: tuple[str, ...]


def keeps(table: "Table", frame: pd.DataFrame, contract: Contract) -> Kept:
    """Hold a table against a contract.

    Parameters
    ----------
    table : Table
        What is to be trusted.
    frame : DataFrame
        The same, as pandas has it.
    contract : Contract
        What was agreed on.
    """
    schema = compare(table, contract.profile, ignore=contract.ignore)
    copied, metrics = _copies(table, contract, schema)
    changes = [*schema.changes, *copied]
    notes = [] if contract.sample else ["No sample was given: rows were not compared."]
    if contract.sample is not None:
        crowded, metrics["burst_rows"] = _bursts(frame, contract, contract.sample, schema, table)
        changes += crowded
    has_labels = contract.target in table.columns
    labels = _balance(table, contract) if has_labels else []
    given = _leaks(table, frame, contract, schema) if has_labels else None
    changes += [*labels, *(given or [])]
    if contract.target and not has_labels:
        notes.append(f"There is no column {contract.target!r}: labels were not compared.")
    counts: dict[str, float | None] = {
        "contract_findings": len(changes),
        "schema_changes": len(schema.changes),
        "burst_rows": None,
        "label_changes": len(labels) if has_labels else None,
        "leaking_columns": None if given is None else len(given),
    }
    return Kept(tuple(changes), {**counts, **metrics}, tuple(notes))


def _check_labels(known: ColumnProfile, sample: "Table | None") -> None:
    if known.kind == "time" or (known.kind == "number" and not known.values):
        expected = "labels that the profile counts: text, or up to 100 whole numbers"
        fix = "choose another target, or write a profile of version 1 again"
        raise InputError(f"target {known.name!r}", expected, f"a column of type {known.type}", fix)


def _copies(
    table: "Table", contract: Contract, schema: Schema
) -> tuple[list[Change], dict[str, float | None]]:
    """Test for rows that repeat another in all columns that both sides have."""
    names = [name for name in table.columns if name in schema.common]
    known = _usual(contract, names)
    if not names or known is None:
        return [], {"duplicate_rows": None}
    seen = _repeated(table, names)
    tested = repeats(seen, table.n_rows, *known)
    found = []
    if tested.p <= ALPHA / TESTS and tested.effect >= REPEATED:
        words = f"{seen} of {table.n_rows} rows repeat another, {known[0]} of {known[1]} before"
        found.append(Change("", "duplicates", words))
    return found, {"duplicate_rows": seen}


def _usual(contract: Contract, names: Sequence[str]) -> tuple[int, int] | None:
    """Return how many trusted rows repeat another, and of how many."""
    profile = contract.profile
    if len(names) == len(profile.columns) and profile.repeated is not None:
        return profile.repeated, profile.rows
    if contract.sample is None or not names:
        return None
    return _repeated(contract.sample, names), contract.sample.n_rows


def _repeated(table: "Table", names: Sequence[str]) -> int:
    counter = Copies()
    for batch in table.batches(sorted(names)):
        counter.add(hashed(batch.columns))
    return counter.repeated()


def _bursts(
    frame: pd.DataFrame, contract: Contract, sample: "Table", schema: Schema, table: "Table"
) -> tuple[list[Change], float | None]:
    """Test for rows that nearly repeat each other."""
    new = plain(frame.iloc[_some(table, BURST_ROWS)][[*_shared(frame, schema)]])
    old = plain(sample.frame()[[*new.columns]])
    names = [n for n in new.columns if (new[n].dtype == float) == (old[n].dtype == float)]
    if not names:
        return [], None
    encoder = Encoder.fit(old[names])
    tested, crowded = bursts(encoder.encode(new[names]), encoder.encode(old[names]))
    if tested.p > ALPHA / TESTS:
        return [], crowded
    return [Change("", "burst", tested.words)], crowded


def _shared(frame: pd.DataFrame, schema: Schema) -> list[str]:
    return [name for name in frame.columns if name in schema.common]


def _some(table: "Table", rows: int) -> npt.NDArray[np.intp]:
    """Return some rows, in order; which, follows from all bytes of the file."""
    random = np.random.default_rng(int(table.sha256[:16], 16))
    return np.sort(random.permutation(table.n_rows)[:rows])


def _balance(table: "Table", contract: Contract) -> list[Change]:
    known = contract.profile.by_name[contract.target]
    found = counted(table, contract.target)
    return balance(found, table.n_rows, known, contract.profile, ALPHA / TESTS)


def _leaks(
    table: "Table", frame: pd.DataFrame, contract: Contract, schema: Schema
) -> list[Change] | None:
    """Look for columns that give labels away, new ones included."""
    target, sample = contract.target, contract.sample
    if sample is None:
        return None
    rows = _some(table, LEAK_ROWS)
    new = plain(frame.iloc[rows][[n for n in frame.columns if n not in {target, *contract.ignore}]])
    old = plain(sample.frame()[[n for n in new.columns if n in schema.common]])
    (labels,), (trusted,) = table.columns_of([target]), sample.columns_of([target])
    codes, known = coded(named(labels.take(rows)), named(trusted))
    return leaks(new, codes, old, known, ALPHA / TESTS)
