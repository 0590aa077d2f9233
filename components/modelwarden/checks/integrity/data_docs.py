"""The page that Great Expectations itself draws of a validation, without rows and without scripts.

Its pages load scripts and styles from other people's servers, name the time, and quote what was
observed, the largest value of a column for example. Here a page is made of what `outcome` lets
through, nothing that is in it runs or is fetched, and the same validation gives the same bytes.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any

from modelwarden.checks.integrity.expectations import Outcome
from modelwarden.markup import tag
from modelwarden.report import REPORT_PAGE, Json

_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">"
)
# what loads something: nothing of it could be trusted to stay what it is
_LOADED = re.compile(r"<script\b.*?</script\s*>|<link\b[^>]*>|<img\b[^>]*>", re.DOTALL | re.I)
_HOME = re.compile(r'href="(?:\.\./)+index\.html"')
_SUITE = re.compile(r'href="(?:\.\./)+expectations/[^"]*"')
_NUMBERED = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def page(validation: Any, outcomes: list[Outcome], name: str) -> bytes:
    """Return a validation as Great Expectations' page, in UTF-8.

    Parameters
    ----------
    validation : ExpectationSuiteValidationResult
        What was evaluated; emptied of what the page must not say.
    outcomes : list of Outcome
        The same, in the same order, without values of rows.
    name : str
        What the suite is called.

    Returns
    -------
    bytes
        A page whose links home are `REPORT_PAGE`.
    """
    for result, outcome in zip(validation.results, outcomes, strict=True):
        result.result = _observed(outcome)
        result.exception_info = _exception(outcome)
    validation.meta, validation.suite_name = {}, name or "suite"
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it would log what it cannot draw
    try:
        text = _drawn(validation)
    except Exception:  # noqa: BLE001 - a suite can make it raise anything, and the verdict is known
        text = "<head></head><body><p>Great Expectations could not draw this suite.</p></body>"
    finally:
        logger.setLevel(level)
    return _harmless(text).encode()


def _drawn(validation: Any) -> str:
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    view: Any = DefaultJinjaPageView()
    document = ValidationResultsPageRenderer().render(validation)
    return str(view.render(document, show_how_to_buttons=False))


def _observed(outcome: Outcome) -> Mapping[str, Json]:
    """Return what was observed as numbers of Python: others are not drawn."""
    observed = {name: value for name, value in outcome.observed if isinstance(value, (int, float))}
    return {n: v if isinstance(v, (bool, int)) else float(v) for n, v in observed.items()}


def _exception(outcome: Outcome) -> dict[str, Json]:
    if outcome.evaluated:
        return {"raised_exception": False}
    said = "The expectation could not be evaluated."
    return {"raised_exception": True, "exception_message": said, "exception_traceback": ""}


def _harmless(text: str) -> str:
    """Return the page without what runs, is fetched, leads nowhere, or is new each time."""
    text = _LOADED.sub("", text).replace("<head>", f"<head>{_POLICY}", 1)
    home = tag("a", "Report of the check", href=REPORT_PAGE)
    text = text.replace("<body>", f"<body><p>{home}</p>", 1)
    text = text.replace(" / __none__", "")  # the time, which the page must not have
    text = _SUITE.sub('href="#"', _HOME.sub(f'href="{REPORT_PAGE}"', text))
    names: dict[str, str] = {}
    return _NUMBERED.sub(lambda m: names.setdefault(m[0], f"element-{len(names)}"), text)
