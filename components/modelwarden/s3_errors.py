"""What errors of S3 mean, in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from modelwarden.errors import ConflictError, InputError, NotFoundError, StoreError


class Again(Exception):  # noqa: N818 - a request, which only `persist` hears
    """Do that once more; `reason` is what to raise when it was too often."""

    def __init__(self, reason: StoreError) -> None:
        super().__init__(reason)
        self.reason = reason


@contextmanager
def s3_errors(uri: str) -> Iterator[None]:
    """Raise errors of botocore as ours, or as a wish to try again."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, RecursionError, ValueError) as error:
        raise explained(error, uri) from error


class _Meaning(NamedTuple):
    """What errors of S3 mean: their names, our words, our class, and whether to try again."""

    names: str
    expected: str
    fix: str
    kind: type[StoreError] | type[InputError] = StoreError
    again: str = ""  # "here", by this module, or "later", by whoever called


WRITE_ONCE = "a store that creates an object only once (If-None-Match: *)"
WRITE_ONCE_STORES = "this store cannot hold evidence: use Amazon S3, Ceph RGW or their equal"
_OTHER = _Meaning("", "success", "see the message")
_MEANINGS = (
    # by S3's code or botocore's exception
    _Meaning(
        "ExpiredToken InvalidAccessKeyId InvalidToken SignatureDoesNotMatch NoCredentialsError "
        "PartialCredentialsError CredentialRetrievalError TokenRetrievalError SSOError",
        "valid credentials for {action} on {arn}",
        "renew or correct them",
    ),
    _Meaning("NoSuchBucket", "a bucket {bucket!r}", "correct the URI", NotFoundError),
    _Meaning(
        "InvalidBucketName KeyTooLongError ParamValidationError",
        "a usable bucket and key",
        "correct the URI",
        InputError,
    ),
    _Meaning("InvalidObjectState", "an object that is not archived", "restore it first"),
    _Meaning("RequestTimeTooSkewed", "equal clocks", "set the clock of this machine"),
    _Meaning("SSLError", "a certificate that is trusted", "set AWS_CA_BUNDLE"),
    _Meaning(
        "BadDigest XAmzContentSHA256Mismatch",
        "the bytes that were sent",
        "they changed on the way: try again",
        again="here",
    ),
    _Meaning(
        # botocore asks whoever redirects without naming a region until RecursionError
        "AuthorizationHeaderMalformed RecursionError 3xx",
        "the address and region of bucket {bucket!r}",
        "set endpoint_url and region_name",
    ),
    _Meaning(
        # botocore's parser lets a ValueError through
        "ConnectionError HTTPClientError ValueError RequestTimeout 429 5xx",
        "an answer of the store",
        "check its address, then try again",
        again="later",
    ),
    # by status alone, which is all that a HEAD tells
    _Meaning("400", "a valid request", "see its words; a HEAD with expired credentials has none"),
    _Meaning(
        "403",
        "permission for {action} on {arn}",
        "check the policies of role, bucket and KMS key; without s3:ListBucket, "
        "what does not exist looks forbidden too",
    ),
    _Meaning("404", "an object {key!r} in bucket {bucket!r}", "correct the URI", NotFoundError),
    _Meaning("409", "no other write at the same time", "try again", again="here"),
    _Meaning("412", "nothing at this key", "choose another key", ConflictError),
    _Meaning("501", WRITE_ONCE, WRITE_ONCE_STORES),
)
_BY_NAME = {name: meaning for meaning in _MEANINGS for name in meaning.names.split()}
_ACTIONS = {
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
}


def explained(error: Exception, uri: str) -> Exception:
    """Return botocore's error in our words, or the wish to try again, as `Again`."""
    operation, response = getattr(error, "operation_name", ""), getattr(error, "response", None)
    if response is None:
        names, got = [kind.__name__ for kind in type(error).__mro__], line(error)
    else:
        status = str(response["ResponseMetadata"]["HTTPStatusCode"])
        names = [response["Error"].get("Code", ""), status, f"{status[0]}xx"]
        got = line(f"{names[0]}: {response['Error'].get('Message', '')}")
    meaning = next((_BY_NAME[name] for name in names if name in _BY_NAME), _OTHER)
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    arn = f"arn:aws:s3:::{bucket}" + (f"/{key}" if operation != "ListObjectsV2" else "")
    action = _ACTIONS.get(operation, operation or "any request")
    expected = meaning.expected.format(bucket=bucket, key=key, action=action, arn=arn)
    if issubclass(meaning.kind, InputError):
        return meaning.kind(uri, expected, got, meaning.fix)
    reason = meaning.kind(uri, expected, got, meaning.fix, bool(meaning.again))
    return Again(reason) if meaning.again == "here" else reason


def line(error: object) -> str:
    """Return the words of an error in one line."""
    return " ".join(str(error).split())[:300].rstrip(".")
