"""The serving file that we ship, with whatever a test wants otherwise."""

from pathlib import Path

import yaml

from modelwarden.limits import Budget
from modelwarden.serving import Serving

EXAMPLE = Path(__file__).parents[1] / "expectations/limits/churn.yaml"
BUDGET = Budget("ab" * 32, 3_000_000, 30, "labels", 0.95, 0.81)


def parse(**changes):
    """Return the example with these keys; ``...`` leaves one out."""
    document = {**yaml.safe_load(EXAMPLE.read_text()), **changes}
    kept = {key: value for key, value in document.items() if value is not ...}
    return Serving.parse(yaml.safe_dump(kept).encode(), "serving.yaml")
