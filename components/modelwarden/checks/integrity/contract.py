"""A table against the profile of trusted data: what a suite of expectations does not see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.errors import InputError
from modelwarden.reference.contract import Change, Schema, compare, listed
from modelwarden.reference.copies import bursts, repeated, repeats
from modelwarden.reference.labels import balance, coded, counted, leaks
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
LOOKED_AT = 20_000
"""Rows that are looked at for bursts and for columns that give labels away: as many as the sample
has, beyond which more of them show little more."""


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
            _check_labels(profile.by_name[target])
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


def keeps(table: "Table", contract: Contract) -> Kept:
    """Hold a table against a contract.

    Parameters
    ----------
    table : Table
        What is to be trusted.
    contract : Contract
        What was agreed on.
    """
    schema = compare(table, contract.profile, ignore=contract.ignore)
    copied, duplicates = _copies(table, contract, schema)
    has_labels = contract.target in table.columns
    labels = _balance(table, contract) if has_labels else []
    crowded, burst_rows, leaking = _rows(table, contract, schema)
    changes = (*schema.changes, *copied, *crowded, *labels, *(leaking or []))
    metrics: dict[str, float | None] = {
        "contract_findings": len(changes),
        "schema_changes": len(schema.changes),
        "duplicate_rows": duplicates,
        "burst_rows": burst_rows,
        "label_changes": len(labels) if has_labels else None,
        "leaking_columns": None if leaking is None else len(leaking),
    }
    return Kept(changes, metrics, tuple(_notes(contract, has_labels=has_labels)))


def _notes(contract: Contract, *, has_labels: bool) -> list[str]:
    notes = [] if contract.sample else ["No sample was given: rows were not compared."]
    if contract.target and not has_labels:
        notes.append(f"There is no column {contract.target!r}: labels were not compared.")
    return notes


def _check_labels(known: ColumnProfile) -> None:
    if known.distinct < 0:
        expected = "labels that the profile counts: text, or up to 100 whole numbers"
        fix = "choose another target, or write a profile of version 1 again"
        raise InputError(f"target {known.name!r}", expected, f"a column of type {known.type}", fix)


def _copies(table: "Table", contract: Contract, schema: Schema) -> tuple[list[Change], int | None]:
    """Test for rows that repeat another in all columns that both sides have."""
    names = [name for name in table.columns if name in schema.common]
    known = _usual(contract, names)
    if not names or known is None:
        return [], None
    seen = repeated(table, names)
    tested = repeats(seen, table.n_rows, *known)
    found = []
    if tested.p <= ALPHA / TESTS and tested.effect >= REPEATED:
        words = f"{seen} of {table.n_rows} rows repeat another, {known[0]} of {known[1]} before"
        found.append(Change("", "duplicates", words))
    return found, seen


def _usual(contract: Contract, names: Sequence[str]) -> tuple[int, int] | None:
    """Return how many trusted rows repeat another, and of how many."""
    profile = contract.profile
    if len(names) == len(profile.columns) and profile.repeated is not None:
        return profile.repeated, profile.rows
    if contract.sample is None or not names:
        return None
    return repeated(contract.sample, names), contract.sample.n_rows


def _rows(
    table: "Table", contract: Contract, schema: Schema
) -> tuple[list[Change], int | None, list[Change] | None]:
    """Return bursts, how many rows they have, and columns that give labels away."""
    target, sample = contract.target, contract.sample
    if sample is None:
        return [], None, None
    left_out = contract.ignore - {target}
    rows = _some(table, LOOKED_AT)
    new = plain(table.rows(rows, [name for name in table.columns if name not in left_out]))
    old = plain(sample.frame()[[name for name in new.columns if name in schema.common]])
    crowded, burst_rows = _bursts(new, old)
    if target not in table.columns:
        return crowded, burst_rows, None
    (labels,), (trusted,) = table.columns_of([target]), sample.columns_of([target])
    codes = coded(labels.take(rows), trusted)
    features = new.drop(columns=target), old.drop(columns=target, errors="ignore")
    leaking = leaks(features[0], codes[0], features[1], codes[1], ALPHA / TESTS)
    return crowded, burst_rows, leaking


def _bursts(new: pd.DataFrame, old: pd.DataFrame) -> tuple[list[Change], int | None]:
    """Test for rows that nearly repeat each other, by the columns that both sides have."""
    names = [n for n in old.columns if (new[n].dtype == float) == (old[n].dtype == float)]
    if not names:
        return [], None
    encoder = Encoder.fit(old[names])
    tested, crowded = bursts(encoder.encode(new[names]), encoder.encode(old[names]))
    found = [Change("", "burst", tested.words)] if tested.p <= ALPHA / TESTS else []
    return found, crowded


def _some(table: "Table", rows: int) -> npt.NDArray[np.intp]:
    """Return some rows, in order; which, follows from all bytes of the file."""
    if table.n_rows <= rows:
        return np.arange(table.n_rows)
    random = np.random.default_rng(int(table.sha256[:16], 16))
    return np.sort(random.choice(table.n_rows, rows, replace=False, shuffle=False))


def _balance(table: "Table", contract: Contract) -> list[Change]:
    known = contract.profile.by_name[contract.target]
    found = counted(table, contract.target)
    return balance(found, table.n_rows, known, contract.profile, ALPHA / TESTS)
