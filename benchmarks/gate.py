"""What signing and verifying cost, against the bare signatures in the same run.

``python benchmarks/gate.py`` prints a section of RESULTS.md. Times are CPU milliseconds, the median
of repetitions on local files, so that no network is measured.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from modelwarden.checks import CHECKS
from modelwarden.evidence import (
    Asked,
    Circumstances,
    check_statement,
    provenance_statement,
    statements_folder,
)
from modelwarden.jobs.filing import file_statement
from modelwarden.jobs.gate import gate
from modelwarden.jobs.session import environment, now
from modelwarden.jobs.verify import verify
from modelwarden.keys import LocalKey, new_key, verifies
from modelwarden.report import TRAINED, Report, canonical
from modelwarden.signing import Signer
from modelwarden.store import Store

POLICY = Path(__file__).parents[1] / "expectations/policies/default.yaml"
GOOD = {"failed_expectations": 0, "rejected_fraction": 0.01, "unsafe_globals": 0, "loads": 1}
ROLES = {
    "data": ["integrity", "roni"],
    "model": ["model_file", "evasion"],
    "builder": [TRAINED],
    "gate": ["decision"],
}
RAW, KEPT, OTHER = (sha256(name).hexdigest() for name in (b"raw", b"kept", b"other"))


def median(work: Callable[[], object], repetitions: int = 200) -> float:
    """Return the median CPU milliseconds of a call."""
    spent = []
    for _ in range(repetitions):
        start = time.process_time()
        work()
        spent.append((time.process_time() - start) * 1000)
    return statistics.median(spent)


class Desk:
    """A folder with keys, a model and eight statements about it and its data."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.evidence = folder, str(folder / "evidence")
        pairs = {role: new_key() for role in ROLES}
        self.signers = {role: Signer(LocalKey(pair[0], role)) for role, pair in pairs.items()}
        trust = {
            role: {"may": may, "keys": [pairs[role][1].decode()]} for role, may in ROLES.items()
        }
        (folder / "trust.yaml").write_bytes(canonical({"signers": trust}))
        (folder / "gate.pem").write_bytes(pairs["gate"][0])
        (folder / "model").write_bytes(b"a small model, so that hashing it costs nothing")
        self.model = sha256((folder / "model").read_bytes()).hexdigest()
        self.judged_by = {"policy": str(POLICY), "trust": str(folder / "trust.yaml")}
        self.statements = 0

    def file(self, role: str, check: str, accuracy: float = 0.9) -> None:
        """Sign and file a statement of a check, as ``jobs.check`` does."""
        when = Circumstances(now().isoformat(), now().isoformat(), environment())
        with Store() as store:
            if check == TRAINED:
                asked = Asked(check, "model", {}, {"model": self.model, "data": KEPT})
                statement = provenance_statement(asked, when)
            else:
                card = CHECKS[check]
                inputs = {n: OTHER for n in card.inputs if n not in card.optional}
                given = {"roni": "trusted", "integrity": "suite"}.get(check)
                inputs |= {given: OTHER} if given else {}
                inputs[card.subject] = self.model if card.about_model else RAW
                needed = {n: "label" for n, d in card.options.items() if isinstance(d, type)}
                asked = Asked(check, card.subject, card.ask(needed), inputs, card.risks)
                metrics = {name: GOOD.get(name, accuracy) for name in card.metrics}
                report = Report(check, metrics)
                body = canonical({"report": report.as_json()})
                uri = store.put_blob(self.evidence, body)
                outputs = {"kept": KEPT} if check == "roni" else {}
                statement = check_statement(asked, report, uri, outputs, when)
            folders = [
                f"{statements_folder(self.evidence, entry['digest']['sha256'])}/{check}"
                for entry in statement["subject"]
            ]
            file_statement(store, self.signers[role], statement, folders, asked.key)
        self.statements += 1

    def decide(self) -> str:
        """Return the URI of an allowing decision."""
        key = str(self.folder / "gate.pem")
        model = str(self.folder / "model")
        ruling = gate(model, evidence=self.evidence, key=key, **self.judged_by)
        if not ruling.decision.allowed:
            raise SystemExit(f"not allowed: {ruling.decision.reasons}")
        return ruling.statement.uri


def main() -> None:
    """Measure, and print a section of RESULTS.md."""
    statement = {"predicate": {"text": "x" * 3500}, "subject": [], "_type": "t"}
    message = canonical(statement)
    rows = []
    for kind in ("p256", "ed25519"):
        key = LocalKey(new_key(kind)[0], kind)
        signature = key.sign(message)
        seal, bare = (
            median(lambda k=key: Signer(k).seal(statement)),
            median(lambda k=key: k.sign(message)),
        )
        verified = median(lambda k=key, s=signature: verifies(k.public, s, message))
        rows.append(f"| {kind} | {seal:.2f} | {bare:.2f} | {seal / bare:.1f} | {verified:.2f} |")
    with tempfile.TemporaryDirectory() as name:
        desk = Desk(Path(name))
        for role, check, accuracy in (
            ("builder", TRAINED, 0.9),
            ("data", "integrity", 0.9),
            ("data", "roni", 0.9),
            ("model", "model_file", 0.9),
            *(("model", "evasion", accuracy) for accuracy in (0.9, 0.8, 0.7, 0.6)),
        ):
            desk.file(role, check, accuracy)
        decision, model = desk.decide(), str(desk.folder / "model")
        whole = median(lambda: verify(decision, model=model, **desk.judged_by), 50)
        print("\n# The gate\n")
        print("CPU milliseconds, medians of one run; an envelope of 3.5 KB.\n")
        print("| key | seal | bare signature | ratio | bare verification |\n|---|---|---|---|---|")
        print("\n".join(rows))
        print(f"\nVerifying a decision with {desk.statements} statements and their reports, on")
        print(f"local files: {whole:.1f} ms, {whole / verified:.0f} bare Ed25519 verifications.")


if __name__ == "__main__":
    main()
