"""What every rendered file begins with: the promise, and the traps that all gateways share."""

from collections.abc import Sequence

from modelwarden.limits import Budget
from modelwarden.serving import Serving


def heading(budget: Budget, serving: Serving, promise: str, traps: Sequence[str]) -> str:
    """Return the comment on top of a rendered file.

    Parameters
    ----------
    budget, serving
        What is rendered.
    promise : str
        What the file lets through at most.
    traps : sequence of str
        What to know about the gateway, a sentence or two each.
    """
    common = [
        "It counts requests, not rows: the model server has to refuse a request of more than "
        f"{serving.max_rows} row{'s' * (serving.max_rows > 1)}.",
        "A limit is no authentication: refuse requests without a valid credential "
        f"({_credential(serving)}) before the model, on every path.",
    ]
    lines = [
        f"Rendered by ModelWarden for {serving.name}. Its model: sha256",
        budget.model,
        f"Budget: {budget.queries} queries ({budget.outputs}) of one client in any "
        f"{budget.days} days.",
        f"This file: {promise}",
        "",
        "Know before you use it:",
        *(f"- {trap}" for trap in [*traps, *common]),
        f"Then try it in staging: modelwarden check endpoint. A burst is {serving.burst} requests.",
    ]
    return "".join(f"# {line}".rstrip() + "\n" for text in lines for line in _folded(text))


def told_apart(serving: Serving) -> str:
    """Say what tells clients apart, and the trap in it."""
    header = serving.client.header
    if serving.counts_credentials:
        return (
            f"Clients are told apart by {header}, so a client with two credentials has two "
            "budgets: issue one to each."
        )
    return (
        f"Clients are told apart by {header}. The layer that authenticates must write it, over "
        "whatever a client sent: else everybody picks a new name per request."
    )


def _credential(serving: Serving) -> str:
    return "a bearer token" if serving.authentication == "bearer" else serving.credential_header


def _folded(text: str, width: int = 98) -> list[str]:
    """Break a line at spaces; what follows a dash is indented."""
    import textwrap

    indent = "  " if text.startswith("- ") else ""
    return textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False) or [""]
