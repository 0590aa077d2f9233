"""Airflow operators for a check that many tasks share: map the shards, then join them.

::

    asked = {"check": "evasion", "inputs": {...}, "options": {...}, "parts": "s3://data/parts"}
    shards = ShardOperator.partial(task_id="shards", count=8, **asked).expand(index=[*range(8)])
    shards >> JoinOperator(task_id="evasion", evidence="s3://evidence", **asked)
"""

from collections.abc import Mapping, Sequence
from typing import Any

from modelwarden.airflow_operators import JobOperator, ReportOperator, translated
from modelwarden.errors import InputError

_ASKED = ("check", "inputs", "options", "parts", "evidence", "key")


class ShardOperator(JobOperator):
    """Do one shard's blocks of a check: :func:`modelwarden.jobs.shard.shard`.

    What is done already is not done again, so a retry goes on where it was cut off. Pushes what was
    done; the join reads storage, never XCom.

    Parameters
    ----------
    check : str
        A check that is done in blocks.
    inputs : mapping of str to str
        URI of each of its inputs.
    options : mapping of str to JSON, optional
        Its options.
    parts : str
        Prefix for what blocks come to, in the data bucket.
    index, count : int
        Which shard this is, from 0, and how many there are.
    evidence : str, default=""
        Prefix where a builder's word for a model with code of its own is found.
    key : str, default=""
        The key that will sign the result.
    """

    template_fields: Sequence[str] = (*JobOperator.template_fields, *_ASKED, "index", "count")

    def __init__(
        self,
        *,
        check: str,
        inputs: Mapping[str, str],
        parts: str,
        index: int | str,
        count: int | str,
        options: Mapping[str, Any] | None = None,
        evidence: str = "",
        key: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.check, self.inputs, self.options, self.parts = check, inputs, options, parts
        self.index, self.count, self.evidence, self.key = index, count, evidence, key

    def execute(self, context: Any) -> dict[str, Any]:
        """Do the shard."""
        from modelwarden.jobs.shard import shard

        with translated(self):
            share = shard(
                self.check,
                inputs=self.inputs,
                options=self.options,
                parts=self.parts,
                index=_whole("index", self.index),
                count=_whole("count", self.count),
                evidence=self.evidence,
                key=self.key,
                connections=self._connections(),
            )
            result = share.as_json()
            self._push(context, {"return_value": result})
        return result


class JoinOperator(ReportOperator):
    """Put all shards of a check together: :func:`modelwarden.jobs.join.join`.

    Does with the report what the check's own operator would. A missing, doubled, foreign or altered
    part fails the task for good.

    Parameters
    ----------
    check, inputs, options, parts, evidence, key
        As the shards were given them.
    tables : mapping of str to str, optional
        URIs for the tables that the check writes.
    on_fail, notifiers
        As for :class:`modelwarden.airflow_operators.ReportOperator`.
    """

    template_fields: Sequence[str] = (
        *ReportOperator.template_fields,
        "check",
        "inputs",
        "options",
        "parts",
        "tables",
    )

    def __init__(
        self,
        *,
        check: str,
        inputs: Mapping[str, str],
        parts: str,
        options: Mapping[str, Any] | None = None,
        tables: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.check, self.inputs, self.options, self.parts = check, inputs, options, parts
        self.tables = tables

    def execute(self, context: Any) -> dict[str, Any]:
        """Join the shards, push what they say, then fail if that was asked for."""
        from modelwarden.jobs.join import join

        with translated(self):
            self._expect_on_fail()
            outcome = join(
                self.check,
                inputs=self.inputs,
                options=self.options,
                parts=self.parts,
                evidence=self.evidence,
                key=self.key,
                tables=self.tables,
                connections=self._connections(),
            )
            return self._conclude(context, outcome.as_json())


def _whole(name: str, value: int | str) -> int:
    """Read a number that a template may have made a text."""
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise InputError(name, "a whole number", repr(value)) from error
