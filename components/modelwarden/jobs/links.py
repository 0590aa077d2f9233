"""Links between a check's own page and other pages that it writes."""

import posixpath
from collections.abc import Iterable, Mapping
from html import escape

from modelwarden.markup import tag
from modelwarden.report import REPORT_PAGE, Findings

_PLACE = "://"


def links(pages: Iterable[str], written: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return a fact for the page in `folder` about each of the other pages that is written."""
    return {
        f"page {name}": tag("a", written[name], href=_way(written[name], folder))
        for name in pages
        if name in written
    }


def linked(
    findings: Findings, written: Mapping[str, str], folder: str, name: str
) -> Mapping[str, bytes]:
    """Return the tables of a check; those that are pages lead to the check's own.

    Parameters
    ----------
    findings : Findings
        What the check returned.
    written : mapping of str to str
        URIs of the tables that are written.
    folder, name : str
        Where the check's own page is; an empty name where it is nowhere.

    Notes
    -----
    The page is named by its digest and holds the other pages' addresses, never their digests: so
    both can name each other.
    """
    tables = dict(findings.tables)
    for page in findings.pages:
        uri = written.get(page, "")
        way = _way(f"{folder}/{name}", posixpath.dirname(uri)) if name and uri else "#"
        tables[page] = tables[page].replace(REPORT_PAGE.encode(), escape(way).encode())
    return tables


def _way(uri: str, folder: str) -> str:
    """Return the relative address of `uri` as seen from a folder of the same place, else `uri`."""
    ours, theirs = _root(folder), _root(uri)
    if not folder or ours != theirs:
        return uri
    return posixpath.relpath(uri[len(theirs) :] or ".", folder[len(ours) :] or ".")


def _root(uri: str) -> str:
    """Return ``s3://bucket/`` of a URI; "" of a path."""
    scheme, mark, rest = uri.partition(_PLACE)
    return f"{scheme}{mark}{rest.partition('/')[0]}/" if mark else ""
