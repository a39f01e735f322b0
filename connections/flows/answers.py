"""What trouble at the token endpoint says about the refresh token that was to be spent."""

from __future__ import annotations

from connections.errors import (
    AnswerLost,
    Misconfigured,
    ReauthorizationRequired,
    UnexpectedResponse,
    VendorError,
)
from connections.lineage import AnswerClass


def unsent(trouble: VendorError) -> AnswerClass:
    """Nothing was sent, so nothing is spent."""
    if isinstance(trouble, Misconfigured):
        return AnswerClass.CONNECTOR_FAULT
    is_dead = isinstance(trouble, ReauthorizationRequired)
    return AnswerClass.REFUSED if is_dead else AnswerClass.TEMPORARY


def sent(error: VendorError) -> AnswerClass:
    """It was sent, or may have been: a whole answer says whether it was spent, all else does not.

    A 5xx may come from a gateway in front of a vendor that did its work; what is no token answer
    in a 200 may have held one.
    """
    if isinstance(error, ReauthorizationRequired):
        return AnswerClass.REFUSED
    if isinstance(error, Misconfigured):
        return AnswerClass.CONNECTOR_FAULT
    status = error.status or 0
    is_unreadable = isinstance(error, UnexpectedResponse) and (status < 300 or status >= 500)
    if isinstance(error, AnswerLost) or status >= 500 or is_unreadable:
        return AnswerClass.IN_DOUBT
    return AnswerClass.TEMPORARY
