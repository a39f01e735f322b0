"""`kill -9` of a worker at each step of an import, its undo and an export: the same in the end."""

from __future__ import annotations

import time

import pytest

from connections.flows import imports
from connections.models import Connection, Credential, Export, ExportPiece, ImportBatch
from portal import roles
from portal.models import Intake, SealedValue
from tests import importing as files
from tests.connections.test_exporting import asked, content_of, unpacked, verified
from tests.connections.ways import a_team, patiently
from tests.grants import consented
from tests.importing import checked, csv_of, now, outcomes, started
from tests.vendor import Vendor
from tests.works import Works

KILLED = -9
LEASE_ENDS = 2.2
IMPORT = ("import.identified", "import.settled")
UNDO = ("import.undone_some",)
RENEW = ("import.renewed",)
EXPORT = ("export.piece_kept", "export.written")


def recover(works: Works) -> None:
    time.sleep(LEASE_ENDS)
    patiently(works)


@pytest.mark.parametrize("step", [*IMPORT, *UNDO])
def test_an_import_survives(step: str, works: Works, vendor: Vendor) -> None:
    rows = files.api_tokens(vendor, 3)
    rows.append({**rows[0], "name": "Dead", "username": "u", "token": "ATBBneverGiven0001abcdEF"})
    batch = checked(works, csv_of(rows), team_id=a_team(works))
    started(works, batch)
    if step in UNDO:
        patiently(works)
        with works.inside():
            imports.undo(actor=works.admin, batch=batch)

    assert works.fork_and_die(step) == KILLED
    recover(works)

    made = {"created": 3, "dead": 1} if step in IMPORT else {"undone": 4}
    assert outcomes(works, batch) == made
    assert now(works, batch.id).state == ("undone" if step in UNDO else ImportBatch.State.DONE)
    with roles.using_role("worker"), works.inside():
        left = 4 if step in IMPORT else 0
        assert (Connection.objects.count(), Credential.objects.count()) == (left, left)
        assert (Intake.objects.count(), SealedValue.objects.count()) == (0, left)


@pytest.mark.parametrize("step", RENEW)
def test_a_refresh_token_spent_by_an_import_is_not_lost(
    step: str, works: Works, vendor: Vendor
) -> None:
    works.register(vendor.consumer("acme-portal"))
    (granted,) = consented(vendor, 1)
    held = {"type": "OAUTH2", "access_token": "ended", "refresh_token": granted.refresh}
    one = {"provider": "bitbucket", "connection_id": "one", "credentials": held}
    batch = checked(works, files.json_of([one]))
    started(works, batch)

    assert works.fork_and_die(step) == KILLED
    recover(works)

    assert outcomes(works, batch) == {"created": 1}
    spent = [r for r in vendor.requests() if r["path"].endswith("/access_token")]
    assert len(spent) == 1
    with works.inside():
        assert Connection.objects.get().state == Connection.State.ACTIVE


@pytest.mark.parametrize("step", EXPORT)
def test_an_export_begins_anew(step: str, works: Works, vendor: Vendor, tmp_path: object) -> None:
    export = asked(works)

    assert works.fork_and_die(step) == KILLED
    recover(works)

    with works.inside():
        done = Export.objects.get(id=export.id)
        assert done.state == Export.State.READY
        assert ExportPiece.objects.count() == -(-done.size // (256 * 1024))
    folder = unpacked(content_of(works, export), tmp_path)  # type: ignore[arg-type]
    assert verified(folder).returncode == 0
