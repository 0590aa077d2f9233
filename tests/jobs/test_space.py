"""From a table to a space file, through the store."""

import hashlib
import json

import pandas as pd
import pytest
from click.testing import CliRunner

from modelwarden.cli import cli
from modelwarden.errors import ConflictError, InputError, NotFoundError
from modelwarden.jobs.space import derive
from modelwarden.space.rules import Rules

ROWS = pd.DataFrame(
    {"amount": [1, 2, 3, 4], "kind": ["a", "b"] * 2, "rate": [0.1, 0.2, 0.3, 0.9], "y": [0, 1] * 2}
)


@pytest.fixture
def table(tmp_path):
    ROWS.to_csv(tmp_path / "t.csv", index=False)
    return str(tmp_path / "t.csv")


@pytest.fixture
def suite(tmp_path):
    """Return a function that writes a suite of one expectation."""

    def write(kind, **kwargs):
        entry = {"type": kind, "kwargs": kwargs}
        (tmp_path / "suite.json").write_text(json.dumps({"expectations": [entry]}))
        return str(tmp_path / "suite.json")

    return write


def test_writes_a_file_that_names_every_column_but_the_labels(table, tmp_path):
    out = str(tmp_path / "space.yaml")

    derived = derive(table, target="y", out=out)
    body = (tmp_path / "space.yaml").read_bytes()

    assert (derived.uri, derived.sha256) == (out, hashlib.sha256(body).hexdigest())
    assert Rules.parse(body, out).named == {"amount", "kind", "rate"}
    digest = hashlib.sha256((tmp_path / "t.csv").read_bytes()).hexdigest()
    assert f"# From 4 rows, sha256 {digest}, labels y.\n" in body.decode()


def test_the_same_table_gives_the_same_bytes_wherever_it_is(table, tmp_path):
    (tmp_path / "other.csv").write_bytes((tmp_path / "t.csv").read_bytes())

    one = derive(table, target="y", out=str(tmp_path / "1.yaml"))
    other = derive(str(tmp_path / "other.csv"), target="y", out=str(tmp_path / "2.yaml"))

    assert one.sha256 == other.sha256
    assert derive(table, target="y", out=one.uri) == one


def test_a_suite_bounds_what_it_speaks_about(table, suite, tmp_path):
    given = suite("expect_column_values_to_be_between", column="amount", min_value=0, max_value=99)

    derived = derive(table, target="y", suite=given, out=str(tmp_path / "s.yaml"))
    body = (tmp_path / "s.yaml").read_bytes()
    columns = Rules.parse(body, derived.uri).columns

    assert (columns["amount"].least, columns["amount"].most) == (0, 99)
    assert (columns["rate"].least, columns["rate"].most) == (0.1, 0.9)
    digest = hashlib.sha256((tmp_path / "suite.json").read_bytes()).hexdigest()
    assert f"# Bounds by the suite with sha256 {digest}.\n" in body.decode()


def test_a_suite_may_speak_about_the_labels(table, suite, tmp_path):
    given = suite("expect_column_values_to_be_in_set", column="y", value_set=[0, 1])

    derive(table, target="y", suite=given, out=str(tmp_path / "s.yaml"))

    assert b"\n  y:" not in (tmp_path / "s.yaml").read_bytes()


def test_a_suite_that_would_be_executed_is_refused(table, suite, tmp_path):
    condition = {"row_condition": "__import__('os')", "condition_parser": "pandas"}
    given = suite("expect_column_values_to_be_between", column="amount", min_value=0, **condition)

    with pytest.raises(InputError, match=r"expectation 1 .* no condition_parser, got one; pandas"):
        derive(table, target="y", suite=given, out=str(tmp_path / "s.yaml"))
    assert not (tmp_path / "s.yaml").exists()


def test_a_suite_of_another_table_is_refused(table, suite, tmp_path):
    given = suite("expect_column_values_to_be_between", column="amuont", min_value=0)

    with pytest.raises(InputError, match="did you mean 'amount'"):
        derive(table, target="y", suite=given, out=str(tmp_path / "s.yaml"))


@pytest.mark.parametrize("body", ["{}", "[]", '{"expectations": []}', '{"expectations": 1}'])
def test_what_is_no_suite_is_refused(table, tmp_path, body):
    (tmp_path / "suite.json").write_text(body)

    with pytest.raises(InputError, match="expected a suite with expectations"):
        derive(table, target="y", suite=str(tmp_path / "suite.json"), out=str(tmp_path / "s.yaml"))


def test_never_overwrites(table, tmp_path):
    (tmp_path / "s.yaml").write_text("mine")

    with pytest.raises(ConflictError):
        derive(table, target="y", out=str(tmp_path / "s.yaml"))
    assert (tmp_path / "s.yaml").read_text() == "mine"


def test_labels_that_are_not_there_are_refused(table, tmp_path):
    with pytest.raises(InputError, match="expected a column 'label'"):
        derive(table, target="label", out=str(tmp_path / "s.yaml"))


def test_a_table_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(NotFoundError):
        derive(str(tmp_path / "t.csv"), target="y", out=str(tmp_path / "s.yaml"))


def test_the_command_line_says_where_the_file_is_and_what_to_do_with_it(table, tmp_path):
    out = str(tmp_path / "s.yaml")

    done = CliRunner().invoke(cli, ["space", table, "--target", "y", "--out", out])

    digest = hashlib.sha256((tmp_path / "s.yaml").read_bytes()).hexdigest()
    assert done.output.splitlines()[:2] == [f"space:      {out}", f"sha256:     {digest}"]
    assert "correct the file before you use it" in done.output
