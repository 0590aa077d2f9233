"""Cards: what they refuse to say."""

import json
from dataclasses import replace
from importlib.resources import files

import pytest

from modelwarden.cards import TAXONOMIES
from modelwarden.checks import CHECKS
from modelwarden.errors import InputError

RONI = CHECKS["roni"]


@pytest.mark.parametrize("name", ["train", "tested", "alpha"])
@pytest.mark.parametrize("kind", ["optional", "chained"])
def test_only_inputs_besides_the_subject_are_optional_or_chained(kind, name):
    with pytest.raises(InputError, match=f"inputs besides the subject, got {name}"):
        replace(RONI, **{kind: (name,)})


@pytest.mark.parametrize(
    "change", [{"tables": ("train",)}, {"tables": ("kept", "kept")}, {"options": {"trusted": ""}}]
)
def test_a_name_means_one_thing(change):
    with pytest.raises(InputError, match="one meaning for each name, got two for"):
        replace(RONI, **change)


TAXONOMY = json.loads(files("modelwarden").joinpath("taxonomy.json").read_text())


def test_the_vendored_list_is_of_the_versions_that_cards_quote():
    assert {name: entry["version"] for name, entry in TAXONOMY.items()} == TAXONOMIES


@pytest.mark.parametrize("name", CHECKS)
def test_a_card_quotes_ids_that_exist_in_every_taxonomy(name):
    for taxonomy, entry in TAXONOMY.items():
        assert set(CHECKS[name].risks) & set(entry["ids"]), taxonomy
    known = set().union(*(entry["ids"] for entry in TAXONOMY.values()))
    assert set(CHECKS[name].risks) <= known
    assert len(set(CHECKS[name].risks)) == len(CHECKS[name].risks)
