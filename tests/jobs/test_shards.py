"""One machine and many say the same."""

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from modelwarden.checks.evasion import sieges
from modelwarden.errors import EvidenceError, InputError
from modelwarden.jobs.check import check
from modelwarden.jobs.join import join
from modelwarden.jobs.shard import shard
from modelwarden.keys import new_key
from modelwarden.signing import Signer

OPTIONS = {"target": "y", "rows": 30, "epsilon": 0.5, "queries": 20, "examples": 2}
OPTIONS |= {"distance_queries": 0}


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    """Ten rows a block, so that few rows make many blocks."""
    usual, sieges.BLOCK = sieges.BLOCK, 10
    yield
    sieges.BLOCK = usual


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("shards")


@pytest.fixture(scope="module")
def asked(folder):
    random = np.random.default_rng(0)
    x = random.normal(size=(90, 3))
    y = np.where(x[:, 0] + 0.3 * random.normal(size=90) > 0, "yes", "no")
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(y=y)
    frame.sort_values("y").to_parquet(folder / "rows.parquet", index=False)
    model = LogisticRegression().fit(frame[["a", "b", "c"]], frame["y"])
    joblib.dump(model, folder / "model.joblib")
    (folder / "key.pem").write_bytes(new_key()[0])
    return {
        "inputs": {
            "model": str(folder / "model.joblib"),
            "evaluation": str(folder / "rows.parquet"),
        },
        "options": OPTIONS,
        "key": str(folder / "key.pem"),
    }


@pytest.fixture(scope="module")
def alone(asked, folder):
    return check(
        "evasion",
        **asked,
        evidence=str(folder / "alone"),
        tables={"broken": str(folder / "alone.parquet")},
    )


def payload(outcome, key):
    """Return what a statement says, without its times and places."""
    statement = Signer.open(key).unseal(Path(outcome.statement.uri).read_bytes(), "statement")
    said = statement["predicate"]["modelwarden"]
    del said["startedOn"], said["finishedOn"], said["report"]["uri"]
    return statement


def test_two_machines_say_what_one_says(alone, asked, folder):
    """Other counts are tried in the tests of each check, where no process has to start."""
    parts = str(folder / "parts")
    for index in (1, 0):
        shard("evasion", **asked, parts=parts, index=index, count=2)
    together = join(
        "evasion",
        **asked,
        parts=parts,
        evidence=str(folder / "evidence"),
        tables={"broken": str(folder / "together.parquet")},
    )

    assert Path(together.report_uri).read_bytes() == Path(alone.report_uri).read_bytes()
    assert payload(together, asked["key"]) == payload(alone, asked["key"])
    tables = [(folder / f"{name}.parquet").read_bytes() for name in ("alone", "together")]
    assert tables[0] == tables[1]
    assert together.report.metrics["attack_success_rate"] > 0.05


def test_shards_may_be_more_or_fewer_on_the_way_and_repeat_nothing(alone, asked, folder):
    def share(index, count):
        done = shard("evasion", **asked, parts=str(folder / "way"), index=index, count=count)
        return done.done, done.found, done.blocks

    assert share(0, 3) == (1, 0, 3)  # then somebody thinks better of it
    with pytest.raises(EvidenceError, match="got 2 missing, the first of them 1"):
        join("evasion", **asked, parts=str(folder / "way"), evidence=str(folder / "alone"))
    assert share(0, 1) == (2, 1, 3)

    joined = join("evasion", **asked, parts=str(folder / "way"), evidence=str(folder / "alone"))
    assert joined.statement == alone.statement  # the same answer: the same envelope


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"index": 2}, "expected a shard from 0 to 1, got shard 2 of 2"),
        ({"index": -1}, "got shard -1 of 2"),
        ({"parts": ""}, "parts: expected a prefix"),
        ({"name": "membership"}, "expected one that is done in blocks: evasion, "),
        ({"options": {"rows": 5}}, "option target"),
    ],
)
def test_a_shard_that_cannot_be_is_refused(asked, tmp_path, given, match):
    given = {"name": "evasion", **asked, "index": 0, "parts": str(tmp_path), **given}
    with pytest.raises(InputError, match=match):
        shard(given.pop("name"), **given, count=2)
