"""`modelwarden monitor`: every new batch once, what it finds told once, and an exit code."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from modelwarden.errors import InputError, PolicyError
from modelwarden.jobs.monitor import monitor
from modelwarden.jobs.profile import profile
from modelwarden.keys import new_key
from modelwarden.limits import Budget
from modelwarden.signing import Signer
from querylogs import nginx
from receivers import receiving

PLAN = """\
version: 1
model: {folder}/model.joblib
evidence: {folder}/evidence
state: {folder}/evidence/alerts
key: {folder}/monitor.pem
batches:
  prefix: {folder}/in
  profile: {folder}/profile.json
  sample: {folder}/sample.parquet
traffic:
  logs: {folder}/logs
  budget: {folder}/budget.json
channels:
  - {{kind: slack, url: "{url}"}}
"""


def rows(n, seed):
    random = np.random.default_rng(seed)
    return pd.DataFrame(random.normal(size=(n, 2)), columns=["age", "income"]).round(6)


@pytest.fixture(scope="module")
def trusted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trusted")
    rows(2000, 0).to_parquet(folder / "trusted.parquet", index=False)
    profile(
        str(folder / "trusted.parquet"),
        out=str(folder / "profile.json"),
        sample=str(folder / "sample.parquet"),
    )
    return folder


@pytest.fixture
def place(tmp_path, trusted):
    """A folder with a plan; `put` adds a batch, `heard` is what was said."""
    for name in ("profile.json", "sample.parquet"):
        (tmp_path / name).write_bytes((trusted / name).read_bytes())
    (tmp_path / "monitor.pem").write_bytes(new_key()[0])
    (tmp_path / "model.joblib").write_bytes(b"model")
    (tmp_path / "budget.json").write_bytes(Budget("0" * 64, 100, 1, "labels", 0.9, -1).as_bytes())
    yesterday = datetime.now(UTC) - timedelta(days=1)
    log = tmp_path / "logs" / f"{yesterday:%Y/%m/%d}" / "access.log"
    log.parent.mkdir(parents=True)
    line = nginx(time=yesterday.strftime("%d/%b/%Y:12:00:00 +0000"))
    log.write_text(f"{line}\n" * 30)
    (tmp_path / "in").mkdir()
    with receiving() as receiver:
        yield Place(tmp_path, receiver)


class Place:
    def __init__(self, folder, receiver):
        self.folder, self.receiver = folder, receiver
        self.plan = str(folder / "plan.yaml")
        Path(self.plan).write_text(PLAN.format(folder=folder, url=receiver.url))

    def put(self, name, frame):
        frame.to_csv(self.folder / "in" / name, index=False)

    @property
    def heard(self):
        return [json.loads(body)["text"] for _, body in self.receiver.got]


def planted(seed):
    frame = rows(200, seed)
    return frame.assign(income=np.where(np.arange(200) % 10 == 0, 1.5, frame["income"]))


def test_what_is_new_is_analysed_once_and_a_fault_told_once(place):
    place.put("1.csv", rows(200, 1))
    quiet = monitor(place.plan)
    place.put("2.csv", planted(2))
    loud = monitor(place.plan)
    place.put("3.csv", planted(3))
    again = monitor(place.plan)
    nothing = monitor(place.plan)

    assert [len(done.batches) for done in (quiet, loud, again, nothing)] == [1, 1, 1, 0]
    assert [done.alerted.quiet for done in (quiet, loud, again, nothing)] == [True] + [False] * 3
    (text,) = place.heard
    assert "income" in text
    assert quiet.as_json()["batches"] == 1


def test_its_evidence_is_signed(place):
    place.put("1.csv", rows(200, 1))
    monitor(place.plan).alerted.require_delivery()
    envelopes = list(Path(place.folder, "evidence/statements").rglob("*.intoto.jsonl"))
    signer = Signer.open(str(place.folder / "monitor.pem"))

    assert len(envelopes) == 2  # drift about the batch, traffic about the model
    for envelope in envelopes:
        signer.unseal(envelope.read_bytes(), str(envelope))


def test_a_batch_that_is_no_table_alerts_without_showing_it_and_stops_nothing(place):
    (place.folder / "in/1.csv").write_bytes(b'age,income\n1,"Bobby Tables\n')
    place.put("2.csv", rows(200, 1))
    first, second = monitor(place.plan), monitor(place.plan)

    assert (len(first.batches), len(second.batches)) == (2, 0)
    (text,) = place.heard
    assert "there is no verdict" in text
    assert "Bobby" not in text
    assert not first.alerted.quiet


def test_without_a_log_or_a_model_people_hear_of_it(place):
    (place.folder / "model.joblib").unlink()
    monitor(place.plan)
    monitor(place.plan)

    (text,) = place.heard
    assert "traffic: there is no verdict" in text


def test_a_client_beyond_its_budget_is_told_of_without_its_name(place):
    log = next(Path(place.folder, "logs").rglob("access.log"))
    log.write_text(log.read_text() * 10)
    monitor(place.plan)

    (text,) = place.heard
    assert "budget" in text
    assert "10.0.0.1" not in text


def test_the_command_line_says_it_with_its_exit_code(place):
    def run():
        command = [sys.executable, "-c", "from modelwarden.cli import main; main()"]
        return subprocess.run(
            [*command, "monitor", place.plan], capture_output=True, text=True, timeout=100
        )

    assert run().returncode == 0
    place.put("2.csv", planted(2))
    place.receiver.answer = 500
    broken = run()
    assert broken.returncode == 4
    assert "s3cr3t" not in broken.stderr
    place.receiver.answer = 200
    loud = run()
    assert (loud.returncode, len(place.heard)) == (1, 1)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("version: 1", "version: 2", "version"),
        ("version: 1", "version: 1\nversion: 1", "twice"),
        ("state:", "stat:", "stat"),
        ("kind: slack", "kind: telegram", "kind"),
        ("  budget: ", "  limits: {unreadable_fraction: .nan}\n  budget: ", "limits"),
        ("  budget: ", "  limits: {unreadable_fraction: 1e400}\n  budget: ", "limits"),
        ("  budget: ", "  folder: '%Y'\n  budget: ", "folder"),
        ("batches:", "reminder: 0d\nbatches:", "reminder"),
        ("batches:", "reminder: 7\nbatches:", "reminder"),
        ("batches:", "quiet_runs: 0\nbatches:", "quiet_runs"),
        ("batches:", "quiet_runs: true\nbatches:", "quiet_runs"),
        ("  prefix: ", "  alpha: yes\n  prefix: ", "alpha"),
        ("  prefix: ", "  at_most: 1e3\n  prefix: ", "at_most"),
        ('url: "', 'secret: in-the-clear-0123456789, url: "', "secret"),
        ('url: "', 'topic: t, url: "', "topic"),
    ],
)
def test_a_plan_is_read_strictly(place, old, new, why):
    text = Path(place.plan).read_text()
    assert old in text
    Path(place.plan).write_text(text.replace(old, new, 1))

    with pytest.raises((InputError, PolicyError), match=why) as error:
        monitor(place.plan)
    assert "in-the-clear" not in str(error.value)


def test_a_plan_that_watches_nothing_is_none(place):
    text = Path(place.plan).read_text()
    start, end = text.index("batches:"), text.index("channels:")
    Path(place.plan).write_text(text[:start] + text[end:])

    with pytest.raises(InputError, match="neither"):
        monitor(place.plan)


def test_a_number_may_be_written_as_in_json(place):
    text = Path(place.plan).read_text()
    limits = "  limits: {unreadable_fraction: 1e-3, queries: 10}\n  budget: "
    Path(place.plan).write_text(text.replace("  budget: ", limits))
    monitor(place.plan)

    assert "queries is 30, usual is 10" in place.heard[0]
    assert "unreadable" not in place.heard[0]
