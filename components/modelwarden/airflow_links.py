"""A link from a task to the page about its evidence, which a browser can open.

Nobody gets rights by it: no presigned address, which would let every reader of Airflow's database
read evidence, and which ends before most people look. For Amazon it leads to the console, as the
links of Airflow's amazon provider do; for other stores to the object below their endpoint, or to
what ``[modelwarden] evidence_url`` in Airflow's configuration says, such as
``https://console.example.com/browser/{bucket}/{key}``.
"""

import os
from typing import Any
from urllib.parse import quote

from airflow.providers.common.compat.sdk import BaseOperatorLink

_CONSOLES = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}
_AMAZON = "console.aws.amazon.com"


class EvidenceLink(BaseOperatorLink):
    """The HTML page of a check or of a decision."""

    name = "Evidence"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return an address, or nothing where there is no page."""
        from airflow.providers.common.compat.sdk import conf

        del ti_key  # Airflow asks in the process of the task, right after it ended
        where = operator.evidence_place
        return address(
            operator.page,
            endpoint=(where and where.endpoint_url) or "",
            region=(where and where.region_name) or "",
            template=conf.get("modelwarden", "evidence_url", fallback=""),
        )


def address(page: str, *, endpoint: str = "", region: str = "", template: str = "") -> str:
    """Return where a browser finds an object of S3.

    Parameters
    ----------
    page : str
        Its URI; only ``s3://bucket/key`` can be reached by a browser.
    endpoint, region : str, default=""
        As in the connection; boto3's variables otherwise.
    template : str, default=""
        An address with ``{bucket}`` and ``{key}``, used instead.

    Returns
    -------
    str
        An http address, or "".
    """
    scheme, _, rest = page.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or not key:
        return ""
    bucket, path = quote(bucket), quote(key)
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    endpoint = endpoint or next((os.environ[n] for n in names if os.environ.get(n)), "")
    if template:
        found = template.replace("{bucket}", bucket).replace("{key}", path)
    elif endpoint:
        found = f"{endpoint.rstrip('/')}/{bucket}/{path}"
    else:
        found = _console(bucket, quote(key, safe=""), region)
    return found if found.startswith(("https://", "http://")) else ""


def _console(bucket: str, prefix: str, region: str) -> str:
    names = ("AWS_REGION", "AWS_DEFAULT_REGION")
    region = region or next((os.environ[n] for n in names if os.environ.get(n)), "")
    host = next((h for start, h in _CONSOLES.items() if region.startswith(start)), _AMAZON)
    at = f"region={quote(region)}&" if region else ""
    return f"https://{host}/s3/object/{bucket}?{at}prefix={prefix}"
