"""Lines of query logs as their writers write them, and logs made of files."""

import json
from contextlib import contextmanager

from modelwarden.logs.database import Database
from modelwarden.logs.labels import shifts
from modelwarden.logs.log import Log
from modelwarden.logs.tally import Tally, together
from modelwarden.logs.volumes import measure
from modelwarden.store import Store

START = "2026-03-01T12:00:00Z"


def kserve(client="alice", time=START, kind="request", instances=((1, 2.5),), **other):
    return json.dumps(
        {
            "specversion": "1.0",
            "id": "0f3c",
            "source": "http://localhost:9081/",
            "type": f"org.kubeflow.serving.inference.{kind}",
            "time": time,
            "data": {"instances": instances} if kind == "request" else {"predictions": [1]},
            "metadata": {"x-client-id": [client]},
            **other,
        }
    )


def sagemaker(client="alice", time=START, data="1,2.5\n", answer="1", encoding="CSV"):
    return json.dumps(
        {
            "captureData": {
                "endpointInput": {
                    "observedContentType": "text/csv",
                    "mode": "INPUT",
                    "data": data,
                    "encoding": encoding,
                },
                "endpointOutput": {"mode": "OUTPUT", "data": answer, "encoding": encoding},
            },
            "eventMetadata": {
                "eventId": "a2e4",
                "customAttributes": [client],
                "inferenceTime": time,
            },
            "eventVersion": "0",
        }
    )


def envoy(address="10.0.0.1:4711", time=START, status=200):
    return json.dumps(
        {
            "start_time": time,
            "method": "POST",
            "path": "/v2/models/m/infer",
            "response_code": status,
            "downstream_remote_address": address,
            "x_forwarded_for": "203.0.113.9",
        }
    )


def apigateway(key="K1", time="01/Mar/2026:12:00:00 +0000", status="200"):
    return json.dumps(
        {
            "requestId": "c6af",
            "ip": "10.0.0.1",
            "apiKeyId": key,
            "requestTime": time,
            "status": status,
        }
    )


def nginx(address="10.0.0.1", user="-", time="01/Mar/2026:12:00:00 +0000", status=200):
    return f'{address} - {user} [{time}] "POST /v1/m:predict HTTP/1.1" {status} 15 "-" "curl/8"'


@contextmanager
def log_of(folder, files):
    """Yield the log of some files: text, or bytes, by name."""
    place = folder / "log"
    place.mkdir(exist_ok=True)
    for name, body in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(body if isinstance(body, bytes) else body.encode())
    with Store() as store:
        yield Log.fetch(f"{place}/", store)


EVE, ROLE = "arn:aws:iam::1:user/eve", "arn:aws:sts::1:assumed-role/serving/s1"


def server_access(
    who=EVE, operation="REST.GET.OBJECT", key="fraud/model.joblib", status="200", bucket="models"
):
    return (
        f"79a5 {bucket} [01/Mar/2026:12:00:00 +0000] 192.0.2.3 {who} 3E57 {operation} {key} "
        f'"GET /{key} HTTP/1.1" {status} - 113 113 7 6 "-" "aws-cli" - hid SigV4 TLS AuthHeader '
        "models.s3 TLSv1.3 - -"
    )


def cloudtrail(who=EVE, name="GetObject", key="fraud/model.joblib", bucket="models", **other):
    return {
        "eventVersion": "1.09",
        "eventTime": "2026-03-01T12:00:00Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": name,
        "sourceIPAddress": "192.0.2.3",
        "userIdentity": {"type": "IAMUser", "arn": who},
        "requestParameters": {"bucketName": bucket, "key": key, **other.pop("parameters", {})},
        **other,
    }


def volumes_of(reading, days):
    """Return the volumes of an open log."""
    tally = Tally.of(reading)
    with Database([], "log") as database:
        together([tally], database)
        return measure(database, tally.rejected, days)


def shifts_of(reading, least):
    """Return the label shifts of an open log."""
    tally = Tally.of(reading)
    with Database([], "log") as database:
        together([tally], database)
        return {} if tally.scores else shifts(database, least)
