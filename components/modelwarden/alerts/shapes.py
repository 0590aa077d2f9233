"""The JSON that each kind of receiver understands.

Names of columns come from data, which an attacker may have written. So no text of ours is ever
mark-up: Slack gets plain-text blocks, Teams text runs, and the rest plain strings.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from modelwarden.alerts.notice import FAULT, Alert, Notice
from modelwarden.markup import visible
from modelwarden.report import Json

STAYS = timedelta(days=30)
"""How long Alertmanager shows a fault of which nothing more is heard."""

_SLACK_TEXT, _SLACK_HEADER, _SLACK_BLOCKS = 3000, 150, 40
_TEAMS_LINES = 60


def plain(notice: Notice) -> Json:
    """Return the notice as it is."""
    return notice.as_json()


def slack(notice: Notice) -> Json:
    """Return a message of Slack's Block Kit; Mattermost and Rocket.Chat show its ``text``."""
    lines = notice.lines
    blocks: list[Json] = [
        {"type": "header", "text": _slack_text(f"{_mark(notice)} {lines[0]}", _SLACK_HEADER)}
    ]
    blocks += [
        {"type": "section", "text": _slack_text(line, _SLACK_TEXT)}
        for line in lines[1:_SLACK_BLOCKS]
    ]
    return {"text": _slack_escaped("\n".join(lines)[:_SLACK_TEXT]), "blocks": blocks}


def teams(notice: Notice) -> Json:
    """Return what a Teams workflow ("when a webhook request is received") posts: a card."""
    lines = notice.lines
    title = {"type": "TextRun", "text": lines[0], "weight": "Bolder", "size": "Medium"}
    title["color"] = "Attention" if notice.urgent else "Default"
    runs = [[title], *([{"type": "TextRun", "text": line}] for line in lines[1:_TEAMS_LINES])]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "RichTextBlock", "inlines": inlines} for inlines in runs],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": kind, "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def alertmanager(notice: Notice) -> Json:
    """Return the alerts for ``POST /api/v2/alerts``, which has its own deduplication.

    The labels do not say how urgent a fault is: one that becomes more urgent is the same alert.
    """
    return [_prometheus(alert) for alert in notice.alerts]


SHAPES: Mapping[str, Callable[[Notice], Json]] = {
    "json": plain,
    "slack": slack,
    "teams": teams,
    "alertmanager": alertmanager,
}
"""What a notice looks like, by kind of receiver."""


def _mark(notice: Notice) -> str:
    if not any(alert.state == FAULT for alert in notice.alerts):
        return "[recovered]"
    return "[ALERT]" if notice.urgent else "[warning]"


def _slack_text(text: str, longest: int) -> Json:
    return {"type": "plain_text", "text": text[:longest] or " ", "emoji": False}


def _slack_escaped(text: str) -> str:
    """Escape what Slack would take for a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _prometheus(alert: Alert) -> Json:
    labels = {
        "alertname": "ModelWarden",
        "model": visible(alert.model),
        "check": visible(alert.check),
        "column": visible(alert.column),
    }
    ends = alert.time if alert.state != FAULT else alert.time + STAYS
    summary = visible(" ".join(alert.sentence.split()))
    more = {"summary": summary, "page": alert.page, "run": alert.run, "channel": alert.channel}
    url = {"generatorURL": alert.page} if alert.page.startswith("https://") else {}
    times = {"startsAt": alert.since, "endsAt": ends.isoformat()}
    return {"labels": labels, "annotations": more, **times, **url}
