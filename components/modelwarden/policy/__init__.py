"""What must hold before a model is deployed: thresholds as data that people review in a diff.

A policy pins what was asked, not only what came out: ``epsilon: 1e-6`` would pass every robustness
threshold. What a rule leaves out must have been left out of the question: options stay at the
check's default, optional inputs absent. Every other input besides the subject must be pinned by its
SHA-256, or set to ``any`` for all to see.
"""

from modelwarden.policy.document import Policy
from modelwarden.policy.file import Rule, schema
from modelwarden.policy.judging import CLOCK_SKEW, judge
from modelwarden.policy.words import explain

__all__ = ["CLOCK_SKEW", "Policy", "Rule", "explain", "judge", "schema"]
