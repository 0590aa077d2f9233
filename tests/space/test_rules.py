"""Space files: what is read, and what is refused in one line."""

import hashlib

import pytest

from modelwarden.errors import InputError
from modelwarden.space.rules import ColumnRule, Image, Rules, Text
from modelwarden.store import File

WHERE = "s3://bucket/space.yaml"


def read(text):
    return Rules.parse(text.encode(), WHERE)


# What is no space file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"{WHERE}: expected keys with values, got nothing"),
        ("[]", f"{WHERE}: expected keys with values, got []"),
        ("others: free", "got no key 'version'; write version: 1"),
        ("version: true", "version: expected a valid integer, got True"),
        ("version: 1.0", "version: expected a valid integer, got 1.0"),
        ("version: 2", "version: expected at most 1, got 2"),
        ("version: 0", "version: expected at least 1, got 0"),
        ("version: 1\nversion: 1", "the key 'version' twice (line 2, column 1)"),
        ("version: 1\nx: &a 1\ny: *a", "an alias, which is not allowed"),
        ("version: 1\nfixed: [a", "a space file (YAML or JSON)"),
        ("version: 1\n1: 2", "the key 1, not text"),
        ("version: 1\nothers: frozen", "others: expected 'free' or 'fixed', got 'frozen'"),
        ("version: 1\nfixed: a", "fixed: expected a list, got 'a'"),
        ("version: 1\nfixed: [1]", "fixed.0: expected text; write it in quotes, got 1"),
        ("version: 1\ncolumns:", "columns: expected keys with values, got nothing"),
        ("version: 1\ncolumns: {a: }", "columns.a: expected keys with values, got nothing"),
        ("version: 1\ncolumns: [a]", "columns: expected keys with values, got ['a']"),
        ("version: 1\nmax_changed: 0", "max_changed: expected above 0, got 0"),
        ("version: 1\nmax_changed: true", "max_changed: expected a valid integer, got True"),
        ("version: 1\nmax_changed: 1.5", "max_changed: expected a valid integer, got 1.5"),
        ("version: 1\none_hot: {g: [a]}", "a one-hot group has two columns or more"),
        ("version: 1\nimage: {height: 0, width: 2}", "image.height: expected above 0, got 0"),
        ("version: 1\nimage: {height: 2}", "no key 'image.width'"),
        ("version: 1\nimage: {height: 2, width: 2, levels: 1}", "levels: expected at least 2"),
        ("version: 1\ntext: {synonyms: {free: gratis}}", "synonyms.free: expected a list"),
        ("version: 1\ntext: {synonyms: {free: [1]}}", "text.synonyms.free.0: expected text;"),
        (
            "version: 1\nimage: {height: 1, width: 2}\none_hot: {g: [a, b]}",
            "an image has pixels, and no one-hot groups",
        ),
    ],
)
def test_what_is_no_space_file_is_refused_in_one_line(text, message):
    with pytest.raises(InputError) as refused:
        read(text)

    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("least: .nan", "columns.a.least: expected a valid number, got '.nan'"),
        ("least: .inf", "columns.a.least: expected a valid number, got '.inf'"),
        ("least: 1e999", "columns.a.least: expected a finite number, got inf"),
        ("least: true", "columns.a.least: expected a valid number, got True"),
        ("most: '3'", "columns.a.most: expected a valid number, got '3'"),
        ("{least: 2, most: 1}", "columns.a: least must not be above most"),
        ("by: -1", "columns.a.by: expected at least 0, got -1"),
        ("by_share: -0.1", "columns.a.by_share: expected at least 0, got -0.1"),
        ("direction: left", "columns.a.direction: expected 'up' or 'down', got 'left'"),
        ("step: 0", "columns.a.step: expected at least 1e-100, got 0"),
        ("step: true", "columns.a.step: expected a valid number, got True"),
        ("scale: 0", "columns.a.scale: expected at least 1e-100, got 0"),
        ("scale: -1", "columns.a.scale: expected at least 1e-100, got -1"),
        ("scale: 1e101", "columns.a.scale: expected at most 1e+100, got 1e+101"),
        ("cost: -1", "columns.a.cost: expected at least 0, got -1"),
        ("cost: 0", "columns.a: numbers need a cost of 0.000001 or more"),
        ("cost: 1e7", "columns.a.cost: expected at most 1e+06, got 10000000.0"),
        ("values: []", "columns.a.values: expected a list that is not empty, got []"),
        ("values: a", "columns.a.values: expected a list, got 'a'"),
        ("values: [null]", "values.0: expected text, a number, true or false, got nothing"),
        ("values: [[1]]", "values.0: expected text, a number, true or false, got [1]"),
        *(
            (f"{{values: [1], {key}}}", "columns.a: values, or bounds of a number, not both")
            for key in ("least: 1", "most: 1", "by: 1", "by_share: 1", "direction: up")
        ),
        ("{values: [1], step: 1}", "values, or bounds of a number, not both"),
        ("{values: [1], scale: 1}", "values, or bounds of a number, not both"),
    ],
)
def test_a_column_cannot_be_told_nonsense(rule, message):
    rule = rule if rule.startswith("{") else f"{{{rule}}}"

    with pytest.raises(InputError) as refused:
        read(f"version: 1\ncolumns: {{a: {rule}}}")

    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colums: {}", "the unknown key 'colums'; did you mean 'columns'?"),
        ("columns: {a: {leest: 1}}", "the unknown key 'columns.a.leest'; did you mean 'least'?"),
        ("columns: {a: {Step: 1}}", "'columns.a.Step'; did you mean 'step'?"),
        ("image: {heigth: 2, width: 2}", "'image.heigth'; did you mean 'height'?"),
        ("text: {synonym: {}}", "'text.synonym'; did you mean 'synonyms'?"),
        ("immutable: [a]", "the unknown key 'immutable'; known are version, others, fixed"),
        ("columns: {a: {xyz: 1}}", "known are least, most, by, by_share, direction, step"),
    ],
)
def test_an_unknown_key_is_refused_with_what_may_have_been_meant(text, message):
    with pytest.raises(InputError) as refused:
        read(f"version: 1\n{text}")

    assert message in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "fixed: [a, a]",
        "fixed: [a]\ncolumns: {a: {}}",
        "fixed: [a]\none_hot: {g: [a, b]}",
        "columns: {a: {}}\none_hot: {g: [a, b]}",
        "one_hot: {g: [a, b], h: [c, a]}",
        "one_hot: {g: [a, a]}",
    ],
)
def test_a_column_stands_in_one_place(text):
    with pytest.raises(InputError, match="'a' stands in two places"):
        read(f"version: 1\n{text}")


def test_a_column_is_computed_once():
    with pytest.raises(InputError, match="'a' stands in two repairs"):
        read("version: 1\nrepairs: [a = b, a = c]")


def test_a_file_that_is_too_large_is_refused(tmp_path):
    body = b"version: 1\n#" + b" " * (1 << 20)
    (tmp_path / "s").write_bytes(body)
    file = File(WHERE, tmp_path / "s", hashlib.sha256(body).hexdigest(), len(body))

    with pytest.raises(InputError, match="1048576 are allowed"):
        Rules.read(file)


# What is one


def test_the_smallest_file_says_that_numbers_are_free():
    rules = read("version: 1")

    assert rules == Rules(version=1)
    assert (rules.others, rules.named, rules.formulas()) == ("free", set(), ())


def test_every_key_is_read():
    rules = read(
        """
        version: 1
        others: fixed
        fixed: [age]
        columns:
          amount:
            {least: 1e-3, most: 20, by: 2, by_share: 0.1, direction: up, step: 1, scale: 3, cost: 4}
          kind: {values: [a, true, 1, 2.5], cost: 0}
        max_changed: 2
        one_hot: {home: [own, rent]}
        relations: [total >= amount]
        repairs: [total = amount + rest]
        """
    )

    assert rules.columns["amount"] == ColumnRule(
        least=0.001, most=20, by=2, by_share=0.1, direction="up", step=1, scale=3, cost=4
    )
    values = rules.columns["kind"].values
    assert [(value, type(value)) for value in values] == [
        ("a", str), (True, bool), (1, int), (2.5, float)
    ]  # fmt: skip
    assert (rules.others, rules.max_changed) == ("fixed", 2)
    assert rules.named == {"age", "amount", "kind", "own", "rent", "total", "rest"}
    assert [formula.target for formula in rules.formulas()] == ["", "total"]


def test_pixels_and_words_are_read():
    rules = read("version: 1\nimage: {height: 8, width: 4}\ntext: {synonyms: {free: [gratis]}}")

    assert rules.image == Image(height=8, width=4, channels=1, levels=None)
    assert rules.text == Text(synonyms={"free": ["gratis"]})


def test_json_is_read_too(tmp_path):
    body = b'{"version": 1, "columns": {"a": {"least": 1e-3}}}'
    (tmp_path / "s").write_bytes(body)
    file = File(WHERE, tmp_path / "s", hashlib.sha256(body).hexdigest(), len(body))

    assert Rules.read(file).columns["a"].least == 0.001
