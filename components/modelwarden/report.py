"""What the floors hand to each other: frozen, plain data, standard library only."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TRAINED = "trained"
"""What the builder's statement is called, which ties a model to the data it was trained on."""

REPORT_PAGE = "modelwarden:report-page"
"""What a page among a check's tables says in place of the address of the check's own page."""

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict of the same."""


def canonical(value: Json) -> bytes:
    """Return the one JSON text of `value`: sorted keys, no spaces, UTF-8, finite numbers only."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def finite(value: object) -> float | None:
    """Return `value` as a finite float, or None for everything that is not a finite number.

    A bool is not a number here: ``True >= 0.7`` must never pass a policy.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


@dataclass(frozen=True)
class Report:
    """What a check measured.

    Parameters
    ----------
    check : str
        Name of the check.
    metrics : mapping of str to float or None
        The measurements that a policy can speak about. What is not a finite number becomes None:
        undefined, which every policy denies.
    failures : tuple of str
        Why the result must not be used, whatever the policy; empty when the check succeeded.
    notes : tuple of str
        Sentences for people: caveats, promises, what was left out.
    details : mapping of str to JSON
        Bounded extra facts, without rows of data.
    """

    check: str
    metrics: Mapping[str, float | None]
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    details: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {name: finite(value) for name, value in self.metrics.items()}
        object.__setattr__(self, "metrics", known)

    def as_json(self) -> dict[str, Json]:
        """Return the report as JSON values; `from_json` undoes it."""
        return {
            "check": self.check,
            "metrics": dict(self.metrics),
            "failures": list(self.failures),
            "notes": list(self.notes),
            "details": dict(self.details),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Report":
        """Rebuild a report from `as_json`."""
        return cls(
            check=value["check"],
            metrics=value["metrics"],
            failures=tuple(value["failures"]),
            notes=tuple(value["notes"]),
            details=value["details"],
        )


@dataclass(frozen=True)
class Series:
    """One line, set of bars or histogram of a figure; `x` and `y` have equal lengths.

    For a histogram `x` holds the bins' lower edges and `y` the counts.
    """

    name: str
    x: tuple[float | str, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Figure:
    """A figure as data; ``page`` draws it, so a new check never touches the page.

    Parameters
    ----------
    kind : {"lines", "bars", "histogram"}
        How to draw the series.
    title, x_label, y_label : str
        Its words.
    series : tuple of Series
        What to draw.
    threshold : float, optional
        An x position (``histogram``) or y position (``lines``, ``bars``) to mark with a line.
    threshold_label : str
        What the mark means.
    caption : str
        One sentence that tells a newcomer what to see.
    """

    kind: str
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    threshold: float | None = None
    threshold_label: str = ""
    caption: str = ""

    def as_json(self) -> dict[str, Json]:
        """Return the figure as JSON values; `from_json` undoes it."""
        return {
            "kind": self.kind,
            "title": self.title,
            "x_label": self.x_label,
            "y_label": self.y_label,
            "series": [{"name": s.name, "x": list(s.x), "y": list(s.y)} for s in self.series],
            "threshold": self.threshold,
            "threshold_label": self.threshold_label,
            "caption": self.caption,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Figure":
        """Rebuild a figure from `as_json`."""
        series = tuple(Series(s["name"], tuple(s["x"]), tuple(s["y"])) for s in value["series"])
        return cls(**{**value, "series": series})


@dataclass(frozen=True)
class Findings:
    """What a check returns; jobs store it.

    Parameters
    ----------
    report : Report
        The measurements.
    tables : mapping of str to bytes
        Tables to store, in the format of the table they came from, such as ``kept``.
    figures : tuple of Figure
        What the page shows.
    pages : tuple of str
        Those of `tables` that are pages: `REPORT_PAGE` in them becomes the address of the check's
        own page, which links to them.
    """

    report: Report
    tables: Mapping[str, bytes] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    pages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """What a verified statement says; the part of it that a policy judges.

    Parameters
    ----------
    check : str
        The check that spoke, or `TRAINED` for the builder's statement.
    subjects : mapping of str to str
        SHA-256 by name: the things that the statement is about.
    options : mapping of str to JSON
        What was asked: every option, defaults included.
    inputs, outputs : mapping of str to str
        SHA-256 by name: what was read and what was written.
    metrics : mapping of str to float or None
        What was measured.
    failed : bool
        Whether the check said that its result must not be used.
    finished : str
        When, RFC 3339 in UTC, by the signer's clock.
    attempt : int
        1, or more when the same question got another answer before.
    signer : str
        Role of the key that signed, from the trust file.
    uri, sha256 : str
        Where the statement is, and the digest of its envelope.
    """

    check: str
    subjects: Mapping[str, str]
    options: Mapping[str, Json]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    metrics: Mapping[str, float | None]
    failed: bool
    finished: str
    attempt: int
    signer: str
    uri: str
    sha256: str


@dataclass(frozen=True)
class RuleResult:
    """One rule of a policy, judged.

    Parameters
    ----------
    rule : str
        The rule in words, such as ``roni.rejected_fraction <= 0.05``.
    measured : float or None
        What was measured; None when there is nothing to judge.
    passed : bool
        Whether the rule is satisfied.
    why : str
        The reason when it is not, and what stays unproven when it is.
    severity : {"block", "warn"}
        Whether failing it denies.
    current : float or None
        What was measured of the current release, where the rule compares with it.
    """

    rule: str
    measured: float | None
    passed: bool
    why: str = ""
    severity: str = "block"
    current: float | None = None


@dataclass(frozen=True)
class Decision:
    """Whether a model may be deployed, rule by rule.

    Parameters
    ----------
    results : tuple of RuleResult
        Every rule of the policy, in its order.
    used : tuple of str
        SHA-256 of the statements that were judged, sorted.
    notes : tuple of str
        What a reader must know, such as who claims which training data.
    enforced : bool, default=True
        False for a policy that only records: such a decision never allows.
    """

    results: tuple[RuleResult, ...]
    used: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    enforced: bool = True

    @property
    def allowed(self) -> bool:
        """True when at least one rule blocks, and every blocking rule is satisfied."""
        blocking = [result for result in self.results if result.severity == "block"]
        return self.enforced and bool(blocking) and all(result.passed for result in blocking)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why not, one sentence per failed blocking rule."""
        failed = [r for r in self.results if r.severity == "block" and not r.passed]
        reasons = tuple(f"{r.rule}: {r.why}" for r in failed)
        return reasons if self.enforced else (*reasons, "the policy only records (enforce: false)")
