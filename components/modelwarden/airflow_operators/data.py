"""Operators: checks of data."""

from collections.abc import Sequence
from typing import Any

from modelwarden.airflow_operators.operator import CheckOperator, fields_of


class IntegrityOperator(CheckOperator):
    """Hold a table against a Great Expectations suite, trusted data's profile, or both.

    One of `suite` and `profile` must be given. `data_docs` is the URI for Great Expectations' own
    page. See :func:`modelwarden.checks.integrity.integrity`.
    """

    check = "integrity"
    template_fields: Sequence[str] = fields_of("integrity")

    def __init__(
        self,
        *,
        data: str,
        suite: str = "",
        profile: str = "",
        sample: str = "",
        target: str = "",
        ignore: str = "",
        engine: str = "pandas",
        data_docs: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.data, self.suite, self.profile, self.sample = data, suite, profile, sample
        self.target, self.ignore, self.engine = target, ignore, engine
        self.data_docs = data_docs


class RoniOperator(CheckOperator):
    """Reject training rows with a negative impact (RONI).

    `trusted` and `estimator` may be left out. `kept`, `quarantine` and `rows` are URIs for the
    three tables. See :func:`modelwarden.checks.roni.roni`.
    """

    check = "roni"
    template_fields: Sequence[str] = fields_of("roni")

    def __init__(
        self,
        *,
        train: str,
        target: str,
        trusted: str = "",
        estimator: str = "",
        alpha: float | str = 0.05,
        fdr: float | str = 0.0,
        max_rejected: float | str = 0.25,
        group: str = "",
        weight: str = "",
        trigger: str = "neutralise",
        seed: int | str = 0,
        kept: str = "",
        quarantine: str = "",
        rows: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.train, self.trusted, self.estimator = train, trusted, estimator
        self.target, self.group, self.weight, self.trigger = target, group, weight, trigger
        self.alpha, self.fdr, self.max_rejected, self.seed = alpha, fdr, max_rejected, seed
        self.kept, self.quarantine, self.rows = kept, quarantine, rows


class RestoreOperator(CheckOperator):
    """Put rows back that RONI rejected and people found clean.

    `kept` is the URI for kept and restored rows. See :func:`modelwarden.checks.restore.restore`.
    """

    check = "restore"
    template_fields: Sequence[str] = fields_of("restore")

    def __init__(
        self, *, filtered: str, train: str, rows: str, restore: str, kept: str = "", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filtered, self.train, self.rows = filtered, train, rows
        self.restore, self.kept = restore, kept


class DriftOperator(CheckOperator):
    """Hold a batch against the profile of trusted data.

    `predictor`, a model, may be left out. See :func:`modelwarden.checks.drift.drift`.
    """

    check = "drift"
    template_fields: Sequence[str] = fields_of("drift")

    def __init__(
        self,
        *,
        batch: str,
        profile: str,
        sample: str,
        predictor: str = "",
        alpha: float | str = 0.05,
        ignore: str = "",
        seed: int | str = 0,
        tests: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.batch, self.profile, self.sample = batch, profile, sample
        self.predictor, self.alpha, self.ignore, self.seed = predictor, alpha, ignore, seed
        self.tests = tests


class BackdoorOperator(CheckOperator):
    """Look for columns and rare values that steer a model.

    `predictor`, a model, may be left out. See :func:`modelwarden.checks.backdoor.backdoor`.
    """

    check = "backdoor"
    template_fields: Sequence[str] = fields_of("backdoor")

    def __init__(
        self,
        *,
        train: str,
        profile: str,
        sample: str,
        target: str,
        predictor: str = "",
        alpha: float | str = 0.01,
        ignore: str = "",
        seed: int | str = 0,
        triggers: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.train, self.profile, self.sample = train, profile, sample
        self.target, self.predictor = target, predictor
        self.alpha, self.ignore, self.seed = alpha, ignore, seed
        self.triggers = triggers
