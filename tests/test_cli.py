"""The command line: exit codes, one line per error, help that teaches."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from modelwarden.cli import main; main()"]


def run(*arguments, cwd=None):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, cwd=cwd)


def test_help_shows_the_way_of_a_model_and_the_exit_codes():
    text = run("--help").stdout

    for word in ("keys new", "check ...", "trained", "gate", "verify", "release", "Exit codes"):
        assert word in text


@pytest.mark.parametrize("command", [[], ["check"], ["shard"], ["policy"]])
def test_help_keeps_the_lines_of_its_examples(command):
    lines = run(*command, "--help").stdout.splitlines()

    assert not any("\\b" in line for line in lines)
    assert any(re.match(r"  (  gate  |  modelwarden |  # yaml)", line) for line in lines)


def test_help_of_a_check_names_its_metrics_and_what_options_mean():
    text = " ".join(run("check", "evasion", "--help").stdout.split())

    assert "robust_accuracy_low" in text
    assert "Rows to attack, chosen by seed. [default: 300]" in text


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["check", "roni", "--train", "t"], 2, "Missing option"),
        (["check", "rony"], 2, "No such command"),
        (["policy", "check", "/nowhere.yaml"], 4, "/nowhere.yaml"),
        (["trained", "m", "--data", "d", "--evidence", "e", "--key", "/no.pem"], 3, "/no.pem"),
        (["check", "model_file", "--model", "ftp://x/y"], 2, "s3://"),
    ],
)
def test_errors_are_one_line_and_have_their_exit_code(arguments, code, says):
    done = run(*arguments)

    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_makes_a_key_pair_that_only_the_owner_can_read(tmp_path):
    assert run("keys", "new", "gate", cwd=tmp_path).returncode == 0
    assert (tmp_path / "gate.pem").stat().st_mode & 0o777 == 0o600
    assert "PUBLIC KEY" in (tmp_path / "gate.pub").read_text()


def test_never_overwrites_a_key(tmp_path):
    run("keys", "new", "gate", cwd=tmp_path)
    before = (tmp_path / "gate.pem").read_bytes()

    assert run("keys", "new", "gate", cwd=tmp_path).returncode != 0
    assert (tmp_path / "gate.pem").read_bytes() == before


def test_says_what_a_policy_demands(tmp_path):
    policy = Path(__file__).parents[1] / "expectations/policies/default.yaml"

    assert "roni.rejected_fraction <= 0.05" in run("policy", "check", str(policy)).stdout


def test_says_which_inputs_must_have_been_left_out(tmp_path):
    policy = Path(__file__).parents[1] / "expectations/policies/default.yaml"

    assert "trusted=any, no estimator" in run("policy", "check", str(policy)).stdout


def test_puts_rows_back_in_the_words_of_roni(tmp_path):
    (tmp_path / "train.csv").write_text("a,label\n1,0\n2,1\n3,0\n")
    (tmp_path / "kept.csv").write_text("a,label\n1,0\n")
    (tmp_path / "rows.csv").write_text("row,decision\n1,kept\n2,rejected\n3,rejected\n")
    tables = ["--filtered", "kept.csv", "--train", "train.csv", "--rows", "rows.csv"]
    done = run("roni", "restore", *tables, "--restore", "3", "--kept", "k2.csv", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "restored_rows           1" in done.stdout
    assert (tmp_path / "k2.csv").read_text() == "a,label\n1,0\n3,0\n"


def test_a_rejected_check_exits_with_1_after_it_printed_what_it_found(tmp_path):
    (tmp_path / "m").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    done = run("check", "model_file", "--model", str(tmp_path / "m"), "--output", "json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["success"] is False
    assert done.stderr.startswith("rejected: ")


def test_compiles_components(tmp_path):
    done = run("compile", str(tmp_path), "--pipelines", str(tmp_path / "none"))

    assert done.returncode == 0
    assert (tmp_path / "components" / "security_gate.yaml").exists()
