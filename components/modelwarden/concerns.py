"""What a check wants people to be told: which column, how urgent, and what was measured."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

WARN, ALERT = "warn", "alert"
URGENCY = {"": 0, WARN: 1, ALERT: 2}
"""How urgent a channel is; "" is silence."""

DETAIL = "concerns"
"""Where a report keeps them, among its details."""

MAX_CONCERNS, MAX_WORDS, MAX_ABOUT = 30, 300, 120


@dataclass(frozen=True)
class Concern:
    """One thing that a check found.

    Parameters
    ----------
    about : str
        The column, or what else of the data; "" for all of it.
    channel : {"warn", "alert"}
        Whether somebody may look at it tomorrow, or should now.
    words : str
        What was measured, without values of single rows and without names of clients.
    """

    about: str
    channel: str
    words: str


def detail(concerns: Iterable[Concern]) -> dict[str, Any]:
    """Return concerns as one entry of a report's details: one a column, the urgent ones first.

    At most 30 are listed. ``left_out`` counts the others: whoever reads the report must not take
    a column that is not listed for one that is fine.
    """
    found: dict[str, Concern] = {}
    for one in concerns:
        about = one.about[:MAX_ABOUT]
        before = found.get(about)
        found[about] = (
            Concern(about, one.channel, one.words) if before is None else _both(before, one)
        )
    ranked = sorted(found.values(), key=lambda one: (-URGENCY[one.channel], one.about))
    listed = [asdict(one) | {"words": one.words[:MAX_WORDS]} for one in ranked[:MAX_CONCERNS]]
    return {DETAIL: {"found": listed, "left_out": max(0, len(ranked) - MAX_CONCERNS)}}


def read(details: Mapping[str, Any]) -> tuple[tuple[Concern, ...], bool] | None:
    """Return the concerns in a report's details, and whether these are all; None without any entry.

    Raises
    ------
    ValueError
        If the entry is not what `detail` writes.
    """
    if DETAIL not in details:
        return None
    entry = details[DETAIL]
    try:
        found = tuple(Concern(**one) for one in entry["found"])
        left_out = entry["left_out"]
    except (TypeError, KeyError) as error:
        raise ValueError("no list of concerns") from error
    texts = [text for one in found for text in (one.about, one.channel, one.words)]
    if not all(isinstance(text, str) for text in texts) or type(left_out) is not int:
        raise ValueError("concerns that are not texts")
    "".join(texts).encode()  # a UnicodeEncodeError for halves of characters
    if any(URGENCY.get(one.channel, 0) < URGENCY[WARN] for one in found):
        raise ValueError("a channel that is neither warn nor alert")
    return found, left_out == 0


def _both(first: Concern, second: Concern) -> Concern:
    """Return two concerns about one column as one."""
    urgent = max(first.channel, second.channel, key=URGENCY.__getitem__)
    return Concern(first.about, urgent, f"{first.words}; {second.words}")
