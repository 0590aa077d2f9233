"""What Kubeflow's skin costs: a component over the bare call of its job, and compiling them all.

    python benchmarks/kubeflow.py >> benchmarks/RESULTS.md

The runner is kfp's SubprocessRunner without a virtual environment, in a process that has imported
kfp. The bare call is the same job in an interpreter of its own: what would run without Kubeflow.
The two take turns; CPU counts the child processes.
"""

import contextlib
import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["MODELWARDEN_IMAGE"] = "modelwarden:0.1.0-python3.11"

from kfp import dsl, local

from modelwarden.kubeflow_compiler import compile_all
from modelwarden.kubeflow_components import load_artifact, model_file

ROUNDS = 9
GOALS = {"overhead": 0.3, "compile": 5.0}
COPY = """
import sys
from modelwarden.store import Store
with Store() as store:
    file = store.get(sys.argv[1])
    store.put_once(sys.argv[2], file.path)
"""
CHECK = """
import sys
from modelwarden.jobs.check import check
outcome = check("model_file", inputs={"model": sys.argv[1]})
open(sys.argv[2], "w").write(outcome.page)
"""


@dsl.pipeline
def copied(uri: str):
    load_artifact(uri=uri)


@dsl.pipeline
def inspected(uri: str):
    file = dsl.importer(artifact_uri=uri, artifact_class=dsl.Model)
    model_file(model=file.output)


def seconds(call):
    """Return wall and CPU seconds of a call, children included."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    start = time.perf_counter()
    call()
    wall = time.perf_counter() - start
    now = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return wall, sum(
        (b.ru_utime + b.ru_stime) - (a.ru_utime + a.ru_stime)
        for a, b in zip(used, now, strict=True)
    )


def quietly(call):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return seconds(call)


def overhead(pipeline, code, uri, folder):
    """Return medians of task and bare call, and the median of their differences: wall, CPU."""
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "root"))
    differences, tasks, bare = [], [], []
    for n in range(-1, ROUNDS):  # the first round warms the page cache
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "root"))
        argv = [sys.executable, "-c", code, uri, str(folder / f"{pipeline.name}-{n}")]
        task = quietly(lambda: pipeline(uri=uri))
        alone = seconds(lambda argv=argv: subprocess.run(argv, check=True))
        if n >= 0:
            tasks.append(task)
            bare.append(alone)
            differences.append([a - b for a, b in zip(task, alone, strict=True)])
    return [
        [statistics.median(column) for column in zip(*rows, strict=True)]
        for rows in (tasks, bare, differences)
    ]


def main():
    """Measure, and print a section of RESULTS.md."""
    import joblib
    from sklearn.linear_model import LogisticRegression

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "model.joblib"
        joblib.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), model)
        rows = [
            (what, *overhead(pipeline, code, str(model), folder))
            for what, pipeline, code in (
                ("load_artifact", copied, COPY),
                ("model_file", inspected, CHECK),
            )
        ]
        compiling = [
            seconds(lambda n=n: list(compile_all(folder / f"yaml{n}", folder / "none")))[1]
            for n in range(3)
        ]
    print("\n# Kubeflow\n")
    print(f"Written from `benchmarks/kubeflow.py`: medians of {ROUNDS} rounds, seconds.\n")
    print("| component | task wall | task CPU | bare wall | bare CPU | over, wall | over, CPU |")
    print("|---|---|---|---|---|---|---|")
    for what, task, bare, over in rows:
        print(f"| {what} | {' | '.join(f'{value:.2f}' for value in (*task, *bare, *over))} |")
    count = len(list((Path(__file__).parents[1] / "tests/golden").glob("*.yaml")))
    worst, slowest = max(max(over) for *_, over in rows), statistics.median(compiling)
    print("\n| goal | measured | |\n|---|---|---|")
    met = "met" if worst <= GOALS["overhead"] else "not met"
    print(
        f"| a task costs <= 0.3 s over the bare call, wall and CPU | {worst:.2f} at most | {met} |"
    )
    met = "met" if slowest <= GOALS["compile"] else "not met"
    print(f"| all {count} components compile in <= 5 s of CPU | {slowest:.2f} | {met} |")


if __name__ == "__main__":
    main()
