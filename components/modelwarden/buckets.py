"""How a bucket is kept, as its store says: versions, object lock, encryption, who may read it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from modelwarden.report import Json, canonical
from modelwarden.s3_errors import explained

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

EVERYBODY = ("global/AllUsers", "global/AuthenticatedUsers")
"""How the groups end that an access control list means everybody by."""

_SILENT = {"AccessDenied", "MethodNotAllowed", "NotImplemented", "UnsupportedOperation"}
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


@dataclass(frozen=True)
class Bucket:
    """How a bucket is kept; None where its store would not say.

    Parameters
    ----------
    uri : str
        The bucket.
    versioned : bool or None
        Whether overwritten and deleted objects stay as versions.
    lock_days : float or None
        Days for which object lock keeps every new version; 0 without a default.
    lock_mode : str or None
        ``COMPLIANCE``, which nobody can lift, ``GOVERNANCE``, or "" without a default.
    encryption : str or None
        Default encryption, such as ``aws:kms``; "" for none.
    blocks_public : bool or None
        Whether all four public access blocks of the bucket are on.
    public : bool or None
        Whether its policy or its access control list lets everybody in, blocks aside.
    """

    uri: str
    versioned: bool | None
    lock_days: float | None
    lock_mode: str | None
    encryption: str | None
    blocks_public: bool | None
    public: bool | None

    @cached_property
    def sha256(self) -> str:
        """Return the digest of all of it."""
        return sha256(canonical(self.as_json())).hexdigest()

    def as_json(self) -> dict[str, Json]:
        """Return it as JSON values."""
        return asdict(self)


def read(client: "S3Client", bucket: str) -> Bucket:
    """Ask a store how a bucket is kept; nothing is changed.

    Raises
    ------
    StoreError
        If there is no such bucket, or the store does not answer.
    """
    uri = f"s3://{bucket}/"

    def ask(call: Callable[..., Any], *absent: str) -> Mapping[str, Any] | None:
        return _asked(call, bucket, uri, absent)

    versions = ask(client.get_bucket_versioning)
    lock = ask(
        client.get_object_lock_configuration,
        "ObjectLockConfigurationNotFoundError",
        "ObjectLockConfigurationNotFound",
    )
    encryption = ask(client.get_bucket_encryption, "ServerSideEncryptionConfigurationNotFoundError")
    blocks = ask(client.get_public_access_block, "NoSuchPublicAccessBlockConfiguration")
    policy = ask(client.get_bucket_policy_status, "NoSuchBucketPolicy")
    grants = ask(client.get_bucket_acl)
    days, mode = _lock(lock)
    return Bucket(
        uri=uri,
        versioned=None if versions is None else versions.get("Status") == "Enabled",
        lock_days=days,
        lock_mode=mode,
        encryption=_encryption(encryption),
        blocks_public=_blocked(blocks),
        public=_either(_open_policy(policy), _open_list(grants)),
    )


def _asked(
    call: Callable[..., Any], bucket: str, uri: str, absent: tuple[str, ...]
) -> Mapping[str, Any] | None:
    """Return an answer, {} where nothing is configured, None where the store would not say."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return dict(call(Bucket=bucket))
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in absent:
            return {}
        if code in _SILENT:
            return None
        raise explained(error, uri) from error
    except BotoCoreError as error:
        raise explained(error, uri) from error


def _lock(answer: Mapping[str, Any] | None) -> tuple[float | None, str | None]:
    if answer is None:
        return None, None
    configured = answer.get("ObjectLockConfiguration", {})
    kept = configured.get("Rule", {}).get("DefaultRetention", {})
    days = kept.get("Days", 0) + 365 * kept.get("Years", 0)
    return float(days), str(kept.get("Mode", ""))


def _encryption(answer: Mapping[str, Any] | None) -> str | None:
    if answer is None:
        return None
    rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    kinds = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in rules]
    return next((str(kind["SSEAlgorithm"]) for kind in kinds if "SSEAlgorithm" in kind), "")


def _blocked(answer: Mapping[str, Any] | None) -> bool | None:
    if answer is None:
        return None
    blocks = answer.get("PublicAccessBlockConfiguration", {})
    return all(blocks.get(name) is True for name in _BLOCKS)


def _open_policy(answer: Mapping[str, Any] | None) -> bool | None:
    return None if answer is None else answer.get("PolicyStatus", {}).get("IsPublic") is True


def _open_list(answer: Mapping[str, Any] | None) -> bool | None:
    if answer is None:
        return None
    grantees = (grant.get("Grantee", {}).get("URI", "") for grant in answer.get("Grants", ()))
    return any(grantee.endswith(EVERYBODY) for grantee in grantees)


def _either(first: bool | None, second: bool | None) -> bool | None:
    """Return whether one of two is true; None where that cannot be known."""
    if first or second:
        return True
    return None if first is None or second is None else False
