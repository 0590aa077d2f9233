"""Releases: recorded, superseded, called back, and verified from a copy of files."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelwarden.errors import EvidenceError, InputError, NotFoundError, Rejected, StoreError
from modelwarden.jobs.ledger import list_releases, revoke
from modelwarden.jobs.verify import verify
from modelwarden.store import Store
from shop import open_stall, restock

POLICY = """\
version: 1
action: deploy:test
superseded: {superseded}
rules:
  - {{check: weigh, metric: bytes, op: "<=", value: 100{more}}}
"""


def open_at(folder, superseded="accept", more="", **given):
    return open_stall(folder, POLICY.format(superseded=superseded, more=more), **given)


@pytest.fixture
def stall(own, tmp_path):
    return open_at(tmp_path)


def go(stall, model=b"", run="run", key="releaser"):
    """Decide about a model, release it, and return the decision and the release."""
    if model:
        restock(stall, model)
    decision = stall.gate().statement.uri
    return decision, stall.release(decision, run=run, key=key)


def listed(stall, action="deploy:test"):
    found = list_releases(stall.evidence, trust=stall.judged_by["trust"], action=action)
    return [(entry.release.number, entry.state) for entry in found]


def call_back(stall, model, key="releaser"):
    return revoke(
        model, evidence=stall.evidence, reason="it leaks", key=stall.keys[key] if key else ""
    )


def change_policy(stall, more=""):
    body = POLICY.format(superseded="accept", more=more)
    stall.overwrite(f"{stall.uri}/policy.yaml", body.encode())


def later(monkeypatch, seconds):
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    for module in ("gate", "release", "ledger", "trained", "check"):
        monkeypatch.setattr(f"modelwarden.jobs.{module}.now", lambda: moment)


def test_releases_are_listed_in_their_order(stall):
    go(stall)
    go(stall, b"a better model")

    assert listed(stall) == [(1, "superseded"), (2, "current")]
    assert listed(stall, "deploy:else") == []


def test_a_release_that_is_tried_again_is_recorded_once(stall):
    decision, first = go(stall)

    assert stall.release(decision, run="run", key="releaser") == first
    assert listed(stall) == [(1, "current")]


@pytest.mark.parametrize("key", ["gate", "builder", "stranger", "alice"])
def test_only_a_releaser_records_a_release(stall, key):
    go(stall, key=key)

    assert listed(stall) == []


def test_without_a_key_a_release_is_not_recorded(stall):
    go(stall, key="")

    assert listed(stall) == []


def test_a_revoked_model_is_refused_whatever_was_decided(stall):
    decision, published = go(stall)
    call_back(stall, published.sha256)
    with pytest.raises(Rejected, match=r"revoked by releaser at .+: it leaks"):
        stall.verify(decision)
    with pytest.raises(Rejected, match="revoked"):
        stall.release(decision, run="run")

    assert listed(stall) == [(1, "revoked: it leaks")]


def test_a_model_can_be_called_back_before_it_is_released(stall):
    decision = stall.gate().statement.uri
    call_back(stall, stall.verify(decision).model)
    with pytest.raises(Rejected, match="it leaks"):
        stall.release(decision)


@pytest.mark.parametrize("key", ["gate", "builder", "stranger", "alice"])
def test_nobody_else_calls_a_model_back(stall, key):
    decision, published = go(stall)
    call_back(stall, published.sha256, key)

    assert stall.verify(decision).decision.allowed


def test_junk_in_the_place_of_a_revocation_does_not_stop_the_real_one(stall):
    decision, published = go(stall)
    folder = Path(stall.evidence) / "revocations" / published.sha256
    folder.mkdir(parents=True)
    (folder / "revoked.1.intoto.jsonl").write_bytes(b"junk")
    assert stall.verify(decision).decision.allowed
    call_back(stall, published.sha256)
    with pytest.raises(Rejected, match="it leaks"):
        stall.verify(decision)


def test_after_a_revocation_the_release_before_is_the_current_one(stall):
    go(stall)
    _, second = go(stall, b"a better model")
    call_back(stall, second.sha256)

    assert listed(stall) == [(1, "current"), (2, "revoked: it leaks")]


@pytest.mark.parametrize("model", ["", "abc", "0" * 63, "Z" * 64])
def test_only_a_digest_can_be_called_back(stall, model):
    with pytest.raises(InputError, match="the SHA-256 of a model"):
        call_back(stall, model)


def test_a_superseded_model_may_still_be_used(stall, monkeypatch):
    first, _ = go(stall)
    later(monkeypatch, 60)
    go(stall, b"a better model")
    stall.overwrite(f"{stall.uri}/model.joblib", b"a model")

    assert stall.verify(first).decision.allowed


def test_a_superseded_model_is_refused_where_the_policy_says_so(own, tmp_path, monkeypatch):
    stall = open_at(tmp_path, "refuse")
    first, _ = go(stall)
    assert stall.verify(first).decision.allowed
    later(monkeypatch, 60)
    second, _ = go(stall, b"a better model")
    assert stall.verify(second).decision.allowed
    stall.overwrite(f"{stall.uri}/model.joblib", b"a model")

    with pytest.raises(Rejected, match="superseded by release 2"):
        stall.verify(first)


@pytest.mark.parametrize("change", [{"superseded": "refuse"}, {"more": ", worse_by: 3"}])
def test_a_policy_that_looks_at_the_current_release_needs_it_recorded(own, tmp_path, change):
    stall = open_at(tmp_path, **change)
    with pytest.raises(InputError, match="a key that may release"):
        go(stall, key="")


def test_a_model_that_is_worse_than_the_current_release_is_denied(own, tmp_path):
    stall = open_at(tmp_path, more=", worse_by: 3")
    go(stall)
    restock(stall, b"a model + 4")
    worse = stall.gate()

    assert "measured 11, the current release 7" in worse.decision.reasons[0]
    _, published = go(stall, b"a model + ")
    assert published.sha256


def test_a_comparison_verifies_after_the_current_release_has_moved_on(own, tmp_path):
    stall = open_at(tmp_path, more=", worse_by: 3")
    go(stall)
    decision, _ = go(stall, b"a model + ")

    assert stall.verify(decision).decision.results[-1].current == 7
    assert listed(stall) == [(1, "superseded"), (2, "current")]


def test_a_release_that_a_trainer_made_up_does_not_lower_the_bar(own, tmp_path):
    stall = open_at(tmp_path, more=", worse_by: 3")
    go(stall)
    restock(stall, b"x" * 90)
    with pytest.raises(Rejected):
        stall.release(stall.gate().statement.uri, key="builder")
    stall.overwrite(
        f"{stall.uri}/policy.yaml", POLICY.format(superseded="accept", more="").encode()
    )
    go(stall, key="builder")
    body = POLICY.format(superseded="accept", more=", worse_by: 3")
    stall.overwrite(f"{stall.uri}/policy.yaml", body.encode())
    restock(stall, b"x" * 91)

    assert not stall.gate().decision.allowed


def test_a_published_folder_is_verified_with_files_alone(stall, tmp_path, monkeypatch):
    _, published = go(stall)
    copy = tmp_path / "copy"
    shutil.copytree(Path(published.uri).parent, copy)
    shutil.rmtree(stall.evidence)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    verdict = stall.verify(f"{copy}/decision.intoto.jsonl", offline=str(copy))

    assert verdict.model == published.sha256


def test_a_copy_of_the_evidence_knows_revocations(stall, tmp_path):
    decision, published = go(stall)
    call_back(stall, published.sha256)
    copy = tmp_path / "copy"
    shutil.copytree(stall.evidence, copy)
    shutil.rmtree(stall.evidence)
    name = Path(decision).relative_to(stall.evidence)
    with pytest.raises(Rejected, match="it leaks"):
        stall.verify(f"{copy}/{name}", offline=str(copy))


@pytest.mark.parametrize("flip", ["sha256", "decision.intoto.jsonl"])
def test_a_copy_with_one_flipped_byte_is_refused(stall, tmp_path, flip):
    _, published = go(stall)
    folder = Path(published.uri).parent
    for file in [p for p in folder.rglob("*") if p.is_file() and flip in str(p)]:
        stall.flip(str(file))
        with pytest.raises((EvidenceError, StoreError)):
            stall.verify(f"{folder}/decision.intoto.jsonl", offline=str(folder))
        stall.flip(str(file))

    assert stall.verify(f"{folder}/decision.intoto.jsonl", offline=str(folder)).model


def test_a_copy_that_lacks_something_is_refused(stall):
    _, published = go(stall)
    folder = Path(published.uri).parent
    for file in list((folder / "sha256").iterdir()):
        body = file.read_bytes()
        file.unlink()
        with pytest.raises(NotFoundError):
            stall.verify(f"{folder}/decision.intoto.jsonl", offline=str(folder))
        file.write_bytes(body)


@pytest.mark.parametrize("name", ["decision", "model", "policy", "trust"])
def test_offline_refuses_what_needs_a_network(stall, name):
    _, published = go(stall)
    folder = str(Path(published.uri).parent)
    given = {
        "decision": f"{folder}/decision.intoto.jsonl",
        "model": published.model,
        **stall.judged_by,
        name: "s3://bucket/key",
    }
    with pytest.raises(InputError, match="a local file"):
        verify(given.pop("decision"), offline=folder, **given)


def test_a_release_lies_under_the_digests_of_model_and_decision(stall):
    _, published = go(stall)
    with Store() as store:
        names = [
            u.removeprefix(f"{stall.uri}/releases/") for u in store.list(f"{stall.uri}/releases/")
        ]

    assert names[-1].startswith(published.sha256)
    assert f"{published.sha256}/model" in names
    assert any(name.endswith("/decision.intoto.jsonl") for name in names)


def test_the_same_model_may_be_released_again_after_a_new_decision(stall, monkeypatch):
    _, first = go(stall)
    later(monkeypatch, 25 * 3600)
    decision = stall.gate().statement
    again = stall.release(decision.uri, run="later", key="releaser")

    assert decision.attempt == 2
    assert again.model == first.model
    assert listed(stall) == [(1, "superseded"), (2, "current")]
