"""The filter cut into blocks of rows: what trusted rows say of them is most of the work."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.blocks import Shape, expect, pack, unpack
from modelwarden.checks.roni.figures import figures
from modelwarden.checks.roni.found import Found, prove
from modelwarden.checks.roni.words import report
from modelwarden.errors import EvidenceError, InputError
from modelwarden.impact import ridge
from modelwarden.impact.blocks import BLOCK
from modelwarden.impact.groups import GroupImpact, impact_by_group
from modelwarden.impact.trial import Trial, linear, own
from modelwarden.report import Findings, finite
from modelwarden.suspicion.forecasts import FOLDS, Forecast
from modelwarden.suspicion.judgement import Signals, judge
from modelwarden.suspicion.novelty import Novelty
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


class Sieve:
    """The check, block by block; see :class:`modelwarden.blocks.Blocks`.

    A block is 65,536 rows in the order of their content. Its part says what models of trusted rows
    say of its rows; they are fitted by everybody alike. What rows say of each other, calibration,
    rejection and proof are left to the join. Without trusted rows that is everything.

    Parameters
    ----------
    train, trusted, estimator, target, alpha, fdr, max_rejected, group, weight, trigger, seed, work
        As for :func:`modelwarden.checks.roni.roni`.

    Raises
    ------
    InputError
        If tables or options cannot be used, or `alpha` needs more trusted rows.
    """

    def __init__(
        self,
        train: Table,
        trusted: Table | None,
        estimator: "Estimator | None",
        *,
        target: str,
        alpha: float,
        fdr: float,
        max_rejected: float,
        group: str,
        weight: str,
        trigger: str,
        seed: int,
        work: Work,
    ) -> None:
        _check_options(alpha, fdr, max_rejected, seed, trigger)
        _check_tables(train, trusted, [name for name in (group, weight) if name], target)
        self.rows = Submission.read(train, trusted, target, besides=(group, weight))
        _check_trust(self.rows, trusted, alpha, fdr)
        self.train, self.trusted, self.estimator = train, trusted, estimator
        self.alpha, self.fdr, self.max_rejected = alpha, fdr, max_rejected
        self.group, self.weight, self.trigger = group, weight, trigger
        self.seed, self.work = seed, work
        self.count = -(-self.rows.n_rows // BLOCK) if trusted is not None else 1

    def blocks(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """Yield what trusted rows say of each block's rows."""
        if not numbers:
            return
        if self.trusted is None:
            yield pack({})
            return
        places = [self._places(number) for number in numbers]
        judged = np.concatenate(places) if len(places) < self.count else None
        signals = Signals.of(self.rows, judged, seed=self.seed, work=None)
        begin = 0
        for part in places:
            yield pack(_told(signals, slice(begin, begin + len(part))))
            begin += len(part)

    def join(self, parts: Sequence[bytes]) -> Findings:
        """Return the findings about all rows."""
        return self._findings(None if self.trusted is None else self._signals(parts))

    def _places(self, number: int) -> npt.NDArray[np.intp]:
        return np.arange(number * BLOCK, min((number + 1) * BLOCK, self.rows.n_rows))

    def _signals(self, parts: Sequence[bytes]) -> Signals:
        """Put blocks one after the other; of trusted rows all have to say the same."""
        rows, told = self.rows, []
        for number, body in enumerate(parts):
            where = f"block {number} of {self.train.uri}"
            told.append(unpack(body, where))
            expect(told[-1], _shapes(rows, len(self._places(number))), where)
            for name in ("folds", "forest_trusted", "linear_trusted", "novel_trusted"):
                if not np.array_equal(told[-1][name], told[0][name]):
                    expected, got = "models that are the same on every machine", f"other {name}"
                    fix = "use machines of one kind, with the same versions"
                    raise EvidenceError(where, expected, got, fix)
        forest, linear = (
            Forecast(np.concatenate([one[name] for one in told]), told[0][f"{name}_trusted"])
            for name in ("forest", "linear")
        )
        novel = np.concatenate([one["novel"] for one in told], axis=1)
        news = Novelty(novel, told[0]["novel_trusted"], told[0]["folds"])
        return Signals(forest, linear, news)

    def _findings(self, signals: Signals | None) -> Findings:
        train, trusted, rows, work = self.train, self.trusted, self.rows, self.work
        alpha, fdr, max_rejected, seed = self.alpha, self.fdr, self.max_rejected, self.seed
        group, weight, estimator = self.group, self.weight, self.estimator
        everything = train.frame().iloc[rows.order].reset_index(drop=True)
        weights = _weights(everything[weight], train.uri) if weight else None

        judgement = judge(rows, signals, seed=seed)
        rejection = reject(judgement, rows.vouched, alpha=alpha, fdr=fdr)
        work.step("roni", 1, STEPS)
        impact = _impact(rows, weights)
        work.step("roni", 2, STEPS)
        remedy, proof = Remedy(), None
        if trusted is not None:
            names = [column.name for column in rows.columns]
            frame, vouched = everything[names], trusted.frame()[names]
            remedy = Remedy.plan(
                rows, judgement.triggers, rejection.rejected, self.trigger, frame, vouched
            )
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


def _told(signals: Signals, rows: slice) -> dict[str, npt.NDArray[Any]]:
    """Return what is said of some rows, and of all trusted ones."""
    return {
        "forest": signals.forest.submitted[rows],
        "linear": signals.linear.submitted[rows],
        "novel": signals.news.submitted[:, rows],
        "forest_trusted": signals.forest.trusted,
        "linear_trusted": signals.linear.trusted,
        "novel_trusted": signals.news.trusted,
        "folds": signals.news.folds,
    }


def _shapes(rows: Submission, n_rows: int) -> dict[str, tuple[str, Shape]]:
    return {
        "forest": ("f", (n_rows, rows.n_classes)),
        "linear": ("f", (n_rows, rows.n_classes)),
        "novel": ("f", (FOLDS, n_rows)),
        "forest_trusted": ("f", (rows.n_trusted, rows.n_classes)),
        "linear_trusted": ("f", (rows.n_trusted, rows.n_classes)),
        "novel_trusted": ("f", (rows.n_trusted,)),
        "folds": ("i", (rows.n_trusted,)),
    }


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
