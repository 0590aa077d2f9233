"""Lines of query logs as their writers write them, and logs made of files."""

import json
from contextlib import contextmanager

from modelwarden.logs.log import Log
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
