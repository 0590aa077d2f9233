"""Notifiers: any of Airflow's for what our operators find, and ours for what any task does.

A notifier of yours gets the context of the task and in it ``security_alert``: from an operator of a
check what it pushes to XCom, from an `AlertOperator` a notice of what changed. Both are JSON.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.common.compat.sdk import BaseNotifier

from modelwarden.errors import ModelWardenError, Rejected

ALERT_KEY = "security_alert"
"""What it is called in the context."""


def deliver(notifier: Any, context: Any, said: Mapping[str, Any]) -> None:
    """Call a notifier as Airflow does, except that what it raises is raised.

    Rendering changes a notifier for good, so it is a copy that is rendered.
    """
    given: Any = {**context, ALERT_KEY: dict(said)}
    if not isinstance(notifier, BaseNotifier):
        notifier(given)
        return
    mine = copy.copy(notifier)
    given.update({name: getattr(mine, name) for name in mine.template_fields})
    mine.render_template_fields(given)
    mine.notify(given)


def deliver_all(notifiers: Sequence[Any], context: Any, said: Mapping[str, Any], log: Any) -> None:
    """Call each; one that is broken keeps neither the others nor the task from going on."""
    for notifier in notifiers:
        try:
            deliver(notifier, context, said)
        except Exception as error:  # noqa: BLE001 - somebody else's code; the verdict stands
            name, kind = type(notifier).__name__, type(error).__name__
            log.error("the notifier %s failed: %s", name, kind)


class SecurityAlertNotifier(BaseNotifier):
    """Tell people through our channels, and only what changed.

    As ``on_failure_callback`` a task that fails alerts once, however often it fails; as
    ``on_success_callback`` too, it recovers. As one of an operator's ``notifiers=`` it sends what
    the operator found. The check that an alert is about is the task's id.

    Parameters
    ----------
    model : str
        What alerts are about.
    state : str
        Prefix for what is known about alerts.
    channels : sequence of dict
        See :class:`modelwarden.alerts.file.Channel`.
    key : str, default=""
        Signs the state: a PEM file or ``env:NAME``.
    reminder_days : int, default=7
        After so many days a fault that lasts is told again.
    quiet_runs : int, default=2
        Runs in a row without the fault until it has recovered.
    """

    template_fields = ("model", "state", "key")

    def __init__(
        self,
        *,
        model: str,
        state: str,
        channels: Sequence[Mapping[str, Any]],
        key: str = "",
        reminder_days: int = 7,
        quiet_runs: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model, self.state, self.channels, self.key = model, state, channels, key
        self.reminder_days, self.quiet_runs = reminder_days, quiet_runs

    def notify(self, context: Any) -> None:
        """Send what the context says."""
        from modelwarden.jobs.alert import alert_of_task, forward

        said = context.get(ALERT_KEY) or {}
        if "alerts" in said:  # an AlertOperator has held it against what is known
            forward(said, self.channels)
            return
        task = context["ti"]
        alert_of_task(
            self.model,
            task.task_id,
            problems=_problems(said, context.get("exception")),
            page=said.get("page", ""),
            state=self.state,
            run=f"{task.dag_id}/{task.run_id}/{task.task_id}/{task.map_index}",
            channels=self.channels,
            key=self.key,
            reminder_days=self.reminder_days,
            quiet_runs=self.quiet_runs,
        ).require_delivery()


def _problems(said: Mapping[str, Any], error: object) -> list[str]:
    """Return why a task failed, without values that an error may quote; nothing if it did not."""
    if said.get("failures"):
        return [str(failure) for failure in said["failures"]]
    if error is None:
        return []
    cause = getattr(error, "__cause__", None)
    if isinstance(cause, Rejected):
        return list(cause.reasons)
    if isinstance(cause, ModelWardenError):
        return [f"the task failed: expected {cause.expected}; see its log"]
    return [f"the task failed with {type(error).__name__}; see its log"]
