"""Membership: whether a model gives away which rows it was trained on."""

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from modelwarden.errors import InputError
from modelwarden.models import Predictor
from modelwarden.proportions import interval
from modelwarden.report import Figure, Findings, Report, Series
from modelwarden.tables import Table, coded, features
from modelwarden.work import Work

Floats = npt.NDArray[np.float64]

FALSE_ALARMS = 0.01
LEAST = 100
"""Rows of each kind, below which 1 % of them is less than one."""
TINY = 1e-12
BINS = 20


def membership(
    model: Predictor,
    train: Table,
    evaluation: Table,
    *,
    target: str,
    rows: int = 5000,
    seed: int = 0,
    work: Work | None = None,
) -> Findings:
    """Tell training rows from others by what the model says of them.

    The attacker guesses that a row was trained on when its loss, the negative logarithm of the
    probability of its true class, is small [1]_. A model that gives labels only is attacked by
    whether it is right. An average hides the rows that are given away for certain; so the share of
    training rows that is found while hardly anybody else is accused counts as well [2]_.

    Parameters
    ----------
    model : Predictor
        The classifier.
    train : Table
        Rows that the model was trained on.
    evaluation : Table
        Rows of the same kind that it was not trained on. If they differ in more than that, the
        attack finds the difference and the figures are too high.
    target : str
        Column of labels.
    rows : int, default=5000
        Rows of each kind at most.
    seed : int, default=0
        Seeds the draw.
    work : Work, optional
        Told after each step.

    Returns
    -------
    Findings
        ``auc`` and ``tpr_at_1_fpr`` with their 95 % intervals.

    Raises
    ------
    InputError
        If there are less than 100 rows of a kind, or labels that the model does not know.

    References
    ----------
    .. [1] Yeom et al., "Privacy Risk in Machine Learning", CSF 2018.
    .. [2] Carlini et al., "Membership Inference Attacks From First Principles", S&P 2022.
    """
    if rows < LEAST:
        raise InputError("rows", f"{LEAST} or more", repr(rows), "5000 is usual")
    watch, random = work or Work(), np.random.default_rng(seed)
    size = min(rows, train.n_rows, evaluation.n_rows)
    if size < LEAST:
        where = (train if train.n_rows == size else evaluation).uri
        raise InputError(where, f"{LEAST} rows or more", str(size), "give more rows")
    losses, right = [], []
    for done, table in enumerate((train, evaluation), 1):
        loss, correct = _losses(model, table, target, random.permutation(table.n_rows)[:size])
        losses.append(loss)
        right.append(float(correct.mean()))
        watch.step("asked the model", done, 2)
    members, others = losses
    auc, error = _auc(members, others)
    found = _found(members, others)
    return Findings(
        Report(
            check="membership",
            metrics={
                "rows": size,
                "auc": auc,
                "auc_high": min(1.0, auc + 1.96 * error),
                "tpr_at_1_fpr": found / size,
                "tpr_at_1_fpr_high": interval(found, size)[1],
                "accuracy_gap": right[0] - right[1],
            },
            notes=_notes(model),
        ),
        figures=(_figure(members, others),),
    )


def _losses(
    model: Predictor, table: Table, target: str, chosen: npt.NDArray[np.intp]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the loss of some rows, shape (n_chosen,), and where the model is right."""
    truth = coded(table, target, model.classes)[chosen]
    frame = features(table, target).iloc[chosen].reset_index(drop=True)
    right = model.predict(frame) == model.classes[truth]
    scores = model.predict_proba(frame)
    if scores is None:
        return np.where(right, 0.0, 1.0), right
    own = scores[np.arange(len(truth)), truth]
    return -np.log(np.maximum(own, TINY)), right


def _auc(members: Floats, others: Floats) -> tuple[float, float]:
    """Return the chance that a member's loss is smaller, ties half, and its standard error.

    References
    ----------
    .. [1] DeLong et al., "Comparing the Areas under Two or More Correlated ROC Curves", 1988.
    """
    n, m = len(members), len(others)
    ranks = rankdata(np.concatenate([-members, -others]))
    above = (ranks[:n] - rankdata(-members)) / m  # others that each member beats
    below = 1 - (ranks[n:] - rankdata(-others)) / n
    variance = above.var(ddof=1) / n + below.var(ddof=1) / m
    return float(above.mean()), float(np.sqrt(variance))


def _found(members: Floats, others: Floats) -> int:
    """Return how many members lie below the loss that at most 1 % of the others lie below."""
    allowed = int(FALSE_ALARMS * len(others))
    threshold = np.sort(others)[allowed]
    return int((members < threshold).sum())


def _notes(model: Predictor) -> tuple[str, ...]:
    notes = [
        "A lower bound: attacks that train models of their own find more. An AUC near .5 with a "
        "high tpr_at_1_fpr gives few rows away, but those for certain.",
    ]
    if not model.facts.has_proba:
        notes.append("The model gives labels only: all that can be used is whether it is right.")
    return tuple(notes)


def _figure(members: Floats, others: Floats) -> Figure:
    edges = np.linspace(0, max(np.quantile(np.concatenate([members, others]), 0.99), 0.1), BINS + 1)
    counts = {
        name: np.histogram(np.minimum(values, edges[-1]), edges)[0]
        for name, values in (("trained on", members), ("others", others))
    }
    return Figure(
        kind="histogram",
        title="Loss of rows that the model was trained on, and of others",
        x_label="loss, the last bar with all above",
        y_label="rows",
        series=tuple(
            Series(name, tuple(map(float, edges[:-1])), tuple(map(float, count)))
            for name, count in counts.items()
        ),
        caption="The more the two differ, the better training rows can be told from others.",
    )
