"""Reports and decisions as HTML pages for people (floor 3, on top of ``drawing``).

A page is one file that needs nothing else: no script, no font, no picture from elsewhere. It opens
from disk, from storage and inside a sandboxed frame, and a content security policy forbids whatever
escaping might have missed. It is for reading; only the signed statement counts as evidence.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from modelwarden.drawing import draw, left_out
from modelwarden.markup import Markup, joined, number, tag
from modelwarden.report import Decision, Figure, Json, Report, RuleResult

Cell = str | float | None
"""What stands in a table: text, or a number (None is undefined)."""

_STYLE = """
:root {
  color-scheme: light dark;
  --back: #fff; --text: #1c2127; --soft: #5b6570; --line: #d5dae0; --grid: #e9ecef;
  --good: #17683a; --good-back: #e3f4e9; --bad: #a8201a; --bad-back: #fdecea;
  --warn: #7a4f00; --warn-back: #fdf1d6;
  --c0: #0072b2; --c1: #d55e00; --c2: #00875f; --c3: #b2568c; --c4: #6b6b6b; --c5: #8a6d00;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --back: #15181c; --text: #e4e7eb; --soft: #9ba5b0; --line: #3a424b; --grid: #292f36;
    --good: #6fd69a; --good-back: #14301f; --bad: #ff9f95; --bad-back: #3d1917;
    --warn: #efc25a; --warn-back: #35290c;
    --c0: #56b4e9; --c1: #f08a3c; --c2: #3fc79a; --c3: #e19ac4; --c4: #b4b4b4; --c5: #f0e442;
  }
}
* { box-sizing: border-box; margin: 0 }
html {
  background: var(--back); color: var(--text); -webkit-text-size-adjust: 100%;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
body { max-width: 66rem; margin: 0 auto; padding: 2rem 1.25rem 3rem }
/* tall stacks of accents stay in their own line */
h1, h2, h3, p, li, dt, dd, th, td { overflow: visible clip }
h1 { font-size: 1.7rem; line-height: 1.25 }
h2 { font-size: 1.05rem; line-height: 1.4 }
h3 { font-size: .95rem; line-height: 1.4 }
header { padding-bottom: 1.25rem; border-bottom: 1px solid var(--line) }
header div + p { margin-top: .5rem; color: var(--soft) }
header p, section > p { max-width: 46rem }
.kind { font-size: .8rem; color: var(--soft) }
.title { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem .75rem }
section { margin-top: 1.75rem }
section > * + * { margin-top: .6rem }
.pair, .figures {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr));
  column-gap: 2.5rem;
}
.figures { row-gap: 1.75rem }
.badge {
  padding: .05rem .55rem; border: 1px solid; border-radius: 1rem;
  font-size: .8rem; font-weight: 600; line-height: 1.3; white-space: nowrap; color: var(--soft);
}
.good { color: var(--good); background: var(--good-back) }
.bad { color: var(--bad); background: var(--bad-back) }
.warn { color: var(--warn); background: var(--warn-back) }
.why { border-left: 3px solid var(--bad); background: var(--bad-back); padding: .75rem 1rem }
.why h2 { color: var(--bad) }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td {
  min-width: 5.5em; padding: .35rem 1.5rem .35rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--grid);
}
th { color: var(--soft); font-weight: 500; font-size: .8rem; border-color: var(--line) }
th:last-child, td:last-child { padding-right: 0 }
.number { text-align: right }
td.number { white-space: nowrap }
td p { color: var(--soft); margin-top: .1rem; max-width: 46rem }
td span + p { margin-top: 0; font-size: .8rem; line-height: 1.35 }
code, dd { font: .8rem/1.6 ui-monospace, "SF Mono", Menlo, Consolas, monospace }
dl { display: grid; grid-template-columns: fit-content(14rem) 1fr; font-size: .9rem }
dt { color: var(--soft); padding-right: 1.5rem }
dt, dd { padding-top: .3rem; padding-bottom: .3rem; border-bottom: 1px solid var(--grid) }
ul { padding-left: 1.1rem }
ol { padding-left: 1.4rem }
nav { margin-top: 1.25rem }
nav li { overflow: visible }
li + li { margin-top: .3rem }
a { color: inherit; text-decoration: underline 1px var(--soft); text-underline-offset: .2em }
summary { cursor: pointer; color: var(--soft) }
figure { min-width: 0; break-inside: avoid }
figcaption { color: var(--soft); font-size: .85rem; max-width: 30rem }
figcaption > * { margin-top: .4rem }
svg { display: block; width: 100%; max-width: 30rem; margin-top: .5rem; font-size: 11px }
text { fill: var(--soft) }
.value, .mark {
  fill: var(--text); paint-order: stroke; stroke: var(--back);
  stroke-width: 3px; stroke-linejoin: round;
}
.grid { stroke: var(--grid) }
.axis { stroke: var(--soft) }
.threshold { stroke: var(--text); stroke-width: 1.25; stroke-dasharray: 4 3 }
.c0 { fill: var(--c0); stroke: var(--c0) } .c1 { fill: var(--c1); stroke: var(--c1) }
.c2 { fill: var(--c2); stroke: var(--c2) } .c3 { fill: var(--c3); stroke: var(--c3) }
.c4 { fill: var(--c4); stroke: var(--c4) } .c5 { fill: var(--c5); stroke: var(--c5) }
.line { fill: none; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round }
.bar { stroke: none }
.bin { fill-opacity: .45 }
footer {
  margin-top: 2.5rem; padding-top: .75rem; border-top: 1px solid var(--line);
  color: var(--soft); font-size: .8rem;
}
@media (max-width: 40rem) {
  dl { grid-template-columns: 1fr }
  dt { border: 0; padding-bottom: 0 }
  dd { padding-top: 0 }
  th, td { padding-right: .75rem }
}
@media print {
  @page { margin: 15mm }
  html { font-size: 12px }
  body { padding: 0; max-width: none }
  nav, figure details { display: none }
  .scroll { overflow: visible }
  tr, li, dd { break-inside: avoid }
  h2, h3, dt { break-after: avoid }
  details::details-content { content-visibility: visible; block-size: auto }
}
"""

_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; base-uri 'none'; form-action 'none'"
)

_TONES = {
    **dict.fromkeys(("succeeded", "allowed", "passed"), "good"),
    **dict.fromkeys(("failed", "denied", "refused", "rejected"), "bad"),
    "warning": "warn",
}


@dataclass(frozen=True)
class Section:
    """One story of a `summary_page`.

    Parameters
    ----------
    title : str
        Its heading.
    text : str, default=""
        Paragraphs, with an empty line between them.
    verdict : str, default=""
        A word for its badge; green for ``succeeded``, ``allowed`` and ``passed``, red for
        ``failed``, ``denied``, ``refused`` and ``rejected``.
    table : sequence of rows, default=()
        Text and numbers; the first row is the header.
    figures : sequence of Figure, default=()
        What to draw below.
    """

    title: str
    text: str = ""
    verdict: str = ""
    table: Sequence[Sequence[Cell]] = ()
    figures: Sequence[Figure] = ()


def report_page(
    report: Report,
    figures: Sequence[Figure],
    *,
    facts: Mapping[str, str],
    meanings: Mapping[str, str] | None = None,
) -> str:
    """Return the page of one check.

    Parameters
    ----------
    report : Report
        What was measured.
    figures : sequence of Figure
        What to draw.
    facts : mapping of str to str
        Where it comes from, such as digests, options, versions and the URI of the statement.
    meanings : mapping of str to str, optional
        What a metric means and its unit, as its check's card says; shown below its name.

    Raises
    ------
    InputError
        If a figure cannot be drawn: see :func:`modelwarden.drawing.draw`.
    """
    known = meanings or {}
    metrics = [
        (joined([tag("span", name), _paragraphs(known.get(name, ""))]), value)
        for name, value in report.metrics.items()
    ]
    return _document(
        "Report of a check",
        report.check,
        "failed" if report.failures else "succeeded",
        "",
        _block("Why the result must not be used", _sentences(report.failures), class_="why"),
        tag(
            "div",
            _block("Measured", _table([("metric", "value"), *metrics])),
            _block("Notes", _sentences(report.notes)),
            class_="pair",
        ),
        _block("Figures", _figures(figures)),
        _block("Facts", _facts(facts)),
        _block("Details", _details(report.details)),
    )


def decision_page(decision: Decision, *, facts: Mapping[str, str]) -> str:
    """Return the page of one decision, rule by rule.

    Parameters
    ----------
    decision : Decision
        What was decided.
    facts : mapping of str to str
        Where it comes from, such as digests of policy and model, and the URI of the statement.
    """
    used = {f"statement {place}": sha256 for place, sha256 in enumerate(decision.used, 1)}
    return _document(
        "Decision of the gate",
        "Deployment",
        "allowed" if decision.allowed else "denied",
        _reason(decision),
        _block("Rules", _rules(decision.results)),
        _block("Notes", _sentences(decision.notes)),
        _block("Facts", _facts(facts)),
        _block("Statements that were judged", _facts(used)),
    )


def summary_page(title: str, intro: str, sections: Sequence[Section]) -> str:
    """Return one page of several stories, with a table of contents.

    The links of the contents work wherever the page is opened by its own address; a frame that was
    given the page as text (``srcdoc``) would follow them to the page around it.

    Parameters
    ----------
    title, intro : str
        What the page is about.
    sections : sequence of Section
        The stories, in order.

    Raises
    ------
    InputError
        If a figure cannot be drawn: see :func:`modelwarden.drawing.draw`.
    """
    stories = [
        tag(
            "section",
            tag("div", tag("h2", section.title), _badge(section.verdict), class_="title"),
            _paragraphs(section.text),
            _table(section.table),
            _figures(section.figures),
            id=f"story-{place}",
        )
        for place, section in enumerate(sections, 1)
    ]
    return _document("Summary", title, "", intro, _contents(sections), *stories)


# Pieces: each returns nothing when it has nothing to say


def _document(kind: str, title: str, verdict: str, intro: str, *blocks: Markup) -> str:
    header = tag(
        "header",
        tag("p", kind, class_="kind"),
        tag("div", tag("h1", title), _badge(verdict), class_="title"),
        _paragraphs(intro),
    )
    footer = tag(
        "footer", "Made by ModelWarden for reading. Only the signed statement counts as evidence."
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{tag('title', f'{title} {verdict}'.strip())}\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{header}\n{tag('main', *blocks)}\n{footer}\n</body>\n</html>\n"
    )


def _block(title: str, content: Markup, class_: str = "") -> Markup:
    return tag("section", tag("h2", title), content, class_=class_) if content else content


def _badge(verdict: str) -> Markup:
    tone = _TONES.get(verdict, "")
    return tag("span", verdict, class_=f"badge {tone}".strip()) if verdict else Markup()


def _paragraphs(text: str) -> Markup:
    return joined(tag("p", " ".join(part.split())) for part in text.split("\n\n") if part.strip())


def _sentences(sentences: Sequence[str]) -> Markup:
    return tag("ul", *(tag("li", sentence) for sentence in sentences)) if sentences else Markup()


def _table(rows: Sequence[Sequence[Cell]]) -> Markup:
    """Return a table; a column of numbers is set to the right, its header too."""
    if len(rows) < 2:
        return Markup()
    header, *body = rows
    words = [any(isinstance(cell, str) for cell in column) for column in zip_longest(*body)]
    head = (
        tag("th", number(cell), scope="col", class_="" if text else "number")
        for cell, text in zip_longest(header, words, fillvalue="")
    )
    lines = (tag("tr", *map(_cell, row)) for row in body)
    table = tag("table", tag("thead", tag("tr", *head)), tag("tbody", *lines))
    return tag("div", table, class_="scroll")


def _cell(cell: Cell) -> Markup:
    if isinstance(cell, str):
        return tag("td", cell)
    exact = "" if cell is None else repr(cell)
    return tag("td", number(cell), class_="number", title=exact)


def _facts(facts: Mapping[str, str]) -> Markup:
    pairs = (joined([tag("dt", name), tag("dd", value)]) for name, value in facts.items())
    return tag("dl", *pairs) if facts else Markup()


def _rules(results: Sequence[RuleResult]) -> Markup:
    rows = [
        (
            _badge("passed" if r.passed else "failed" if r.severity == "block" else "warning"),
            joined([tag("code", r.rule), _paragraphs(r.why)]),
            "" if r.passed and r.measured is None else r.measured,  # no number was asked for
        )
        for r in results
    ]
    return _table([("result", "rule, and why", "measured"), *rows])


def _reason(decision: Decision) -> str:
    """Return in a sentence why the decision is what it is."""
    blocking = [result for result in decision.results if result.severity == "block"]
    passed = sum(result.passed for result in blocking)
    if not decision.enforced:
        return "The policy only records (enforce: false), so it never allows."
    if not blocking:
        return "No rule of the policy blocks, so nothing is allowed."
    return f"{passed} of {len(blocking)} blocking rules are satisfied."


def _details(details: Mapping[str, Json]) -> Markup:
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in details.items()
    }
    return _folded("Show", _facts(texts))


def _folded(summary: str, content: Markup) -> Markup:
    return tag("details", tag("summary", summary), content) if content else content


def _figures(figures: Sequence[Figure]) -> Markup:
    return tag("div", *map(_figure, figures), class_="figures") if figures else Markup()


def _figure(figure: Figure) -> Markup:
    points = [
        (series.name, x, y)
        for series in figure.series
        for x, y in zip(series.x, series.y, strict=False)
    ]
    numbers = _table([("series", figure.x_label, figure.y_label), *points])
    return tag(
        "figure",
        tag("h3", figure.title),
        draw(figure),
        tag(
            "figcaption",
            _paragraphs(figure.caption),
            _paragraphs(left_out(figure)),
            _folded("Numbers", numbers),
        ),
    )


def _contents(sections: Sequence[Section]) -> Markup:
    entries = (
        tag("li", tag("a", section.title, href=f"#story-{place}"), " ", _badge(section.verdict))
        for place, section in enumerate(sections, 1)
    )
    return tag("nav", tag("ol", *entries), aria_label="Contents") if sections else Markup()
