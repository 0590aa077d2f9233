"""Parts as bytes: what goes in comes out, and nothing that could be executed."""

import io
import os
import zipfile

import numpy as np
import pytest

from modelwarden import blocks
from modelwarden.blocks import expect, pack, unpack
from modelwarden.errors import EvidenceError

ARRAYS = {"a": np.arange(3), "b": np.array(["x", "yz"]), "c": np.array(True), "d": np.ones((2, 2))}


def test_what_is_packed_comes_out():
    found = unpack(pack(ARRAYS), "part")

    assert {name: (a.dtype, a.tolist()) for name, a in found.items()} == {
        name: (a.dtype, a.tolist()) for name, a in ARRAYS.items()
    }


def test_equal_arrays_are_equal_bytes():
    assert pack(ARRAYS) == pack({name: array.copy() for name, array in ARRAYS.items()})


class Evil:
    """Creates a folder where it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_objects_are_neither_packed_nor_unpacked(tmp_path):
    evil = np.array([Evil(str(tmp_path / "made"))])
    with pytest.raises(ValueError, match="allow_pickle"):
        pack({"a": evil})
    body = io.BytesIO()
    np.savez(body, a=evil)
    with pytest.raises(EvidenceError, match="part: expected arrays"):
        unpack(body.getvalue(), "part")

    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_half_a_file_is_refused(cut):
    with pytest.raises(EvidenceError, match="part: expected arrays"):
        unpack(pack(ARRAYS)[:cut], "part")


def test_what_is_no_array_is_refused():
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as file:
        file.writestr("a", b"text")
    with pytest.raises(EvidenceError, match="arrays of numbers and text"):
        unpack(body.getvalue(), "part")


def test_a_bomb_is_refused_before_it_goes_off(monkeypatch):
    body = io.BytesIO()
    np.savez_compressed(body, a=np.zeros(1_000_000))
    monkeypatch.setattr(blocks, "MAX_BYTES", 1_000_000)
    with pytest.raises(EvidenceError, match="at most 1000000 bytes"):
        unpack(body.getvalue(), "part")


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("a", ("f", (3,))),
        ("a", ("i", (4,))),
        ("a", ("i", (3, 1))),
        ("a", ("i", ())),
        ("e", ("i", ())),
    ],
)
def test_arrays_of_other_shapes_are_refused(name, shape):
    shapes = {"a": ("i", (None,)), "b": ("U", (2,)), "c": ("b", ()), "d": ("f", (2, None))}
    expect(ARRAYS, shapes, "part")

    with pytest.raises(EvidenceError, match=f"part, {name}"):
        expect(ARRAYS, {**shapes, name: shape}, "part")
