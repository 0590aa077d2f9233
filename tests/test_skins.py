"""Every check stands in every skin, with the same names and the same defaults."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kfp import components
from kfp.compiler import Compiler

from modelwarden import airflow_operators, checks, kubeflow_components
from modelwarden.airflow_operators import CheckOperator
from modelwarden.kubeflow_compiler import compile_all, components_of

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[1]
COMPONENTS = {component.name: component for component in components_of(kubeflow_components)}
OPERATORS = {
    operator.check: operator
    for _, operator in inspect.getmembers(airflow_operators, inspect.isclass)
    if issubclass(operator, CheckOperator) and operator is not CheckOperator
}


@pytest.mark.parametrize("name", checks.CHECKS)
def test_a_card_says_what_its_function_takes(name):
    card = checks.card(name)
    parameters = inspect.signature(checks.load(name)).parameters
    left = [n for n, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    right = {n: p.default for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY}

    assert left == list(card.inputs)
    empty = inspect.Parameter.empty
    assert {n: parameters[n].default for n in left} == {
        n: None if n in card.optional else empty for n in left
    }
    assert right.pop("work") is None
    assert list(right) == list(card.options)
    for option, default in card.options.items():
        wanted = inspect.Parameter.empty if isinstance(default, type) else default
        assert (right[option], type(right[option])) == (wanted, type(wanted))


@pytest.mark.parametrize("name", checks.CHECKS)
def test_a_card_has_a_word_for_everything(name):
    card = checks.card(name)

    assert sorted(card.words) == sorted([*card.inputs, *card.options, *card.tables])


@pytest.mark.parametrize("name", checks.CHECKS)
def test_a_check_has_its_operator(name):
    card = checks.card(name)
    operator = OPERATORS[name]
    signature = inspect.signature(operator.__init__).parameters
    defaults = {n: p.default for n, p in signature.items() if p.kind is p.KEYWORD_ONLY}
    missing = inspect.Parameter.empty
    wanted = {
        **{n: "" if n in card.optional else missing for n in card.inputs},
        **{n: missing if isinstance(d, type) else d for n, d in card.options.items()},
        **dict.fromkeys(card.tables, ""),
    }

    assert defaults == wanted
    assert set(wanted) <= set(operator.template_fields)


@pytest.mark.parametrize("name", checks.CHECKS)
def test_a_check_has_its_component(name):
    card = checks.card(name)
    component = COMPONENTS[name.replace("_", "-")]
    inputs, outputs = component.component_spec.inputs, component.component_spec.outputs

    asked_for = set(card.tables) - set(outputs)  # rows of data that nobody gets unasked: a URI

    assert set(inputs) == {*card.inputs, *card.options, *asked_for, "evidence", "key"}
    assert set(outputs) == {*card.tables, "report", "metrics"} - asked_for
    assert all(inputs[table].default == "" for table in asked_for)
    for option, default in card.options.items():
        wanted = None if isinstance(default, type) else default
        assert inputs[option].default == wanted
    assert {name for name in card.inputs if inputs[name].optional} == set(card.optional)


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_interface_of_a_component_does_not_change_by_accident(name, tmp_path):
    """Delete the golden file to accept a change on purpose; the next run writes a new one."""
    Compiler().compile(COMPONENTS[name], str(tmp_path / "c.yaml"))
    document = next(yaml.safe_load_all((tmp_path / "c.yaml").read_text()))
    spec = document["components"].get(f"comp-{name.replace('_', '-')}") or document["root"]
    interface = {key: value for key, value in spec.items() if key.endswith("Definitions")}
    golden = GOLDEN / f"{name.replace('-', '_')}.yaml"
    if not golden.exists():
        golden.write_text(yaml.safe_dump(interface))
        pytest.fail(f"wrote {golden}: review it")

    assert yaml.safe_load(golden.read_text()) == interface


def test_compiles_everything_to_yaml_that_loads(tmp_path):
    files = list(compile_all(tmp_path, ROOT / "pipelines"))

    assert {"roni.yaml", "security_gate.yaml", "secure_training.yaml"} <= {f.name for f in files}
    for file in files:
        components.load_component_from_file(str(file))
        for document in yaml.safe_load_all(file.read_text()):
            for executor in document["deploymentSpec"]["executors"].values():
                words = executor["container"].get("command", [])
                assert max(map(len, words), default=0) < 100_000  # one argv word: 128 KiB at most


def test_compiling_twice_gives_the_same_bytes(tmp_path):
    first, second = (
        [file.read_bytes() for file in compile_all(tmp_path / name, ROOT / "pipelines")]
        for name in "ab"
    )

    assert first == second


@pytest.mark.parametrize(
    ("graph", "inside"),
    [
        ("security_gate", {"deployment-gate", "require-allow"}),
        ("data_defence", {"integrity", "roni", "load-artifact", "load-artifact-2", "backdoor"}),
    ],
)
def test_a_verdict_is_never_taken_from_a_cache(graph, inside, tmp_path):
    Compiler().compile(getattr(kubeflow_components, graph), str(tmp_path / "g.yaml"))
    tasks = yaml.safe_load((tmp_path / "g.yaml").read_text())["root"]["dag"]["tasks"]

    assert set(tasks) == inside
    assert not any(task.get("cachingOptions", {}).get("enableCache") for task in tasks.values())


IMPORT_COST = """
import sys, time
import airflow.providers.common.compat.sdk as sdk
sdk.BaseOperator, sdk.AirflowFailException, sdk.TriggerRule
before = set(sys.modules)
start = time.process_time()
import modelwarden.airflow_operators
cost = time.process_time() - start
heavy = {"great_expectations", "sklearn", "pandas", "numpy", "kfp", "boto3", "pyarrow"}
print(cost, sorted(heavy & (set(sys.modules) - before)))
"""


def test_importing_the_operators_costs_nothing_on_top_of_airflow(tmp_path):
    costs = []
    for _ in range(3):
        run = subprocess.run(
            [sys.executable, "-c", IMPORT_COST],
            capture_output=True,
            text=True,
            check=True,
            env={"AIRFLOW_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )
        cost, heavy = run.stdout.strip().splitlines()[-1].split(" ", 1)
        assert heavy == "[]"
        costs.append(float(cost))

    assert min(costs) < 0.05
