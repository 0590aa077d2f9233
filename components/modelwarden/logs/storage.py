"""Logs of storage: who read and wrote which object, from S3 server access logs and CloudTrail.

They have two columns more: ``deed`` (``read``, ``write``, ``delete`` or ``other``) and ``object``,
its bucket and key. Their lines are no queries.
"""

import re
from collections.abc import Mapping

from modelwarden.logs.database import literal
from modelwarden.logs.formats import Format, clf, moment
from modelwarden.report import Json

_S3 = (
    r"^\S+ (\S+) \[([^\]]+)\] (\S+) (\S+) \S+ (\S+) (\S+) "
    r'(?:"(?:[^"\\]|\\.)*"|-) (\d{3}|-) '
)
_FIELDS = "['bucket', 'time', 'address', 'requester', 'operation', 'key', 'status']"


def _deed(operation: str, reads: str, writes: str, deletes: str) -> str:
    kinds = (("read", reads), ("write", writes), ("delete", deletes))
    cases = [f"WHEN regexp_matches({operation}, {literal(p)}) THEN '{deed}'" for deed, p in kinds]
    return f"CASE {' '.join(cases)} ELSE 'other' END"


def _server_access(source: str, _: str) -> str:
    deed = _deed(
        "v.operation",
        r"^REST\.(GET|SELECT)\.(OBJECT|OBJECT_TORRENT)$|^REST\.COPY\.(OBJECT|PART)_GET$",
        r"^REST\.(PUT|POST|COPY)\.(OBJECT|PART)$|^REST\.POST\.UPLOAD$",
        r"^(REST|BATCH)\.DELETE\.OBJECT$|^REST\.POST\.MULTI_OBJECT_DELETE$|^S3\.EXPIRE\.OBJECT$",
    )
    return f"""
        SELECT {clf("v.time")} AS time, nullif(v.requester, '-') AS client, v.address AS address,
            try_cast(v.status AS INTEGER) AS status, 0::BIGINT AS queries,
            {deed} AS deed, v.bucket || '/' || url_decode(v.key) AS object
        FROM (SELECT regexp_extract(line, {literal(_S3)}, {_FIELDS}) AS v FROM {source})"""


_PATHS = (
    "/eventTime",
    "/userIdentity/arn",
    "/userIdentity/invokedBy",
    "/sourceIPAddress",
    "/errorCode",
    "/requestParameters/bucketName",
    "/requestParameters/key",
    "/requestParameters/x-amz-copy-source",
    "/eventName",
    "/userIdentity/type",
)


def _cloudtrail(source: str, _: str) -> str:
    """Return the SELECT; a copy is two lines, for it reads one object and writes another."""
    listed = ", ".join(literal(path) for path in _PATHS)
    deed = _deed(
        "v[9]",
        "^(GetObject|SelectObjectContent|GetObjectTorrent)$",
        "^(PutObject|PostObject|UploadPart|CompleteMultipartUpload|CopyObject|UploadPartCopy)$",
        "^(DeleteObject|DeleteObjects|DeleteObjectVersion)$",
    )
    anonymous = "v[10] = 'AWSAccount' AND v[2] IS NULL"
    # a file is one line with many records; JSON lines have one each
    records = """
        SELECT unnest(CASE
            WHEN NOT json_valid(line) THEN [NULL::JSON]
            WHEN json_type(line, '/Records') = 'ARRAY' THEN json_extract(line, '$.Records[*]')
            ELSE [line::JSON] END) AS record
        FROM """
    copied = "ltrim(url_decode(v[8]), '/')"
    return f"""
        WITH records AS ({records}{source}),
        events AS (SELECT json_extract_string(record, [{listed}]) AS v FROM records),
        deeds AS (
            SELECT v, {deed} AS deed, v[6] || '/' || coalesce(v[7], '') AS object FROM events
            UNION ALL
            SELECT v, 'read', {copied} FROM events WHERE v[8] IS NOT NULL)
        SELECT {moment("v[1]")} AS time,
            CASE WHEN {anonymous} THEN NULL ELSE coalesce(v[2], v[3]) END AS client,
            v[4] AS address, CASE WHEN v[5] IS NULL THEN 200 ELSE 403 END AS status,
            0::BIGINT AS queries, deed, object
        FROM deeds"""


def _is_cloudtrail(line: str, document: Json) -> bool:
    if line.startswith('{"Records":['):  # also where the line is too long to be looked at whole
        return True
    if not isinstance(document, dict):
        return False
    return "Records" in document or {"eventTime", "eventName", "eventSource"} <= set(document)


_TELLS = ("address", "status", "queries", "deed", "object")

FORMATS: Mapping[str, Format] = {
    "s3": Format(lambda line, _: re.match(_S3, line) is not None, _server_access, _TELLS),
    "cloudtrail": Format(_is_cloudtrail, _cloudtrail, _TELLS),
}
"""Logs of storage by name."""
