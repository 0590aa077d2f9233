"""Run one check: URIs in, report and signed statement out."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from modelwarden import checks
from modelwarden.cards import Card
from modelwarden.errors import InputError, Rejected
from modelwarden.evidence import Asked, Circumstances, check_statement, statements_folder
from modelwarden.folders import Folder, fetch_table
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.filing import Filed, file_statement
from modelwarden.jobs.links import linked, links
from modelwarden.jobs.session import Connections, Session, environment, now
from modelwarden.jobs.vouching import voucher
from modelwarden.page import report_page
from modelwarden.report import Findings, Json, Report, canonical
from modelwarden.signing import Signer
from modelwarden.store import File, Store, blob_folder
from modelwarden.work import Work

if TYPE_CHECKING:
    from modelwarden.buckets import Bucket


class Own(NamedTuple):
    """A function that is no installed check, and the card that describes it."""

    card: Card
    function: Callable[..., Findings]


@dataclass(frozen=True)
class Outcome:
    """What a check found and where it was written.

    Parameters
    ----------
    report : Report
        The measurements.
    page : str
        The report as an HTML page.
    tables : mapping of str to str
        URIs of the tables that the check wrote.
    report_uri, page_uri : str
        Empty without an evidence prefix.
    statement : Filed or None
        The signed statement; None without a key.
    """

    report: Report
    page: str
    tables: Mapping[str, str]
    report_uri: str = ""
    page_uri: str = ""
    statement: Filed | None = None

    @property
    def success(self) -> bool:
        """Whether the check says that its result may be used."""
        return not self.report.failures

    def require_success(self) -> None:
        """Raise `Rejected` if the check failed."""
        if not self.success:
            raise Rejected(self.report.check, self.report.failures, self.page_uri)

    def as_json(self) -> dict[str, Json]:
        """Return the outcome as a small JSON value, fit for an XCom."""
        return {
            "check": self.report.check,
            "success": self.success,
            "failures": [failure[:200] for failure in self.report.failures[:10]],
            "metrics": dict(self.report.metrics),
            "tables": dict(self.tables),
            "report": self.report_uri,
            "page": self.page_uri,
            "statement": self.statement.uri if self.statement else "",
            "sha256": self.statement.sha256 if self.statement else "",
        }


@naming
def check(
    name: str,
    *,
    inputs: Mapping[str, str],
    options: Mapping[str, Json] | None = None,
    evidence: str = "",
    key: str = "",
    tables: Mapping[str, str] | None = None,
    work: Work | None = None,
    connections: Connections | None = None,
    own: Own | None = None,
) -> Outcome:
    """Run one check.

    Alone it needs neither key, policy nor gate: its report is then unsigned, and a gate refuses it.

    Parameters
    ----------
    name : str
        A check of :data:`modelwarden.checks.CHECKS`, or an installed one.
    inputs : mapping of str to str
        URI of each table, model, estimator, file or log that the check reads; "" for an optional
        one that is not given. The URI of a log ends with ``/`` when everything below it is meant.
    options : mapping of str to JSON, optional
        Its options; defaults where left out.
    evidence : str, default=""
        Prefix for report and statement; rows of data never go there.
    key : str, default=""
        Signing key: a PEM file or ``env:NAME``. Without one nothing is signed.
    tables : mapping of str to str, optional
        URIs for the tables that the check writes, created once and never overwritten; a table
        without one is not kept.
    work : Work, optional
        Told about progress.
    connections : Connections, optional
        Where data and evidence are.
    own : Own, optional
        What to run under that name, instead of an installed check.

    Returns
    -------
    Outcome
        Also when the check failed; `Outcome.require_success` makes that final.
    """
    card = own.card if own else checks.card(name)
    asked_options = card.ask(options or {})
    wanted = expect(name, card, inputs, tables, evidence=evidence, key=key)
    signer = Signer.open(key) if key else None
    function = own.function if own else checks.load(name)
    started = now().isoformat()
    with Session(connections) as session:
        with opened(session, card, inputs, evidence) as given:
            findings = function(*given.handles, **asked_options, work=work)
        asked = Asked(name, card.subject, asked_options, given.digests, card.risks)
        when = Circumstances(started, now().isoformat(), {**environment(), **given.foreign})
        return record(
            session, signer, evidence, asked, findings, wanted, when, meanings=card.metrics
        )


def expect(
    name: str,
    card: Card,
    inputs: Mapping[str, str],
    tables: Mapping[str, str] | None = None,
    *,
    evidence: str,
    key: str,
) -> dict[str, str]:
    """Refuse what a check cannot be asked for, and return the tables that are wanted."""
    wanted = dict(tables or {})
    _expect(f"{name}: input", card.inputs, inputs, optional=card.optional)
    _expect(f"{name}: table", card.tables, wanted, optional=card.tables)
    if key and not evidence:
        raise InputError("evidence", "a prefix for the signed statement", "nothing")
    return wanted


@dataclass(frozen=True)
class Opened:
    """Inputs that were fetched and opened.

    Parameters
    ----------
    handles : tuple
        What the function takes, None for what is not given.
    digests : mapping of str to str
        SHA-256 of each that is given.
    foreign : mapping of str to str
        Who vouches for a model that brings code.
    """

    handles: tuple[Any, ...]
    digests: Mapping[str, str]
    foreign: Mapping[str, str]


@contextmanager
def opened(
    session: Session, card: Card, inputs: Mapping[str, str], evidence: str
) -> Iterator[Opened]:
    """Fetch and open the inputs of a check."""
    given = {n: kind for n, kind in card.inputs.items() if inputs.get(n)}
    files = {n: _fetch(kind, inputs[n], session.data) for n, kind in given.items()}
    models = [n for n, kind in given.items() if kind == "model"]
    vouchers = {n: voucher(session, evidence, files[n].sha256) for n in models}
    with ExitStack() as handles:
        handed = {
            n: _open(kind, files[n], handles, vouched=bool(vouchers.get(n)))
            for n, kind in given.items()
        }
        foreign = {f"{n} as code of": vouchers[n] for n in models if handed[n].facts.foreign}
        digests = {n: f.sha256 for n, f in files.items()}
        yield Opened(tuple(handed.get(n) for n in card.inputs), digests, foreign)


def record(
    session: Session,
    signer: Signer | None,
    evidence: str,
    asked: Asked,
    findings: Findings,
    wanted: Mapping[str, str],
    when: Circumstances,
    *,
    meanings: Mapping[str, str],
) -> Outcome:
    """Write tables, report and page, then the statement that speaks for them."""
    written = {n: uri for n, uri in wanted.items() if uri and n in findings.tables}
    folder = blob_folder(evidence) if evidence else ""
    facts = {**_facts(asked, when), **links(findings.pages, written, folder)}
    page = report_page(findings.report, findings.figures, facts=facts, meanings=meanings)
    page_name = f"{sha256(page.encode()).hexdigest()}.html" if evidence else ""
    tables = linked(findings, written, folder, page_name)
    for table, uri in written.items():
        session.data.put_once(uri, tables[table])
    if not evidence:
        return Outcome(findings.report, page, written)
    outputs = {name: sha256(body).hexdigest() for name, body in tables.items()}
    document = {
        "report": findings.report.as_json(),
        "figures": [figure.as_json() for figure in findings.figures],
        "options": dict(asked.options),
        "inputs": dict(asked.inputs),
        "outputs": outputs,
    }
    report_uri = session.records.put_blob(evidence, canonical(document))
    page_uri = session.records.put_blob(evidence, page.encode(), suffix=".html")
    filed = None
    if signer is not None:
        statement = check_statement(asked, findings.report, report_uri, outputs, when)
        about = [entry["digest"]["sha256"] for entry in statement["subject"]]
        folders = [f"{statements_folder(evidence, digest)}/{asked.check}" for digest in about]
        filed = file_statement(session.records, signer, statement, folders, asked.key)
    return Outcome(findings.report, page, written, report_uri, page_uri, filed)


def _expect(
    what: str, names: Iterable[str], given: Mapping[str, str], *, optional: Collection[str]
) -> None:
    """Refuse unknown names, and names without a URI unless they are optional."""
    known = list(names)
    for name in given:
        if name not in known:
            raise InputError(f"{what} {name}", f"one of {', '.join(known) or 'none'}", repr(name))
    for name in known:
        if not given.get(name) and name not in optional:
            raise InputError(f"{what} {name}", "a URI", "nothing")


def _fetch(kind: str, uri: str, store: Store) -> "File | Folder | Bucket":
    """Bring an input to this machine; an estimator may be code that is installed here."""
    if kind == "table":
        return fetch_table(uri, store)
    if kind == "bucket":
        return store.settings(uri)
    if kind == "log":
        from modelwarden.logs.log import Log

        return Log.fetch(uri, store)
    if kind == "estimator":
        from modelwarden.estimators import find_estimator

        return find_estimator(uri) or store.get(uri)
    return store.get(uri)


def _open(
    kind: str, file: "File | Folder | Bucket", handles: ExitStack, *, vouched: bool = False
) -> Any:
    """Open the handle that a check takes; the libraries it needs are imported here, not before."""
    if kind == "table" and isinstance(file, (File, Folder)):
        from modelwarden.tables import Table

        return Table.open(file)
    if not isinstance(file, File):
        return file
    if kind == "model":
        from modelwarden.models import Predictor

        return handles.enter_context(Predictor(file, vouched=vouched))
    if kind == "estimator":
        from modelwarden.estimators import Estimator

        return handles.enter_context(Estimator(file))
    return file


def _facts(asked: Asked, when: Circumstances) -> dict[str, str]:
    return {
        **{f"option {name}": str(value) for name, value in asked.options.items()},
        **{f"SHA-256 of {name}": digest for name, digest in asked.inputs.items()},
        **when.environment,
    }
