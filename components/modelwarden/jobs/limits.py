"""Turn a query budget into the configuration of a gateway."""

from modelwarden.gateways import render as rendered
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.session import Connections, Session
from modelwarden.limits import Budget
from modelwarden.serving import Serving


@naming
def render(
    budget: str, serving: str, *, target: str, connections: Connections | None = None
) -> str:
    """Return what makes a gateway keep a budget; see :func:`modelwarden.gateways.render`.

    Parameters
    ----------
    budget : str
        URI of a budget, the table that the check `extraction` wrote.
    serving : str
        URI of a serving file.
    target : str
        A target of :data:`modelwarden.gateways.TARGETS`.
    connections : Connections, optional
        Where the files are.

    Raises
    ------
    InputError
        If a file is not what it should be, or the target cannot keep the budget.
    """
    with Session(connections) as session:
        known = Budget.read(session.data.read(budget), budget)
        return rendered(known, Serving.parse(session.data.read(serving), serving), target)
