"""Profiling trusted data: written once, and read again before it is written."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from modelwarden.errors import ConflictError, InputError
from modelwarden.jobs.check import check
from modelwarden.jobs.profile import profile
from modelwarden.space.rules import Rules


@pytest.fixture
def trusted(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=500), "t": random.choice(list("ab"), 500)})
    frame.to_parquet(tmp_path / "trusted.parquet", index=False)
    return str(tmp_path / "trusted.parquet")


def written(folder, table, **more):
    return profile(table, out=f"{folder}/profile.json", sample=f"{folder}/sample.parquet", **more)


def test_profile_sample_and_suite_are_what_their_digests_say(tmp_path, trusted):
    done = written(tmp_path, trusted, suite=f"{tmp_path}/people.json")

    for name in ("profile", "sample", "suite"):
        body = Path(getattr(done, name)).read_bytes()
        assert hashlib.sha256(body).hexdigest() == done.digests[name]
    assert json.loads(Path(done.profile).read_bytes())["sample"] == done.digests["sample"]
    assert json.loads(Path(done.suite).read_bytes())["name"] == "people"


def test_the_same_table_may_be_profiled_again_and_another_overwrites_nothing(tmp_path, trusted):
    first = written(tmp_path, trusted)
    pd.DataFrame({"x": [1.0, 2.0]}).to_parquet(tmp_path / "other.parquet", index=False)

    assert written(tmp_path, trusted) == first
    with pytest.raises(ConflictError):
        written(tmp_path, str(tmp_path / "other.parquet"))


def test_a_check_of_the_batch_works_on_what_was_written(tmp_path, trusted):
    done = written(tmp_path, trusted)
    report = check(
        "drift", inputs={"batch": trusted, "profile": done.profile, "sample": done.sample}
    ).report

    assert report.metrics["security_alerts"] == report.metrics["quality_alerts"] == 0


def test_a_profile_that_would_be_too_long_to_read_is_not_written(tmp_path):
    wide = pd.DataFrame(np.zeros((2, 9000)), columns=[f"column {i}" for i in range(9000)])
    wide.to_parquet(tmp_path / "wide.parquet", index=False)

    with pytest.raises(InputError, match="1048576 are allowed"):
        written(tmp_path, str(tmp_path / "wide.parquet"))
    assert not (tmp_path / "sample.parquet").exists()


def test_a_space_has_the_ranges_of_all_rows_and_no_labels(tmp_path):
    random = np.random.default_rng(0)
    table = pd.DataFrame({"amount": random.normal(size=30_000), "plan": "basic", "label": 0})
    table.loc[7, "amount"] = 1234.5  # in the table, perhaps not in the sample
    table.loc[::2, "label"] = 1
    table.loc[::3, "plan"] = "gold"
    table.to_parquet(tmp_path / "rows.parquet", index=False)
    written = profile(
        str(tmp_path / "rows.parquet"),
        out=f"{tmp_path}/profile.json",
        sample=f"{tmp_path}/sample.parquet",
        space=f"{tmp_path}/space.yaml",
        target="label",
    )
    body = (tmp_path / "space.yaml").read_bytes()
    rules = Rules.parse(body, "space.yaml")

    assert written.digests["space"] == hashlib.sha256(body).hexdigest()
    assert rules.columns["amount"].most == 1234.5
    assert "label" not in {*rules.columns, *rules.fixed}


@pytest.mark.parametrize("target", ["", "lable"])
def test_a_space_without_labels_to_leave_out_writes_nothing(tmp_path, target):
    pd.DataFrame({"a": [1.0, 2.0], "label": [0, 1]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match="target"):
        profile(
            str(tmp_path / "t.csv"),
            out=f"{tmp_path}/p.json",
            sample=f"{tmp_path}/s.parquet",
            space=f"{tmp_path}/space.yaml",
            target=target,
        )

    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]
