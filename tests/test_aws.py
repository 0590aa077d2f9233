"""Sessions of boto3 with shared descriptions: the settings are still each session's own."""

import pytest
from botocore.exceptions import ProfileNotFound

from modelwarden.aws import session


@pytest.fixture(autouse=True)
def profiles(tmp_path, monkeypatch):
    path = tmp_path / "config"
    path.write_text("[profile one]\nregion = eu-north-1\n[profile two]\nregion = sa-east-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    return path


def region(**options):
    return session(**options).client("s3").meta.region_name


def test_each_session_has_its_own_profile():
    assert region(profile_name="one") == "eu-north-1"
    assert region(profile_name="two") == "sa-east-1"


def test_the_environment_is_read_anew(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "one")
    assert region() == "eu-north-1"
    monkeypatch.setenv("AWS_PROFILE", "two")
    assert region() == "sa-east-1"


def test_a_profile_that_is_asked_for_wins_over_a_broken_environment(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert region(profile_name="two") == "sa-east-1"
    with pytest.raises(ProfileNotFound):
        session()


def test_descriptions_are_parsed_once_for_each_place_they_may_lie_in(monkeypatch, tmp_path):
    loader = session()._session.get_component("data_loader")
    assert session()._session.get_component("data_loader") is loader
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    other = session()._session.get_component("data_loader")
    assert other is not loader
    assert str(tmp_path) in other.search_paths
