"""What a join accepts: every block of this very task, by this very key, and nothing else."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from modelwarden.errors import EvidenceError
from modelwarden.jobs.parts import Parts, Task
from modelwarden.keys import new_key
from modelwarden.signing import Signer
from modelwarden.store import Store

TASK = Task("evasion", {"seed": 0, "epsilon": 0.1}, {"model": "a" * 64}, blocks=4)
BODIES = [b"block %d" % number for number in range(4)]


@pytest.fixture(scope="module")
def signers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name in ("own", "other"):
        (folder / name).write_bytes(new_key()[0])
    return {name: Signer.open(str(folder / name)) for name in ("own", "other")} | {"": None}


@pytest.fixture
def store():
    with Store() as store:
        yield store


@pytest.fixture
def opened(store, signers, tmp_path):
    """Open the parts of a task, by default with a key."""
    return lambda task=TASK, who="own", at="parts": Parts(
        store, str(tmp_path / at), task, signers[who]
    )


@pytest.fixture
def filled(opened):
    def filled(task=TASK, who="own", at="parts", blocks=range(4)):
        parts = opened(task, who, at)
        for number in blocks:
            parts.put(number, BODIES[number])
        return parts

    return filled


@pytest.fixture
def receipts(tmp_path):
    """Return the receipts below a prefix with one task, by block."""

    def receipts(at="parts"):
        (folder,) = (tmp_path / at / "parts").iterdir()
        return sorted(folder.iterdir())

    return receipts


WHO = pytest.mark.parametrize("who", ["own", ""], ids=["signed", "unsigned"])


@WHO
def test_parts_come_back_in_the_order_of_blocks(filled, who):
    parts = filled(who=who, blocks=[2, 0, 3, 1])

    assert parts.all() == BODIES
    assert all(map(parts.has, range(4)))


@WHO
def test_doing_a_block_twice_changes_nothing(filled, receipts, who):
    parts = filled(who=who)
    before = [path.read_bytes() for path in receipts()]
    parts.put(1, BODIES[1])

    assert [path.read_bytes() for path in receipts()] == before


@WHO
def test_two_results_of_one_block_are_refused(filled, who):
    parts = filled(who=who)
    with pytest.raises(EvidenceError, match=r"expected the result .*, got another"):
        parts.put(1, b"something else")

    assert parts.all() == BODIES


@WHO
def test_a_missing_block_is_refused(filled, who):
    parts = filled(who=who, blocks=[0, 2])

    assert [parts.has(number) for number in range(4)] == [True, False, True, False]
    with pytest.raises(EvidenceError, match="4 blocks, got 2 missing, the first of them 1"):
        parts.all()


@pytest.mark.parametrize(
    "change",
    [
        {"check": "roni"},
        {"options": {"seed": 1, "epsilon": 0.1}},
        {"options": {"seed": False, "epsilon": 0.1}},
        {"inputs": {"model": "b" * 64}},
        {"blocks": 5},
    ],
)
def test_parts_of_another_task_do_not_count(opened, filled, change):
    filled()

    with pytest.raises(EvidenceError, match="missing, the first of them 0"):
        opened(replace(TASK, **change)).all()


def test_parts_of_another_version_do_not_count(opened, filled, monkeypatch):
    filled()
    monkeypatch.setattr("modelwarden.jobs.parts.environment", lambda: {"modelwarden": "0.0.1"})

    with pytest.raises(EvidenceError, match="missing, the first of them 0"):
        opened().all()


@WHO
@pytest.mark.parametrize("change", [{"options": {"seed": False, "epsilon": 0.1}}, {"blocks": 5}])
def test_receipts_of_another_task_in_the_right_place_are_refused(filled, receipts, who, change):
    parts = filled(who=who)
    filled(replace(TASK, **change), who=who, at="others")
    for there, foreign in zip(receipts(), receipts("others"), strict=True):
        shutil.copy(foreign, there)

    with pytest.raises(EvidenceError, match="receipt of block 0 of this very task"):
        parts.all()
    with pytest.raises(EvidenceError, match="receipt of block 3 of this very task"):
        parts.has(3)


@WHO
def test_a_receipt_in_the_place_of_another_is_refused(filled, receipts, who):
    parts = filled(who=who)
    shutil.copy(receipts()[0], receipts()[1])

    with pytest.raises(EvidenceError, match="receipt of block 1 of this very task"):
        parts.all()


@pytest.mark.parametrize(
    "name", ["000004.intoto.jsonl", "000001.json", "000001.intoto.jsonl.bak", "x/000000.json"]
)
def test_a_file_too_many_is_refused(filled, receipts, name):
    parts = filled()
    more = receipts()[0].parent / name
    more.parent.mkdir(exist_ok=True)
    shutil.copy(receipts()[0], more)

    with pytest.raises(EvidenceError, match="a file that is no part of this"):
        parts.all()


@pytest.fixture
def blob(tmp_path):
    """Find the part that says something."""
    return lambda body: next(
        path for path in Path(tmp_path, "parts", "sha256").iterdir() if path.read_bytes() == body
    )


@WHO
def test_an_altered_part_is_refused(filled, blob, who):
    parts = filled(who=who)
    blob(BODIES[2]).write_bytes(b"block X")

    with pytest.raises(EvidenceError, match="the object changed"):
        parts.all()


@WHO
def test_a_part_that_is_gone_is_refused_until_it_is_done_again(filled, blob, who):
    parts = filled(who=who)
    blob(BODIES[2]).unlink()
    with pytest.raises(EvidenceError, match="expected a part, got nothing"):
        parts.all()

    assert not parts.has(2)
    parts.put(2, BODIES[2])
    assert parts.all() == BODIES


def test_a_key_accepts_only_what_it_signed(opened, filled):
    filled(who="other")

    with pytest.raises(EvidenceError, match="signature"):
        opened(who="own").all()
    with pytest.raises(EvidenceError, match="signature"):
        opened(who="own").has(0)


@pytest.mark.parametrize(("wrote", "reads"), [("", "own"), ("own", "")])
def test_signed_and_unsigned_parts_do_not_mix(opened, filled, wrote, reads):
    filled(who=wrote)

    with pytest.raises(EvidenceError, match="a file that is no part of this"):
        opened(who=reads).all()


@pytest.mark.parametrize("who", ["own", ""])
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[1]", b'{"subject":[{"digest":{"sha256":1}}]}', b'{"subject":[]}']
)
def test_what_is_no_receipt_is_refused(filled, receipts, body, who):
    parts = filled(who=who)
    receipts()[0].write_bytes(body)

    with pytest.raises(EvidenceError, match="000000"):
        parts.all()


def test_a_receipt_may_not_point_elsewhere(filled, receipts):
    parts = filled(who="")
    said = json.loads(receipts()[0].read_text())
    said["subject"][0]["digest"]["sha256"] = "../" * 21 + "a"
    receipts()[0].write_text(json.dumps(said))

    with pytest.raises(EvidenceError, match="this very task"):
        parts.all()
