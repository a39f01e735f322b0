"""What people are told of what comes due: keys that end, credentials to rotate, campaigns.

Each belongs to the transaction that found it out. A cause stays open while it holds, so that
nobody is told of it twice; `expiry.warn` ends what is over.
"""

from __future__ import annotations

from connections.flows import told_kinds as kinds
from connections.flows.telling import page_of
from connections.models import ServiceKey
from portal import notices
from portal.phrases import plural
from portal.policy import Permission


def within(days: int) -> str:
    """As in "expires within a day"."""
    return f"within {plural(days, 'day') if days > 1 else 'a day'}"


def key_expiry(key: ServiceKey, mark: int) -> str:
    """The cause of a key's warning at so many days."""
    return f"{kinds.KEY_EXPIRES}:{key.id}:{mark}"


def key_expires(key: ServiceKey, days: int, cause: str) -> None:
    """A service key ends in so many days; whoever may make another one is told."""
    notices.tell(
        kinds.KEY_EXPIRES,
        subject=key,
        audience=notices.who_may(Permission.SERVICE_KEY_EDIT),
        dedupe=cause,
        url=page_of("service_key", key.id),
        title=f"The service key {key} expires {within(days)}",
    )
