"""The same stories in two worlds: Airflow's ``dag.test()`` and Kubeflow's local runner.

Each world is a process of its own, as its framework changes a lot of global state:
``python -m e2e.worlds airflow place.json``. It prints a JSON line per story and logs to a file.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from e2e.stories import STORIES, TARGET, Story
from modelwarden.evidence import SUFFIX
from modelwarden.jobs.session import Session
from modelwarden.store import Store

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Place:
    """Where a demo keeps its things.

    Parameters
    ----------
    data : mapping of str to str
        URIs of the tables by name.
    policy, trust, suite : str
        URIs of policy, trust file and suite.
    evidence, releases, work : str
        Prefixes; a folder per world and story is made below.
    folder : str
        Local folder for logs and scratch files.
    stories : tuple of str
        Names of the stories to run.
    """

    data: Mapping[str, str]
    policy: str
    trust: str
    suite: str
    evidence: str
    releases: str
    work: str
    folder: str
    stories: tuple[str, ...] = tuple(story.name for story in STORIES)

    def below(self, world: str, story: Story) -> dict[str, str]:
        """Return the prefixes of one story in one world."""
        prefixes = {"evidence": self.evidence, "releases": self.releases, "work": self.work}
        return {name: f"{uri}/{world}/{story.name}" for name, uri in prefixes.items()}


def arguments(story: Story, place: Place, world: str) -> dict[str, Any]:
    """Return what both worlds' pipelines are called with."""
    return {
        **{n: place.data[n] for n in ("trusted", "evaluation", "profile", "sample")},
        "suite": place.suite,
        "policy": place.policy,
        "trust": place.trust,
        "target": TARGET,
        **place.below(world, story),
        **story.params,
        "data": place.data[story.params["data"]],
    }


def decision_of(evidence: str) -> tuple[str, dict[str, Any]]:
    """Return URI and statement of the one decision below an evidence prefix."""
    from base64 import b64decode

    with Session() as session:
        uris = session.records.list(f"{evidence}/decisions/")
        (uri,) = [uri for uri in uris if uri.endswith(SUFFIX)]
        envelope = json.loads(session.records.read(uri))
    return uri, json.loads(b64decode(envelope["payload"]))


def swap(model: str) -> None:
    """Replace a model file behind everybody's back."""
    with Store() as store:
        body = store.read(model, max_bytes=1 << 30) + b"\0"
    if not model.startswith("s3://"):
        Path(model).write_bytes(body)
        return
    import boto3

    bucket, _, key = model.removeprefix("s3://").partition("/")
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)


def after_a_swap(given: Mapping[str, Any]) -> dict[str, str]:
    """Swap the model that was decided about; return what a release run is called with then."""
    decision, statement = decision_of(given["evidence"])
    model = statement["predicate"]["resourceUri"]
    swap(model)
    names = ("evidence", "releases", "policy", "trust")
    return {"decision": decision, "model": model, **{name: given[name] for name in names}}


def airflow(place: Place) -> Callable[[Story], bool]:
    """Prepare an Airflow of one process; return what runs a story there."""
    home = Path(place.folder) / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    from airflow.dag_processing.dagbag import DagBag
    from airflow.utils.db import initdb

    initdb()

    def run(story: Story) -> bool:
        dags = DagBag(str(ROOT / "dags")).dags  # afresh: test() leaves its conf in a DAG's params
        given = arguments(story, place, "airflow")
        succeeded = dags["secure_training"].test(run_conf=given).state == "success"
        if not story.swapped:
            return succeeded
        return dags["release"].test(run_conf=after_a_swap(given)).state == "success"

    return run


def kubeflow(place: Place) -> Callable[[Story], bool]:
    """Prepare Kubeflow's local runner; return what runs a story there."""
    os.environ["MODELWARDEN_IMAGE"] = "modelwarden:0.1.0-python3.11"  # nothing is installed
    sys.path.insert(0, str(ROOT / "pipelines"))
    import release
    import secure_training
    from kfp import local

    def ran(pipeline: Callable[..., Any], folder: str, **given: Any) -> bool:
        runner = local.SubprocessRunner(use_venv=False)
        local.init(runner, pipeline_root=folder, workspace_root=f"{folder}/workspace")
        try:
            pipeline(**given)
        except RuntimeError as failed:  # a task failed
            print(failed)
            return False
        return True

    def run(story: Story) -> bool:
        given = arguments(story, place, "kubeflow")
        folder = f"{place.folder}/kubeflow/{story.name}"
        publish = given.pop("release", True)
        del given["work"]
        succeeded = ran(secure_training.secure_training, folder, publish=publish, **given)
        if not story.swapped:
            return succeeded
        return ran(release.release_model, f"{folder}-release", **after_a_swap(given))

    return run


WORLDS = {"airflow": airflow, "kubeflow": kubeflow}


def main(world: str, place_file: str) -> None:
    """Run the stories of a place in one world."""
    given = json.loads(Path(place_file).read_text())
    place = Place(**{**given, "stories": tuple(given["stories"])})
    os.chdir(ROOT)
    answers = os.fdopen(os.dup(1), "w")
    log = (Path(place.folder) / f"{world}.log").open("w")
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    run = WORLDS[world](place)
    for story in STORIES:
        if story.name in place.stories:
            start = time.monotonic()
            green = run(story)
            seconds = time.monotonic() - start
            print(
                json.dumps({"story": story.name, "green": green, "seconds": seconds}),
                file=answers,
                flush=True,
            )


def dump(place: Place) -> str:
    """Return a place as JSON."""
    return json.dumps(asdict(place))


if __name__ == "__main__":
    main(*sys.argv[1:])
