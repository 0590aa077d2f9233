"""Operators: checks of how a model is served and kept."""

from collections.abc import Sequence
from typing import Any

from modelwarden.airflow_operators.operator import CheckOperator, fields_of


class EndpointOperator(CheckOperator):
    """Probe a staging endpoint: authentication, second factor, limits per client.

    Credentials come from the worker's variables ``MODELWARDEN_PROBE_...`` that the serving file
    names. See :func:`modelwarden.checks.endpoint.endpoint`.
    """

    check = "endpoint"
    template_fields: Sequence[str] = fields_of("endpoint")

    def __init__(
        self,
        *,
        model: str,
        serving: str,
        budget: str,
        requests: int | str = 200,
        seconds: int | str = 120,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model, self.serving, self.budget = model, serving, budget
        self.requests, self.seconds = requests, seconds


class TrafficOperator(CheckOperator):
    """Hold query logs against a query budget.

    Wraps :func:`modelwarden.checks.traffic.traffic`, which explains every option. Leave `alerts`
    and `block` empty to keep the names of clients out of storage.

    Parameters
    ----------
    model, logs, budget, reference : str
        URIs of the model that is judged, the logs (with a ``/`` at its end all below it), the
        budget, and, optional, rows like those of honest clients.
    target, format, client, alpha, min_queries, seed : optional
        The check's options.
    clients, alerts, block : str, default=""
        URIs for the volumes of each client, the alarms, and whom to block.
    """

    check = "traffic"
    template_fields = fields_of("traffic")

    def __init__(
        self,
        *,
        model: str,
        logs: str,
        budget: str,
        reference: str = "",
        target: str = "",
        format: str = "auto",  # noqa: A002
        client: str = "",
        alpha: float = 0.01,
        min_queries: int = 40,
        seed: int = 0,
        clients: str = "",
        alerts: str = "",
        block: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model, self.logs, self.budget, self.reference = model, logs, budget, reference
        self.target, self.format, self.client = target, format, client
        self.alpha, self.min_queries, self.seed = alpha, min_queries, seed
        self.clients, self.alerts, self.block = clients, alerts, block


class AccessOperator(CheckOperator):
    """Count who read a model's file and who changed its training data.

    Wraps :func:`modelwarden.checks.access.access`.

    Parameters
    ----------
    model, logs : str
        URIs of the model that is judged, and of S3 server access logs or CloudTrail (with a ``/``
        at its end everything below it).
    model_prefix, training_prefix : str
        Bucket and beginning of the key.
    readers, writers : str, default=""
        ARNs that are expected, separated by commas.
    access : str, default=""
        URI for who did what.
    """

    check = "access"
    template_fields = fields_of("access")

    def __init__(
        self,
        *,
        model: str,
        logs: str,
        model_prefix: str,
        training_prefix: str,
        readers: str = "",
        writers: str = "",
        access: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model, self.logs = model, logs
        self.model_prefix, self.training_prefix = model_prefix, training_prefix
        self.readers, self.writers, self.access = readers, writers, access


class BucketOperator(CheckOperator):
    """Report how a bucket is kept: versions, object lock, encryption, public access.

    See :func:`modelwarden.checks.bucket.bucket`.
    """

    check = "bucket"
    template_fields: Sequence[str] = fields_of("bucket")

    def __init__(self, *, model: str, bucket: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model, self.bucket = model, bucket
