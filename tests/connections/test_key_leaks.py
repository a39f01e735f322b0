"""A key leaked: it is replaced without waiting, and so is all that it ever opened."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connections

from connections.models import Campaign, CampaignItem, Connection
from portal import keyfile, keyring, keystore, vault
from portal.keyfile import Keyring
from portal.models import AuditEvent, DataKey, Organization
from portal.roles import using_role
from portal.secret import Secret
from portal.tenancy import PLATFORM, acting_for, transaction
from portal.vault import Place
from tests import keys
from tests.connections.due import make
from tests.works import Works


def reread(folder: Path) -> None:
    """This process holds what all files have now."""
    files = keystore.files(folder).items()
    rings = {process: keyfile.parse(keyfile.read(path), process) for process, path in files}
    keyring.install(keys.everything(rings))


def keep(works: Works, connection: Connection) -> Place:
    place = Place(works.acme.id, "connections_credential", connection.id, "secret", "grant")
    with using_role("worker"), works.inside():
        vault.keep(place, Secret("canary-leak-41c0"))
    return place


def states(works: Works, of: Organization) -> set[tuple[int, int, str]]:
    with using_role("worker"), works.inside(of):
        found = DataKey.objects.filter(domain="grant")
        return set(found.values_list("version", "kek_version", "state"))


def test_a_leaked_key_is_replaced_at_once_and_every_organization_gets_its_campaign(
    works: Works, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "leak"
    call_command("init_keys", directory=folder, stdout=io.StringIO())
    reread(folder)
    connection = make(works)
    place = keep(works, connection)
    empty = works.organization("globex")

    # As the process `manage` does it: without keys, the rewrap by a child that has the worker's.
    name = connections["default"].settings_dict["NAME"]
    address = re.sub(r"/[^/?]*\?", f"/{name}?", os.environ["DATABASE_URL"])
    monkeypatch.setenv("DATABASE_URL", address)
    keyring.install(Keyring({}))
    said = io.StringIO()
    with using_role("worker"):
        words = {"directory": folder, "stdout": said, "wait": 0, "emergency": True}
        call_command("keys", "rotate", "grant", because="A disk was sold.", **words)
    reread(folder)
    assert json.loads((folder / "worker.json").read_text())["grant"]["active"] == 2
    assert "The leak of grant/v1 is on record." in said.getvalue()

    works.drain()
    assert (2, 2, "active") in states(works, works.acme), "a new data key under the new key"
    with using_role("worker"), works.inside():
        assert vault.open(place).reveal() == "canary-leak-41c0"
    with works.inside():
        campaign = Campaign.objects.get()
        assert (campaign.goal, campaign.because) == ("rotate", "A disk was sold.")
        items = CampaignItem.objects.filter(campaign=campaign)
        assert list(items.values_list("connection_id", flat=True)) == [connection.id]
    with works.inside(empty):
        assert not Campaign.objects.exists(), "it has nothing to replace"
    with acting_for(PLATFORM), transaction():
        leaked = AuditEvent.objects.get(action="key.leaked")
    assert "A disk was sold." in str(leaked.details)
