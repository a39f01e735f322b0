"""Identifiers and moments as the seeded world spells them."""

from __future__ import annotations

import random
import uuid
from datetime import datetime


def identifier(chance: random.Random) -> str:
    return "{" + str(uuid.UUID(bytes=chance.randbytes(16), version=4)) + "}"


def moment(value: datetime) -> str:
    return value.isoformat(timespec="microseconds")
