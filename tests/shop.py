"""A bucket with tables, keys, policy and trust file, and the steps of the chain as methods."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyotp
from sklearn.linear_model import LogisticRegression

from modelwarden.evidence import SUFFIX
from modelwarden.jobs.approve import approve
from modelwarden.jobs.check import check
from modelwarden.jobs.confirm import confirm
from modelwarden.jobs.gate import gate
from modelwarden.jobs.release import release
from modelwarden.jobs.trained import trained
from modelwarden.jobs.verify import verify
from modelwarden.keys import new_key
from modelwarden.report import canonical
from modelwarden.store import Store
from s3 import S3

ROLES = {
    "data": ["sift", "restore"],
    "model": ["weigh"],
    "builder": ["trained"],
    "gate": ["decision"],
    "desk": ["second_factor"],
    "releaser": ["release", "revoke"],
}
PEOPLE = ("alice", "bob", "carol")
SECRETS = {person: base64.b32encode(person.encode() * 8).decode().rstrip("=") for person in PEOPLE}
POLICY = """\
version: 1
action: deploy:test
rules:
  - check: sift
    metric: rejected_fraction
    op: "<="
    value: 0.25
    options: {target: label}
    inputs: {trusted: any}
  - {check: weigh, metric: bytes, op: "<=", value: 100000}
"""
APPROVED_BY_ONE = """\
version: 1
approvals: {required: 1}
rules:
  - {check: weigh, metric: bytes, op: "<=", value: 100}
"""


@dataclass
class Shop:
    """A bucket with tables, keys, policy and trust file; each step of the chain as a method."""

    uri: str
    keys: dict[str, str]
    s3: S3 | None

    def put(self, name, body):
        with Store() as store:
            store.put_once(f"{self.uri}/{name}", body)
        return f"{self.uri}/{name}"

    def read(self, uri):
        with Store() as store:
            return store.read(uri, max_bytes=1 << 24)

    def overwrite(self, uri, body):
        """Put something over what is there, as an attacker would."""
        if self.s3 is None:
            Path(uri).chmod(0o600)
            Path(uri).write_bytes(body)
        else:
            self.s3.overwrite(uri, body)

    def flip(self, uri, position=None):
        body = bytearray(self.read(uri))
        body[len(body) // 2 if position is None else position] ^= 1
        self.overwrite(uri, bytes(body))

    def payload(self, uri):
        return json.loads(base64.b64decode(json.loads(self.read(uri))["payload"]))

    @property
    def evidence(self):
        return f"{self.uri}/evidence"

    @property
    def judged_by(self):
        return {"policy": f"{self.uri}/policy.yaml", "trust": f"{self.uri}/trust.yaml"}

    def filter(self, key="data", name="kept.csv", spared="", **options):
        return check(
            "sift",
            inputs={
                "train": f"{self.uri}/train.csv",
                "trusted": f"{self.uri}/trusted.csv",
                "spared": spared and f"{self.uri}/{spared}",
            },
            options={"target": "label", **options},
            tables={"kept": f"{self.uri}/{name}", "rows": f"{self.uri}/rows-of-{name}"},
            evidence=self.evidence,
            key=self.keys[key],
        )

    def restore(self, numbers, key="data", name="restored.csv", **inputs):
        names = {"filtered": "kept.csv", "train": "train.csv", "rows": "rows-of-kept.csv", **inputs}
        return check(
            "restore",
            inputs={given: f"{self.uri}/{file}" for given, file in names.items()},
            options={"restore": numbers},
            tables={"kept": f"{self.uri}/{name}"},
            evidence=self.evidence,
            key=self.keys[key],
        )

    def fit(self, rows="kept.csv"):
        table = pd.read_csv(BytesIO(self.read(f"{self.uri}/{rows}")))
        body = BytesIO()
        joblib.dump(LogisticRegression().fit(table[["a", "b"]], table["label"]), body)
        return self.put("model.joblib", body.getvalue())

    def say_trained(self, rows="kept.csv", key="builder", author=""):
        model = f"{self.uri}/model.joblib"
        data = f"{self.uri}/{rows}"
        return trained(model, data=data, evidence=self.evidence, key=self.keys[key], author=author)

    def inspect(self, key="model"):
        inputs = {"model": f"{self.uri}/model.joblib"}
        return check("weigh", inputs=inputs, evidence=self.evidence, key=self.keys[key])

    def gate(self, key="gate"):
        model = f"{self.uri}/model.joblib"
        return gate(model, evidence=self.evidence, key=self.keys[key], **self.judged_by)

    def verify(self, decision, **more):
        return verify(decision, model=f"{self.uri}/model.joblib", **{**self.judged_by, **more})

    def approve(self, decision, person, key=""):
        key, trust = self.keys[key or person], self.judged_by["trust"]
        return approve(decision, approver=person, key=key, trust=trust)

    def confirm(self, decision, person, code="", key="desk"):
        code = code or code_of(person)
        given = {"secret": SECRETS[person], "key": self.keys[key], "trust": self.judged_by["trust"]}
        return confirm(decision, approver=person, code=code, **given)

    def release(self, decision, run="run-1", to="releases", key=""):
        return release(
            decision,
            model=f"{self.uri}/model.joblib",
            evidence=self.evidence,
            to=f"{self.uri}/{to}",
            run=run,
            key=key and self.keys[key],
            **self.judged_by,
        )

    def all_steps(self):
        self.filter()
        self.fit()
        self.say_trained()
        self.inspect()
        return self.gate()

    def statement(self, subject_of):
        """Return the URI of the one statement of a check."""
        with Store() as store:
            uris = store.list(f"{self.evidence}/statements/")
        return next(uri for uri in uris if f"/{subject_of}/" in uri and uri.endswith(SUFFIX))


def make_table(rows, seed):
    random = np.random.default_rng(seed)
    points = random.normal(size=(rows, 2))
    frame = pd.DataFrame(points, columns=["a", "b"])
    return frame.assign(label=(points.sum(axis=1) + random.normal(0, 0.3, rows) > 0).astype(int))


def code_of(person, steps=0):
    """Return what a person's authenticator shows now, or some steps of 30 s later."""
    moment = datetime.now(UTC) + timedelta(seconds=30 * steps)
    return pyotp.TOTP(SECRETS[person]).at(moment)


def make_keys(folder):
    """Write a key pair for everybody; return paths and the trust file."""
    keys, public = {}, {}
    for name in (*ROLES, *PEOPLE, "stranger"):
        private, pem = new_key("ed25519" if name == "bob" else "p256")
        (folder / f"{name}.pem").write_bytes(private)
        keys[name], public[name] = str(folder / f"{name}.pem"), pem.decode()
    signers = {role: {"may": may, "keys": [public[role]]} for role, may in ROLES.items()}
    people = {person: {"keys": [public[person]]} for person in PEOPLE}
    return keys, canonical({"signers": signers, "approvers": people})


def open_shop(s3, folder):
    keys, trust = make_keys(folder)
    shop = Shop(s3.bucket(), keys, s3)
    shop.put("train.csv", make_table(120, 0).to_csv(index=False).encode())
    shop.put("trusted.csv", make_table(100, 1).to_csv(index=False).encode())
    shop.put("policy.yaml", POLICY.encode())
    shop.put("trust.yaml", trust)
    return shop


def open_stall(folder, policy, author="carol", model=b"a model"):
    """Return a shop of local files with one cheap check, where a decision can be made at once."""
    (folder / "keys").mkdir(parents=True)
    keys, trust = make_keys(folder / "keys")
    stall = Shop(str(folder / "stall"), keys, None)
    stall.put("policy.yaml", policy.encode())
    stall.put("trust.yaml", trust)
    stall.put("kept.csv", b"a,label\n1,0\n")
    return restock(stall, model, author)


def restock(stall, model, author="carol"):
    """Let a builder replace the model, and the checks speak about it."""
    uri = f"{stall.uri}/model.joblib"
    if Path(uri).exists():
        stall.overwrite(uri, model)
    else:
        stall.put("model.joblib", model)
    stall.say_trained(author=author)
    stall.inspect()
    return stall
