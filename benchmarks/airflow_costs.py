"""What the operators cost an Airflow that has nothing of ours yet.

``python benchmarks/airflow_costs.py`` prints a section of RESULTS.md. Times are CPU, medians over
processes that take turns: with ours, without. Nothing but local files is read.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TURNS = 5
NAMES = "AirflowFailException, BaseOperator, BaseOperatorLink, SkipMixin, TriggerRule"
IMPORT = f"""
import json, time
from airflow.providers.common.compat.sdk import {NAMES}
start = time.process_time()
import modelwarden.airflow_operators
print("SPENT", json.dumps(time.process_time() - start))
"""
PARSE = """
import json, sys, time
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag
start = time.process_time()
bag = DagBag(sys.argv[1])
spent = time.process_time() - start
assert not bag.import_errors, bag.import_errors
print("SPENT", json.dumps(spent))
"""
OVERHEAD = """
import json, statistics, sys, time
from pathlib import Path
from types import SimpleNamespace
from modelwarden.airflow_operators import IntegrityOperator, ModelFileOperator
from modelwarden.jobs.check import check

model = Path(sys.argv[1], "model.pkl")
model.write_bytes(b"cos\\nsystem\\n(S'true'\\ntR.")  # refused before it is loaded
ti = SimpleNamespace(xcom_push=lambda key, value: json.dumps(value, allow_nan=False))
context, spent = {"ti": ti}, {"bare": [], "operator": []}
for turn in range(21):
    for name in spent:
        evidence = f"{sys.argv[1]}/{name}{turn}"
        operator = ModelFileOperator(task_id="t", model=str(model), evidence=evidence)
        start = time.process_time()
        if name == "bare":
            check("model_file", inputs={"model": str(model)}, evidence=evidence)
        else:
            operator.execute(context)
        spent[name].append(time.process_time() - start)
print("SPENT", json.dumps({k: statistics.median(v[1:]) for k, v in spent.items()}))
"""
ELSEWHERE = """
import json, resource, sys
from pathlib import Path
from modelwarden.jobs.elsewhere import check_elsewhere

model = Path(sys.argv[1], "model.pkl")
model.write_bytes(b"cos\\nsystem\\n(S'true'\\ntR.")
given = {"inputs": {"model": str(model)}, "options": {}, "tables": {}, "evidence": "", "key": ""}
path = Path(sys.argv[1], "python")
path.write_text(f'#!/bin/sh\\nPYTHONPATH="{":".join(sys.path[1:])}" exec {sys.executable} "$@"\\n')
path.chmod(0o700)
check_elsewhere(str(path), "model_file", **given)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print("SPENT", json.dumps(used.ru_utime + used.ru_stime))
"""


def spent(script: str, home: Path, *words: str) -> object:
    """Run a script in its own process; return what it says that it spent."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "OMP_NUM_THREADS": "1",
    }
    words = (sys.executable, "-c", script, *words)
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    line = next(line for line in done.stdout.splitlines() if line.startswith("SPENT "))
    return json.loads(line.removeprefix("SPENT "))


def main() -> None:
    """Print the section."""
    with tempfile.TemporaryDirectory() as name:
        home, empty, scratch = (Path(name, part) for part in ("home", "empty", "scratch"))
        for folder in (home, empty, scratch):
            folder.mkdir()
        (empty / "nothing.py").write_text("from airflow.sdk import dag, task\n")
        imports, ours, nothing, away = [], [], [], []
        for _ in range(TURNS):
            imports.append(spent(IMPORT, home))
            nothing.append(spent(PARSE, home, str(empty)))
            ours.append(spent(PARSE, home, str(ROOT / "dags")))
        overhead = spent(OVERHEAD, home, str(scratch))
        away = [spent(ELSEWHERE, home, str(scratch)) for _ in range(3)]
    parse = [a - b for a, b in zip(ours, nothing, strict=True)]

    def goal(what: str, measured: str, met: bool | None) -> str:
        word = "" if met is None else ("met" if met else "**missed**")
        return f"| {what} | {measured} | {word} |"

    def ranged(values: list[float], unit: float) -> str:
        low, high = min(values) * unit, max(values) * unit
        return f"{statistics.median(values) * unit:.1f} ({low:.1f}-{high:.1f})"

    from airflow import __version__

    print("\n# Airflow\n")
    print(
        f"Written by `benchmarks/airflow_costs.py` on Airflow {__version__}. CPU, median and range"
    )
    print(f"of {TURNS} processes, with ours and without in turn.\n")
    print("| goal | measured | |\n|---|---|---|")
    said = f"{ranged(imports, 1000)} ms"
    imported = statistics.median(imports) <= 0.05
    print(goal("importing all operators <= 50 ms over Airflow's own import", said, imported))
    said = f"{ranged(parse, 1000)} ms; an empty DAG file takes {ranged(nothing, 1000)} ms"
    parsed = statistics.median(parse) <= 1
    print(goal("parse of dags/ <= 1 s over an empty DAG file", said, parsed))
    said = f"{overhead['operator'] * 1000:.1f} ms against {overhead['bare'] * 1000:.1f} ms"
    print(goal("an operator over the bare job (`model_file`, unsigned)", said, None))
    said = f"{ranged(away, 1)} s of the other process"
    print(goal("the same in another interpreter (`python=`)", said, None))


if __name__ == "__main__":
    main()
