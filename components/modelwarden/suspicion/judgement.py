"""All signals together: for every submitted row the probability that it is poison, and a p-value.

1. A model of trusted rows (A) gives each label a probability of being wrong.
2. A forest that tells submitted rows from trusted ones (B) gives each row one of being novel.
3. Values on which either concentrates are triggers; all rows that carry one are suspect.
4. The submitted rows that are not suspect so far forecast all labels (C), twice: the second time
   without those that the first one made suspect. A and C are pooled and judged again.

The score of a row is the highest of its three probabilities. Trusted rows run through the same
steps, each while held out, and their scores calibrate it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelwarden.suspicion import calibration, patterns, triggers
from modelwarden.suspicion.conflict import trusted_forecasts
from modelwarden.suspicion.disagreement import confidently_wrong, out_of_bag_forecast
from modelwarden.suspicion.forecasts import Forecast, own, pool
from modelwarden.suspicion.noise import LabelNoise
from modelwarden.suspicion.novelty import Novelty, novelty
from modelwarden.suspicion.submission import Submission
from modelwarden.suspicion.triggers import Trigger
from modelwarden.work import Work

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

SUSPECT = 0.5  # more likely poison than not
WARY = 0.3  # enough not to learn from a row
FEW_TREES, MANY_TREES = 50, 100


@dataclass(frozen=True)
class Judgement:
    """What the signals say about every submitted row.

    Parameters
    ----------
    poison : ndarray of shape (n_rows,)
        Probability that the row is poison, 0 to 1: the highest of the next three.
    wrong_label, novel, triggered : ndarray of shape (n_rows,)
        By contradiction of the label, by novelty, and by a trigger that the row carries.
    p_value : ndarray of shape (n_rows,)
        Share of trusted rows with as high a score; NaN without trusted rows.
    trusted_poison : ndarray of shape (n_trusted,)
        Scores of trusted rows.
    triggers : tuple of Trigger
        What suspect rows share.
    separable : float or None
        Area under the curve with which a forest tells submitted from trusted rows: 0.5 when they
        are alike, None without trusted rows.
    """

    poison: Floats
    wrong_label: Floats
    novel: Floats
    triggered: Floats
    p_value: Floats
    trusted_poison: Floats
    triggers: tuple[Trigger, ...]
    separable: float | None


@dataclass(frozen=True)
class Signals:
    """What trusted rows say of submitted ones, before those speak themselves.

    Parameters
    ----------
    forest, linear : Forecast
        Labels, forecast by two models of trusted rows.
    news : Novelty
        How surely rows are told from trusted ones.
    """

    forest: Forecast
    linear: Forecast
    news: Novelty

    @classmethod
    def of(
        cls, rows: Submission, judged: Codes | None = None, *, seed: int = 0, work: Work | None
    ) -> "Signals":
        """Measure some rows, by default all; which others are measured changes nothing.

        Parameters
        ----------
        rows : Submission
            Submitted and trusted rows.
        judged : ndarray of int, optional
            Whole blocks of `BLOCK` submitted rows, ascending.
        seed : int, default=0
            Seeds forests, folds and samples.
        work : Work, optional
            Told after each signal.
        """
        work = work or Work()
        x = rows.x if judged is None else rows.x[judged]
        forest, linear = trusted_forecasts(x, rows.trusted_x, rows.trusted_y, seed=seed)
        work.step("label conflict", 1, 4)
        news = novelty(
            rows.x,
            rows.y,
            rows.codes,
            rows.trusted_x,
            rows.trusted_y,
            rows.trusted_codes,
            twins=rows.twins,
            judged=judged,
            seed=seed,
        )
        work.step("novelty", 2, 4)
        return cls(forest, linear, news)


def judge(
    rows: Submission, signals: Signals | None = None, *, seed: int = 0, work: Work | None = None
) -> Judgement:
    """Judge every submitted row.

    Parameters
    ----------
    rows : Submission
        Submitted and trusted rows; without trusted ones only `disagreement` speaks, which cannot
        see what most rows have in common.
    signals : Signals, optional
        Of all rows; measured here by default.
    seed : int, default=0
        Seeds forests, folds and samples.
    work : Work, optional
        Told after each signal.
    """
    work = work or Work()
    if rows.n_trusted == 0:
        return _by_themselves(rows, seed, work)
    signals = signals or Signals.of(rows, seed=seed, work=work)
    trusting, news = (signals.forest, signals.linear), signals.news
    novel, trusted_novel = calibration.excess(news.submitted, news.trusted)
    found, triggered, trusted_triggered = _triggers(rows, trusting, novel.mean(axis=0))
    # rows that a trigger explains must not make others look novel that score as high
    others = triggered == 0
    if others.any():
        novel[:, others], trusted_novel = calibration.excess(
            news.submitted[:, others], news.trusted
        )
    work.step("triggers", 3, 4)
    explained = np.maximum(novel.mean(axis=0), triggered)
    trusted_explained = np.maximum(trusted_novel, trusted_triggered)
    wrong, trusted_wrong = _wrong_labels(rows, trusting, explained, trusted_explained, seed)
    work.step("disagreement", 4, 4)
    by_fold = np.maximum(novel, np.maximum(wrong, triggered))
    trusted_poison = np.maximum(trusted_explained, trusted_wrong)
    return Judgement(
        poison=np.maximum(explained, wrong),
        wrong_label=wrong,
        novel=novel.mean(axis=0),
        triggered=triggered,
        p_value=calibration.p_values(by_fold, trusted_poison, news.folds),
        trusted_poison=trusted_poison,
        triggers=found,
        separable=_area(news.submitted, news.trusted),
    )


def _triggers(
    rows: Submission, trusting: Sequence[Forecast], novel: Floats
) -> tuple[tuple[Trigger, ...], Floats, Floats]:
    """Return the triggers, and how suspect they make submitted and trusted rows.

    Of `k` suspect rows that share a value, at least k / (k + 1) are called poison: the more rows,
    the less it can be chance.
    """
    contradicted = 1 - own(pool(trusting, rows.trusted_y).submitted, rows.y)
    suspicion = np.maximum(contradicted, np.where(novel > SUSPECT, novel, 0))
    cells = (rows.columns, rows.codes, rows.trusted_codes)
    found = triggers.find(*cells, rows.y, suspicion)
    carrying = np.zeros(rows.n_rows, dtype=bool)
    for trigger in found:
        carrying |= trigger.matches(rows.codes)
    found += patterns.find(*cells, suspicion, without=carrying)
    submitted, trusted = np.zeros(rows.n_rows), np.zeros(rows.n_trusted)
    for trigger in found:
        sure = trigger.rows / (trigger.rows + 1)
        submitted = np.maximum(submitted, sure * trigger.matches(rows.codes))
        trusted = np.maximum(trusted, sure * trigger.matches(rows.trusted_codes))
    return found, submitted, trusted


def _wrong_labels(
    rows: Submission,
    trusting: Sequence[Forecast],
    explained: Floats,
    trusted_explained: Floats,
    seed: int,
) -> tuple[Floats, Floats]:
    """Return the probability of a wrong label, once rows that are not suspect have spoken, too."""
    wrong, trusted_wrong = _wrong(rows, pool(trusting, rows.trusted_y), explained)
    for bar, trees in ((SUSPECT, FEW_TREES), (WARY, MANY_TREES)):
        disagreement = out_of_bag_forecast(
            rows.x,
            rows.y,
            rows.trusted_x,
            rows.trusted_y,
            suspect=(wrong > bar) | (explained > SUSPECT),
            trusted_suspect=(trusted_wrong > bar) | (trusted_explained > SUSPECT),
            twins=rows.twins,
            trees=trees,
            seed=seed + trees,
        )
        pooled = pool([*trusting, disagreement], rows.trusted_y)
        wrong, trusted_wrong = _wrong(rows, pooled, explained)
    return wrong, trusted_wrong


def _wrong(rows: Submission, forecast: Forecast, explained: Floats) -> tuple[Floats, Floats]:
    """Return the probability of a wrong label, for submitted and for trusted rows.

    Rows that novelty or a trigger explains say nothing about how often labels were flipped
    elsewhere.
    """
    others = explained <= SUSPECT
    noise = LabelNoise.fit(forecast.submitted[others], rows.y[others])
    return noise.wrong(forecast.submitted, rows.y), noise.wrong(forecast.trusted, rows.trusted_y)


def _by_themselves(rows: Submission, seed: int, work: Work) -> Judgement:
    """Judge rows by each other: random noise shows, whatever most rows agree on does not."""
    wrong = np.zeros(rows.n_rows)
    for trees in (FEW_TREES, MANY_TREES):
        forecast = out_of_bag_forecast(
            rows.x,
            rows.y,
            rows.trusted_x,
            rows.trusted_y,
            suspect=wrong > SUSPECT,
            trusted_suspect=np.zeros(0, dtype=bool),
            twins=rows.twins,
            trees=trees,
            seed=seed + trees,
        ).submitted
        wrong = confidently_wrong(forecast, rows.y)
    work.step("disagreement", 4, 4)
    nothing = np.zeros(rows.n_rows)
    return Judgement(
        poison=wrong,
        wrong_label=wrong,
        novel=nothing,
        triggered=nothing,
        p_value=np.full(rows.n_rows, np.nan),
        trusted_poison=np.zeros(0),
        triggers=(),
        separable=None,
    )


def _area(scores: Floats, trusted_scores: Floats) -> float:
    """Return the probability that a submitted row scores higher than a trusted one, ties half."""
    ordered = np.sort(scores.ravel())
    below = np.searchsorted(ordered, trusted_scores, side="left")
    up_to = np.searchsorted(ordered, trusted_scores, side="right")
    return float(1 - (below + up_to).mean() / (2 * len(ordered)))
