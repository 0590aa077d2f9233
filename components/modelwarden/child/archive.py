"""A model inside an archive: SageMaker's ``model.tar.gz``, an MLflow folder as a tar or zip.

Nothing is written to disk. Whoever deploys the archive unpacks it, and may run code in it: so each
member must be a plain file with an honest name, and be the model or a note about it.
"""

import gzip
import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from modelwarden.child.formats import UnfitError
from modelwarden.documents import read_yaml
from modelwarden.errors import PolicyError

MAX_BYTES = 1 << 30
MAX_MEMBERS = 1000
NOTES = (".txt", ".md", ".json", ".yaml", ".yml", "MLmodel", "registered_model_meta")
"""Ends of names of what may lie beside a model."""

FLAVORS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "sklearn": ("pickled_model", ("pickle", "joblib", "skops")),
    "xgboost": ("data", ("XGBoost",)),
    "lightgbm": ("data", ("LightGBM",)),
    "onnx": ("data", ("ONNX",)),
}
"""Where each flavour of MLflow says which file is the model, and the formats that it may have."""

Contents = dict[str, bytes]


@dataclass(frozen=True)
class Held:
    """A model that was found in an archive.

    Parameters
    ----------
    kind : str
        What holds it.
    name : str
        The member.
    data : bytes
        Its content.
    formats : tuple of str
        Which formats it may have; empty for any.
    """

    kind: str
    name: str
    data: bytes
    formats: tuple[str, ...] = ()


def unpacked(data: bytes, is_model: Callable[[bytes], bool]) -> Held | None:
    """Return the model in an archive; None when `data` is no archive.

    Parameters
    ----------
    data : bytes
        A file.
    is_model : callable
        Whether a member's content is a model in a known format.

    Raises
    ------
    UnfitError
        If it is an archive that could do harm, or does not hold exactly one model.
    """
    try:
        contents = _tar(data) or _zip(data)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
        raise UnfitError(f"an archive that cannot be read: {error}") from error
    except (NotImplementedError, RuntimeError, UnicodeError, ValueError) as error:
        raise UnfitError(f"an archive that cannot be read: {error}") from error
    if contents is None:
        return None
    kind, members = contents
    models = [name for name in members if is_model(members[name])]
    descriptions = [name for name in members if name.rpartition("/")[2] == "MLmodel"]
    held = _mlflow(descriptions, members) if descriptions else None
    if len(models) != 1 or (held and models != [held.name]):
        found = ", ".join(map(ascii, models[:5])) or "none"
        raise UnfitError(f"an archive that does not hold its model alone, but {found}")
    for name in members:
        if name not in models and not name.endswith(NOTES):
            raise UnfitError(f"an archive with {name!a}, neither its model nor a note")
    return held or Held(kind, models[0], members[models[0]])


# --- archives -------------------------------------------------------------------------------------


def _tar(data: bytes) -> tuple[str, Contents] | None:
    """Return what a tar holds; None when it is none."""
    if data.startswith(b"\x1f\x8b"):
        try:
            start = gzip.GzipFile(fileobj=io.BytesIO(data)).read(512)
        except (OSError, EOFError, zlib.error):
            return None  # joblib compresses, too
        if start[257:262] != b"ustar":
            return None
        data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_BYTES + 1)
    if data[257:262] != b"ustar":
        return None
    if len(data) > MAX_BYTES:
        raise UnfitError(f"a tar of more than {MAX_BYTES} bytes")
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        contents = _kept(archive, [_tar_member(member) for member in _bounded(archive)])
        if data[archive.offset :].strip(b"\0"):
            raise UnfitError("a tar with something behind its end")
    return "tar", contents


def _bounded(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    members = []
    for member in archive:
        members.append(member)
        if len(members) > MAX_MEMBERS:
            raise UnfitError(f"an archive with more than {MAX_MEMBERS} members")
    return members


def _tar_member(member: tarfile.TarInfo) -> tuple[str, Any] | None:
    if member.isdir():
        _named(member.name)
        return None
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse is not None:
        raise UnfitError(f"an archive with {member.name!a}, which is no plain file")
    return _named(member.name), member


def _kept(archive: tarfile.TarFile, members: list[tuple[str, Any] | None]) -> Contents:
    contents: Contents = {}
    for name, member in filter(None, members):
        stream = archive.extractfile(member)
        content = b"" if stream is None else stream.read()
        if name in contents or len(content) != member.size:
            raise UnfitError(f"an archive with {name!a} twice, or cut off")
        contents[name] = content
    return contents


def _zip(data: bytes) -> tuple[str, Contents] | None:
    """Return what the zip of an MLflow folder holds; None when it is something else."""
    if not data.startswith(b"PK\x03\x04") or b"MLmodel" not in data:
        return None
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if not any(one.filename.rpartition("/")[2] == "MLmodel" for one in members):
            return None
        size = sum(member.file_size for member in members)
        if len(members) > MAX_MEMBERS or size > MAX_BYTES:
            raise UnfitError(f"a zip with {len(members)} members of {size} bytes")
        contents: Contents = {}
        for member in members:
            name = _named(member.filename.removesuffix("/"))
            mode = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir():
                continue
            if mode not in (0, stat.S_IFREG) or name in contents:
                raise UnfitError(f"an archive with {name!a} twice, or as no plain file")
            contents[name] = archive.read(member)
    return "zip", contents


def _named(name: str) -> str:
    """Return a member's name as a path below the archive, if it is one everywhere."""
    parts = name.removeprefix("./").split("/") if name not in (".", "./") else ["."]
    is_path = all(part and part != ".." and part.isprintable() for part in parts)
    if not is_path or (parts != ["."] and "." in parts) or any(mark in name for mark in "\\:"):
        raise UnfitError(f"an archive with {ascii(name)[:200]}, which leads elsewhere")
    return "/".join(parts)


# --- MLflow ---------------------------------------------------------------------------------------


def _mlflow(descriptions: list[str], members: Contents) -> Held:
    """Return the model that an MLflow folder describes."""
    if len(descriptions) > 1:
        raise UnfitError(f"an archive with {len(descriptions)} MLflow models")
    (description,) = descriptions
    try:
        document = read_yaml(members[description], description)
    except PolicyError as error:
        raise UnfitError(f"an MLflow model that cannot be read: {error.got}") from error
    found = document.get("flavors") if isinstance(document, dict) else None
    flavors: dict[str, Any] = found if isinstance(found, dict) else {}
    own = [name for name in flavors if name != "python_function"]
    if len(own) != 1 or own[0] not in FLAVORS:
        known = ", ".join(FLAVORS)
        raise UnfitError(f"an MLflow model of flavour {own!r:.100}; supported is one of {known}")
    key, formats = FLAVORS[own[0]]
    place = _place(own[0], key, flavors)
    name = f"{description.removesuffix('MLmodel')}{place}"
    if not isinstance(place, str) or name not in members:
        raise UnfitError(f"an MLflow model without its {key}, {place!r:.100}")
    return Held("MLflow", name, members[name], formats)


def _place(own: str, key: str, flavors: Mapping[str, Any]) -> Any:
    """Return where the model is, and refuse what would make MLflow load or run anything else."""
    place = flavors[own].get(key) if isinstance(flavors[own], dict) else None
    wanted = {
        "code": (None,),
        "loader_module": (None, f"mlflow.{own}"),
        "model_path": (None, place),
        "data": (None, place),
        "pickled_model": (None, place),
    }
    for name, flavor in flavors.items():
        if not isinstance(flavor, dict):
            raise UnfitError(f"an MLflow model whose flavour {name!r:.50} is no mapping")
        for part, known in wanted.items():
            if flavor.get(part) not in known:
                raise UnfitError(f"an MLflow model with the {part} {flavor[part]!r:.100}")
        if not str(flavor.get("model_class", own)).startswith(own):
            raise UnfitError(f"an MLflow model of the class {flavor['model_class']!r:.100}")
    return place
