"""Figures as inline SVG.

A drawing names its colours by class only; the style sheet of ``page`` knows them.
"""

import math
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from modelwarden.errors import InputError
from modelwarden.markup import Markup, number, short_power, tag, visible
from modelwarden.report import Figure, Series, finite

# What is shown at most
_SERIES = 8
_BARS = 60
_MARKERS = 40
_LARGEST = 1e300  # the distance of two larger numbers may overflow
_SMALLEST = 1e-290  # smaller numbers are drawn as zero

# Lengths in the units of a drawing: it is small, so that a phone shows its text large enough
_WIDTH = 400.0
_HEIGHT = 190.0  # of a plot; bars take what they need
_FONT = 11.0
_ROW = 17.0
_GAP = 8.0
_FOOT = 38.0
_TICK_ROOM, _NAME_ROOM, _LEGEND_ROOM = 72.0, 180.0, 250.0

# Series differ in shape, not in colour alone
_CIRCLE = "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z"
_SQUARE = "m-3.2 -3.2h6.4v6.4h-6.4z"
_DIAMOND = "m0 -4.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z"
_TRIANGLE = "m0 -4.2l4.2 7.6h-8.4z"
_SHAPES = (_CIRCLE, _SQUARE, _DIAMOND, _TRIANGLE)
_COLOURS = 6


def draw(figure: Figure) -> Markup:
    """Draw a figure.

    Parameters
    ----------
    figure : Figure
        What to draw. Bars lie on their side, so that names stay readable however long they are;
        their `threshold` is a place along them. The x of ``lines`` may be names too.

    Returns
    -------
    Markup
        One ``svg`` element, well-formed XML, with a title and a description for screen readers.
        Without a finite number in `figure` it says that there is nothing to draw.

    Raises
    ------
    InputError
        If `kind` is unknown, or a series has not as many x as y.
    """
    kinds = {"bars": _bars, "histogram": _histogram, "lines": _lines}
    if figure.kind not in kinds:
        where, known = f"figure {figure.title!r}", ", ".join(kinds)
        raise InputError(where, f"kind to be one of {known}", repr(figure.kind), "correct it")
    traces = _traces(figure)
    if any(trace.points for trace in traces):
        parts, height = kinds[figure.kind](figure, traces)
    else:
        parts, height = [_text(_WIDTH / 2, 30, "nothing to draw", anchor="middle")], 48.0
    return tag(
        "svg",
        tag("title", figure.title),
        tag("desc", _description(figure, traces)),
        *parts,
        role="img",
        viewBox=f"0 0 {_WIDTH:g} {math.ceil(height)}",
    )


def left_out(figure: Figure) -> str:
    """Return what of `figure` is not drawn, in words; empty when everything is."""
    traces = _traces(figure)
    missing = sum(len(trace.run) - len(trace.points) for trace in traces)
    names = len(_names(figure)) - _most_names(traces) if figure.kind == "bars" else 0
    no_threshold = figure.threshold is not None and not _threshold(figure)
    counts = {
        f"Series not drawn (beyond {_SERIES})": len(figure.series) - len(traces),
        f"Names not drawn (beyond {_BARS} bars)": max(0, names),
        "Points not drawn (not finite, or beyond 1e300)": missing,
        "Thresholds not drawn (not finite, or beyond 1e300)": int(no_threshold),
    }
    return " ".join(f"{what}: {n:,}." for what, n in counts.items() if n)


def _description(figure: Figure, traces: "list[_Trace]") -> str:
    said = [f"{figure.y_label} by {figure.x_label}."]
    for trace in traces:
        ys = [point.y for point in trace.points]
        span = f", from {number(min(ys))} to {number(max(ys))}" if ys else ""
        said.append(f"{trace.name}: {len(ys):,} drawn{span}.")
    said += [f"Line at {number(place)}: {figure.threshold_label}." for place in _threshold(figure)]
    return " ".join([*said, left_out(figure), figure.caption]).strip()


# What can be drawn


class _Point(NamedTuple):
    """A place on two axes, and its values in words."""

    x: float
    y: float
    words: str


@dataclass(frozen=True)
class _Trace:
    """A series as points; None in `run` stands for what cannot be drawn."""

    name: str
    run: tuple[_Point | None, ...]
    colour: str
    shape: str

    @property
    def points(self) -> list[_Point]:
        return [point for point in self.run if point is not None]


def _plottable(value: object) -> float | None:
    known = finite(value)
    return known if known is not None and abs(known) <= _LARGEST else None


def _threshold(figure: Figure) -> list[float]:
    """Return the threshold, or nothing when there is none to draw."""
    place = _plottable(figure.threshold)
    return [] if place is None else [place]


def _names(figure: Figure) -> list[float | str]:
    """Return every x once when the x are names; nothing when they are numbers."""
    xs = [x for series in figure.series[:_SERIES] for x in series.x]
    named = figure.kind == "bars" or any(isinstance(x, str) for x in xs)
    return list(dict.fromkeys(xs)) if named and figure.kind != "histogram" else []


def _most_names(traces: Sequence[_Trace]) -> int:
    return _BARS // max(1, len(traces))


def _traces(figure: Figure) -> list[_Trace]:
    places = {name: float(place) for place, name in enumerate(_names(figure))}
    traces = []
    for index, series in enumerate(figure.series[:_SERIES]):
        if len(series.x) != len(series.y):
            where = f"series {series.name!r} of figure {figure.title!r}"
            raise InputError(where, "as many x as y", f"{len(series.x)} and {len(series.y)}")
        shape = _SHAPES[index % len(_SHAPES)] if figure.kind == "lines" else _SQUARE
        run = _run(series, places)
        traces.append(_Trace(series.name, run, f"c{index % _COLOURS}", shape))
    return traces


def _run(series: Series, places: Mapping[float | str, float]) -> tuple[_Point | None, ...]:
    run: list[_Point | None] = []
    for name, value in zip(series.x, series.y, strict=True):
        x, y = places[name] if places else _plottable(name), _plottable(value)
        words = f"{series.name}: {_word(name)}, {number(value)}"
        run.append(None if x is None or y is None else _Point(x, y, words))
    return tuple(run)


def _word(x: float | str) -> str:
    return visible(x) if isinstance(x, str) else number(x)


# Axes


@dataclass(frozen=True)
class _Scale:
    """The values along an axis: its ends, and what is written where."""

    low: float
    high: float
    ticks: Sequence[float] = ()
    labels: Sequence[str] = ()
    room: float = _WIDTH  # for one label

    def share(self, value: float) -> float:
        """Return how far along the axis `value` is, 0 to 1."""
        return (value - self.low) / (self.high - self.low)


def _scale(values: Sequence[float]) -> _Scale:
    """Return a scale over `values`, with ticks at 1, 2 or 5 times a power of ten."""
    low, high = min(values), max(values)
    size = max(abs(low), abs(high))
    if size <= _SMALLEST:
        low, high = 0.0, 1.0
    elif high - low <= 1e-9 * size:
        low, high = low - size / 2, high + size / 2
    power = 10.0 ** math.floor(math.log10((high - low) / 5))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= 0.999 * (high - low) / 5)
    # a hair of slack, or 0.3 / 0.1 would ask for one more tick
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    ticks = [step * place for place in range(first, last + 1)]
    return _Scale(ticks[0], ticks[-1], ticks, _tick_labels(ticks, step))


def _tick_labels(ticks: Sequence[float], step: float) -> list[str]:
    """Return the ticks in words, with as many digits as tell neighbours apart."""
    size = max(map(abs, ticks))
    power = math.floor(math.log10(step) + 1e-6)
    if power >= -4 and size < 1e6:
        return [f"{tick + 0.0:,.{max(0, -power)}f}" for tick in ticks]
    digits = math.floor(math.log10(size) + 1e-6) - power
    return [short_power(f"{tick:.{digits}e}") if tick else "0" for tick in ticks]


@dataclass(frozen=True)
class _Plot:
    """Two scales, and the rectangle that they span."""

    x: _Scale
    y: _Scale
    left: float
    right: float
    top: float
    bottom: float

    def across(self, x: float) -> float:
        """Return where `x` is, from the left."""
        return self.left + self.x.share(x) * (self.right - self.left)

    def down(self, y: float) -> float:
        """Return where `y` is, from the top."""
        return self.bottom - self.y.share(y) * (self.bottom - self.top)


def _upright(x: _Scale, y: _Scale, top: float) -> _Plot:
    left = max(_widest(y.labels) + _GAP, _width(x.labels[0], x.room) / 2)
    right = _WIDTH - max(_GAP, _width(x.labels[-1], x.room) / 2)
    return _Plot(x, y, left, right, top, top + _HEIGHT)


def _grid(plot: _Plot) -> list[Markup]:
    """Draw a line across the plot for each y that is written beside it."""
    parts = []
    for tick, label in zip(plot.y.ticks, plot.y.labels, strict=True):
        y = plot.down(tick)
        kind = "axis" if tick in (0, plot.y.low) else "grid"
        parts.append(_rule(plot.left, y, plot.right, y, kind))
        parts.append(_text(plot.left - 6, y + 4, label, anchor="end"))
    return parts


def _foot(plot: _Plot, label: str) -> list[Markup]:
    """Write below the plot what x is; where it is crowded, every nth tick only."""
    places = [plot.across(tick) for tick in plot.x.ticks]
    apart = places[1] - places[0] if len(places) > 1 else _WIDTH
    every = math.ceil((_widest(plot.x.labels, plot.x.room) + _GAP) / apart)
    parts = [
        _text(x, plot.bottom + 15, words, plot.x.room, anchor="middle")
        for x, words in list(zip(places, plot.x.labels, strict=True))[::every]
    ]
    middle = (plot.left + plot.right) / 2
    room = 2 * min(middle, _WIDTH - middle)
    return [*parts, _text(middle, plot.bottom + 33, label, room, anchor="middle", kind="label")]


def _head(traces: Sequence[_Trace], corner: str) -> tuple[list[Markup], float]:
    """Draw the legend and the words in the upper left corner; return where the plot may start."""
    parts, x, y = [], 0.0, 0.0
    for trace in traces if len(traces) > 1 else ():
        wide = 17 + _width(trace.name, _LEGEND_ROOM)
        if x and x + wide > _WIDTH:
            x, y = 0.0, y + _ROW
        parts.append(tag("path", d=f"M{x + 5:.1f} {y + 8:.1f}{trace.shape}", class_=trace.colour))
        parts.append(_text(x + 14, y + 12, trace.name, _LEGEND_ROOM))
        x += wide + 12
    y += _ROW + 6 if parts else 0
    return [*parts, _text(0, y + 12, corner, kind="label")], y + _ROW + 9


# Kinds

_Drawn = tuple[list[Markup], float]


def _lines(figure: Figure, traces: Sequence[_Trace]) -> _Drawn:
    names, mark = _names(figure), _threshold(figure)
    points = [point for trace in traces for point in trace.points]
    ys = [*(point.y for point in points), *mark]
    if all(0 <= y <= 1 for y in ys):
        ys = [0.0, 1.0]
    words = [_word(name) for name in names]
    named = _Scale(-0.5, len(names) - 0.5, range(len(names)), words, _TICK_ROOM)
    parts, top = _head(traces, figure.y_label)
    plot = _upright(named if names else _scale([point.x for point in points]), _scale(ys), top)
    parts += _grid(plot) + _foot(plot, figure.x_label)
    for trace in traces:
        parts += _line(plot, trace)
    for y in map(plot.down, mark):
        words_y = y - 5 if y - plot.top > _ROW else y + 14
        parts.append(_rule(plot.left, y, plot.right, y, "threshold"))
        parts.append(_mark(figure, plot.right, words_y, "end"))
    return parts, plot.bottom + _FOOT


def _line(plot: _Plot, trace: _Trace) -> list[Markup]:
    """Draw a line that breaks where a point is missing, and its points unless they are many."""
    steps, shapes, pen = [], [], "M"
    for point in trace.run:
        if point is None:
            pen = "M"
            continue
        place = f"{plot.across(point.x):.1f} {plot.down(point.y):.1f}"
        steps.append(f"{pen}{place}h0")  # h0 is a dot, so that a point between two gaps is seen
        shapes.append(_filled(f"M{place}{trace.shape}", "point", trace, point))
        pen = "L"
    line = tag("path", d="".join(steps), class_=f"line {trace.colour}")
    return [line, *(shapes if len(shapes) <= _MARKERS else ())]


def _bars(figure: Figure, traces: Sequence[_Trace]) -> _Drawn:
    names = [_word(name) for name in _names(figure)[: _most_names(traces)]]
    bars = [(t, i, p) for i, t in enumerate(traces) for p in t.points if p.x < len(names)]
    ys, mark = [point.y for _, _, point in bars], _threshold(figure)
    scale = _scale([0.0, *ys, *mark])
    thick = 15.0 if len(traces) == 1 else 12.0
    band = thick * len(traces) + _GAP
    parts, top = _head(traces, figure.x_label)
    top += _ROW * len(mark)
    named, room = _widest(names, _NAME_ROOM), _widest(map(number, ys)) + 6
    left = named + _GAP + (room if any(y < 0 for y in ys) else 0)
    rows = _Scale(len(names), 0)
    plot = _Plot(scale, rows, left, _WIDTH - room, top, top + band * len(names))
    for tick in scale.ticks:
        x = plot.across(tick)
        parts.append(_rule(x, top, x, plot.bottom, "grid" if tick else "axis"))
    for place, name in enumerate(names):
        parts.append(_text(0, plot.down(place + 0.5) + 4, name, _NAME_ROOM))
    values = []
    for trace, index, point in bars:
        y, end = plot.down(point.x) + _GAP / 2 + index * thick, plot.across(point.y)
        bar = f"M{plot.across(0):.1f} {y:.1f}H{end:.1f}v{thick - 1:.1f}H{plot.across(0):.1f}z"
        x, anchor = (end - 4, "end") if point.y < 0 else (end + 4, "start")
        parts.append(_filled(bar, "bar", trace, point))
        values.append(_text(x, y + thick / 2 + 3.5, number(point.y), anchor=anchor, kind="value"))
    # values come last, or the threshold would strike them through
    parts += _foot(plot, figure.y_label) + _threshold_down(figure, plot) + values
    return parts, plot.bottom + _FOOT


def _histogram(figure: Figure, traces: Sequence[_Trace]) -> _Drawn:
    bins = [bin_ for s, t in zip(figure.series, traces, strict=False) for bin_ in _bins(s, t)]
    xs, mark = [x for _, point, end in bins for x in (point.x, end)], _threshold(figure)
    ys = [point.y for _, point, _ in bins]
    parts, top = _head(traces, figure.y_label)
    top += _ROW * len(mark)
    plot = _upright(_scale([*xs, *mark]), _scale([0.0, *ys]), top)
    parts += _grid(plot) + _foot(plot, figure.x_label)
    base = plot.down(0)
    for trace, point, end in (bin_ for bin_ in bins if bin_[1].y):
        left, right, y = plot.across(point.x), plot.across(end), plot.down(point.y)
        bar = f"M{left:.1f} {base:.1f}V{y:.1f}H{right:.1f}V{base:.1f}z"
        parts.append(_filled(bar, "bin", trace, point))
    return [*parts, *_threshold_down(figure, plot)], plot.bottom + _FOOT


def _bins(series: Series, trace: _Trace) -> list[tuple[_Trace, _Point, float]]:
    """Return each bin with its upper edge; the last bin is as wide as the one before it."""
    if not trace.points:
        return []
    edges = sorted({edge for edge in map(_plottable, series.x) if edge is not None})
    width = edges[-1] - edges[-2] if len(edges) > 1 else abs(edges[0]) or 1.0
    ends = dict(zip(edges, [*edges[1:], edges[-1] + width], strict=True))
    return [(trace, point, ends[point.x]) for point in trace.points]


# Strokes


def _threshold_down(figure: Figure, plot: _Plot) -> list[Markup]:
    """Draw a threshold from the top of the plot to its foot, its words above."""
    parts = []
    for x in map(plot.across, _threshold(figure)):
        parts.append(_rule(x, plot.top - 4, x, plot.bottom, "threshold"))
        parts.append(_mark(figure, x, plot.top - 8, "start" if x < _WIDTH / 2 else "end"))
    return parts


def _mark(figure: Figure, x: float, y: float, anchor: str) -> Markup:
    room = _WIDTH - x if anchor == "start" else x
    words = figure.threshold_label or number(figure.threshold)
    return _text(x, y, words, room, anchor=anchor, kind="mark")


def _filled(path: str, kind: str, trace: _Trace, point: _Point) -> Markup:
    return tag("path", tag("title", point.words), d=path, class_=f"{kind} {trace.colour}")


def _rule(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def _text(
    x: float, y: float, words: str, room: float = _WIDTH, *, anchor: str = "start", kind: str = ""
) -> Markup:
    """Write `words`; what has no room is left off, and the tooltip holds the whole."""
    shown = _fitting(visible(words), room)
    whole = () if shown == words else (tag("title", words),)
    return tag("text", *whole, shown, x=x, y=y, text_anchor=anchor, class_=kind)


def _fitting(text: str, room: float) -> str:
    ends = list(accumulate(map(_advance, text)))
    if not ends or ends[-1] <= room:
        return text
    return text[: bisect_right(ends, room - _FONT)] + "…"


def _widest(texts: Iterable[str], room: float = _WIDTH) -> float:
    return max((_width(text, room) for text in texts), default=0.0)


def _width(text: str, room: float) -> float:
    return min(room, sum(map(_advance, visible(text))))


def _advance(character: str) -> float:
    """Return about how wide a character is; rather too wide than too narrow."""
    if unicodedata.east_asian_width(character) in "WF":
        return _FONT
    if unicodedata.combining(character):
        return 0.0
    if character in "MW@%mw":
        return 0.9 * _FONT
    if character in "fijlrtI .,:;!|'()[]-":
        return 0.36 * _FONT
    return (0.7 if character.isupper() else 0.58) * _FONT
