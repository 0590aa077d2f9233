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
