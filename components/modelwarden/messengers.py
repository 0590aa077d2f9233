"""Messages through services that have a library of their own: Amazon SNS, and Apprise's.

Like :mod:`modelwarden.webhooks`: what goes wrong is a `StoreError` without a secret in it.
"""

import re

from modelwarden import __version__
from modelwarden.aws import session
from modelwarden.errors import InputError, StoreError
from modelwarden.s3_errors import line

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 4.0, 10.0, 2
MAX_SUBJECT, MAX_TEXT = 100, 200_000  # of SNS, which takes 256 KiB with all that is around

_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")


def check_topic(topic: str) -> str:
    """Return the region of an SNS topic's ARN; an InputError for anything else."""
    match = _TOPIC.fullmatch(topic)
    if match is None:
        expected = "the ARN of an SNS topic, arn:aws:sns:REGION:ACCOUNT:NAME"
        raise InputError("topic", expected, repr(topic[:100]))
    return match[1]


def publish(topic: str, subject: str, text: str, *, delivery: str) -> None:
    """Publish to an SNS topic; the role needs ``sns:Publish`` on it and nothing else.

    Parameters
    ----------
    topic : str
        ARN of the topic.
    subject, text : str
        What subscribers by mail read.
    delivery : str
        What a FIFO topic knows a repetition by; at most 128 characters.

    Raises
    ------
    InputError
        If `topic` is none.
    StoreError
        If SNS did not take it; always ``retryable``.
    """
    region = check_topic(topic)
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(
        user_agent_extra=f"modelwarden/{__version__}",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    ordered = {"MessageGroupId": "modelwarden", "MessageDeduplicationId": delivery}
    try:
        # boto3's stubs of this service are not installed everywhere
        client = session().client("sns", region_name=region, config=config)
        client.publish(
            TopicArn=topic,
            Subject=_subject(subject),
            Message=text.encode()[:MAX_TEXT].decode(errors="ignore"),
            **(ordered if topic.endswith(".fifo") else {}),
        )
    except (BotoCoreError, ClientError, ValueError) as error:
        fix = "allow sns:Publish on it; the alert is kept and sent again by the next run"
        raise StoreError(f"topic {topic}", "SNS to take it", line(error), fix, True) from error


def notify(url: str, title: str, text: str) -> None:
    """Send through Apprise (extra ``apprise``), which knows a hundred services by their URLs.

    Raises
    ------
    InputError
        If Apprise is not installed, or does not know the URL.
    StoreError
        If it was not delivered; always ``retryable``. Why is in Apprise's own log.
    """
    try:
        import apprise
    except ImportError as error:
        fix = "pip install 'modelwarden[apprise]'"
        raise InputError("channel apprise", "Apprise to be installed", "nothing", fix) from error
    services = apprise.Apprise()
    if not services.add(url):
        raise InputError("channel apprise", "a URL that Apprise knows", "another")
    if not services.notify(body=text, title=title, body_format="text"):
        fix = "see Apprise's log; the alert is kept and sent again by the next run"
        raise StoreError("channel apprise", "a delivery", "none", fix, retryable=True)


def _subject(text: str) -> str:
    """Return text as a subject of SNS: printable ASCII, at most 100 characters."""
    return re.sub(r"[^\x20-\x7e]", "?", text)[:MAX_SUBJECT].strip() or "ModelWarden"
