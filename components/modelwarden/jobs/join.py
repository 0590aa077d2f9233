"""Put the shares of all shards together: report and signed statement out, as of one machine."""

from collections.abc import Mapping

from modelwarden import checks
from modelwarden.evidence import Asked, Circumstances
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.check import Outcome, expect, opened, record
from modelwarden.jobs.parts import Parts, Task
from modelwarden.jobs.session import Connections, Session, environment, now
from modelwarden.report import Json
from modelwarden.signing import Signer
from modelwarden.work import Work


@naming
def join(
    name: str,
    *,
    inputs: Mapping[str, str],
    options: Mapping[str, Json] | None = None,
    parts: str,
    evidence: str = "",
    key: str = "",
    tables: Mapping[str, str] | None = None,
    work: Work | None = None,
    connections: Connections | None = None,
) -> Outcome:
    """Join what :func:`modelwarden.jobs.shard.shard` left below `parts`.

    Report, tables and statement are those of :func:`modelwarden.jobs.check.check`, byte for byte
    but for times.

    Parameters
    ----------
    name, inputs, options, parts
        As the shards were given them.
    evidence, key, tables, work, connections
        As for :func:`modelwarden.jobs.check.check`. With a key, every part must have been signed by
        it: else whoever can write below `parts` could put words into its mouth.

    Returns
    -------
    Outcome

    Raises
    ------
    EvidenceError
        If a part is missing, altered, or of other inputs, options, versions or another key.
    """
    card = checks.card(name)
    split = checks.load_split(name)
    asked_options = card.ask(options or {})
    wanted = expect(name, card, inputs, tables, evidence=evidence, key=key)
    signer = Signer.open(key) if key else None
    started = now().isoformat()
    with Session(connections) as session:
        with opened(session, card, inputs, evidence) as given:
            cut = split(*given.handles, **asked_options, work=work)
            task = Task(name, asked_options, given.digests, cut.count)
            findings = cut.join(Parts(session.data, parts, task, signer).all())
        asked = Asked(name, card.subject, asked_options, given.digests, card.risks)
        when = Circumstances(started, now().isoformat(), {**environment(), **given.foreign})
        return record(
            session, signer, evidence, asked, findings, wanted, when, meanings=card.metrics
        )
