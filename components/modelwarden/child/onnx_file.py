"""What an ONNX file says, checked before onnxruntime sees any of it.

An ONNX file is a graph of operators and cannot hold code. What it can hold is a path: to weights
in other files, or to a library of operators. So it is read here first, as protobuf and down to the
last field, and refused for what is not known as well as for what is wrong.
"""

import re
import struct
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelwarden.child.formats import UnfitError

MAX_BYTES = 1 << 30
MAX_OPERATORS = 100_000
DOMAINS = frozenset((b"", b"ai.onnx", b"ai.onnx.ml"))
"""Where operators may come from: the standard's own, all of which only compute."""

KNOWN: Mapping[str, Mapping[int, tuple[str, str]]] = {
    "model": {
        1: ("ir_version", "int"),
        2: ("producer_name", "bytes"),
        3: ("producer_version", "bytes"),
        4: ("domain", "bytes"),
        5: ("model_version", "int"),
        6: ("doc_string", "bytes"),
        7: ("graph", "graph"),
        8: ("opset_import", "opset"),
        14: ("metadata_props", "bytes"),
    },
    "opset": {1: ("domain", "bytes"), 2: ("version", "int")},
    "graph": {
        1: ("node", "node"),
        2: ("name", "bytes"),
        5: ("initializer", "tensor"),
        10: ("doc_string", "bytes"),
        11: ("input", "value"),
        12: ("output", "value"),
        13: ("value_info", "value"),
        16: ("metadata_props", "bytes"),
    },
    "value": {
        1: ("name", "bytes"),
        2: ("type", "bytes"),
        3: ("doc_string", "bytes"),
        4: ("metadata_props", "bytes"),
    },
    "node": {
        1: ("input", "bytes"),
        2: ("output", "bytes"),
        3: ("name", "bytes"),
        4: ("op_type", "bytes"),
        5: ("attribute", "attribute"),
        6: ("doc_string", "bytes"),
        7: ("domain", "bytes"),
        9: ("metadata_props", "bytes"),
    },
    "attribute": {
        1: ("name", "bytes"),
        2: ("f", "floats"),
        3: ("i", "int"),
        4: ("s", "bytes"),
        5: ("t", "tensor"),
        7: ("floats", "floats"),
        8: ("ints", "ints"),
        9: ("strings", "bytes"),
        10: ("tensors", "tensor"),
        13: ("doc_string", "bytes"),
        20: ("type", "int"),
    },
    "tensor": {
        1: ("dims", "ints"),
        2: ("data_type", "int"),
        4: ("float_data", "floats"),
        5: ("int32_data", "ints"),
        6: ("string_data", "bytes"),
        7: ("int64_data", "ints"),
        8: ("name", "bytes"),
        9: ("raw_data", "bytes"),
        10: ("double_data", "doubles"),
        11: ("uint64_data", "ints"),
        12: ("doc_string", "bytes"),
        14: ("data_location", "int"),
        16: ("metadata_props", "bytes"),
    },
}
"""The fields of each part, by number, and what they hold: a kind of number, bytes, or a part."""

REFUSED: Mapping[tuple[str, int], str] = {
    ("model", 20): "steps of training",
    ("model", 25): "functions of its own",
    ("graph", 15): "sparse weights",
    ("attribute", 6): "graphs inside operators (If, Loop, Scan)",
    ("attribute", 11): "graphs inside operators (If, Loop, Scan)",
    ("tensor", 13): "weights in another file",
}
"""Fields that have a meaning, and are not supported."""

WIRES = {"int": (0,), "ints": (0, 2), "floats": (5, 2), "doubles": (1, 2)}
"""How each kind may be written; all others have a length before them."""

VARINT = re.compile(rb"[\x80-\xff]{0,9}[\x00-\x7f]")
FIXED = {1: 8, 5: 4}
INT32, INT64, TEXT = 6, 7, 8
"""Types of a tensor's elements."""

Part = dict[str, list[Any]]
Label = int | str


@dataclass(frozen=True)
class Content:
    """A graph that was read and found to be harmless.

    Parameters
    ----------
    inputs, outputs : tuple of str
        What goes in and comes out; weights are no inputs.
    labels : tuple of int or str
        The classes, in the order of the probabilities; empty where the file does not say.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    labels: tuple[Label, ...]


def read(data: bytes) -> Content:
    """Read a file.

    Raises
    ------
    UnfitError
        If it is no ONNX model, or has parts that are not supported.
    """
    if len(data) > MAX_BYTES:
        raise UnfitError(f"an ONNX file of {len(data)} bytes; {MAX_BYTES} are allowed")
    try:
        return _content(_part(data, "model"))
    except (ValueError, UnicodeError, struct.error) as error:
        raise UnfitError(f"an ONNX file that cannot be read: {error}") from error


def _content(model: Part) -> Content:
    graphs = model.get("graph", [])
    if len(graphs) != 1:
        raise ValueError(f"{len(graphs)} graphs instead of one")
    (graph,) = graphs
    nodes = graph.get("node", [])
    if len(nodes) > MAX_OPERATORS:
        raise ValueError(f"{len(nodes)} operators; {MAX_OPERATORS} are allowed")
    for domain in _domains(model, nodes):
        if domain not in DOMAINS:
            name = ascii(domain[:50])[2:-1]
            raise UnfitError(f"an ONNX model with operators of {name}, which is not the standard's")
    weights = {_one(tensor, "name"): tensor for tensor in graph.get("initializer", [])}
    inputs, outputs = (
        [_one(value, "name") for value in graph.get(side, [])] for side in ("input", "output")
    )
    return Content(
        inputs=tuple(name.decode() for name in inputs if name not in weights),
        outputs=tuple(name.decode() for name in outputs),
        labels=_labels(nodes, weights, outputs),
    )


def _domains(model: Part, nodes: Sequence[Part]) -> Iterator[bytes]:
    for part in (*model.get("opset_import", []), *nodes):
        yield _one(part, "domain")


def _labels(
    nodes: Sequence[Part], weights: Mapping[bytes, Part], outputs: Sequence[bytes]
) -> tuple[Label, ...]:
    """Return the labels of the map of probabilities, or of the operator nearest to the labels."""
    makers = {name: node for node in nodes for name in node.get("output", [])}
    last = makers.get(outputs[-1], {}) if outputs else {}
    if _one(last, "op_type") == b"ZipMap":
        return _named(last)
    ahead, seen = deque(outputs[:1]), set(outputs[:1])
    while ahead:
        node = makers.get(ahead.popleft())
        if node is None:
            continue
        found = _named(node) or _looked_up(node, weights)
        if found:
            return found
        ahead += [name for name in node.get("input", []) if name not in seen]
        seen.update(node.get("input", []))
    return ()


def _named(node: Part) -> tuple[Label, ...]:
    """Return the labels that a classifier, or a map of probabilities, has as an attribute."""
    for attribute in node.get("attribute", []):
        if _one(attribute, "name").startswith(b"classlabels_"):
            texts = tuple(text.decode() for text in attribute.get("strings", []))
            return texts or tuple(_integers(attribute, "ints"))
    return ()


def _looked_up(node: Part, weights: Mapping[bytes, Part]) -> tuple[Label, ...]:
    """Return the labels that are chosen from by number."""
    if _one(node, "op_type") != b"ArrayFeatureExtractor":
        return ()
    tensor = weights.get(next(iter(node.get("input", [])), b""), {})
    (kind,) = _integers(tensor, "data_type")[-1:] or [0]
    if kind == TEXT:
        return tuple(text.decode() for text in tensor.get("string_data", []))
    if kind not in (INT32, INT64):
        return ()
    raw, code = _one(tensor, "raw_data"), "i" if kind == INT32 else "q"
    told = _integers(tensor, "int32_data" if kind == INT32 else "int64_data")
    return tuple(told or (value for (value,) in struct.iter_unpack(f"<{code}", raw)))


# --- protobuf -------------------------------------------------------------------------------------


def _part(data: bytes, kind: str) -> Part:
    """Read one part and those inside it."""
    found: Part = {}
    place = 0
    while place < len(data):
        begin = place
        tag, place = _varint(data, place)
        name, form = _known(kind, tag >> 3)
        wire = tag & 7
        if wire not in WIRES.get(form, (2,)):
            raise ValueError(f"a {name} that is written as {wire}")
        if wire == 2:
            size, place = _varint(data, place)
            value: Any = _taken(data, place, size)
            place += size
        else:
            value, place = _run(data, begin, place, wire)
        if form in KNOWN:
            value = _part(value, form)
        elif form in WIRES:
            value = (wire, value)
        found.setdefault(name, []).append(value)
    if kind == "tensor" and any(_integers(found, "data_location")):
        raise UnfitError(f"an ONNX model with {REFUSED['tensor', 13]}, which is not supported")
    return found


def _known(kind: str, number: int) -> tuple[str, str]:
    if (kind, number) in REFUSED:
        raise UnfitError(f"an ONNX model with {REFUSED[kind, number]}, which is not supported")
    if number not in KNOWN[kind]:
        raise ValueError(f"a {kind} with the field {number}, which is not known")
    return KNOWN[kind][number]


def _run(data: bytes, begin: int, place: int, wire: int) -> tuple[bytes, int]:
    """Return the bytes of one number, and of those that follow it in the same field."""
    one = VARINT.pattern if wire == 0 else b"(?s:.){%d}" % FIXED[wire]
    run = re.compile(b"(?:%s%s)+" % (re.escape(data[begin:place]), one)).match(data, begin)
    if run is None:
        raise ValueError("a number without an end")
    return run[0], run.end()


def _integers(part: Part, name: str) -> list[int]:
    """Return whole numbers, which are packed, or each has its tag before it."""
    found: list[int] = []
    for wire, block in part.get(name, []):
        values = [_varint(one[0], 0)[0] for one in VARINT.finditer(block)]
        found += values if wire == 2 else values[1::2]
    return [value - 2**64 if value >= 2**63 else value for value in found]


def _varint(data: bytes, place: int) -> tuple[int, int]:
    match = VARINT.match(data, place)
    if match is None:
        raise ValueError("no end")
    return sum((byte & 127) << 7 * digit for digit, byte in enumerate(match[0])), match.end()


def _taken(data: bytes, place: int, size: int) -> bytes:
    if size > len(data) - place:
        raise ValueError(f"a length of {size} where {len(data) - place} bytes are")
    return data[place : place + size]


def _one(part: Part, name: str) -> bytes:
    """Return the last value of a field, which is the one that counts."""
    found: bytes = part.get(name, [b""])[-1]
    return found
