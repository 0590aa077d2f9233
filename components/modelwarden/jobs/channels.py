"""Send a notice through a channel."""

from modelwarden.alerts import SHAPES, Notice
from modelwarden.alerts.file import Channel
from modelwarden.report import canonical


def send(channel: Channel, notice: Notice) -> None:
    """Send, and return once the other end has it.

    Raises
    ------
    InputError
        If the channel cannot be used: a variable is missing, or its address is none.
    StoreError
        If the other end did not take it.
    """
    from modelwarden import messengers, webhooks

    if channel.kind == "sns":
        text = "\n".join(notice.lines)
        messengers.publish(channel.topic, notice.lines[0], text, delivery=notice.id)
        return
    url = webhooks.resolve(channel.url, f"channel {channel.kind}")
    if channel.kind == "apprise":
        messengers.notify(url, notice.lines[0], "\n".join(notice.lines[1:]))
        return
    secret = webhooks.open_secret(channel.secret)
    body = canonical(SHAPES[channel.kind](notice))
    webhooks.post(url, body, secret=secret, delivery=notice.id)
