"""``@task.security_check``: a check of your own, written in the DAG file.

The function returns numbers by name, or a :class:`modelwarden.report.Report` if it also wants to
say why the result must not be used. What it reads is named in `reads`: there it gets an open table,
model or file instead of a URI, and the digest of exactly those bytes goes into the evidence.

.. code-block:: python

    @task.security_check(reads={"model": "file"}, evidence=EVIDENCE, key="env:MODEL_KEY")
    def size(model, limit=1_000_000):
        big = () if model.size <= limit else (f"{model.size} bytes",)
        return Report("size", {"bytes": model.size}, failures=big)

A gate hears what the function's statement says once a policy may speak of it: where the gate runs,
a :class:`modelwarden.cards.Card` of that name is installed (entry-point group
``modelwarden.checks``), and the trust file lets the key's role speak for it.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from airflow.providers.common.compat.sdk import DecoratedOperator, task_decorator_factory

from modelwarden.airflow_operators import ReportOperator, translated
from modelwarden.cards import Card
from modelwarden.checks import CHECKS
from modelwarden.errors import InputError
from modelwarden.report import Findings, Json, Report, canonical, finite

KINDS = ("table", "model", "estimator", "file", "log", "bucket")


class SecurityCheckTask(DecoratedOperator, ReportOperator):
    """Run a function as a check.

    Parameters
    ----------
    reads : mapping of str to {"table", "model", "estimator", "file", "log", "bucket"}, optional
        Arguments that are URIs, and what to open them as; the first is what the statement is about.
        All other arguments are options: JSON values, which the statement records.
    check : str, optional
        What the check is called; the function's name by default.
    evidence, key, on_fail, aws_conn_id, evidence_conn_id : str
        As in :class:`modelwarden.airflow_operators.ReportOperator`.
    """

    custom_operator_name = "@task.security_check"
    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *ReportOperator.template_fields,
    )

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        reads: Mapping[str, str] | None = None,
        check: str = "",
        multiple_outputs: bool = False,
        **kwargs: Any,
    ) -> None:
        self.check = check or python_callable.__name__
        self.reads = dict(reads or {})
        _expect_card(self.check, self.reads, python_callable)
        if kwargs.get("python"):
            raise InputError(f"{self.check}: python", "nothing", "an interpreter", "install a card")
        if not self.reads and (kwargs.get("evidence") or kwargs.get("key")):
            fix = "name the arguments that are read: evidence is about bytes"
            raise InputError(f"{self.check}: reads", "an argument", "none", fix)
        del multiple_outputs  # the factory derives it from the annotation; a summary is one value
        super().__init__(python_callable=python_callable, **kwargs)

    def execute(self, context: Any) -> dict[str, Any]:
        """Call the function with what it reads, and file what it says."""
        with translated(self):
            self._expect_on_fail()
            given, extra = self._arguments(context)
            inputs = {argument: given.pop(argument, "") for argument in self.reads}
            options = {
                name: _plain(f"{self.check}: {name}", value) for name, value in given.items()
            }
            return self._conclude(context, self._report(inputs, options, extra))

    def _card(self, options: Mapping[str, Json] | None = None) -> Card:
        where = f"{self.python_callable.__module__}:{self.python_callable.__name__}"
        about = inspect.getdoc(self.python_callable) or self.check
        return Card(where, about.partition("\n")[0], self.reads, options or {}, {}, {})

    def _arguments(self, context: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what the DAG gave, defaults included, and what Airflow adds."""
        signature = inspect.signature(self.python_callable)
        given = signature.bind_partial(*self.op_args, **self.op_kwargs).arguments
        wanted = {n: p.default for n, p in signature.parameters.items() if n not in given}
        extra = {name: context[name] for name in wanted if name in context}
        return {**given, **{n: d for n, d in wanted.items() if n not in extra}}, extra

    def _report(
        self, inputs: dict[str, str], options: dict[str, Json], extra: dict[str, Any]
    ) -> Mapping[str, Json]:
        from modelwarden.jobs.check import Outcome, Own, check

        def function(*handles: Any, work: object = None, **asked: Json) -> Findings:
            del work
            opened = dict(zip(self.reads, handles, strict=True))
            said = self.python_callable(**opened, **asked, **extra)
            return Findings(_as_report(self.check, said))

        if not self.reads:
            return Outcome(function(**options).report, "", {}).as_json()
        self.inputs = inputs
        return check(
            self.check,
            inputs=inputs,
            evidence=self.evidence,
            key=self.key,
            connections=self._connections(),
            own=Own(self._card(options), function),
        ).as_json()


def security_check(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> Any:
    """Decorate a function of a DAG file: it becomes a check. See `SecurityCheckTask`."""
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=SecurityCheckTask, **kwargs
    )


def _expect_card(check: str, reads: Mapping[str, str], function: Callable[..., Any]) -> None:
    """Refuse what could not be a check, when the DAG is parsed."""
    if check in CHECKS or not re.fullmatch(r"[a-z][a-z0-9_]*", check):
        got = f"{check!r}, which is ours" if check in CHECKS else repr(check)
        raise InputError("check", "a name of its own, such as row_count", got, "give check=")
    parameters = inspect.signature(function).parameters
    for name, kind in reads.items():
        if name not in parameters:
            known = ", ".join(parameters) or "no arguments"
            raise InputError(f"{check}: reads", f"one of: {known}", repr(name))
        if kind not in KINDS:
            raise InputError(f"{check}: reads {name}", f"one of: {', '.join(KINDS)}", repr(kind))
    for name, parameter in parameters.items():
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            raise InputError(f"{check}: {name}", "arguments with names", str(parameter))


def _plain(where: str, value: Any) -> Json:
    """Return a value that a statement can record, or say which argument is none."""
    try:
        canonical(value)
    except (TypeError, ValueError) as error:
        got = f"a {type(value).__name__}"
        raise InputError(where, "a JSON value, or an entry in reads", got) from error
    return value


def _as_report(check: str, said: Any) -> Report:
    """Return what a function said as a report."""
    where = f"what {check} returned"
    if isinstance(said, Report):
        return replace(said, check=check)
    if not isinstance(said, Mapping) or not said:
        raise InputError(where, "numbers by name, or a Report", repr(said)[:80])
    return Report(check, {str(name): _number(where, name, value) for name, value in said.items()})


def _number(where: str, name: object, value: Any) -> float | None:
    """Return a number, also one of NumPy; NaN and None are undefined, which every policy denies."""
    plain = value.item() if hasattr(value, "item") else value
    if plain is None or (isinstance(plain, (int, float)) and not isinstance(plain, bool)):
        return finite(plain)
    raise InputError(f"{where}: {name}", "a number", repr(value)[:80], "1.0 says that it holds")
