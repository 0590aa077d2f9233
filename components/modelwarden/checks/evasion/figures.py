"""What evasion shows."""

from modelwarden.checks.evasion.campaign import Found
from modelwarden.report import Figure, Series

SHOWN = 10  # columns

NORMS = {
    "linf": "the largest change of a column, in units of its scale",
    "l2": "Euclidean length of the change, columns in units of their scale",
    "l1": "sum of all changes, columns in units of their scale",
    "l0": "changed columns",
}


def figures(found: Found, norm: str, *, text: bool) -> tuple[Figure, ...]:
    """Return the figures of what was found."""
    x_label = "share of words that change" if text else NORMS[norm]
    drawn = [_curve(found, x_label)]
    if found.moved and not text:
        drawn.append(_columns(found))
    return tuple(drawn)


def _curve(found: Found, x_label: str) -> Figure:
    right, sizes = found.right, (0.0, *found.curve)
    left = (right, *(right & ~size.broken for size in found.curve.values()))
    series = [Series("under attack", sizes, tuple(float(mask.mean()) for mask in left))]
    caption = "The share of rows that stay right. A fragile model falls steeply at the left."
    if not found.uncertified:
        proved = (right, *(right & size.robust for size in found.curve.values()))
        certified = tuple(float(mask.mean()) for mask in proved)
        series.append(Series("proved", sizes, certified))
        caption += " The truth lies between the two lines."
    return Figure(
        kind="lines",
        title="Robust accuracy against perturbation size",
        x_label=f"epsilon: {x_label}",
        y_label="robust accuracy",
        series=tuple(series),
        caption=caption,
    )


def _columns(found: Found) -> Figure:
    shares = dict([*found.moved_shares.items()][:SHOWN])
    return Figure(
        kind="bars",
        title="Most attacked columns",
        x_label="column",
        y_label="share of broken rows in which it had to change",
        series=(Series("share", tuple(shares), tuple(shares.values())),),
        caption="Columns that did not need to change were put back before counting.",
    )
