import base64
import hashlib
import math
import re
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwarden.drawing import draw, left_out
from modelwarden.errors import InputError
from modelwarden.markup import Markup, number, tag, visible
from modelwarden.page import Section, decision_page, report_page, summary_page
from modelwarden.report import Decision, Figure, Report, RuleResult, Series

NAN, INF = math.nan, math.inf
KINDS = ("lines", "bars", "histogram")

ELEMENTS = set(
    re.findall(
        r"\w+",
        """html head meta title style body header main footer nav section div p h1 h2 h3 ul ol li a
        span code dl dt dd table thead tbody tr th td figure figcaption details summary
        svg desc path line text""",
    )
)
ATTRIBUTES = set(
    re.findall(
        r"[\w-]+",
        """lang charset http-equiv content name class id href title scope aria-label role viewbox
        d x y x1 x2 y1 y2 text-anchor""",
    )
)

HOSTILE = (
    "<script>alert(1)</script>",
    "</style></title></svg><img src=x onerror=alert(1)>",
    "\" onload=alert(1) x='",
    "'><a href=javascript:alert(1)>",
    "=cmd|' /C calc'!A0",
    "&lt;b&gt; &amp; &#60;",
    "<!-- ]]> <![CDATA[",
    "\u202egnp.exe\u202c\u2066\u200b",
    "\x00\x1b[31m\x7f\x85",
    "\ud800\uffff",
    "\r\n\t\u2028",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "",
    "x" * 6000,
)
texts = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=()), max_size=12)
floats = st.floats() | st.sampled_from([0.0, 1.0, 1e300, -1e300, 5e-324, NAN, INF])


def figures(names=texts, values=floats):
    points = st.lists(st.tuples(names | values, values), max_size=6)
    series = st.builds(
        lambda name, xy: Series(name, tuple(x for x, _ in xy), tuple(y for _, y in xy)),
        names,
        points,
    )
    return st.builds(
        Figure,
        kind=st.sampled_from(KINDS),
        title=names,
        x_label=names,
        y_label=names,
        series=st.lists(series, max_size=4).map(tuple),
        threshold=st.none() | values,
        threshold_label=names,
        caption=names,
    )


def figure(kind="lines", x=(0.0, 1.0), y=(0.5, 1.0), name="accuracy", **rest):
    words = {"title": "A title", "x_label": "epsilon", "y_label": "share", **rest}
    return Figure(kind, series=(Series(name, tuple(x), tuple(y)),), **words)


class Reader(HTMLParser):
    """Reads a page as a browser would, and keeps what it finds."""

    def __init__(self, page):
        super().__init__()
        self.open, self.elements, self.attributes, self.texts = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, name, attributes):
        self.elements.append(name)
        self.attributes += attributes
        if name != "meta":
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        if data.strip() and self.open[-1] != "style":
            self.texts.append(data)

    def handle_comment(self, data):
        raise AssertionError(data)

    unknown_decl = handle_pi = handle_comment

    def values(self, attribute):
        return [value for key, value in self.attributes if key == attribute]


def read(page):
    page.encode()
    return Reader(page)


def assert_harmless(page):
    reader = read(page)
    assert reader.open == []
    assert set(reader.elements) <= ELEMENTS
    assert {key for key, _ in reader.attributes} <= ATTRIBUTES
    assert reader.elements.count("style") == 1
    assert all(re.fullmatch(r"#story-\d+", link) for link in reader.values("href"))
    said = "".join([*reader.texts, *map(str, dict(reader.attributes).values())])
    assert all(character.isprintable() for character in said)


def parsed(drawn):
    return ElementTree.fromstring(drawn)


def words_of(drawn):
    return [
        "".join(
            t for child in text.iter("text") for t in [child.text, *(c.tail for c in child)] if t
        )
        for text in parsed(drawn).iter("text")
    ]


def paths(drawn, kind):
    return [p.get("d") for p in parsed(drawn).iter("path") if kind in p.get("class", "").split()]


def rules(drawn, kind):
    return [
        {key: float(line.get(key)) for key in ("x1", "y1", "x2", "y2")}
        for line in parsed(drawn).iter("line")
        if line.get("class") == kind
    ]


def coordinates(path):
    return [float(digits) for digits in re.findall(r"-?\d+\.?\d*", path)]


# Hostile text


@given(name=texts, said=texts, drawn=figures(), value=floats)
@settings(deadline=None, max_examples=60)
def test_a_report_page_never_lets_text_become_markup(name, said, drawn, value):
    report = Report(
        name, {said: value}, (said,), (name,), {name: said, said: [name, {said: value}]}
    )

    assert_harmless(report_page(report, [drawn], facts={name: said}))


@given(rule=texts, why=texts, severity=st.sampled_from(["block", "warn"]), measured=floats)
@settings(deadline=None, max_examples=40)
def test_a_decision_page_never_lets_text_become_markup(rule, why, severity, measured):
    results = (RuleResult(rule, measured, False, why, severity), RuleResult(why, None, True))

    assert_harmless(decision_page(Decision(results, (rule,), (why,)), facts={why: rule}))


@given(title=texts, text=texts, cell=texts | floats | st.none(), drawn=figures())
@settings(deadline=None, max_examples=40)
def test_a_summary_page_never_lets_text_become_markup(title, text, cell, drawn):
    section = Section(title, text, title, ((title, text), (cell, text)), (drawn,))

    assert_harmless(summary_page(title, text, [section, section]))


@given(drawn=figures())
@settings(deadline=None, max_examples=80)
def test_every_drawing_is_well_formed_and_stays_inside_itself(drawn):
    root = parsed(draw(drawn))

    _, _, width, height = map(float, root.get("viewBox").split())
    for element in root.iter():
        for key, end in {"x": width, "x1": width, "x2": width, "y": height, "y1": height}.items():
            assert 0 <= float(element.get(key, 0)) <= end
        if element.get("class", "").startswith("bar"):
            assert all(-1 <= place <= max(width, height) for place in coordinates(element.get("d")))


def test_hostile_text_is_shown_as_it_is():
    hostile = "<script>alert(1)</script>"

    reader = read(report_page(Report(hostile, {}), [], facts={hostile: "=cmd|' /C calc'!A0"}))

    assert reader.texts.count(hostile) == 2
    assert "=cmd|' /C calc'!A0" in reader.texts


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("a\u202eb", "a[U+202E]b"),
        ("\u200bx", "[U+200B]x"),
        ("\x00", "[U+0000]"),
        ("a\nb", "a[U+000A]b"),
        ("\ud800", "[U+D800]"),
        ("\u05d0\u05d1", "\u05d0\u05d1"),
        ("a b", "a b"),
    ],
)
def test_what_cannot_be_seen_is_shown_by_its_code_point(hidden, shown):
    assert visible(hidden) == shown


def test_an_endless_text_is_cut_and_the_rest_is_counted():
    assert visible("x" * 7000).endswith("x… (2,000 more characters)")
    assert visible("x" * 5000) == "x" * 5000


def test_a_tag_escapes_everything_that_is_not_markup():
    assert tag("p", "<b>", Markup("<i></i>"), title='"') == (
        '<p title="&quot;">&lt;b&gt;<i></i></p>'
    )


# A page by itself


@pytest.fixture
def page():
    report = Report("roni", {"rows": 12345.0}, details={"columns": ["a", "b"]})
    return report_page(report, [figure(kind=kind) for kind in KINDS], facts={"sha256": "9f86"})


def test_a_page_asks_for_nothing_from_elsewhere(page):
    assert not re.search(r"https?:|//|url\(|@import|src=|<script|<link", page)


def test_the_content_security_policy_allows_nothing_but_the_page_s_own_style(page):
    style = re.search("<style>(.*)</style>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    policy = re.search('Content-Security-Policy" content="(.*?)"', page)[1]

    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_the_same_report_gives_the_same_page(page):
    report = Report("roni", {"rows": 12345.0}, details={"columns": ["a", "b"]})

    assert page == report_page(report, [figure(kind=k) for k in KINDS], facts={"sha256": "9f86"})


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = (int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4))
    linear = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "paper", "least"),
    [
        ("text", "back", 7.0),
        ("soft", "back", 4.5),
        *((tone, f"{tone}-back", 4.5) for tone in ("good", "bad", "warn")),
        *((f"c{place}", "back", 3.0) for place in range(6)),
    ],
)
def test_colours_have_enough_contrast(page, mode, ink, paper, least):
    light, dark = page.split("prefers-color-scheme: dark", 1)
    colours = dict(re.findall(r"--([\w-]+): (#\w+)", light if mode == "light" else dark))

    bright, dim = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)

    assert (bright + 0.05) / (dim + 0.05) >= least


# Reports, decisions, summaries


def test_a_report_without_failures_succeeded():
    reader = read(report_page(Report("roni", {"rows": 3.0}), [], facts={}))

    assert "succeeded" in reader.texts
    assert "failed" not in reader.texts


def test_a_report_with_failures_failed_and_says_why():
    reader = read(report_page(Report("roni", {}, ("Too few rows.",)), [], facts={}))

    assert {"failed", "Why the result must not be used", "Too few rows."} <= set(reader.texts)
    assert "succeeded" not in reader.texts


def test_a_report_page_says_all_that_the_report_says():
    report = Report("roni", {"rows": 12345, "share": None}, (), ("A note.",), {"sizes": [24, 25]})

    said = read(report_page(report, [], facts={"statement": "s3://evidence/1"})).texts

    assert {"rows", "12,345", "share", "undefined", "A note.", "s3://evidence/1"} <= set(said)
    assert {"sizes", "[24, 25]"} <= set(said)


def test_a_metrics_meaning_stands_below_its_name():
    meanings = {"rows": "submitted <rows>", "other": "not measured here"}
    page = report_page(Report("roni", {"rows": 3.0, "own": 1.0}), [], facts={}, meanings=meanings)

    said = read(page).texts
    assert said.index("submitted <rows>") == said.index("rows") + 1
    assert "not measured here" not in said


def test_an_empty_report_has_no_empty_headings():
    assert read(report_page(Report("roni", {}), [], facts={})).elements.count("h2") == 0


def test_a_measurement_keeps_its_exact_value_as_a_tooltip():
    reader = read(report_page(Report("roni", {"share": 1 / 3}), [], facts={}))

    assert "0.3333" in reader.texts
    assert repr(1 / 3) in reader.values("title")


def test_a_decision_page_shows_every_rule_in_the_policy_s_order():
    results = (
        RuleResult("b <= 1", 0.5, True),
        RuleResult("a >= 0.7", 0.386, False, "Too fragile."),
        RuleResult("c >= 1", None, False, "Not measured.", "warn"),
    )

    said = read(decision_page(Decision(results), facts={})).texts

    start = said.index("measured")
    assert said[start + 1 : start + 12] == [
        *("passed", "b <= 1", "0.5"),
        *("failed", "a >= 0.7", "Too fragile.", "0.386"),
        *("warning", "c >= 1", "Not measured.", "undefined"),
    ]


@pytest.mark.parametrize(
    ("decision", "verdict", "reason"),
    [
        (Decision((RuleResult("a", 1, True),)), "allowed", "1 of 1 blocking rules are satisfied."),
        (
            Decision((RuleResult("a", 1, True), RuleResult("b", 1, False))),
            "denied",
            "1 of 2 blocking rules are satisfied.",
        ),
        (
            Decision((RuleResult("a", 1, True),), enforced=False),
            "denied",
            "The policy only records (enforce: false), so it never allows.",
        ),
        (Decision(()), "denied", "No rule of the policy blocks, so nothing is allowed."),
    ],
)
def test_a_decision_page_says_what_was_decided_and_why(decision, verdict, reason):
    said = read(decision_page(decision, facts={})).texts

    assert {verdict, reason} <= set(said)
    assert not {"allowed", "denied"} - {verdict} & set(said)


def test_a_decision_page_names_the_statements_and_notes():
    decision = Decision((), ("60303ae2", "9f86d081"), ("Training data: claimed by builder.",))

    said = read(decision_page(decision, facts={"policy": "s3://policies/1"})).texts

    assert {"60303ae2", "9f86d081", *decision.notes, "s3://policies/1"} <= set(said)


def test_a_summary_lists_its_stories_and_every_link_has_its_target():
    page = summary_page("Stories", "Intro.", [Section("One", verdict="allowed"), Section("Two")])

    reader = read(page)

    assert reader.texts.count("One") == reader.texts.count("Two") == 2
    assert reader.values("href") == [f"#{name}" for name in reader.values("id")]


def test_a_section_shows_paragraphs_table_and_figures():
    table = (("model", "accuracy"), ("clean", 0.95312))

    reader = read(
        summary_page("S", "", [Section("One", "First.\n\nSecond.", "", table, (figure(),))])
    )

    assert {"First.", "Second.", "model", "clean", "0.9531", "A title"} <= set(reader.texts)
    assert "svg" in reader.elements


def test_a_table_sets_numbers_right_and_text_left():
    rows = (("model", "accuracy"), ("clean", 0.5), ("poisoned", None))

    page = summary_page("S", "", [Section("One", table=rows)])

    assert '<th scope="col">model</th><th scope="col" class="number">accuracy</th>' in page


# Figures


@pytest.mark.parametrize("kind", KINDS)
def test_every_value_of_a_figure_is_in_its_table_and_its_range_in_its_description(kind):
    drawn = figure(kind, x=(1.0, 2.0, 3.0), y=(0.123456, 12345.678, -7.0))

    reader = read(report_page(Report("roni", {}), [drawn], facts={}))

    assert {"0.123456", "12345.678", "-7.0"} <= set(reader.values("title"))
    assert "accuracy: 3 drawn, from -7 to 12,346." in parsed(draw(drawn)).find("desc").text


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_is_an_image_with_a_title_a_description_and_labelled_axes(kind):
    root = parsed(draw(figure(kind, threshold=0.7, threshold_label="least", caption="Look here.")))

    assert root.get("role") == "img"
    assert root[0].tag == "title"
    assert root[0].text == "A title"
    assert "Line at 0.7: least." in root.find("desc").text
    assert "Look here." in root.find("desc").text
    assert {"epsilon", "share", "least"} <= {text.text for text in root.iter("text")}


@pytest.mark.parametrize("kind", KINDS)
def test_a_legend_names_the_series_when_there_are_several(kind):
    two = Figure(
        kind, "t", "x", "y", (Series("before", (1.0,), (2.0,)), Series("after", (1.0,), (3.0,)))
    )

    assert words_of(draw(two))[:2] == ["before", "after"]
    assert "accuracy" not in words_of(draw(figure(kind)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "series", [(), (Series("a", (), ()),), (Series("a", (1.0, 2.0), (NAN, INF)),)]
)
def test_a_figure_without_numbers_says_that_there_is_nothing_to_draw(kind, series):
    assert words_of(draw(Figure(kind, "t", "x", "y", series))) == ["nothing to draw"]


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_are_not_finite_are_skipped_and_said(kind):
    drawn = figure(kind, x=(1.0, 2.0, 3.0, 4.0), y=(1.0, NAN, None, 1e301), threshold=INF)

    assert "Points not drawn (not finite, or beyond 1e300): 3." in left_out(drawn)
    assert "Thresholds not drawn" in left_out(drawn)
    assert left_out(drawn) in parsed(draw(drawn)).find("desc").text
    assert left_out(drawn) in read(report_page(Report("r", {}), [drawn], facts={})).texts


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_out_of_a_plain_figure(kind):
    assert left_out(figure(kind, threshold=0.5)) == ""


def test_more_series_than_can_be_told_apart_are_said():
    series = tuple(Series(f"s{place}", (1.0,), (1.0,)) for place in range(11))

    assert left_out(Figure("lines", "t", "x", "y", series)) == "Series not drawn (beyond 8): 3."


def test_of_200_bars_60_are_drawn_and_the_rest_is_said():
    many = figure("bars", x=[f"f{place}" for place in range(200)], y=[1.0] * 200)

    assert len(paths(draw(many), "bar")) == 60
    assert left_out(many) == "Names not drawn (beyond 60 bars): 140."
    assert "f199" in read(report_page(Report("r", {}), [many], facts={})).texts


def test_an_unknown_kind_is_one_clear_error():
    with pytest.raises(InputError, match="kind to be one of bars, histogram, lines, got 'pie'"):
        draw(figure("pie"))


@pytest.mark.parametrize("show", [draw, lambda f: report_page(Report("r", {}), [f], facts={})])
def test_unequal_lengths_are_one_clear_error(show):
    with pytest.raises(InputError, match="expected as many x as y, got 2 and 1"):
        show(figure(x=(1.0, 2.0), y=(1.0,)))


def test_a_long_name_is_shortened_and_whole_in_its_tooltip():
    name = "mean_concave_points_of_the_contour_of_the_nucleus"

    root = parsed(draw(figure("bars", x=(name, "b"))))

    label = next(text for text in root.iter("text") if text.find("title") is not None)
    assert label.find("title").text == name
    assert re.fullmatch(r"mean_concave_\w+…", label.find("title").tail)


# Lines


@pytest.mark.parametrize("y", [(0.4, 0.6), (0.5, 1.0)])
def test_lines_of_shares_have_an_axis_from_zero_to_one(y):
    assert words_of(draw(figure(y=y)))[:7] == [*("share", "0.0", "0.2", "0.4", "0.6", "0.8", "1.0")]


def test_other_lines_have_round_ticks_around_their_values():
    assert words_of(draw(figure(y=(98.0, 103.0))))[:7] == [
        *("share", "98", "99", "100", "101", "102", "103")
    ]


def test_points_stand_where_their_values_are():
    (line,) = paths(draw(figure(x=(0.0, 1.0, 2.0), y=(0.0, 0.5, 1.0))), "line")

    steps = [coordinates(step) for step in line[1:].split("L")]

    assert steps[1][0] - steps[0][0] == pytest.approx(steps[2][0] - steps[1][0], abs=0.2)
    assert [step[1] for step in steps] == [pytest.approx(steps[2][1] + d) for d in (190, 95, 0)]


def test_a_line_breaks_where_a_value_is_missing():
    (line,) = paths(draw(figure(x=(1.0, 2.0, 3.0, 4.0), y=(0.1, NAN, 0.3, 0.4))), "line")

    assert re.sub(r"[\d. ]+", "", line) == "MhMhLh"


def test_a_threshold_crosses_a_line_at_its_value():
    drawn = draw(figure(x=(1.0, 2.0), y=(0.7, 0.2), threshold=0.7, threshold_label="least"))

    (threshold,) = rules(drawn, "threshold")

    assert threshold["y1"] == threshold["y2"] == coordinates(paths(drawn, "line")[0])[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [-30.0, 30.0])
def test_a_threshold_outside_the_values_is_inside_the_plot(kind, place):
    drawn = draw(figure(kind, threshold=place))

    (threshold,) = rules(drawn, "threshold")

    grid = rules(drawn, "grid") + rules(drawn, "axis")
    assert threshold["x2"] <= max(rule["x2"] for rule in grid)
    assert threshold["x1"] >= min(rule["x1"] for rule in grid)
    assert threshold["y1"] >= min(rule["y1"] for rule in grid) - 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_threshold_without_words_shows_its_value(kind):
    assert "0.7123" in words_of(draw(figure(kind, threshold=0.7123)))


def test_the_x_of_lines_may_be_names():
    said = words_of(draw(figure(x=("mon", "tue", "wed"), y=(1.0, 2.0, 3.0))))

    assert [word for word in said if word in ("mon", "tue", "wed")] == ["mon", "tue", "wed"]


def test_crowded_names_are_thinned_out_but_evenly():
    days = [f"day {place:03}" for place in range(200)]

    said = [
        int(word[4:]) for word in words_of(draw(figure(x=days, y=[1.0] * 200))) if "day" in word
    ]

    assert 3 <= len(said) <= 12
    assert len({after - before for before, after in pairwise(said)}) == 1


# Bars


def ends(path):
    start, end = re.match(r"M(-?[\d.]+) .*?H(-?[\d.]+)", path).groups()
    return float(start), float(end)


def test_bars_are_as_long_as_their_values():
    one, half, minus = map(ends, paths(draw(figure("bars", x="abc", y=(1.0, 0.5, -0.25))), "bar"))

    assert one[0] == half[0] == minus[0]
    assert one[1] - one[0] == pytest.approx(2 * (half[1] - half[0]), abs=0.2)
    assert one[1] - one[0] == pytest.approx(4 * (minus[0] - minus[1]), abs=0.4)


def test_bars_of_equal_values_start_at_zero():
    drawn = draw(figure("bars", x="ab", y=(0.9, 0.9)))

    (zero,) = rules(drawn, "axis")
    assert ends(paths(drawn, "bar")[0])[0] == zero["x1"] > 0


def test_the_value_of_a_negative_bar_has_room_left_of_it():
    root = parsed(draw(figure("bars", x="ab", y=(-0.1234, 0.1))))

    (value,) = (text for text in root.iter("text") if text.text == "-0.1234")
    assert value.get("text-anchor") == "end"
    assert float(value.get("x")) > 50


def test_every_bar_has_its_value_beside_it():
    assert words_of(draw(figure("bars", x="ab", y=(0.8112, 0.94731))))[-2:] == ["0.8112", "0.9473"]


def test_bars_of_several_series_lie_side_by_side_under_one_name():
    two = (Series("before", ("a", "b"), (1.0, 1.0)), Series("after", ("b", "a"), (1.0, 1.0)))

    tops = [coordinates(path)[1] for path in paths(draw(Figure("bars", "t", "x", "y", two)), "bar")]

    before_a, before_b, after_b, after_a = tops
    assert before_a < after_a < before_b < after_b


def test_a_threshold_meets_the_end_of_a_bar_of_its_length():
    drawn = draw(figure("bars", x="ab", y=(0.7, 1.0), threshold=0.7))

    (threshold,) = rules(drawn, "threshold")

    assert threshold["x1"] == threshold["x2"] == ends(paths(drawn, "bar")[0])[1]


# Histograms


def test_bins_reach_from_edge_to_edge_and_the_last_is_as_wide_as_the_one_before():
    one, two, three = (
        coordinates(path) for path in paths(draw(figure("histogram", (0, 1, 3), (1, 2, 3))), "bin")
    )

    assert one[3] == two[0]
    assert two[3] == three[0]
    assert two[3] - two[0] == pytest.approx(2 * (one[3] - one[0]), abs=0.3)
    assert three[3] - three[0] == pytest.approx(two[3] - two[0], abs=0.2)


def test_a_bin_without_a_count_is_a_gap_and_not_a_wider_neighbour():
    one, three = (
        coordinates(path)
        for path in paths(draw(figure("histogram", (0, 1, 2), (5, NAN, 5))), "bin")
    )

    assert three[0] - one[3] == pytest.approx(one[3] - one[0], abs=0.2)


def test_bins_are_as_high_as_their_counts_from_zero_up():
    drawn = draw(figure("histogram", (0, 1), (10, 5)))

    ten, five = (coordinates(path) for path in paths(drawn, "bin"))

    assert [rule["y1"] for rule in rules(drawn, "axis")] == [ten[1]]
    assert ten[1] - ten[2] == pytest.approx(2 * (five[1] - five[2]), abs=0.2)


def test_a_threshold_stands_on_the_edge_of_its_bin():
    drawn = draw(figure("histogram", (-1, 0, 1), (1, 2, 3), threshold=0.0))

    (threshold,) = rules(drawn, "threshold")

    assert threshold["x1"] == threshold["x2"] == coordinates(paths(drawn, "bin")[1])[0]


# Numbers


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.93333, "0.9333"),
        (12345.0, "12,345"),
        (12345, "12,345"),
        (1234.56, "1,235"),
        (0.0, "0"),
        (-0.0, "0"),
        (-0.25, "-0.25"),
        (0.000012345, "1.234e-5"),
        (1.5e300, "1.5e300"),
        (2e9, "2e9"),
        (None, "undefined"),
        (NAN, "nan"),
        (-INF, "-inf"),
        (True, "True"),
    ],
)
def test_numbers_are_short(value, said):
    assert number(value) == said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("x", "y"),
    [
        ((5.0,), (7.0,)),
        ((1.0, 2.0), (4.0, 4.0)),
        ((0.0, 0.0), (0.0, 0.0)),
        ((-1.0, -2.0), (-4.0, -9.0)),
        ((1e300, -1e300), (1e300, -1e300)),
        ((1e6 + 0.1, 1e6 + 0.2), (12345.6781, 12345.6785)),
        ((1e-12, 2e-12), (5e-324, 3e-9)),
        ((1e-300, 2e-300), (1e-300, 2e-300)),
        ((1e16, 1e16 + 2), (1e16, 1e16 + 2)),
    ],
)
def test_odd_values_are_drawn_with_ticks_that_differ(kind, x, y):
    drawn = draw(figure(kind, x, y))

    labels = [
        *(text.text for text in parsed(drawn).iter("text") if text.get("text-anchor") == "middle")
    ]
    assert paths(drawn, "line") + paths(drawn, "bar") + paths(drawn, "bin") or set(y) == {0.0}
    assert len(set(labels)) == len(labels) >= 3
