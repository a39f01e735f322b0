"""The promise of docs/upgrades.md: what came since keeps the version before it running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker

from portal import preflight_plan
from portal.preflight_plan import Step
from portal.preflight_rates import Rates
from portal.preflight_schema import Schema
from tests.servers import Servers
from tests.upgrades.databases import DUMPS, Old, restored

GIVEN_WITH = "0002_refresh_and_leases.sql.gz"  # the promise holds from this state on


@pytest.fixture(scope="module")
def before(
    servers: Servers, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Old]:
    packed = next(path for path in DUMPS if path.name == GIVEN_WITH)
    with restored(servers, packed, django_db_blocker) as database:
        yield database


def planned() -> list[Step]:
    owner = connections["owner"]
    return list(preflight_plan.steps(preflight_plan.waiting(owner), Schema(owner), Rates()))


def test_no_migration_since_stops_the_code_before_it(before: Old) -> None:
    """Mend the migration (docs/upgrades.md says how), or let it argue."""
    told = [
        f"{step.name}: {effect.what}: {effect.why}" for step in planned() for effect in step.dangers
    ]
    assert told == []
