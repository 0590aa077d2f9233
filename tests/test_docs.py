"""What the documents show works: every snippet is executed as it stands."""

import json
import os
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import own_checks
import shop
import warm
from modelwarden.checks import CHECKS, cards
from modelwarden.cli import cli
from modelwarden.gateways import TARGETS
from modelwarden.keys import new_key
from modelwarden.limits import Budget
from modelwarden.policy import Policy
from modelwarden.probing.probe import PROPERTIES
from modelwarden.serving import Serving
from modelwarden.signing import Trust
from modelwarden.space.rules import ColumnRule, Image, Rules, Text
from modelwarden.space.table import Space
from modelwarden.store import File
from s3 import ENVIRONMENT, serve

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ROLES = ("data", "model", "builder", "gate")
FIT = """\
import joblib, pandas as pd, sys
from sklearn.linear_model import LogisticRegression
from modelwarden.store import Store

def fit(rows, model):
    with Store() as store:
        table = pd.read_csv(store.get(rows).path)
        labels = table.pop("label")
        joblib.dump(LogisticRegression().fit(table, labels), "model.joblib")
        store.put_once(model, open("model.joblib", "rb").read())

if __name__ == "__main__":
    fit("s3://data/kept.csv", "s3://data/model.joblib")
"""
TASK = """\
from airflow.sdk import task
from fit import fit

@task
def train(rows, model):
    fit(rows, model)
"""
COMPONENT = """\
from kfp import dsl

@dsl.component(base_image="python:3.11", install_kfp_package=False)
def train(rows: dsl.Input[dsl.Dataset], model: dsl.Output[dsl.Model]):
    from fit import fit
    fit(rows.path, model.path)
"""
RUN_DAG = """\
import sys
from airflow.dag_processing.dagbag import DagBag
from airflow.utils.db import initdb
initdb()
bag = DagBag("dags")
assert not bag.import_errors, bag.import_errors
sys.exit(bag.dags["gated_training"].test().state != "success")
"""
LOOK = """\
import json, os
from airflow.dag_processing.dagbag import DagBag
from airflow.models.asset import AssetEvent
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from airflow.utils.db import initdb
from modelwarden.store import Store
from sqlalchemy import select
initdb()  # what `airflow db migrate` does
bag = DagBag("dags")
with Store() as store:
    store.put_once("s3://data/model.joblib", b"a model")
states = {name: str(bag.dags[name].test().state) for name in ("churn", "own_check")}
with create_session() as session:
    links = select(XComModel).where(XComModel.key == "_link_EvidenceLink")
    told = {
        "states": states,
        "errors": bag.import_errors,
        "events": [event.asset.name for event in session.scalars(select(AssetEvent))],
        "links": {found.task_id: found.value for found in session.scalars(links)},
    }
print("LOOK " + json.dumps(told))
"""
RUN_PIPELINE = """\
import runpy
from kfp import local
local.init(local.SubprocessRunner(use_venv=False), pipeline_root="root")
runpy.run_path("snippet.py")["gated_training"](
    data="s3://data/train.csv", trusted="s3://governance/trusted.csv",
    policy="policy.yaml", trust="trust.yaml")
"""


def snippets(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def named(text, language, name):
    """Return the snippet whose first line is a comment with its name."""
    return next(code for code in snippets(text, language) if code.startswith(f"# {name}\n"))


@pytest.fixture
def project(tmp_path):
    """A user's folder: data in buckets, keys, and the README's policy and trust file."""
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": paths}
    environment |= {"AIRFLOW_HOME": str(tmp_path / "airflow"), "OMP_NUM_THREADS": "1"}
    environment |= {"AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags")}
    environment |= {"AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    environment |= {"MODELWARDEN_IMAGE": "modelwarden:0.1.0-python3.11"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for role in ROLES:
        private, public = new_key()
        (tmp_path / f"{role}.pem").write_bytes(private)
        (tmp_path / f"{role}.pub").write_bytes(public)
        environment[f"{role.upper()}_KEY"] = private.decode()
    for name in ("policy.yaml", "trust.yaml"):
        (tmp_path / name).write_text(named(README, "yaml", name))
    (tmp_path / "fit.py").write_text(FIT)
    with serve() as server:
        environment["AWS_ENDPOINT_URL"] = server.endpoint
        server.empty("data", "governance", "evidence")
        for seed, name in enumerate(("data/train", "governance/trusted", "governance/evaluation")):
            points = np.random.default_rng(seed).normal(size=(200, 2))
            table = pd.DataFrame(points, columns=["a", "b"]).assign(label=(points[:, 0] > 0) * 1)
            server.overwrite(f"s3://{name}.csv", table.to_csv(index=False).encode())

        def run(*command):
            return subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True
            )

        yield tmp_path, run


def test_the_readmes_dag_runs(project):
    folder, run = project
    (folder / "my_project.py").write_text(TASK)
    (folder / "dags").mkdir()
    (folder / "dags/snippet.py").write_text(named(README, "python", "dags/gated_training.py"))
    (folder / "run.py").write_text(RUN_DAG)
    done = run(sys.executable, "run.py")

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_the_airflow_pages_session_and_dag_run_as_they_stand(project):
    """What somebody does who has nothing but the page: keys, two files, a DAG, the commands."""
    folder, run = project
    page = (ROOT / "docs/airflow.md").read_text()
    for name in (*folder.glob("*.pem"), *folder.glob("*.pub")):
        name.unlink()
    for name in ("policy.yaml", "trust.yaml"):
        (folder / name).write_text(named(page, "yaml", name))
    (folder / "dags").mkdir()
    for name in ("churn", "own_check", "many", "deployment"):
        text = named(page, "python", f"dags/{name}.py")
        (folder / "dags" / f"{name}.py").write_text(text)
    commands = snippets(page, "sh")
    keys = next(text for text in commands if "keys new" in text)
    session = next(text for text in commands if "dags test" in text)
    (folder / "look.py").write_text(LOOK)
    exports = "\n".join(line for line in session.splitlines() if line.startswith("export "))
    done = run("bash", "-euc", f"{keys}\n{exports}\npython look.py")

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = json.loads(done.stdout.rpartition("LOOK ")[2].partition("\n")[0])
    assert told["errors"] == {}
    assert told["states"] == {"churn": "success", "own_check": "success"}
    assert told["events"] == ["approved model"]
    link = r"http://127\.0\.0\.1:\d+/evidence/churn/sha256/[0-9a-f]{64}\.html"
    assert re.fullmatch(link, told["links"]["gate"])


def test_the_airflow_page_shows_a_card_that_a_policy_can_speak_about():
    page = (ROOT / "docs/airflow.md").read_text()
    space = {}
    exec(named(page, "python", "my_project/cards.py"), space)
    (rule,) = re.findall(r"`(\{check: small.*?\})`", page)
    policy = f"version: 1\nrules:\n  - {rule}\n"

    assert Policy.read(policy.encode(), "docs", {**CHECKS, "small": space["SMALL"]}).rules


@pytest.mark.parametrize("name", CHECKS)
def test_the_airflow_page_lists_each_operator_with_its_arguments(name):
    card, page = CHECKS[name], (ROOT / "docs/airflow.md").read_text()
    operator = "".join(word.capitalize() for word in name.split("_")) + "Operator"
    reads = (f"[`{n}`]" if n in card.optional else f"`{n}`" for n in card.inputs)
    options = (f"`{n}`" if isinstance(d, type) else f"`{n}={d!r}`" for n, d in card.options.items())
    writes = (f"`{n}`" for n in card.tables)
    row = " | ".join([f"`{operator}`", *(", ".join(part) for part in (reads, options, writes))])

    assert f"| {row} |" in page, f"| {row} |"


def test_the_readmes_pipeline_runs(project):
    folder, run = project
    (folder / "my_project.py").write_text(COMPONENT)
    (folder / "snippet.py").write_text(named(README, "python", "pipelines/gated_training.py"))
    (folder / "run.py").write_text(RUN_PIPELINE)
    done = run(sys.executable, "run.py")

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_the_readmes_shell_session_runs(project):
    _, run = project
    script = next(code for code in snippets(README, "sh") if "modelwarden check roni" in code)
    script, count = re.subn(r"# \.\.\. your training.*", "python3 fit.py", script)
    assert count == 1
    done = run("bash", "-euc", script)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "allowed:" in done.stdout


KUBEFLOW = (ROOT / "docs/kubeflow.md").read_text()


@pytest.fixture
def newcomer(project, tmp_path_factory):
    """What somebody has who followed the Kubeflow page in a folder, and nothing else."""
    folder, run = project
    for name in ("churn.py", "run_here.py", "gated.py", "shards.py"):
        (folder / name).write_text(named(KUBEFLOW, "python", name))
    for name in ("policy.yaml", "trust.yaml"):
        (folder / name).write_text(named(KUBEFLOW, "yaml", name))
    (folder / "suite.json").write_text(snippets(KUBEFLOW, "json")[0])
    with warm.python(tmp_path_factory.mktemp("warm")) as interpreter:
        (folder / "warm_run.py").write_text(
            f"import sys; sys.executable = {str(interpreter / 'python3')!r}\n"
            "import runpy; runpy.run_path('run_here.py', run_name='__main__')\n"
        )
        yield folder, run


def test_the_kubeflow_pages_pipeline_runs_and_its_gate_holds(newcomer, monkeypatch):
    """Kubeflow's local runner, with an interpreter that need not import everything per task."""
    folder, run = newcomer
    for role in ROLES:
        (folder / f"{role}.pem").unlink()
        (folder / f"{role}.pub").unlink()
    (keys,) = [code for code in snippets(KUBEFLOW, "sh") if "keys new" in code]
    assert run("bash", "-euc", keys).returncode == 0
    done = run(sys.executable, "warm_run.py")

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "deployed" in done.stdout
    strict = (folder / "policy.yaml").read_text().replace("value: 0.5", "value: 1.1")
    (folder / "policy.yaml").write_text(strict)
    refused = run(sys.executable, "warm_run.py")

    assert refused.returncode == 1
    assert "deployed" not in refused.stdout
    assert "modelwarden.errors.Rejected: model" not in refused.stdout  # a verdict has no argument
    assert re.search(r"errors\.Rejected: \S+: rejected: .*robust_accuracy", refused.stdout)


def test_the_kubeflow_pages_other_snippets_compile(newcomer):
    folder, run = newcomer
    script = next(c for c in snippets(KUBEFLOW, "sh") if "kfp dsl compile" in c)
    done = run("bash", "-euc", script + script.replace("churn", "shards"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "churn.yaml").exists()
    compile(named(KUBEFLOW, "python", "gated.py"), "gated.py", "exec")  # needs kfp-kubernetes


def test_the_kubeflow_page_names_components_that_exist():
    from modelwarden import kubeflow_components

    named_there = set(re.findall(r"`([a-z]+_[a-z]+)`", KUBEFLOW))

    assert {n for n in named_there if not hasattr(kubeflow_components, n)} == set()
    assert {"data_defence", "security_gate", "require_allow"} <= named_there


def test_the_policy_page_shows_a_policy_and_a_trust_file_that_are_read():
    policy, trust, _ = snippets((ROOT / "docs/policy.md").read_text(), "yaml")
    public = iter([new_key()[1] for _ in range(5)])

    assert Policy.read(policy.encode(), "docs/policy.md", CHECKS).rules
    assert set(Trust.read(trust.encode(), "docs", lambda _: next(public)).roles) == set(ROLES)


def test_the_init_container_asks_what_the_command_line_takes():
    pod = yaml.safe_load(snippets((ROOT / "docs/policy.md").read_text(), "yaml")[2])
    (container,) = pod["spec"]["predictor"]["initContainers"]
    program, *words = container["command"]
    command = cli.commands[words[0]]
    context = command.make_context(words[0], list(container["args"]))

    assert (program, context.params["policy"]) == ("modelwarden", "/rules/policy.yaml")


def test_the_approvals_page_shows_files_that_are_read():
    rule, trust, touched = snippets((ROOT / "docs/approvals.md").read_text(), "yaml")
    public = iter([new_key()[1] for _ in range(20)])
    default = (ROOT / "expectations/policies/default.yaml").read_text()

    assert Policy.read(f"{default}\n{rule}".encode(), "approvals", CHECKS).approvals == 2
    roles = Trust.read(trust.encode(), "docs", lambda _: next(public)).roles
    assert set(roles) == {*ROLES, "desk", "releaser", "alice", "bob"}
    read = Trust.read(
        f"{trust.partition('approvers:')[0]}{touched}".encode(), "docs", lambda _: next(public)
    )
    assert set(read.security_keys) == {"alice"}


def test_the_approvals_pages_session_runs(tmp_path, monkeypatch):
    """With a check of our own, which the command line need not know to approve."""
    own_checks.install(tmp_path)
    cards.cache_clear()
    stall = shop.open_stall(tmp_path / "s", shop.APPROVED_BY_ONE)
    decision = stall.gate().statement.uri
    (script,) = snippets((ROOT / "docs/approvals.md").read_text(), "sh")
    for name in ("alice", "desk"):
        (tmp_path / f"{name}.pem").write_bytes(Path(stall.keys[name]).read_bytes())
    (tmp_path / "trust.yaml").write_bytes(stall.read(stall.judged_by["trust"]))
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "decision": decision,
        "code": shop.code_of("alice"),
        "ALICE_TOTP": shop.SECRETS["alice"],
    }
    done = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert stall.verify(decision).decision.allowed
    sys.path.remove(str(tmp_path))
    cards.cache_clear()


def test_the_approvals_pages_operator_is_made():
    (code,) = snippets((ROOT / "docs/approvals.md").read_text(), "python")
    space = {}
    exec(code, space)

    assert space["approve"].key == "env:DESK_KEY"


def test_the_theft_page_shows_a_serving_file_that_is_read():
    page = (ROOT / "docs/theft.md").read_text()
    serving = Serving.parse(named(page, "yaml", "serving.yaml").encode(), "docs/theft.md")

    assert serving == Serving.parse((ROOT / "expectations/limits/churn.yaml").read_bytes(), "churn")
    for key in Serving.model_fields:
        assert f"| `{key}` |" in page, key


def test_the_theft_page_names_every_target_and_every_metric_of_the_check():
    page = (ROOT / "docs/theft.md").read_text()

    for name in (*TARGETS, *PROPERTIES):
        assert f"| `{name}` " in page, name


def test_the_theft_pages_commands_run(tmp_path):
    page = (ROOT / "docs/theft.md").read_text()
    lines = [line for text in snippets(page, "sh") for line in text.splitlines()]
    (render,) = (line for line in lines if line.startswith("modelwarden limits render"))
    (tmp_path / "serving.yaml").write_text(named(page, "yaml", "serving.yaml"))
    (tmp_path / "budget.json").write_bytes(
        Budget("ab" * 32, 10**7, 30, "labels", 0.95, 0.81).as_bytes()
    )
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euc", render], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    checks = [line.split() for line in lines if line != render]

    assert done.returncode == 0, done.stderr
    assert "limit_req_zone" in (tmp_path / "limits.conf").read_text()
    assert {words[2] for words in checks} == {"extraction", "endpoint", "traffic", "membership"}
    for program, group, name, *options in checks:
        assert (program, group) == ("modelwarden", "check")
        assert cli.commands["check"].commands[name].make_context(name, options).params["model"]


def test_the_theft_page_shows_a_budget_as_it_is():
    (shown,) = snippets((ROOT / "docs/theft.md").read_text(), "json")
    budget = Budget("ab" * 32, 740, 30, "probabilities", 0.95, 0.898)

    assert json.loads(shown.replace("3b0c...", "ab" * 32)) == json.loads(budget.as_bytes())


@pytest.mark.parametrize("file", sorted((ROOT / "expectations/policies").glob("*.yaml")))
def test_every_policy_we_ship_is_read(file):
    assert Policy.read(file.read_bytes(), str(file), CHECKS).rules


def test_the_robustness_page_shows_a_space_file_that_fits_a_table():
    (text,) = snippets((ROOT / "docs/robustness.md").read_text(), "yaml")
    rules = Rules.parse(text.encode(), "docs/robustness.md")
    frame = pd.DataFrame({name: [0.0, 1.0, 2.0] for name in rules.named})
    frame = frame.assign(
        purpose=["furniture", "car", "car"], home_own=[0, 1, 1], home_rent=[1, 0, 0]
    )

    movable = {"amount", "closed", "home", "income", "open", "purpose", "total"}
    assert {*Space(frame, np.arange(3), rules).columns} == movable


def test_the_robustness_page_names_every_key_of_a_space_file():
    page = (ROOT / "docs/robustness.md").read_text().partition("\n## Space files\n")[2]

    for model in (Rules, ColumnRule, Image, Text):
        for key in model.model_fields:
            assert f"`{key}`" in page, key


@pytest.mark.parametrize("file", sorted((ROOT / "expectations/spaces").glob("*.yaml")))
def test_every_space_file_we_ship_is_read(file):
    assert Rules.parse(file.read_bytes(), str(file)).named


def test_the_check_in_contributing_works(tmp_path):
    (code,) = snippets((ROOT / "CONTRIBUTING.md").read_text(), "python")
    space = {}
    exec(code, space)
    body = b"a,label\n1,0\n2,1\n1,0\n"
    (tmp_path / "t.csv").write_bytes(body)
    table = space["Table"].open(
        File("t.csv", tmp_path / "t.csv", sha256(body).hexdigest(), len(body))
    )

    assert space["duplicates"](table).report.metrics["duplicate_fraction"] == 1 / 3


def test_links_between_documents_lead_somewhere():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    for page in pages:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page}: {link}"


def test_every_check_has_its_section():
    text = (ROOT / "docs/checks.md").read_text()

    for name in CHECKS:
        assert f"\n## {name}\n" in text
