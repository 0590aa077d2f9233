"""A model file that could execute code, or that is no model at all."""

from modelwarden.models import ModelFacts, inspect
from modelwarden.report import Findings, Report
from modelwarden.store import File
from modelwarden.work import Work

MAX_LISTED = 50
"""Names and classes that a report lists."""

PROMISE = (
    "The file was read in a process of its own, and nothing that it asks for was run: it may name "
    "only scikit-learn's own classes and a short list of functions that cannot do harm, or is in a "
    "format that holds only numbers, which were checked."
)
LIMIT = (
    "Not covered: memory errors in the compiled code of numpy, scipy, scikit-learn and what runs "
    "other formats, and a model that gives wrong answers on purpose."
)


def model_file(model: File, *, work: Work | None = None) -> Findings:
    """Refuse a model file that could execute code.

    Parameters
    ----------
    model : File
        The model; what it is decides its content, never its name.
    work : Work, optional
        Who watches.

    Returns
    -------
    Findings
        ``unsafe_globals``: names in the file that are not on the allow-list, None when it could not
        be read so far as to know. ``loads``: 1 when it loads as a classifier, else 0.

    Raises
    ------
    InputError
        If reading it crashes the process, or takes too long: a fault, without a verdict.
    """
    facts = inspect(model)
    (work or Work()).step("read the model file", 1, 1)
    report = Report(
        check="model_file",
        metrics={
            "unsafe_globals": len(facts.refused) if facts.refused or facts.loads else None,
            "loads": int(facts.loads),
        },
        failures=_failures(facts),
        notes=_notes(facts),
        details={
            "format": facts.format,
            "estimator": facts.estimator,
            "classes": [str(label)[:100] for label in facts.classes[:MAX_LISTED]],
            "n_classes": len(facts.classes),
            "n_features": facts.n_features,
        },
    )
    return Findings(report)


def _failures(facts: ModelFacts) -> tuple[str, ...]:
    if facts.loads:
        return ()
    named = tuple(f"{name} is not on the allow-list" for name in facts.refused[:MAX_LISTED])
    return named or (facts.why,)


def _notes(facts: ModelFacts) -> tuple[str, ...]:
    written, read = facts.sklearn, facts.sklearn_installed
    if not written or written == read:
        return (PROMISE, LIMIT)
    other = f"Written by scikit-learn {written}, read by {read}: it may predict otherwise."
    return (PROMISE, LIMIT, other)
