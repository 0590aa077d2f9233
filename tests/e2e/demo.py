"""``make demo``: six stories, two worlds, one table, one page.

Exits with 1 unless every story ends as it must: a filter that does nothing, a gate that allows
everything or an attack that finds nothing makes this fail.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from e2e.stories import STORIES, Story, csv, tables
from e2e.worlds import ROOT, WORLDS, Place, dump
from modelwarden.documents import read_json
from modelwarden.evidence import SUFFIX, read_verdict
from modelwarden.jobs.filing import find_claims
from modelwarden.jobs.profile import profile
from modelwarden.jobs.session import Session
from modelwarden.jobs.shelf import Shelf
from modelwarden.keys import new_key
from modelwarden.page import Cell, Section, summary_page
from modelwarden.report import Claim, Decision, Figure, Series
from modelwarden.store import Store
from s3 import ENVIRONMENT, serve

FOLDER = ROOT / "build" / "demo"
BUCKETS = ("training", "governance", "evidence", "releases")
ROLES = {
    "data": ["integrity", "roni", "backdoor"],
    "model": ["evasion", "model_file"],
    "builder": ["trained"],
    "gate": ["decision"],
}


@dataclass(frozen=True)
class Ending:
    """How a story ended in one world.

    Parameters
    ----------
    story : Story
        What was told.
    world : str
        Where.
    green : bool
        Whether the orchestrator calls the run a success.
    seconds : float
        Wall time.
    decision : Decision
        What the gate decided, rule by rule.
    released : bool
        Whether anything was published.
    why : str
        Reasons of the decision, or of the refusal after it.
    metrics : mapping of str to float
        ``check.metric`` from the verified statements.
    figures : mapping of str to tuple of Figure
        By check, from the reports that the statements speak for.
    said : tuple of str
        Why checks failed, from the same reports.
    """

    story: Story
    world: str
    green: bool
    seconds: float
    decision: Decision
    released: bool
    why: str
    metrics: Mapping[str, float | None]
    figures: Mapping[str, tuple[Figure, ...]]
    said: tuple[str, ...]

    @property
    def allowed(self) -> bool:
        """Whether the gate allowed the deployment."""
        return self.decision.allowed

    @property
    def as_it_must(self) -> bool:
        """Whether the story ended as it must."""
        story = self.story
        denying = {r.rule.partition(".")[0] for r in self.decision.results if not r.passed}
        return (
            (self.allowed, self.released, self.green)
            == (story.allowed, story.released, story.released)
        ) and (not story.because or story.because in denying)


@contextmanager
def storage() -> Iterator[None]:
    """Start an S3 server in this process, and let everything below find it."""
    with serve() as server:
        os.environ |= {**ENVIRONMENT, "AWS_ENDPOINT_URL": server.endpoint}
        server.empty(*BUCKETS)
        yield


def prepare(folder: Path, stories: tuple[Story, ...] = STORIES, seed: int = 0) -> Place:
    """Put tables into the buckets, and keys and the trust file where no run can write."""
    uris = {}
    with Store() as store:
        for name, table in tables(seed).items():
            bucket = "governance" if name in ("trusted", "evaluation") else "training"
            uris[name] = f"s3://{bucket}/{name}.csv"
            store.put_once(uris[name], csv(table))
    known = {"profile": "s3://governance/profile.json", "sample": "s3://governance/sample.parquet"}
    written = profile(uris["trusted"], out=known["profile"], sample=known["sample"])
    rules = (ROOT / "expectations/policies/demo.yaml").read_text()
    for name, digest in written.digests.items():
        rules = rules.replace(f"{name}: any", f"{name}: {digest}")
    policy = folder / "policy.yaml"
    policy.write_text(rules)
    signers = {}
    for role, may in ROLES.items():
        private, public = new_key()
        os.environ[f"MODELWARDEN_{role.upper()}_KEY"] = private.decode()
        signers[role] = {"may": may, "keys": [public.decode()]}
    trust = folder / "trust.yaml"
    trust.write_text(json.dumps({"signers": signers}, indent=2))
    return Place(
        data={**uris, **known},
        policy=str(policy),
        trust=str(trust),
        suite=str(ROOT / "expectations/suites/breast_cancer.json"),
        evidence="s3://evidence",
        releases="s3://releases",
        work="s3://training/runs",
        folder=str(folder),
        stories=tuple(story.name for story in stories),
    )


def tell(place: Place) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run both worlds side by side; yield each story's raw ending as it comes."""
    file = Path(place.folder) / "place.json"
    file.write_text(dump(place))
    path = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    quiet = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    environment = {**os.environ, **quiet, "PYTHONPATH": path}
    with DefaultSelector() as selector:
        for world in WORLDS:
            process = subprocess.Popen(
                [sys.executable, "-m", "e2e.worlds", world, str(file)],
                stdout=subprocess.PIPE,
                env=environment,
                text=True,
            )
            selector.register(process.stdout, EVENT_READ, world)
        while selector.get_map():
            for key, _ in selector.select():
                line = key.fileobj.readline()
                if line:
                    yield key.data, json.loads(line)
                else:
                    selector.unregister(key.fileobj)


def read_ending(place: Place, world: str, said: Mapping[str, Any]) -> Ending:
    """Read how a story ended from signed evidence, not from what the orchestrator says."""
    story = next(story for story in STORIES if story.name == said["story"])
    places = place.below(world, story)
    with Session() as session:
        trust = session.trust(place.trust)
        uris = session.records.list(f"{places['evidence']}/decisions/")
        (uri,) = [uri for uri in uris if uri.endswith(SUFFIX)]
        statement, _ = trust.open(session.records.read(uri), uri)
        verdict = read_verdict(statement, uri, Shelf(session.records, places["evidence"]).blob)
        found = find_claims(session.records, places["evidence"], [verdict.model], trust)
        claims = found.claims
        reports = {c.check: _report(session, c) for c in claims if c.check != "trained"}
        released = bool(session.data.list(f"{places['releases']}/"))
    decision = verdict.decision
    why = "; ".join(decision.reasons)
    if story.swapped and not released:
        why = "verify: the model is not the one that was decided about"
    return Ending(
        story=story,
        world=world,
        green=said["green"],
        seconds=said["seconds"],
        decision=decision,
        released=released,
        why=why,
        metrics={f"{c.check}.{name}": v for c in claims for name, v in c.metrics.items()},
        figures={
            check: tuple(Figure.from_json(figure) for figure in report["figures"])
            for check, report in reports.items()
        },
        said=tuple(
            f"{check}: {text}"
            for check, report in reports.items()
            for text in report["report"]["failures"]
        ),
    )


def _report(session: Session, claim: Claim) -> Mapping[str, Any]:
    from base64 import b64decode

    payload = b64decode(json.loads(session.records.read(claim.uri))["payload"])
    report = json.loads(payload)["predicate"]["modelwarden"]["report"]
    return read_json(session.records.read(report["uri"]), report["uri"])


def table(endings: list[Ending]) -> str:
    """Return the endings as a table for a terminal."""
    rows = [("story", "world", "accuracy", "robust", "rejected", "decision", "released", "s")]
    rows += [
        (
            ending.story.title,
            ending.world,
            _number(ending.metrics.get("evasion.accuracy"), 3),
            _number(ending.metrics.get("evasion.robust_accuracy"), 3),
            _number(ending.metrics.get("roni.rejected_rows"), 0),
            "allow" if ending.allowed else "deny",
            "yes" if ending.released else "no",
            f"{ending.seconds:.0f}",
        )
        for ending in endings
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
        if number == 0:
            lines.append("  ".join("-" * width for width in widths))
        elif endings[number - 1].why:
            lines.append(f"    why: {endings[number - 1].why}")
    return "\n".join(line.rstrip() for line in lines)


def page(endings: list[Ending]) -> str:
    """Return the endings as an HTML page."""
    sections = []
    for story in STORIES:
        told = [ending for ending in endings if ending.story == story]
        if told:
            sections.append(_section(story, told))
    comparison = _comparison([ending for ending in endings if ending.world == "airflow"])
    overview = Section("What came of each story", "", figures=(comparison,))
    intro = (
        "A training pipeline on breast-cancer data, defended: the same six stories in Airflow and "
        "in Kubeflow. Every number comes from a signed statement."
    )
    return summary_page("ModelWarden: the demo", intro, [overview, *sections])


def _section(story: Story, told: list[Ending]) -> Section:
    first = told[0]
    rows: list[list[Cell]] = [["rule", "measured", "holds", "why not"]]
    rows += [
        [r.rule, r.measured, "yes" if r.passed else "no", r.why] for r in first.decision.results
    ]
    text = [
        f"{ending.world.capitalize()}: the gate says {'allow' if ending.allowed else 'deny'}, "
        f"{'released' if ending.released else 'nothing is released'}, {ending.seconds:.0f} s."
        for ending in told
    ]
    text += first.said
    if story.swapped:
        text.append(f"Then: {first.why}.")
    return Section(
        title=story.title,
        text="\n\n".join(text),
        verdict="allowed" if first.released else "refused",
        table=rows,
        figures=tuple(
            figure
            for check in ("roni", "backdoor", "evasion")
            for figure in first.figures.get(check, ())
        ),
    )


def _comparison(endings: list[Ending]) -> Figure:
    names = tuple(ending.story.name for ending in endings)
    kinds = {"as they are": "evasion.accuracy", "under attack": "evasion.robust_accuracy"}
    series = tuple(
        Series(label, names, tuple(ending.metrics.get(metric) or 0.0 for ending in endings))
        for label, metric in kinds.items()
    )
    return Figure(
        kind="bars",
        title="Accuracy on held-out rows",
        x_label="story",
        y_label="accuracy",
        series=series,
        caption="Flipped labels cost accuracy, RONI restores it; an attack shows what is fragile.",
    )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def main() -> int:
    """Run the demo; return its exit code."""
    start = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    print("Six stories in Airflow and in Kubeflow, side by side (some four minutes)", flush=True)
    with storage():
        place = prepare(FOLDER)
        endings = []
        for world, said in tell(place):
            ending = read_ending(place, world, said)
            endings.append(ending)
            mark = "as it must" if ending.as_it_must else "NOT AS IT MUST"
            print(f"  {ending.story.title} ({world}): {mark}, {ending.seconds:.0f} s", flush=True)
    order = [story.name for story in STORIES]
    endings.sort(key=lambda ending: (order.index(ending.story.name), ending.world))
    (FOLDER / "index.html").write_text(page(endings), encoding="utf-8")
    print(f"\n{table(endings)}\n\npage: {FOLDER / 'index.html'}")
    print(f"logs: {FOLDER}/*.log; {time.monotonic() - start:.0f} s in all")
    complete = len(endings) == len(WORLDS) * len(STORIES)
    good = complete and all(ending.as_it_must for ending in endings)
    if not good:
        print("the demo did not end as it must; see the logs", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
