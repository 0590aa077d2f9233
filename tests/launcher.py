"""Run a component as Kubeflow's launcher does: the argv of its compiled YAML, and nothing else.

The launcher fills ``{{$}}`` with an executor input, starts that argv, and reads the output file.
Artifacts it has brought to local paths before; here they are files of the test.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kfp.compiler import Compiler


@dataclass
class Task:
    """A task that ended.

    Parameters
    ----------
    code : int
        Its exit code.
    log : str
        What it wrote, standard output before standard error.
    outputs : dict
        Its output parameters.
    metadata : dict
        Of each output artifact, its metadata.
    folder : Path
        Its output artifacts, by name.
    """

    code: int
    log: str
    outputs: dict[str, Any]
    metadata: dict[str, dict[str, Any]]
    folder: Path

    @property
    def last_line(self):
        """Return the line at the end of the log, where people look first."""
        return self.log.strip().splitlines()[-1]


def launch(component, folder, artifacts=None, environment=None, **parameters):
    """Run a component once; artifacts are paths by name, outputs go below `folder`."""
    spec, container = _compiled(component, folder)
    inputs, outputs = spec.get("inputDefinitions", {}), spec.get("outputDefinitions", {})
    declared = inputs.get("parameters", {})
    defaults = {n: p["defaultValue"] for n, p in declared.items() if "defaultValue" in p}
    given = {n: _artifact(n, inputs["artifacts"][n], p) for n, p in (artifacts or {}).items()}
    made = {n: _artifact(n, a, folder / n) for n, a in outputs.get("artifacts", {}).items()}
    files = {n: {"outputFile": str(folder / n)} for n in outputs.get("parameters", {})}
    answer = folder / "executor_output.json"
    ask = {
        "inputs": {"parameterValues": {**defaults, **parameters}, "artifacts": given},
        "outputs": {"parameters": files, "artifacts": made, "outputFile": str(answer)},
    }
    argv = [*container["command"], *container["args"]]
    done = subprocess.run(
        [json.dumps(ask) if word == "{{$}}" else word for word in argv],
        env=_environment(environment or {}),
        capture_output=True,
        text=True,
    )
    said = json.loads(answer.read_text()) if answer.exists() else {}
    return Task(
        code=done.returncode,
        log=done.stdout + done.stderr,
        outputs=said.get("parameterValues", {}),
        metadata={
            name: entry["artifacts"][0].get("metadata", {})
            for name, entry in said.get("artifacts", {}).items()
        },
        folder=folder,
    )


def _compiled(component, folder):
    """Return the interface of a component and its container, out of its YAML."""
    folder.mkdir(parents=True, exist_ok=True)
    Compiler().compile(component, str(folder / "component.yaml"))
    document = next(yaml.safe_load_all((folder / "component.yaml").read_text()))
    (spec,) = document["components"].values()
    (executor,) = document["deploymentSpec"]["executors"].values()
    return spec, executor["container"]


def _artifact(name, declared, path):
    entry = {"name": name, "type": declared["artifactType"], "uri": str(path), "metadata": {}}
    return {"artifacts": [entry]}


def _environment(more):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", **more}
