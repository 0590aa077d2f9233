"""RONI, reject on negative impact: find the training rows that teach a model what is not so."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.checks.roni.figures import figures
from modelwarden.checks.roni.found import Found, prove
from modelwarden.checks.roni.words import report
from modelwarden.errors import InputError
from modelwarden.impact import ridge
from modelwarden.impact.groups import GroupImpact, impact_by_group
from modelwarden.impact.trial import Trial, linear, own
from modelwarden.report import Findings, finite
from modelwarden.suspicion.judgement import judge
from modelwarden.suspicion.rejection import Rejection, reject
from modelwarden.suspicion.remedy import Remedy
from modelwarden.suspicion.submission import Submission
from modelwarden.tables import Table
from modelwarden.work import Work

if TYPE_CHECKING:
    from modelwarden.estimators import Estimator

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FEWEST_ROWS = 10
FEWEST_TRUSTED = 20
STEPS = 4
WAYS = ("neutralise", "drop", "keep")


def roni(
    train: Table,
    trusted: Table | None = None,
    estimator: "Estimator | None" = None,
    *,
    target: str,
    alpha: float = 0.05,
    fdr: float = 0.0,
    max_rejected: float = 0.25,
    group: str = "",
    weight: str = "",
    trigger: str = "neutralise",
    seed: int = 0,
    work: Work | None = None,
) -> Findings:
    r"""Reject training rows that are more likely poison than not, and confirm that it helps.

    A row is suspect when models of trusted and of other submitted rows contradict its label, when a
    forest can tell it from trusted rows, or when it carries a value on which such rows concentrate.
    It is rejected when poison is likelier than not and at most `alpha` of the trusted rows look as
    suspect. The impact of every row, the exact leave-one-out change of a ridge model's trusted
    loss, is measured beside it as evidence. Then comes RONI's own question, asked of all rejected
    rows at once: does a model trained without them get more trusted rows right
    than with them, and than without as many random rows? Rows with a trigger answer another one,
    for they may leave accuracy alone: how often does the trigger turn a trusted row?

    Parameters
    ----------
    train : Table
        Submitted rows, at least 10.
    trusted : Table, optional
        Rows that people vouch for, drawn like clean submitted ones: at least 20, better 200, with
        the columns and labels of `train`. Without them rows are only held against each other:
        random noise shows, and nothing that many rows have in common.
    estimator : Estimator, optional
        What is retrained to confirm; a logistic regression by default.
    target : str
        Column of labels; classification only.
    alpha : float, default=0.05
        Share of clean rows that may be rejected on average, between 0 and 1.
    fdr : float, default=0
        Expected share of clean rows among the rejected, below 1; 0 for no such bound.
    max_rejected : float, default=0.25
        Share of all rows, at most 1, above which the check fails instead of removing anything.
    group : str, default=""
        Column that says who contributed a row; no feature.
    weight : str, default=""
        Column of sample weights, for impact and confirmation; no feature.
    trigger : {"neutralise", "drop", "keep"}, default="neutralise"
        What happens in kept rows to the values of a trigger: replaced by the trusted median or most
        frequent value, gone with their column, or left alone.
    seed : int, default=0
        Seeds forests, folds, samples and the random rows.
    work : Work, optional
        Told after each step.

    Returns
    -------
    Findings
        Tables ``kept`` and ``quarantine``, which together are `train` but for what happens to a
        trigger's values, and ``rows``: per submitted row, what was measured and decided. When the
        check fails, every row is kept as it is. The order of submitted rows changes nothing.

    Raises
    ------
    InputError
        If tables or options cannot be used, or `alpha` needs more trusted rows.

    References
    ----------
    .. [1] Barreno et al., "The Security of Machine Learning", Machine Learning 81, 2010.
    .. [2] Nelson et al., "Misleading Learners: Co-opting Your Spam Filter", 2009.
    .. [3] Bates et al., "Testing for Outliers with Conformal p-values", Annals of Statistics 2023.
    """
    work = work or Work()
    _check_options(alpha, fdr, max_rejected, seed, trigger)
    _check_tables(train, trusted, [name for name in (group, weight) if name], target)
    rows = Submission.read(train, trusted, target, besides=(group, weight))
    _check_trust(rows, trusted, alpha, fdr)
    everything = train.frame().iloc[rows.order].reset_index(drop=True)
    weights = _weights(everything[weight], train.uri) if weight else None

    judgement = judge(rows, seed=seed)
    rejection = reject(judgement, rows.vouched, alpha=alpha, fdr=fdr)
    work.step("roni", 1, STEPS)
    impact = _impact(rows, weights)
    work.step("roni", 2, STEPS)
    remedy, proof = Remedy(), None
    if trusted is not None:
        names = [column.name for column in rows.columns]
        frame, vouched = everything[names], trusted.frame()[names]
        remedy = Remedy.plan(rows, judgement.triggers, rejection.rejected, trigger, frame, vouched)
        learn = own(estimator, rows.classes) if estimator else linear(rows)
        attacker = _attacker(rows, rejection)
        trial = Trial(rows, frame, vouched, remedy, attacker, learn, weights)
        proof = prove(trial, rejection, own=estimator is not None, seed=seed)
    work.step("roni", 3, STEPS)
    groups = _groups(rows, everything[group], weights) if group else []
    blamed: dict[Any, int] = {}
    if group:
        blamed = dict(everything[group][rejection.rejected].value_counts(dropna=False))
    found = Found(rows, judgement, rejection, impact, remedy, proof, groups, blamed)
    findings = report(found, alpha=alpha, fdr=fdr, max_rejected=max_rejected)
    kept, changes = np.ones(rows.n_rows, dtype=bool), Remedy()
    if not findings.failures:  # a failed check removes and changes nothing
        kept[rows.order], changes = ~rejection.rejected, remedy
    work.step("roni", STEPS, STEPS)
    return Findings(
        report=findings,
        tables={
            "kept": train.select(kept, changes.edits, drop=changes.drop),
            "quarantine": train.select(~kept),
            "rows": train.encode(found.table(kept)),
        },
        figures=figures(found),
    )


def _check_options(alpha: float, fdr: float, max_rejected: float, seed: int, trigger: str) -> None:
    share, rate, most = finite(alpha), finite(fdr), finite(max_rejected)
    if share is None or not 0 < share < 1:
        raise InputError("alpha", "a number between 0 and 1", repr(alpha), "0.05 is usual")
    if rate is None or not 0 <= rate < 1:
        raise InputError("fdr", "a number from 0, below 1", repr(fdr), "0 sets no such bound")
    if most is None or not 0 < most <= 1:
        raise InputError(
            "max_rejected", "a number above 0, at most 1", repr(max_rejected), "0.25 is usual"
        )
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError("seed", "a whole number from 0 to 4294967295", repr(seed), "0 is usual")
    if trigger not in WAYS:
        raise InputError("trigger", f"one of {', '.join(WAYS)}", repr(trigger))


def _check_tables(train: Table, trusted: Table | None, besides: list[str], target: str) -> None:
    for name in besides:
        if name not in train.columns or name == target:
            expected = "a column that holds neither labels nor features"
            raise InputError(train.uri, expected, repr(name), "correct the name")
    if len(set(besides)) < len(besides):
        raise InputError("weight", "another column than group", repr(besides[0]))
    _check_size(train, FEWEST_ROWS, "submit more rows at a time")
    if trusted is None:
        return
    if train.sha256 == trusted.sha256:
        raise InputError(
            trusted.uri, f"other rows than {train.uri}", "the same file", "have people review rows"
        )
    _check_size(trusted, FEWEST_TRUSTED, "have people review more rows, better 200 of them")


def _check_size(table: Table, fewest: int, fix: str) -> None:
    if table.n_rows < fewest:
        raise InputError(table.uri, f"at least {fewest} rows", str(table.n_rows), fix)


def _check_trust(rows: Submission, trusted: Table | None, alpha: float, fdr: float) -> None:
    if trusted is None:
        if fdr:
            fix = "leave fdr at 0, or have people review rows"
            raise InputError("fdr", "trusted rows to hold it by", "none", fix)
        return
    if 1 / (rows.n_trusted + 1) > alpha:
        raise InputError(
            "alpha",
            f"at least {1 / (rows.n_trusted + 1):.4f} with {rows.n_trusted} trusted rows",
            f"{alpha:g}",
            f"have {np.ceil(1 / alpha) - 1:.15g} trusted rows or raise alpha",
        )
    counts = np.bincount(rows.trusted_y)
    if counts.min() < 2:
        rare = rows.classes[int(counts.argmin())]
        expected, got = "at least 2 rows of every class", f"1 of class {rare}"
        raise InputError(trusted.uri, expected, got, "add trusted rows of it")


def _weights(column: "pd.Series[Any]", uri: str) -> Floats:
    where, expected = f"{uri}, column {column.name!r}", "finite sample weights of 0 or more"
    if column.dtype.kind not in "fiu":
        raise InputError(where, expected, f"values of type {column.dtype}")
    weights = column.to_numpy(dtype=np.float64)
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any() or not weights.any():
        got = f"{bad.sum()} others" if bad.any() else "only zeros"
        raise InputError(where, expected, got, "correct them, or leave weight empty")
    return weights


def _impact(rows: Submission, weights: Floats | None) -> Floats:
    if not rows.n_trusted:
        return np.full(rows.n_rows, np.nan)
    return ridge.leave_one_out(
        rows.x, rows.y, rows.trusted_x, rows.trusted_y, sample_weight=weights
    )


def _groups(rows: Submission, names: "pd.Series[Any]", weights: Floats | None) -> list[GroupImpact]:
    if not rows.n_trusted:
        return []
    return impact_by_group(
        rows.x, rows.y, rows.trusted_x, rows.trusted_y, names.to_numpy(), sample_weight=weights
    )


def _attacker(rows: Submission, rejection: Rejection) -> int:
    """Return the class that most rejected rows with a trigger are labelled, -1 without any."""
    labels = rows.y[rejection.triggered]
    return int(np.bincount(labels).argmax()) if len(labels) else -1
