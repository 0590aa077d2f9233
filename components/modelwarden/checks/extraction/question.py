"""What is asked: the options of the check, checked."""

from dataclasses import dataclass

from modelwarden.errors import InputError
from modelwarden.limits import OUTPUTS
from modelwarden.models import Predictor
from modelwarden.report import finite

MOST_QUERIES = 1_000_000


@dataclass(frozen=True)
class Question:
    """What is asked; see the options of :func:`modelwarden.checks.extraction.extraction`."""

    limit: float
    outputs: str
    queries: int
    days: int
    public_rows: int
    epsilon: float
    seed: int
    has_scores: bool

    @classmethod
    def of(
        cls,
        model: Predictor,
        limit: float,
        outputs: str,
        queries: int,
        days: int,
        public_rows: int,
        epsilon: float,
        seed: int,
    ) -> "Question":
        """Check the options.

        Raises
        ------
        InputError
            If one cannot be used.
        """
        _expect_share("limit", limit)
        _expect_positive("epsilon", epsilon)
        for name, value, (low, high, usual) in (
            ("queries", queries, (30, MOST_QUERIES, 10_000)),
            ("days", days, (1, 3660, 30)),
            ("public_rows", public_rows, (10, MOST_QUERIES, 300)),
            ("seed", seed, (0, 2**32 - 1, 0)),
        ):
            if not low <= value <= high:
                raise InputError(name, f"{low} to {high}", repr(value), f"{usual} is usual")
        has_scores = model.facts.has_proba
        if outputs not in ("auto", *OUTPUTS):
            raise InputError("outputs", f"auto, {', '.join(OUTPUTS)}", repr(outputs))
        if outputs == "probabilities" and not has_scores:
            what = "outputs that the model has"
            raise InputError("outputs", what, "probabilities; it has labels", "leave it at auto")
        everything = "probabilities" if has_scores else "labels"
        meant = everything if outputs == "auto" else outputs
        return cls(limit, meant, queries, days, public_rows, epsilon, seed, has_scores)


def _expect_share(name: str, value: object) -> None:
    number = finite(value)
    if number is None or not 0 < number <= 1:
        raise InputError(name, "a share above 0, at most 1", repr(value), "0.95 is usual")


def _expect_positive(name: str, value: object) -> None:
    number = finite(value)
    if number is None or not 0 < number <= MOST_QUERIES:
        raise InputError(name, f"a number above 0, at most {MOST_QUERIES}", repr(value))
