"""Evasion: how often a model is still right when somebody nudges its inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from modelwarden.attacks.box_search import box_search, revert
from modelwarden.attacks.engine import Candidates, Floats, Mask, Outcome, Positions, Victim, run
from modelwarden.attacks.space import Box, Space
from modelwarden.errors import InputError
from modelwarden.models import Predictor
from modelwarden.report import Figure, Findings, Json, Report, Series, finite
from modelwarden.tables import Table, features, labels
from modelwarden.work import Work

SHOWN_COLUMNS = 10
LISTED_COLUMNS = 50
LARGEST_EPSILON = 1e6


def evasion(
    model: Predictor,
    evaluation: Table,
    *,
    target: str,
    epsilon: float = 0.1,
    rows: int = 300,
    queries: int = 400,
    seed: int = 0,
    work: Work | None = None,
) -> Findings:
    r"""Attack a model with small perturbations, and count the rows that it still gets right.

    A row :math:`x` is broken when some :math:`x'` with a wrong prediction is found in the box
    :math:`|x'_j - x_j| \le \epsilon s_j`, where the scale :math:`s_j` is the interquartile range of
    column :math:`j` (its standard deviation where that is 0). No column leaves the range that the
    table shows, and integers stay integers. Text, categories, booleans, timestamps, constant
    columns and missing cells do not move. Robust accuracy is the share of rows that are right and
    not broken; every broken one was put to ``predict`` and to these rules once more.

    Parameters
    ----------
    model : Predictor
        The classifier; labels suffice, probabilities make the attack stronger.
    evaluation : Table
        Labelled rows that the model was not trained on.
    target : str
        Column of labels.
    epsilon : float, default=0.1
        Size of the perturbation in units of each column's scale, above 0.
    rows : int, default=300
        Rows to attack, drawn in the table's shares of classes; all of them when there are fewer.
    queries : int, default=400
        Candidates per row at `epsilon`; confirming them costs about an eighth more.
    seed : int, default=0
        Seeds the draw of rows and the search.
    work : Work, optional
        Told after each step.

    Returns
    -------
    Findings
        Accuracy and robust accuracy with 95 % intervals. Robust accuracy is an upper bound: a
        stronger attack may break more rows. The order of columns changes nothing.

    Raises
    ------
    InputError
        If options cannot be used, the table has labels that the model does not know, or no column
        can move.
    """
    _check_options(epsilon, rows, queries, seed)
    sampled, truth = _sample(model, evaluation, target, rows, seed)
    space = Space(features(evaluation, target), sampled)
    if not space.box(epsilon).movable.any():
        raise InputError(
            evaluation.uri,
            f"a numeric column with room to move at epsilon {epsilon:g}",
            "none",
            "raise epsilon; only numbers are changed, and integers by whole steps",
        )
    subject = _Subject(model, space, truth)
    failures = _failures(subject)
    if failures:
        return Findings(Report("evasion", _metrics(subject.right, None), failures))
    found = _Attacker(subject, queries, seed, work or Work()).find(epsilon)
    return Findings(
        Report(
            "evasion",
            _metrics(subject.right, found.main.broken),
            notes=_notes(found, subject, queries),
            details=_details(found, subject),
        ),
        figures=(_curve_figure(found, subject.right), *_column_figures(found)),
    )


def _check_options(epsilon: float, rows: int, queries: int, seed: int) -> None:
    size = finite(epsilon)
    if size is None or not 0 < size <= LARGEST_EPSILON:
        expected = f"a number above 0, at most {LARGEST_EPSILON:g}"
        raise InputError("epsilon", expected, repr(epsilon), "0.1 is usual")
    for name, value, usual in (("rows", rows, 300), ("queries", queries, 400)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(name, "a whole number above 0", repr(value), f"{usual} is usual")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError("seed", "a whole number from 0 to 4294967295", repr(seed), "0 is usual")


def _sample(
    model: Predictor, evaluation: Table, target: str, rows: int, seed: int
) -> tuple[Positions, Positions]:
    """Return which rows to attack, ascending, and their true classes by position."""
    codes = {label: code for code, label in enumerate(model.classes.tolist())}
    given = labels(evaluation, target).tolist()
    unknown = sorted({repr(label) for label in given if label not in codes})
    if unknown:
        raise InputError(
            f"{evaluation.uri}, column {target!r}",
            f"labels that the model knows: {', '.join(map(repr, [*codes][:5]))}",
            ", ".join(unknown[:5]),
            "give rows with the labels that the model was trained on",
        )
    truth = np.array([codes[label] for label in given], dtype=np.intp)
    shuffled = np.random.default_rng(seed).permutation(len(truth))
    by_class = shuffled[np.argsort(truth[shuffled], kind="stable")]
    size = min(rows, len(truth))
    # every class gets its share when the places are evenly apart
    sampled = np.sort(by_class[(2 * np.arange(size) + 1) * len(truth) // (2 * size)])
    return sampled, truth[sampled]


class _Subject:
    """The model, asked about the sampled rows; classes are positions."""

    def __init__(self, model: Predictor, space: Space, truth: Positions) -> None:
        self._model, self.space, self.truth = model, space, truth
        self._codes = {label: code for code, label in enumerate(model.classes.tolist())}
        self.predicted = self.labels(space.frame)
        self.right = self.predicted == truth
        self.has_scores = model.predict_proba(space.frame) is not None

    def labels(self, frame: pd.DataFrame) -> Positions:
        """Return the predicted classes."""
        return np.array([self._codes[label] for label in self._model.predict(frame).tolist()])

    def scores(self, candidates: Candidates) -> Floats:
        """Return the probabilities of all classes."""
        return np.asarray(self._model.predict_proba(self.space.present(candidates)))

    def victim(self) -> Victim:
        """Return the model as attacks see it."""
        return Victim(
            self.truth,
            lambda candidates: self.labels(self.space.present(candidates)),
            self.scores if self.has_scores else None,
        )


def _failures(subject: _Subject) -> tuple[str, ...]:
    """Ask again in reverse order, which also shows whether rows are presented faithfully."""
    space = subject.space
    backwards = np.arange(len(space.origin))[::-1]
    again = subject.labels(space.present(Candidates(backwards, space.origin[backwards])))
    differing = int((again[::-1] != subject.predicted).sum())
    failures = []
    if differing:
        failures.append(
            f"the model labelled {differing} of {len(again)} rows differently when it was asked "
            "again in reverse order: make its predictions depend on the row alone"
        )
    if not subject.right.any():
        failures.append(
            f"none of {len(again)} rows was classified correctly: nothing is left to attack"
        )
    return tuple(failures)


@dataclass(frozen=True)
class _Found:
    """Everything that was measured."""

    curve: Mapping[float, Mask]  # which rows are broken, by epsilon, ascending
    main: Outcome  # at the policy's epsilon
    movable: Sequence[str]  # columns, at the policy's epsilon
    moved: Mapping[str, float]  # share of broken rows in which a column had to move
    calls: int
    asked_rows: int


class _Attacker:
    """The search at one epsilon after the other."""

    def __init__(self, subject: _Subject, queries: int, seed: int, work: Work) -> None:
        self.subject, self.space, self.victim = subject, subject.space, subject.victim()
        self.queries, self.seed, self.work = queries, seed, work

    def find(self, epsilon: float) -> _Found:
        """Attack at `epsilon`; then, with less, what broke, and with more, what did not.

        So a row that is broken at one epsilon is broken at all larger ones.
        """
        right, box = self.subject.right, self.space.box(epsilon)
        main = self.search(epsilon, right)
        half = self.search(epsilon / 2, main.broken, self.stretched(main, 0.5))
        quarter = self.search(epsilon / 4, half.broken, self.stretched(half, 0.5))
        double = self.search(2 * epsilon, right & ~main.broken, self.stretched(main, 2))
        curve = {
            0.0: np.zeros_like(right),
            epsilon / 4: quarter.broken,
            epsilon / 2: half.broken,
            epsilon: main.broken,
            2 * epsilon: main.broken | double.broken,
        }
        names = [*self.space.columns]
        movable = [names[place] for place in np.flatnonzero(box.movable.any(axis=0))]
        moved = self.moved(box, main)
        return _Found(curve, main, movable, moved, self.victim.calls, self.victim.rows)

    def search(self, epsilon: float, chosen: Mask, starts: Floats | None = None) -> Outcome:
        subject, origin, box = self.subject, self.space.origin, self.space.box(epsilon)
        attack = box_search(
            box,
            subject.truth,
            origin,
            subject.predicted,
            queries=self.queries,
            starts=starts,
            seed=self.seed,
        )

        def allowed(candidates: Candidates) -> Mask:
            return self.space.allows(box, candidates.rows, self.space.present(candidates))

        return run(
            [attack],
            self.victim,
            origin,
            np.flatnonzero(chosen & box.movable.any(axis=1)),
            budget=self.queries,
            allowed=allowed,
            work=self.work,
            label=f"evasion at epsilon {epsilon:g}",
        )

    def stretched(self, outcome: Outcome, factor: float) -> Floats:
        return self.space.origin + factor * (outcome.values - self.space.origin)

    def moved(self, box: Box, outcome: Outcome) -> dict[str, float]:
        """Return the share of broken rows in which each column had to move, largest first."""
        rows = np.flatnonzero(outcome.broken)
        if not len(rows):
            return {}
        kept = revert(self.victim, box, rows, outcome.values[rows])
        differs = (kept != box.origin[rows]) & ~np.isnan(kept)
        shares = dict(zip(self.space.columns, differs.mean(axis=0).tolist(), strict=True))
        largest_first = sorted(shares.items(), key=lambda share: -share[1])
        return {name: share for name, share in largest_first if share > 0}


def _interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion by Clopper and Pearson; it is never too narrow."""
    failed = trials - successes
    low = betaincinv(successes, failed + 1, 0.025) if successes else 0.0
    high = betaincinv(successes + 1, failed, 0.975) if failed else 1.0
    return float(low), float(high)


def _metrics(right: Mask, broken: Mask | None) -> Mapping[str, float | None]:
    """Return the metrics; robust accuracy is undefined where nothing could be attacked."""
    n_rows, n_right = len(right), int(right.sum())
    metrics: dict[str, float | None] = {
        "rows": n_rows,
        "accuracy": n_right / n_rows,
        "accuracy_low": _interval(n_right, n_rows)[0],
        "robust_accuracy": None,
        "robust_accuracy_low": None,
    }
    if broken is not None or not n_right:
        n_robust = n_right - (0 if broken is None else int(broken.sum()))
        metrics["robust_accuracy"] = n_robust / n_rows
        metrics["robust_accuracy_low"] = _interval(n_robust, n_rows)[0]
    return metrics


def _robust(found: _Found, right: Mask) -> dict[float, float]:
    """Return robust accuracy by epsilon."""
    return {size: float((right & ~broken).mean()) for size, broken in found.curve.items()}


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_COLUMNS} more" if len(names) > SHOWN_COLUMNS else ""
    return ", ".join(map(repr, names[:SHOWN_COLUMNS])) + more


def _notes(found: _Found, subject: _Subject, queries: int) -> tuple[str, ...]:
    notes = [
        "Robust accuracy is an upper bound: a black-box search found nothing against the other "
        f"rows with {queries} queries each. That is no certificate; a stronger attack may find "
        "more.",
        "Every broken row was confirmed: predict errs on it, every moved cell is within epsilon "
        "times its column's scale and within the range of the table, and nothing else differs.",
    ]
    fixed = [str(name) for name in subject.space.frame.columns if name not in found.movable]
    if fixed:
        notes.append(
            f"Columns that never moved, because they are not numbers, have no room at this "
            f"epsilon or hold integers beyond 2**53: {_listed(fixed)}. The model may still be "
            "sensitive to them."
        )
    if np.isnan(subject.space.origin).any():
        notes.append("Missing and infinite cells stayed as they are.")
    if not subject.has_scores:
        notes.append(
            "The model gives labels only, so the search had no score to follow and was weaker: "
            "compare its robust accuracy only with that of other models without probabilities."
        )
    return tuple(notes)


def _details(found: _Found, subject: _Subject) -> Mapping[str, Json]:
    space, n_rows, right = subject.space, len(subject.right), subject.right
    by_deviation = sum(space.columns[name].by_deviation for name in found.movable)
    n_robust = int((right & ~found.main.broken).sum())
    return {
        "accuracy_high": _interval(int(right.sum()), n_rows)[1],
        "robust_accuracy_high": _interval(n_robust, n_rows)[1],
        "curve": [list(point) for point in _robust(found, right).items()],
        "broken_rows": int(found.main.broken.sum()),
        "queries": int(found.main.queries.sum()),
        "predict_calls_all_epsilons": found.calls,
        "predicted_rows_all_epsilons": found.asked_rows,
        "probabilities": subject.has_scores,
        "movable_columns": len(found.movable),
        "movable_column_names": list(found.movable[:LISTED_COLUMNS]),
        "columns_scaled_by_interquartile_range": len(found.movable) - by_deviation,
        "columns_scaled_by_standard_deviation": by_deviation,
        "moved_columns": dict([*found.moved.items()][:LISTED_COLUMNS]),
    }


def _curve_figure(found: _Found, right: Mask) -> Figure:
    curve = _robust(found, right)
    return Figure(
        kind="lines",
        title="Robust accuracy against perturbation size",
        x_label="epsilon, in units of each column's scale",
        y_label="robust accuracy",
        series=(Series("robust accuracy", tuple(curve), tuple(curve.values())),),
        caption="The share of rows that stay right when every number may move by epsilon times its "
        "column's interquartile range. A fragile model falls steeply at the left.",
    )


def _column_figures(found: _Found) -> tuple[Figure, ...]:
    """Return the figure of the most attacked columns, if any row is broken."""
    if not found.moved:
        return ()
    names = tuple(found.moved)[:SHOWN_COLUMNS]
    return (
        Figure(
            kind="bars",
            title="Most attacked columns",
            x_label="column",
            y_label="share of broken rows in which it had to move",
            series=(Series("share", names, tuple(found.moved[name] for name in names)),),
            caption="Columns that did not need to move were put back before counting.",
        ),
    )
