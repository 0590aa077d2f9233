"""Documents that a parser would accept and a person would misread are refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwarden.documents import MAX_DOCUMENT, read_json, read_yaml
from modelwarden.errors import EvidenceError, InputError, PolicyError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("-2.5", -2.5),
        ("0", 0),
        ("true", True),
        ("~", None),
        ("no", "no"),
        ("012", "012"),
        ("12:30", "12:30"),
        (".nan", ".nan"),
        ("2026-01-01", "2026-01-01"),
        ("'1'", "1"),
    ],
)
def test_yaml_scalars_mean_what_they_mean_in_json(text, value):
    read = read_yaml(f"a: {text}".encode(), "p.yaml")["a"]

    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"a: 1\na: 2", "the key 'a' twice .line 2"),
        (b"x: {a: 1, a: 2}", "the key 'a' twice"),
        (b"a: &x [1]\nb: *x", "alias"),
        (b"a: !!python/object/apply:os.system ['true']", "tag"),
        (b"1: 2", "the key 1"),
        (b"a: [1", "line 1"),
        (b"\xff", "utf-8"),
        (b"a" * (MAX_DOCUMENT + 1), "allowed"),
        (b"[" * 5000, "p.yaml"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_yaml_refuses(text, problem):
    with pytest.raises(PolicyError, match=problem):
        read_yaml(text, "p.yaml")


@pytest.mark.parametrize(
    "text", [b'{"a":1,"a":2}', b"NaN", b"[1e999]", b"", b"{", b"\xff", b"[" * 100_000]
)
def test_json_refuses(text):
    with pytest.raises(EvidenceError, match="envelope: expected a JSON document"):
        read_json(text, "envelope")


def test_json_refuses_in_the_callers_words():
    with pytest.raises(InputError, match="suite"):
        read_json(b"{", "suite", InputError)


@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(body):
    for read, error in ((read_json, EvidenceError), (read_yaml, PolicyError)):
        with suppress(error):
            read(body, "x")
