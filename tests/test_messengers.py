"""SNS, against a server that behaves like it; and what is not installed."""

import json

import boto3
import pytest

from modelwarden.errors import InputError, StoreError
from modelwarden.messengers import check_topic, notify, publish


@pytest.fixture
def topic(s3):
    """The ARN of a topic, and what its subscriber got."""
    sns, sqs = (boto3.client(name, region_name="us-east-1") for name in ("sns", "sqs"))
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    made = sns.create_topic(Name="alerts")["TopicArn"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=made, Protocol="sqs", Endpoint=arn["QueueArn"])

    def got():
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    return made, got


def test_a_subscriber_gets_subject_and_text(topic):
    arn, got = topic
    publish(arn, "churn: 1 alert\nBcc: ü", "drift: a crowd in 'age' ü", delivery="ab" * 32)
    (message,) = got()

    assert message["Subject"] == "churn: 1 alert?Bcc: ?"
    assert message["Message"] == "drift: a crowd in 'age' ü"


def test_a_text_that_is_too_long_is_cut(topic):
    arn, got = topic
    publish(arn, "s" * 500, "ü" * 300_000, delivery="ab" * 32)
    (message,) = got()

    assert len(message["Message"].encode()) <= 200_000
    assert len(message["Subject"]) == 100


def test_a_topic_that_is_not_there_is_a_fault(s3):
    with pytest.raises(StoreError) as error:
        publish("arn:aws:sns:us-east-1:123456789012:nowhere", "s", "t", delivery="ab")
    assert error.value.retryable


@pytest.mark.parametrize(
    "topic", ["", "alerts", "arn:aws:sqs:us-east-1:123456789012:a", "arn:aws:sns:us-east-1:1:a b"]
)
def test_what_is_no_topic_is_refused(topic):
    with pytest.raises(InputError):
        check_topic(topic)


def test_a_topic_says_its_region():
    assert check_topic("arn:aws-cn:sns:cn-north-1:123456789012:a.fifo") == ("cn-north-1")


def test_apprise_says_how_to_get_it_where_it_is_missing():
    with pytest.raises(InputError, match=r"modelwarden\[apprise\]"):
        notify("json://localhost", "title", "text")
