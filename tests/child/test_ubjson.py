import numpy as np
import pytest

from modelwarden.child.ubjson import MAX_DEPTH, read, write

SIZE = b"L\0\0\0\0\0\0\0"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no end"),
        (b"{", "no end"),
        (b"{" + SIZE + b"\1ai\1", "no end"),
        (b"S" + SIZE + b"\5abc", "a length of 5 where 3 bytes are"),
        (b"SL\xff\xff\xff\xff\xff\xff\xff\xff", "a length of -1"),
        (b"[$d#L\0\0\0\0\x3b\x9a\xca\0", "a length of 1000000000 where 0 bytes are"),
        (b"[$d#" + SIZE + b"\2\0\0\0\0", "no end"),
        (b"[#L\0\0\0\0\x3b\x9a\xca\0", "a length of 1000000000 where 0 bytes are"),
        (b"[$S#" + SIZE + b"\1", "does not say what it holds"),
        (b"[i\1]", "does not say what it holds"),
        (b"SS", "a length that starts with b'S'"),
        (b"N", "the unknown mark b'N'"),
        (b"i\1i\1", "2 bytes behind its end"),
        (b"{" + 2 * (SIZE + b"\1ai\1") + b"}", "the key 'a' twice"),
        (b"[#i\1" * (MAX_DEPTH + 2) + b"T", "more than 32 levels"),
    ],
)
def test_refuses_what_is_no_document(data, why):
    with pytest.raises(ValueError, match=why):
        read(data)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"i\xff", -1),
        (b"U\xff", 255),
        (b"I\1\0", 256),
        (b"l\0\1\0\0", 65536),
        (b"d\x3f\x80\0\0", 1.0),
        (b"D\x3f\xf8\0\0\0\0\0\0", 1.5),
        (b"T", True),
        (b"Si\2ab", "ab"),
        (b"[#U\2i\1T", [1, True]),
        (b"{i\1aF}", {"a": False}),
    ],
)
def test_reads_each_kind_of_value(data, value):
    assert read(data) == value


def test_reads_what_was_written():
    document = {"a": ["b", -7, {}], "c": np.array([1.5, -2.0], dtype=np.float32)}

    again = read(write(document))

    assert again["a"] == document["a"]
    assert again["c"].tolist() == [1.5, -2.0]
    assert again["c"].dtype == np.float32
