"""The cards of our checks, by what they are about; importing them costs nothing."""

from collections.abc import Mapping

from modelwarden.cards import Card
from modelwarden.catalogue.data import DATA
from modelwarden.catalogue.models import MODELS
from modelwarden.catalogue.serving import SERVING

CHECKS: Mapping[str, Card] = {**DATA, **MODELS, **SERVING}
