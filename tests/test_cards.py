"""Cards: what they refuse to say."""

from dataclasses import replace

import pytest

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
