"""Work for one organization after the other."""

from __future__ import annotations

from uuid import UUID

import pytest

from portal import everybody, tenancy
from tests.cases import Cast


def test_what_fails_for_one_is_told_after_the_others_had_their_turn(cast: Cast) -> None:
    done: list[UUID] = []

    def deed() -> None:
        done.append(tenancy.organization_id())
        if len(done) == 1:
            raise LookupError("its rows are odd")

    with pytest.raises(LookupError, match="odd"):
        everybody.for_each(everybody.organizations(), deed)

    assert set(done) >= {cast.acme.id, cast.globex.id}
