"""Airflow operators: they assign, call a job, and translate its verdict.

Every argument is templated. Nothing heavier than Airflow is imported before ``execute``. A verdict
is final and never retried; trouble with storage is retried as the task says. What is pushed to XCom
is small and for people: the gate and ``VerifyDecisionOperator`` read signed files, never XCom.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    BaseOperator,
    SkipMixin,
    TriggerRule,
)

from modelwarden.airflow_links import EvidenceLink
from modelwarden.airflow_notifier import deliver_all
from modelwarden.airflow_results import ON_FAIL, announce, one_line, summary
from modelwarden.checks import CHECKS, card
from modelwarden.errors import InputError, ModelWardenError, Rejected, StoreError

if TYPE_CHECKING:
    from modelwarden.cards import Card
    from modelwarden.jobs.session import Connections
    from modelwarden.store import Connection


class JobOperator(BaseOperator):
    """What all operators share: where S3 is, and what an error means to Airflow.

    Parameters
    ----------
    aws_conn_id, evidence_conn_id : str, optional
        Airflow connections (amazon provider) of the data and the evidence bucket. By default boto3
        looks for endpoint and credentials itself: environment, profile, instance role.
    """

    template_fields: Sequence[str] = ("aws_conn_id", "evidence_conn_id")
    ui_color = "#e3f2fd"
    page = ""  # what EvidenceLink leads to, and through which connection
    evidence_place: "Connection | None" = None

    def __init__(
        self,
        *,
        aws_conn_id: str | None = None,
        evidence_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.aws_conn_id = aws_conn_id
        self.evidence_conn_id = evidence_conn_id

    def _connections(self) -> "Connections":
        from modelwarden.jobs.session import Connections

        data = _connection(self.aws_conn_id, "aws_conn_id")
        evidence = _connection(self.evidence_conn_id, "evidence_conn_id") or data
        self.evidence_place = evidence
        return Connections(data=data, evidence=evidence)

    def _push(self, context: Any, values: Mapping[str, Any]) -> None:
        """Push what may be needed downstream before anything raises."""
        for name, value in values.items():
            context["ti"].xcom_push(key=name, value=value)


class ReportOperator(JobOperator):
    """What operators share whose task ends with a report: what becomes of it.

    Pushes ``return_value`` (see :func:`modelwarden.airflow_results.summary`) and the URI of each
    table that the check wrote under the table's name, such as ``kept``. Events of `outlets` are
    emitted only when the check succeeded.

    Parameters
    ----------
    evidence : str, default=""
        Prefix for report and signed statement.
    key : str, default=""
        Signing key: a PEM file or ``env:NAME``. Without one nothing is signed, and a gate refuses.
    on_fail : {"record", "fail", "warn"}, default="record"
        What a failed check does to the task: nothing, fail it, or a warning in its log. Leave it
        when a gate follows: the gate denies.
    notifiers : sequence of BaseNotifier, default=()
        Called when the check fails, with what is pushed as ``security_alert`` in the context.
    """

    template_fields: Sequence[str] = (*JobOperator.template_fields, "evidence", "key", "on_fail")
    operator_extra_links = (EvidenceLink(),)
    inputs: Mapping[str, str] = MappingProxyType({})
    result: Mapping[str, Any] | None = None
    check: str

    def __init__(
        self,
        *,
        evidence: str = "",
        key: str = "",
        on_fail: str = "record",
        notifiers: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.evidence, self.key, self.on_fail = evidence, key, on_fail
        self.notifiers = notifiers

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Tell OpenLineage how the check ended."""
        from modelwarden.airflow_lineage import lineage

        return lineage(self._card(), self.inputs, self.result)

    get_openlineage_facets_on_failure = get_openlineage_facets_on_complete

    def _card(self) -> "Card":
        return card(self.check)

    def _expect_on_fail(self) -> None:
        if self.on_fail not in ON_FAIL:
            raise InputError("on_fail", "record, fail or warn", repr(self.on_fail))

    def _conclude(self, context: Any, outcome: Mapping[str, Any]) -> dict[str, Any]:
        """Push what was found; then fail, warn, or leave it to a gate."""
        result = summary(outcome, self.on_fail)
        self.result, self.page = result, result["page"]
        self._push(context, {"return_value": result, **result["tables"]})
        extra = {"evidence": result["evidence"], "sha256": result["sha256"]}
        if not result["success"]:
            deliver_all(self.notifiers, context, result, self.log)
        announce(self, context, good=result["success"], extra=extra)
        verdict = Rejected(result["check"], tuple(result["failures"]), result["page"])
        if not result["success"] and self.on_fail == "fail":
            raise verdict
        if not result["success"] and self.on_fail == "warn":
            self.log.warning("%s", verdict)
        return result


class CheckOperator(ReportOperator):
    """Run one check; the subclasses below say which, and may be imitated for your own.

    Parameters
    ----------
    python : str, default=""
        Another interpreter to run the check in, which has modelwarden and what the check needs.
    **kwargs
        As for :class:`ReportOperator`.
    """

    template_fields: Sequence[str] = (*ReportOperator.template_fields, "python")

    def __init__(self, *, python: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.python = python

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the check on what the templates rendered."""
        with translated(self):
            known = self._card()
            self._expect_on_fail()
            self.inputs = {name: getattr(self, name) for name in known.inputs}
            outcome = self._measure(
                inputs=self.inputs,
                options={name: getattr(self, name) for name in known.options},
                tables={name: getattr(self, name) for name in known.tables},
                evidence=self.evidence,
                key=self.key,
            )
            return self._conclude(context, outcome)

    def _measure(self, **asked: Any) -> Mapping[str, Any]:
        """Run the check, here or in another interpreter."""
        where = self._connections()
        if self.python:
            from modelwarden.jobs.elsewhere import check_elsewhere

            return check_elsewhere(
                self.python, self.check, connections=where, log=self.log.info, **asked
            )
        from modelwarden.jobs.check import check
        from modelwarden.work import Work

        work = Work(self._log_progress)
        return check(self.check, work=work, connections=where, **asked).as_json()

    def _log_progress(self, label: str, done: int, total: int) -> None:
        if done == total:
            self.log.info("%s: %d of %d", label, done, total)


def _fields(check: str) -> tuple[str, ...]:
    known = CHECKS[check]
    return (*CheckOperator.template_fields, *known.inputs, *known.options, *known.tables)


class IntegrityOperator(CheckOperator):
    """Hold a table against a Great Expectations suite, trusted data's profile, or both.

    One of `suite` and `profile` must be given. `data_docs` is the URI for Great Expectations' own
    page. See :func:`modelwarden.checks.integrity.integrity`.
    """

    check = "integrity"
    template_fields: Sequence[str] = _fields("integrity")

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
    template_fields: Sequence[str] = _fields("roni")

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
    template_fields: Sequence[str] = _fields("restore")

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
    template_fields: Sequence[str] = _fields("drift")

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
    template_fields: Sequence[str] = _fields("backdoor")

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


class EvasionOperator(CheckOperator):
    """Attack a model with small perturbations.

    `space` may be left out. `broken` and `pictures` are URIs for examples of broken rows, which are
    rows of data. See :func:`modelwarden.checks.evasion.evasion`.
    """

    check = "evasion"
    template_fields: Sequence[str] = _fields("evasion")

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
    template_fields: Sequence[str] = _fields("extraction")

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
    template_fields: Sequence[str] = _fields("membership")

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


class EndpointOperator(CheckOperator):
    """Probe a staging endpoint: authentication, second factor, limits per client.

    Credentials come from the worker's variables ``MODELWARDEN_PROBE_...`` that the serving file
    names. See :func:`modelwarden.checks.endpoint.endpoint`.
    """

    check = "endpoint"
    template_fields: Sequence[str] = _fields("endpoint")

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


class BucketOperator(CheckOperator):
    """Report how a bucket is kept: versions, object lock, encryption, public access.

    See :func:`modelwarden.checks.bucket.bucket`.
    """

    check = "bucket"
    template_fields: Sequence[str] = _fields("bucket")

    def __init__(self, *, model: str, bucket: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model, self.bucket = model, bucket


class ModelFileOperator(CheckOperator):
    """Refuse a model file that could execute code.

    See :func:`modelwarden.checks.model_file.model_file`.
    """

    check = "model_file"
    template_fields: Sequence[str] = _fields("model_file")

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model


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
    template_fields = _fields("traffic")

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
    template_fields = _fields("access")

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


class RecordTrainingOperator(JobOperator):
    """Sign which table a model was trained on: :func:`modelwarden.jobs.trained.trained`."""

    template_fields: Sequence[str] = (
        *JobOperator.template_fields,
        "model",
        "data",
        "evidence",
        "key",
        "author",
    )

    def __init__(
        self, *, model: str, data: str, evidence: str, key: str, author: str = "", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.model, self.data, self.evidence, self.key = model, data, evidence, key
        self.author = author

    def execute(self, context: Any) -> str:
        """Return the URI of the statement."""
        from modelwarden.jobs.trained import trained

        with translated(self):
            return trained(
                self.model,
                data=self.data,
                evidence=self.evidence,
                key=self.key,
                author=self.author,
                connections=self._connections(),
            ).uri


class DeploymentGateOperator(JobOperator, SkipMixin):
    """Decide whether a model may be deployed: :func:`modelwarden.jobs.gate.gate`.

    Runs even when checks crashed (``trigger_rule="all_done"``): what is missing denies, and the
    denial is written down. Pushes ``return_value`` (allow, decision, reasons) and ``decision``.

    Parameters
    ----------
    model, policy, trust : str
        URIs of the model, the policy and the trust file.
    evidence : str
        Prefix below which statements lie and the decision goes.
    key : str
        The gate's key: a PEM file or ``env:NAME``.
    on_block : {"fail", "skip", "record"}, default="fail"
        Whether a denial fails the task, skips all that comes after it, or is left to
        ``VerifyDecisionOperator``. A mapped gate cannot skip.
    """

    template_fields: Sequence[str] = (
        *JobOperator.template_fields,
        "model",
        "policy",
        "evidence",
        "trust",
        "key",
        "on_block",
    )
    ui_color = "#ffe0b2"
    operator_extra_links = (EvidenceLink(),)
    inherits_from_skipmixin = True  # or a cleared task would run although it was skipped

    def __init__(
        self,
        *,
        model: str,
        policy: str,
        evidence: str,
        trust: str,
        key: str,
        on_block: str = "fail",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("trigger_rule", TriggerRule.ALL_DONE)
        super().__init__(**kwargs)
        self.model, self.policy, self.trust = model, policy, trust
        self.evidence, self.key, self.on_block = evidence, key, on_block

    def execute(self, context: Any) -> dict[str, Any]:
        """Decide, push the decision, then block."""
        from modelwarden.jobs.gate import gate

        with translated(self):
            if self.on_block not in ("fail", "skip", "record"):
                raise InputError("on_block", "fail, skip or record", repr(self.on_block))
            if self.on_block == "skip" and context["ti"].map_index >= 0:
                raise InputError("on_block", "fail or record in a mapped gate", "'skip'")
            ruling = gate(
                self.model,
                policy=self.policy,
                evidence=self.evidence,
                trust=self.trust,
                key=self.key,
                connections=self._connections(),
            )
            result, self.page = ruling.as_json(), ruling.page_uri
            self._push(context, {"return_value": result, "decision": ruling.statement.uri})
            allowed, filed = ruling.decision.allowed, ruling.statement
            extra = {"decision": filed.uri, "sha256": filed.sha256, "model": self.model}
            announce(self, context, good=allowed, extra=extra)
            verdict = Rejected(self.model, ruling.decision.reasons, filed.uri)
            if self.on_block == "fail" and not allowed:
                raise verdict
            if self.on_block == "skip" and not allowed:
                self.log.warning("%s", verdict)
                after = self.get_flat_relatives(upstream=False)
                self.skip(ti=context["ti"], tasks=[t for t in after if not t.is_teardown])
        return result


class VerifyDecisionOperator(JobOperator):
    """Re-check a decision and all it rests on: :func:`modelwarden.jobs.verify.verify`.

    Put it right before every use of the model. A task marked green by hand does not help: the
    signed files are read again.
    """

    template_fields: Sequence[str] = (
        *JobOperator.template_fields,
        "decision",
        "model",
        "policy",
        "trust",
    )

    def __init__(
        self, *, decision: str, model: str, policy: str, trust: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.decision, self.model, self.policy, self.trust = decision, model, policy, trust

    def execute(self, context: Any) -> str:
        """Return the SHA-256 of the model that may be used."""
        from modelwarden.jobs.session import Session
        from modelwarden.jobs.verify import verify_in

        with translated(self), Session(self._connections()) as session:
            done = verify_in(
                session, self.decision, model=self.model, policy=self.policy, trust=self.trust
            )
            extra = {"decision": self.decision, "sha256": done.sha256, "model": self.model}
            announce(self, context, good=True, extra=extra)
            return done.verdict.model


class ReleaseOperator(JobOperator):
    """Publish a model whose decision holds, once: :func:`modelwarden.jobs.release.release`."""

    template_fields: Sequence[str] = (
        *JobOperator.template_fields,
        "decision",
        "model",
        "policy",
        "trust",
        "evidence",
        "to",
        "run_name",
        "key",
    )

    def __init__(
        self,
        *,
        decision: str,
        model: str,
        policy: str,
        trust: str,
        evidence: str,
        to: str,
        run_name: str = "{{ dag.dag_id }}/{{ run_id }}",
        key: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.decision, self.model, self.policy, self.trust = decision, model, policy, trust
        self.evidence, self.to, self.run_name, self.key = evidence, to, run_name, key

    def execute(self, context: Any) -> dict[str, Any]:
        """Return where the model was published."""
        from modelwarden.jobs.release import release

        with translated(self):
            released = release(
                self.decision,
                model=self.model,
                policy=self.policy,
                trust=self.trust,
                evidence=self.evidence,
                to=self.to,
                run=self.run_name,
                key=self.key,
                connections=self._connections(),
            )
            extra = {
                "decision": self.decision,
                "sha256": released.decision,
                "model": released.model,
            }
            announce(self, context, good=True, extra=extra)
            return released.as_json()


@contextmanager
def translated(operator: JobOperator) -> Iterator[None]:
    """Turn what a retry cannot change into a final failure; let the rest be retried.

    The log gets one line besides the traceback, which names the argument at fault.
    """
    try:
        yield
    except ModelWardenError as error:
        line = one_line(operator, error)
        if isinstance(error, StoreError) and error.retryable:
            operator.log.warning("%s", line)
            raise
        operator.log.error("%s", line)
        raise AirflowFailException(line) from error


def _connection(conn_id: str | None, argument: str) -> "Connection | None":
    """Read an Airflow connection through the amazon provider, which knows roles and profiles."""
    if not conn_id:
        return None
    try:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
    except ImportError as error:
        package = "apache-airflow-providers-amazon"
        raise InputError(argument, f"{package} to be installed", "no such package") from error
    from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

    from modelwarden.store import Connection

    try:  # the hook itself would go on without, and find whatever credentials are around
        BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        fix = "add it in Airflow, or leave the argument out"
        raise InputError(argument, f"a connection {conn_id!r}", "none", fix) from error

    hook: Any = AwsGenericHook(aws_conn_id=conn_id, client_type="s3")
    credentials = hook.get_credentials()
    return Connection(
        endpoint_url=hook.conn_config.get_service_endpoint_url("s3"),
        region_name=hook.region_name,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
    )
