"""Django's Redis cache that an outage of Valkey does not take down with it.

Only counters of attempts, locks of an instant and repeatable results live here. While it is away
they are forgotten, and nobody is kept from signing in: a limit on attempts then rests on the slow
password hash alone, and a code of the second step could be used twice within thirty seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

log = logging.getLogger(__name__)


class ForgetfulRedisCache(RedisCache):
    """As Django's, but an unreachable server is an empty cache."""

    def add(self, *args: Any, **options: Any) -> bool:
        return bool(_forgiven(super().add, True, *args, **options))

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        return _forgiven(super().get, default, key, default, version)

    def set(self, *args: Any, **options: Any) -> None:
        _forgiven(super().set, None, *args, **options)

    def touch(self, *args: Any, **options: Any) -> bool:
        return bool(_forgiven(super().touch, False, *args, **options))

    def incr(self, key: Any, delta: int = 1, version: Any = None) -> int:
        """As Django's; 0 where nothing can be counted."""
        try:
            return int(_forgiven(super().incr, 0, key, delta, version))
        except ValueError:  # it ran out a moment ago
            return 0

    def delete(self, *args: Any, **options: Any) -> bool:
        return bool(_forgiven(super().delete, False, *args, **options))


def _forgiven(call: Callable[..., Any], otherwise: Any, *args: Any, **options: Any) -> Any:
    try:
        return call(*args, **options)
    except (RedisError, OSError) as error:
        log.warning("cache.unreachable", extra={"error": type(error).__name__})
        return otherwise
