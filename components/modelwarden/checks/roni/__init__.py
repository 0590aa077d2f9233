"""RONI, reject on negative impact: find the training rows that teach a model what is not so."""

from typing import TYPE_CHECKING, Any

from modelwarden.checks.roni.sieve import Sieve
from modelwarden.report import Findings
from modelwarden.tables import Table
from modelwarden.work import Work

if TYPE_CHECKING:
    from modelwarden.estimators import Estimator


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
    sieve = split(
        train,
        trusted,
        estimator,
        target=target,
        alpha=alpha,
        fdr=fdr,
        max_rejected=max_rejected,
        group=group,
        weight=weight,
        trigger=trigger,
        seed=seed,
        work=work,
    )
    return sieve.join([*sieve.blocks(range(sieve.count))])


def split(
    train: Table,
    trusted: Table | None = None,
    estimator: "Estimator | None" = None,
    *,
    work: Work | None = None,
    **options: Any,
) -> Sieve:
    """Return the check cut into blocks of rows; it takes what :func:`roni` takes."""
    return Sieve(train, trusted, estimator, **options, work=work or Work())
