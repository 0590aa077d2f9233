"""Traffic through the store: prefixes, digests, and tables on request."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from modelwarden.cli import cli
from modelwarden.errors import NotFoundError
from modelwarden.jobs.check import check
from modelwarden.limits import Budget
from modelwarden.logs.log import Log
from modelwarden.store import Store
from querylogs import nginx


@pytest.fixture
def inputs(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "access.log").write_text(f"{nginx()}\n" * 11)
    (tmp_path / "logs" / "access.log.1").write_text(f"{nginx('10.0.1.1')}\n" * 4)
    (tmp_path / "model").write_bytes(b"model")
    (tmp_path / "budget").write_bytes(Budget("0" * 64, 10, 1, "labels", 0.95, -1).as_bytes())
    return {
        "model": str(tmp_path / "model"),
        "logs": str(tmp_path / "logs") + "/",
        "budget": str(tmp_path / "budget"),
    }


def test_clients_are_named_only_where_it_was_asked_for(inputs, tmp_path):
    evidence = tmp_path / "evidence"
    outcome = check(
        "traffic", inputs=inputs, tables={"block": str(tmp_path / "b.csv")}, evidence=str(evidence)
    )

    assert outcome.report.metrics["clients_over_budget"] == 1
    assert outcome.tables == {"block": str(tmp_path / "b.csv")}
    assert "10.0.0.1" in (tmp_path / "b.csv").read_text()
    written = b"".join(file.read_bytes() for file in evidence.rglob("*") if file.is_file())
    assert b"10.0." not in written
    assert written


def test_the_digest_of_the_prefix_is_recorded(inputs, tmp_path):
    outcome = check("traffic", inputs=inputs, evidence=str(tmp_path / "e"))
    document = json.loads(Path(outcome.report_uri).read_bytes())
    with Store() as store:
        assert document["inputs"]["logs"] == Log.fetch(inputs["logs"], store).sha256


def test_one_file_may_be_named(inputs):
    inputs["logs"] += "access.log.1"

    assert check("traffic", inputs=inputs).report.metrics["lines"] == 4


def test_a_file_that_is_not_there_is_no_empty_log(inputs):
    inputs["logs"] += "access.log.2"
    with pytest.raises(NotFoundError):
        check("traffic", inputs=inputs)


def test_the_command_line_has_it(inputs):
    given = [word for name, uri in inputs.items() for word in (f"--{name}", uri)]
    result = CliRunner().invoke(cli, ["check", "traffic", *given])

    assert result.exit_code == 0, result.output
    assert "max_budget_used         1.1" in result.output
