"""Airflow tasks for monitoring: which batches are new, and who has to know what was found."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import TriggerRule

from modelwarden.airflow_notifier import deliver
from modelwarden.airflow_operators import JobOperator, translated
from modelwarden.errors import InputError, Rejected, StoreError

if TYPE_CHECKING:
    from modelwarden.alerts import Notice


class NewBatchesOperator(JobOperator):
    """List the batches of a folder that no `AlertOperator` has noted as analysed.

    Parameters
    ----------
    prefix : str
        Folder whose objects are batches.
    state : str
        Prefix of the `AlertOperator`'s state.
    at_most : int, default=20
        How many, in the order of their names.
    key : str, default=""
        The `AlertOperator`'s key: only what it has signed counts as analysed.
    """

    template_fields: Sequence[str] = (
        *JobOperator.template_fields,
        "prefix",
        "state",
        "at_most",
        "key",
    )

    def __init__(
        self,
        *,
        prefix: str,
        state: str,
        at_most: int | str = 20,
        key: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prefix, self.state, self.at_most, self.key = prefix, state, at_most, key

    def execute(self, context: Any) -> list[str]:
        """Return their URIs."""
        from modelwarden.jobs.batches import list_new

        with translated(self):
            return list_new(
                self.prefix,
                state=self.state,
                at_most=int(self.at_most),
                key=self.key,
                connections=self._connections(),
            )


class AlertOperator(JobOperator):
    """Tell people what changed: a fault once, and its recovery once.

    Runs whatever became of the checks (``trigger_rule="all_done"``): a verdict that is missing is a
    fault. Of an outcome it takes where the report is, and reads the report by its digest.

    Parameters
    ----------
    model : str
        What alerts are about.
    outcomes : mapping of str to Any
        For each check what its task returned, such as ``drift.output``, or the URI of a report.
    state : str
        Prefix for what is known about alerts; its own, in the evidence bucket.
    channels : sequence of dict, or the same as JSON, default=()
        See :class:`modelwarden.alerts.file.Channel`.
    notifiers : sequence of BaseNotifier, default=()
        Called when something changed, with ``security_alert`` in the context.
    batches : sequence of str, optional
        What a `NewBatchesOperator` returned: mapped checks owe one outcome for each, and each is
        noted as analysed.
    limits : mapping, or the same as JSON, optional
        For each check, the largest usual value of metrics.
    key : str, default=""
        Signs the state: a PEM file or ``env:NAME``. Without one, who can write there can silence.
    reminder_days : int, default=7
        After so many days a fault that lasts is told again.
    quiet_runs : int, default=2
        Runs in a row without the fault until it has recovered.
    on_fault : {"record", "fail"}, default="record"
        Whether the task fails as long as a fault of the channel ``alert`` lasts.
    run_name : str
        What this run is called; by default DAG and run.
    """

    template_fields: Sequence[str] = (
        *JobOperator.template_fields,
        "model",
        "outcomes",
        "state",
        "channels",
        "batches",
        "limits",
        "key",
        "on_fault",
        "run_name",
    )
    ui_color = "#ffcdd2"

    def __init__(
        self,
        *,
        model: str,
        outcomes: Mapping[str, Any],
        state: str,
        channels: Sequence[Mapping[str, Any]] | str = (),
        notifiers: Sequence[Any] = (),
        batches: Any = (),
        limits: Mapping[str, Mapping[str, float]] | str | None = None,
        key: str = "",
        reminder_days: int = 7,
        quiet_runs: int = 2,
        on_fault: str = "record",
        run_name: str = "{{ dag.dag_id }}/{{ run_id }}",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("trigger_rule", TriggerRule.ALL_DONE)
        super().__init__(**kwargs)
        self.model, self.outcomes, self.state = model, outcomes, state
        self.channels, self.notifiers, self.batches = channels, notifiers, batches
        self.limits, self.key, self.on_fault = limits, key, on_fault
        self.reminder_days, self.quiet_runs = reminder_days, quiet_runs
        self.run_name = run_name

    def execute(self, context: Any) -> dict[str, Any]:
        """Tell people, push what was told, then say what went wrong."""
        from modelwarden.jobs.alert import alert, patience

        with translated(self):
            if self.on_fault not in ("record", "fail"):
                raise InputError("on_fault", "record or fail", repr(self.on_fault))
            outcomes = {name: _plain(value) for name, value in dict(self.outcomes).items()}
            batches = _plain(self.batches)
            done = alert(
                self.model,
                outcomes,
                state=self.state,
                run=self.run_name,
                channels=_json(self.channels, "channels") or (),
                notifiers=self._notifiers(context),
                expected=_expected(outcomes, batches),
                limits=_json(self.limits, "limits") or {},
                batches=batches or (),
                key=self.key,
                rules=patience(self.reminder_days, self.quiet_runs),
                connections=self._connections(),
            )
            result = done.as_json()
            self._push(context, {"return_value": result})
            done.require_delivery()
            if self.on_fault == "fail" and not done.quiet:
                lasting = tuple(f"{check} {column}".strip() for check, column, _ in done.standing)
                raise Rejected(self.model, lasting, done.page)
        return result

    def _notifiers(self, context: Any) -> dict[str, Any]:
        return {
            f"notifier {place} {type(one).__name__}": partial(_send, one, context)
            for place, one in enumerate(self.notifiers)
        }


def _send(notifier: Any, context: Any, notice: "Notice") -> None:
    try:
        deliver(notifier, context, notice.as_json())
    except Exception as error:
        kind = type(error).__name__  # its text may hold a secret
        name = f"notifier {type(notifier).__name__}"
        raise StoreError(name, "to get through", kind, "see it alone", retryable=True) from error


def _json(value: Any, name: str) -> Any:
    """Return what a template rendered, such as ``{{ params.limits | tojson }}``."""
    from modelwarden.documents import read_json

    return read_json(value.encode(), name, InputError) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """Return what a mapped task pushed as a list; Airflow hands out a lazy sequence."""
    return value if value is None or isinstance(value, str | Mapping) else list(value)


def _expected(outcomes: Mapping[str, Any], batches: Sequence[str] | None) -> dict[str, int]:
    """Return how many outcomes each mapped check owes; one, where it is not even known."""
    mapped = [name for name, value in outcomes.items() if isinstance(value, list)]
    if batches is None:  # the task that lists them failed
        return dict.fromkeys(mapped, 1)
    return (
        {name: len(batches) for name in mapped}
        if batches
        else {name: len(outcomes[name]) for name in mapped}
    )
