"""What all operators share: where S3 is, what an error means to Airflow, what a report becomes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    BaseOperator,
)

from modelwarden.airflow_links import EvidenceLink
from modelwarden.airflow_notifier import deliver_all
from modelwarden.airflow_results import ON_FAIL, announce, summary
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


def fields_of(check: str) -> tuple[str, ...]:
    """Return what a check's operator lets templates fill."""
    known = CHECKS[check]
    return (*CheckOperator.template_fields, *known.inputs, *known.options, *known.tables)


@contextmanager
def translated(operator: JobOperator) -> Iterator[None]:
    """Turn what a retry cannot change into a final failure; let the rest be retried.

    The log gets one line besides the traceback; jobs name the argument at fault in it.
    """
    try:
        yield
    except ModelWardenError as error:
        line = " ".join(str(error).split())
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
