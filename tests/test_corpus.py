"""Our allow-list beside picklescan, a scanner that lists what is bad, on the same files."""

import logging
from collections import Counter

import pytest
from picklescan.scanner import scan_file_path
from sklearn.linear_model import LogisticRegression

from malicious import CORPUS, MARKER, PAYLOADS, corpus_file, joblib_bytes
from modelwarden.child.formats import examine


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """What both say of each file that runs code."""
    return {name: verdict(corpus_file, name, tmp_path_factory.mktemp("corpus")) for name in CORPUS}


def verdict(make, name, folder):
    """Return (what we say, what the scanner says, whether anything ran)."""
    data = make(name, folder)
    path = folder / "model.joblib"
    path.write_bytes(data)
    facts, model = examine(data)
    ours = "loads" if model is not None else "refused" if facts.get("refused") else "unreadable"
    return ours, scanned(path), (folder / MARKER).exists()


def scanned(path):
    logging.disable(logging.CRITICAL)
    try:
        result = scan_file_path(str(path))
    finally:
        logging.disable(logging.NOTSET)
    if result.issues_count:
        return "flagged"
    return "unscannable" if result.scan_err else "clean"


def test_the_corpus_has_the_thirty_files_and_more(verdicts):
    containers = Counter(name.partition(" in ")[2] for name in CORPUS)

    assert len(PAYLOADS) >= 9
    assert {"pickle", "joblib", "compressed"} <= set(containers)
    assert len(verdicts) >= 30


def test_every_file_is_refused_by_name_and_nothing_runs(verdicts):
    assert {(ours, ran) for ours, _, ran in verdicts.values()} == {("refused", False)}


def test_a_list_of_bad_names_calls_files_clean_that_run(verdicts):
    counts = Counter(theirs for _, theirs, _ in verdicts.values())

    assert counts["flagged"] < len(CORPUS) / 2
    assert verdicts["joblib.load in pickle"][1] == "clean"


def test_both_let_a_model_pass(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(joblib_bytes(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), compress=3))

    assert examine(path.read_bytes())[0]["loads"]
    assert scanned(path) != "flagged"
