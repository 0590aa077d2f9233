"""Backdoor: columns or rare values, added or altered, that steer a model."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.checks.backdoor.found import Schema, gather
from modelwarden.checks.backdoor.words import figures, report, table
from modelwarden.errors import InputError
from modelwarden.models import Predictor
from modelwarden.reference.profile import Profile
from modelwarden.report import Findings, finite
from modelwarden.store import File
from modelwarden.suspicion import stamping, steering
from modelwarden.suspicion.encoding import plain
from modelwarden.suspicion.new_columns import NewColumn, new_columns
from modelwarden.suspicion.submission import Submission
from modelwarden.tables import Table
from modelwarden.work import Work

Floats = npt.NDArray[np.float64]

FEWEST_ROWS, FEWEST_TRUSTED = 50, 50
STEPS = 3


def backdoor(
    train: Table,
    profile: File,
    sample: Table,
    predictor: Predictor | None = None,
    *,
    target: str,
    alpha: float = 0.01,
    ignore: str = "",
    seed: int = 0,
    work: Work | None = None,
) -> Findings:
    """Look for a trigger: in the training rows, and in the model.

    **Data**: every value that some rows share, what lies beyond all trusted values, and
    combinations of two and three columns are held against what trusted rows say about rows like
    these. Values that come more often than among trusted rows, with one label where others were to
    be expected, are triggers; the chance that clean rows of the same source have any is at most
    `alpha`. **Model**: triggers, extremes, rare values and values beyond the trusted ones are
    written into trusted rows [1]_. A value is learnt if it turns half of the predictions more than
    usual values of its column do, and than it does in models of trusted rows alone.

    Parameters
    ----------
    train : Table
        Rows that a model is, or was, trained on: at least 50.
    profile : File
        What ``modelwarden profile`` wrote about trusted rows.
    sample : Table
        The sample that it wrote beside it, labels included: at least 50 rows.
    predictor : Predictor, optional
        The model; without it only data speak.
    target : str
        Column of labels; classification only.
    alpha : float, default=0.01
        Chance that clean data have a trigger, between 0 and 1.
    ignore : str, default=""
        Columns that are no features, such as row numbers, separated by commas.
    seed : int, default=0
        Seeds forests, folds and the draw of rows.
    work : Work, optional
        Told after each step.

    Returns
    -------
    Findings
        ``triggers``, ``new_columns``, ``worst_attack_success`` and the table ``triggers``. It fails
        when labels in the data show a trigger; what only the model shows is a note.

    Raises
    ------
    InputError
        If profile and sample do not belong together, the tables do not, or options cannot be used.

    References
    ----------
    .. [1] Gu, Dolan-Gavitt and Garg, "BadNets", 2017.
    """
    _check(train, sample, alpha, seed)
    known, watch = Profile.open(profile, sample), work or Work()
    schema = Schema.compare(train, sample, target, ignore)
    rows = Submission.read(train, sample, target, besides=schema.left_out)
    _check_classes(rows, sample)
    everything = train.frame().iloc[rows.order].reset_index(drop=True)
    court = steering.Court(rows, seed)
    steered = steering.find(court, alpha=alpha / 2 if schema.new else alpha)
    news = new_columns(court, everything[list(schema.new)], alpha=alpha / 2)
    watch.step("looked for values that steer labels", 1, STEPS)
    trusted = sample.frame()[[column.name for column in rows.columns]]
    effects = None
    if predictor is not None:
        bases, tried = _tried(predictor, rows, everything, trusted, steered, news)
        says = _says(predictor, rows)
        effects = stamping.effects(says, tried, rows, bases, seed=seed)
    watch.step("asked the model", 2, STEPS)
    found = gather(rows, known, schema, steered, news, effects)
    watch.step("done", STEPS, STEPS)
    return Findings(
        report(found, predictor, alpha),
        tables={"triggers": train.encode(table(found))},
        figures=figures(found),
    )


def _check(train: Table, sample: Table, alpha: float, seed: int) -> None:
    share = finite(alpha)
    if share is None or not 0 < share < 1:
        raise InputError("alpha", "a chance between 0 and 1", repr(alpha), "0.01 is usual")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError("seed", "a whole number from 0 to 4294967295", repr(seed), "0 is usual")
    for table_, fewest in ((train, FEWEST_ROWS), (sample, FEWEST_TRUSTED)):
        if table_.n_rows < fewest:
            expected = f"at least {fewest} rows"
            raise InputError(table_.uri, expected, str(table_.n_rows), "give more rows")
    if train.sha256 == sample.sha256:
        fix = "profile trusted rows, not the rows under suspicion"
        raise InputError(sample.uri, f"other rows than {train.uri}", "the same file", fix)


def _check_classes(rows: Submission, sample: Table) -> None:
    counts = np.bincount(rows.trusted_y, minlength=rows.n_classes)
    if counts.min() < 2:
        rare = rows.classes[int(counts.argmin())]
        expected, got = "at least 2 rows of every class", f"1 of class {rare}"
        raise InputError(sample.uri, expected, got, "profile more rows")


def _tried(
    predictor: Predictor,
    rows: Submission,
    everything: pd.DataFrame,
    trusted: pd.DataFrame,
    steered: tuple[steering.Steering, ...],
    news: list[NewColumn],
) -> tuple[pd.DataFrame, list[stamping.Stamp]]:
    """Return trusted rows as the model wants them, and what is to be written into them.

    A new column that the model asks for is filled with its most frequent value.
    """
    names = predictor.facts.feature_names
    bases, tried = trusted, []
    for new in news:
        if new.name in names:
            cells = everything[new.name]
            fill = pd.Series([cells.mode(dropna=False).iloc[0]] * len(bases), dtype=object)
            bases = bases.assign(**{new.name: fill.astype(cells.dtype)})
            values = plain(cells.to_frame())[new.name]
            tried += [stamping.stamp_of_new(one, cells, values) for one in new.triggers]
    features = everything[[column.name for column in rows.columns]]
    return bases, [*tried, *stamping.stamps(rows, features, trusted, steered)]


def _says(predictor: Predictor, rows: Submission) -> Callable[[pd.DataFrame], Floats]:
    """Return what asks the model, its classes in the order of the labels' codes.

    Classes that no row has come last; they are never a target.
    """
    codes = {label: code for code, label in enumerate(rows.classes.tolist())}
    given = predictor.classes.tolist()
    if not set(given) & set(codes):
        expected = f"labels that the model knows: {', '.join(map(repr, given[:5]))}"
        got = ", ".join(map(repr, list(codes)[:5]))
        raise InputError(predictor.uri, expected, got, "give the model of these rows")
    others = iter(range(len(codes), len(codes) + len(given)))
    place = np.array([codes[label] if label in codes else next(others) for label in given])
    names = predictor.facts.feature_names

    def says(frame: pd.DataFrame) -> Floats:
        asked = frame[list(names)] if names and set(names) <= set(frame.columns) else frame
        said = predictor.predict_proba(asked)
        if said is None:
            labels = predictor.predict(asked)
            said = np.asarray(labels[:, None] == predictor.classes[None, :], dtype=np.float64)
        ordered = np.zeros((len(frame), max(len(codes), int(place.max()) + 1)))
        ordered[:, place] = said
        return ordered

    return says
