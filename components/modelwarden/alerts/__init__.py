"""Alerts: who is told what, when, and what nobody needs to hear twice.

`observed` says what a run saw, `state` when to speak of it, `notice` in which words, `shapes` in
which form, `trend` what the last runs looked like, `file` reads what people want to be watched.
Nothing here sends, stores or reads a clock: that is :mod:`modelwarden.jobs.alert`.
"""

from modelwarden.alerts.notice import FAULT, RECOVERED, Alert, Notice, key_of
from modelwarden.alerts.observed import Observation, Verdict, observe
from modelwarden.alerts.shapes import SHAPES
from modelwarden.alerts.state import QUIET, UNKNOWN, Rules, Seen, State, alert_id, lost, step, told

__all__ = [
    "FAULT",
    "QUIET",
    "RECOVERED",
    "SHAPES",
    "UNKNOWN",
    "Alert",
    "Notice",
    "Observation",
    "Rules",
    "Seen",
    "State",
    "Verdict",
    "alert_id",
    "key_of",
    "lost",
    "observe",
    "step",
    "told",
]
