"""Points in an hour, bursts in a second, writes to one issue; and what answers say of them.

https://developer.atlassian.com/cloud/jira/platform/rate-limiting/
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime

from integrations.sandbox.atlassian.switches import Switches
from integrations.sandbox.http import ApiError, Request, json_response

HOUR = 3600
ISSUE_SECONDS = 30.0
MINUTE = 60.0
WRITES = ("POST", "PUT", "DELETE")
Headers = dict[str, str]


class Windows:
    """What was spent by each name in the last seconds."""

    def __init__(self) -> None:
        self._spent: dict[str, deque[tuple[float, int]]] = {}

    def spend(self, name: str, amount: int, limit: int, seconds: float, now: float) -> bool:
        """Whether there was room; what had none is not counted."""
        window = self._spent.setdefault(name, deque())
        while window and window[0][0] <= now - seconds:
            window.popleft()
        if sum(each for _, each in window) + amount > limit:
            return False
        window.append((now, amount))
        return True


class Limits:
    """The three kinds, each with its reason in a 429."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._windows = Windows()
        self._hours: dict[str, tuple[int, int]] = {}

    def points(self, budget: str, cloud_id: str, cost: int, now: float) -> Headers:
        """Draw on the hour's points of an app at a site. Raises ApiError 429."""
        if not budget:
            return {}
        limit, hour = self._switches.points_per_hour, int(now // HOUR)
        name = f"{budget}:{cloud_id}"
        kept, spent = self._hours.get(name, (hour, 0))
        spent = (spent if kept == hour else 0) + cost
        headers = told(limit, max(0, limit - spent), float(hour + 1) * HOUR)
        if spent > limit:
            wait = (hour + 1) * HOUR - now
            raise self._refused("jira-quota-global-based", headers, int(wait) + 1)
        self._hours[name] = hour, spent
        return headers if self._switches.points_left_said else {}

    def burst(self, who: str, request: Request, now: float) -> None:
        """Raises ApiError 429 for more requests in a second than are allowed."""
        limit = self._switches.burst_per_second
        limit = limit if request.method in {"GET", "POST"} else limit // 2
        name = f"{who}:{request.method in {'GET', 'POST'}}"
        if not self._windows.spend(name, 1, limit, 1.0, now):
            headers = told(limit, 0, now + 1)
            raise self._refused("jira-burst-based", headers, self._switches.retry_after_seconds)

    def issue(self, key: str, request: Request, now: float) -> None:
        """Raises ApiError 429 for too many writes to one issue."""
        limit = self._switches.issue_writes
        if request.method not in WRITES:
            return
        if not self._windows.spend(f"issue:{key}", 1, limit, ISSUE_SECONDS, now):
            headers, wait = told(limit, 0, now + ISSUE_SECONDS), self._switches.retry_after_seconds
            raise self._refused("jira-per-issue-on-write", headers, wait)

    def bulk(self, provider: str, entities: int, *, backfill: bool, now: float) -> None:
        """Raises ApiError 429 for more entities in a minute than a provider may send."""
        limit = self._switches.bulk_per_minute
        if not limit:
            return
        limit *= self._switches.backfill_factor if backfill else 1
        if not self._windows.spend(f"{provider}:{backfill}", entities, limit, MINUTE, now):
            headers = told(limit, 0, now + MINUTE)
            raise self._refused("jira-burst-based", headers, self._switches.retry_after_seconds)

    def _refused(self, reason: str, headers: Headers, wait: int) -> ApiError:
        said = {**headers, "Retry-After": str(wait), "RateLimit-Reason": reason}
        body = {"code": 429, "message": "Rate limit exceeded."}
        return ApiError(json_response(body, 429, said))


def told(limit: int, left: int, until: float) -> Headers:
    moment = datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds")
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": moment.replace("+00:00", "Z"),
        "X-RateLimit-NearLimit": str(left < limit * 0.2).lower(),
    }
