"""Do one machine's share of a check; :mod:`modelwarden.jobs.join` puts all shares together."""

from collections.abc import Mapping
from dataclasses import dataclass

from modelwarden import checks
from modelwarden.errors import InputError
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.check import expect, opened
from modelwarden.jobs.parts import MAX_BLOCKS, Parts, Task
from modelwarden.jobs.session import Connections, Session
from modelwarden.report import Json
from modelwarden.signing import Signer
from modelwarden.work import Work


@dataclass(frozen=True)
class Share:
    """What one shard did.

    Parameters
    ----------
    check : str
        Name of the check.
    index, count : int
        Which shard of how many.
    blocks : int
        Blocks of the whole check.
    done, found : int
        Blocks of this shard that were done now, and those that were done before.
    """

    check: str
    index: int
    count: int
    blocks: int
    done: int
    found: int

    def as_json(self) -> dict[str, Json]:
        """Return it as a small JSON value, fit for an XCom."""
        return dict(vars(self))


@naming
def shard(
    name: str,
    *,
    inputs: Mapping[str, str],
    options: Mapping[str, Json] | None = None,
    parts: str,
    index: int,
    count: int,
    evidence: str = "",
    key: str = "",
    work: Work | None = None,
    connections: Connections | None = None,
) -> Share:
    """Do every `count`-th block of a check, the first of them block `index`.

    Blocks follow from inputs and options alone, so a share may be done twice, and `count` may
    change on the way: what is done already is not done again.

    Parameters
    ----------
    name : str
        A check whose card has a `split`.
    inputs, options
        As for :func:`modelwarden.jobs.check.check`; all shards and the join are given the same.
    parts : str
        Prefix for what blocks come to, in the data bucket: of some checks it names clients, or
        holds rows of data that were asked for.
    index : int
        Which shard this is, from 0.
    count : int
        How many there are.
    evidence : str, default=""
        Prefix where a builder's word for a model with code of its own is found.
    key : str, default=""
        The key that will sign the result; what it did not sign, no join with it accepts.
    work : Work, optional
        Told about progress.
    connections : Connections, optional
        Where data and evidence are.

    Returns
    -------
    Share
    """
    card = checks.card(name)
    split = checks.load_split(name)
    asked_options = card.ask(options or {})
    if not parts:
        raise InputError("parts", "a prefix for what blocks come to", "nothing")
    expect(name, card, inputs, evidence=parts, key=key)
    if not 0 <= index < count:
        got = f"shard {index} of {count}"
        raise InputError("index", f"a shard from 0 to {count - 1}", got, "count shards from 0")
    signer = Signer.open(key) if key else None
    with Session(connections) as session, opened(session, card, inputs, evidence) as given:
        cut = split(*given.handles, **asked_options, work=work)
        if cut.count > MAX_BLOCKS:
            raise InputError(name, f"at most {MAX_BLOCKS} blocks", f"{cut.count}")
        task = Task(name, asked_options, given.digests, cut.count)
        known = Parts(session.data, parts, task, signer)
        mine = range(index, cut.count, count)
        left = [number for number in mine if not known.has(number)]
        for number, body in zip(left, cut.blocks(left), strict=True):
            known.put(number, body)
        return Share(name, index, count, cut.count, len(left), len(mine) - len(left))
