"""Many objects below one prefix that are one input, and the one digest of them."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from modelwarden.errors import InputError
from modelwarden.report import canonical

if TYPE_CHECKING:  # the store brings boto3, which reading a table does not need
    from modelwarden.store import File, Store

MAX_FILES = 20_000
MAX_BYTES = 16 * 2**30
"""What all files of a table may have together, as they are stored: 16 GiB."""

_FOREIGN = {"_delta_log": "a Delta table", ".hoodie": "a Hudi table"}


@dataclass(frozen=True)
class Folder:
    """Files below a prefix, on local disk until their store closes.

    Parameters
    ----------
    uri : str
        The prefix; it ends with ``/``.
    names : tuple of str
        Name of each file below `uri`, sorted.
    files : tuple of File
        The files, in the same order.
    sha256 : str
        Digest of the sorted list of (name, SHA-256, size).
    """

    uri: str
    names: tuple[str, ...]
    files: "tuple[File, ...]"
    sha256: str


def manifest(names: tuple[str, ...], files: "tuple[File, ...]") -> str:
    """Return the digest of a folder: of the sorted list of (name, SHA-256, size)."""
    entries = sorted([n, f.sha256, f.size] for n, f in zip(names, files, strict=True))
    return sha256(canonical(entries)).hexdigest()


def check_number(uri: str, count: int) -> None:
    """Refuse more objects than anybody means."""
    if count > MAX_FILES:
        fix = "name a shorter prefix, such as that of one day"
        raise InputError(uri, f"at most {MAX_FILES:,} objects", f"{count:,}", fix)


def fetch_table(uri: str, store: "Store") -> "File | Folder":
    """Bring a table to this machine: one object, or with a ``/`` at its end the files of a prefix.

    A local folder needs no ``/``: that is how Kubeflow hands one out. Below a prefix everything is
    left out that Spark's readers leave out: names that start with ``_`` or ``.``, and empty files.

    Raises
    ------
    InputError
        If there is no file, files lie in folders of their own, such as those of partition columns,
        they are too many or too large, or they changed while they were read.
    """
    if not uri.endswith("/"):
        if "://" in uri or not Path(uri).is_dir():
            return store.get(uri)
        uri += "/"
    before = store.versions(uri)
    names = _chosen(uri, [*before])
    left, files = MAX_BYTES, []
    for name in names:
        files.append(store.get(f"{uri}{name}", max_bytes=left))
        left -= files[-1].size
    # what is listed now is what was read: else rows of two tables may have met in one
    if store.versions(uri) != before:
        fix = "let its writer finish, and run again"
        raise InputError(uri, "files that stay as they are", "others after reading", fix)
    kept = [(name, file) for name, file in zip(names, files, strict=True) if file.size]
    if not kept:
        raise InputError(uri, "Parquet files", "no file with anything in it", "correct the prefix")
    chosen, held = tuple(name for name, _ in kept), tuple(file for _, file in kept)
    return Folder(uri, chosen, held, manifest(chosen, held))


def _chosen(uri: str, places: list[str]) -> list[str]:
    """Return the names of the files to read, sorted."""
    names = [place.removeprefix(uri) for place in places if not place.endswith("/")]
    for name in names:
        kind = _FOREIGN.get(name.partition("/")[0])
        if kind:
            fix = "its log says which files count: write its rows to a folder of their own"
            raise InputError(uri, "a folder of Parquet files", kind, fix)
    shown = [name for name in names if not any(map(_is_hidden, name.split("/")))]
    check_number(uri, len(shown))
    for name in shown:
        folder = name.rpartition("/")[0]
        if folder:
            partition = "=" in folder
            got = f"{'a partition' if partition else 'a folder'}, {folder[:200]!r}"
            fix = "write the column into the files" if partition else "name the folder itself"
            raise InputError(uri, "files in no folders of their own", got, fix)
    return sorted(shown)


def _is_hidden(part: str) -> bool:
    """Whether Spark's readers leave out a file or folder of this name."""
    return part.startswith(".") or (part.startswith("_") and "=" not in part)
