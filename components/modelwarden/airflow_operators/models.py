"""Operators: checks of models."""

from collections.abc import Sequence
from typing import Any

from modelwarden.airflow_operators.operator import CheckOperator, fields_of


class EvasionOperator(CheckOperator):
    """Attack a model with small perturbations.

    `space` may be left out. `broken` and `pictures` are URIs for examples of broken rows, which are
    rows of data. See :func:`modelwarden.checks.evasion.evasion`.
    """

    check = "evasion"
    template_fields: Sequence[str] = fields_of("evasion")

    def __init__(
        self,
        *,
        model: str,
        evaluation: str,
        target: str,
        space: str = "",
        epsilon: float | str = 0.1,
        norm: str = "auto",
        rows: int | str = 300,
        queries: int | str = 400,
        distance_queries: int | str = 1000,
        nodes: int | str = 10_000,
        examples: int | str = 0,
        seed: int | str = 0,
        broken: str = "",
        pictures: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model, self.evaluation, self.space = model, evaluation, space
        self.target, self.epsilon, self.norm, self.rows = target, epsilon, norm, rows
        self.queries, self.distance_queries, self.nodes = queries, distance_queries, nodes
        self.examples, self.seed = examples, seed
        self.broken, self.pictures = broken, pictures


class ExtractionOperator(CheckOperator):
    """Steal the model, and derive a query budget per client.

    `space` may be left out; `budget` is the URI of the budget. See
    :func:`modelwarden.checks.extraction.extraction`.
    """

    check = "extraction"
    template_fields: Sequence[str] = fields_of("extraction")

    def __init__(
        self,
        *,
        model: str,
        evaluation: str,
        target: str,
        space: str = "",
        limit: float | str = 0.95,
        outputs: str = "auto",
        queries: int | str = 10_000,
        days: int | str = 30,
        public_rows: int | str = 300,
        epsilon: float | str = 0.1,
        seed: int | str = 0,
        budget: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model, self.evaluation, self.space = model, evaluation, space
        self.target, self.limit, self.outputs, self.queries = target, limit, outputs, queries
        self.days, self.public_rows, self.epsilon, self.seed = days, public_rows, epsilon, seed
        self.budget = budget


class MembershipOperator(CheckOperator):
    """Tell training rows from others by what the model says of them.

    See :func:`modelwarden.checks.membership.membership`.
    """

    check = "membership"
    template_fields: Sequence[str] = fields_of("membership")

    def __init__(
        self,
        *,
        model: str,
        train: str,
        evaluation: str,
        target: str,
        rows: int | str = 5000,
        seed: int | str = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model, self.train, self.evaluation = model, train, evaluation
        self.target, self.rows, self.seed = target, rows, seed


class ModelFileOperator(CheckOperator):
    """Refuse a model file that could execute code.

    See :func:`modelwarden.checks.model_file.model_file`.
    """

    check = "model_file"
    template_fields: Sequence[str] = fields_of("model_file")

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
