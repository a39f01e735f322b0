"""The pages of importing and exporting: a file through the browser, what it finds, its report."""

from __future__ import annotations

import csv
import io
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from connections.models import Consumer, Export, ImportBatch, ImportRow
from connections.queries.imports import inert
from portal import uploads
from portal.models import AuditEvent, User
from tests import importing as files
from tests.connections.pages import proven, refused, signed_in, text
from tests.connections.ways import a_team
from tests.importing import CLOUD, csv_of
from tests.vendor import Vendor
from tests.works import Works

BASE = "/o/acme/settings/import/"
TOKEN = "ATATT3xFfGF0aNeverGiven0001XyZ"


def upload(client: Client, content: bytes, **rest: Any) -> Any:
    file = SimpleUploadedFile(rest.pop("name", "team.csv"), content, "text/csv")
    form = {"file": file, "team": "", "duplicates": "skip", "key": str(uuid4())} | rest
    return client.post(BASE, form)


def a_row(**cells: str) -> bytes:
    about = {"connector": CLOUD, "name": "Shop", "email": "p@acme.example", "token": TOKEN}
    return csv_of([about | cells])


def test_a_file_goes_from_the_check_to_its_connections_and_its_report(
    works: Works, vendor: Vendor
) -> None:
    client, team = proven(works.admin), a_team(works)
    rows = [*files.api_tokens(vendor, 2), {"connector": "nope", "name": "=1+1", "token": "x" * 30}]

    answer = upload(client, csv_of(rows), team=str(team), name="C:\\team\\all <b>.csv")

    assert answer.status_code == 303
    page = answer["Location"]
    checked = text(client.get(page))
    assert "all &lt;b&gt;.csv" in checked and "Import 2 rows" in checked
    assert "Name one of these products" in checked and "x" * 30 not in checked
    assert client.post(f"{page}start", {"rotate": "on", "rotate_days": "30"}).status_code == 303
    works.drain()
    done = text(client.get(f"{page}?show=made"))
    assert "API token 0" in done and "Undo this import" in done
    report = client.get(f"{page}report.csv").content.decode("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(report)))
    assert [line["outcome"] for line in lines] == ["Imported", "Imported", "Not imported"]
    typed = {"confirm_name": "all <b>.csv"}
    client.post(f"{page}undo", {"confirm_name": "another"})
    assert client.post(f"{page}undo", typed).status_code == 303
    works.drain()
    assert "Undone" in text(client.get(page))
    assert client.get(f"{page}?show=nonsense").status_code == 400
    assert client.get(f"{page}?cursor=forged").status_code == 400


def test_which_consumer_is_chosen_for_a_file_that_does_not_say(
    works: Works, vendor: Vendor
) -> None:
    client, team = proven(works.admin), a_team(works)
    one = works.register(vendor.consumer("acme-portal"))
    assert "OAuth consumer, where" not in text(client.get(BASE))
    with works.inside():
        other = Consumer.objects.create(connector=CLOUD, name="Other", client_id="other")
    assert "Other (Bitbucket Cloud)" in text(client.get(BASE))
    grant = csv_of([{"connector": CLOUD, "name": "x", "token": "at", "refresh_token": "rt"}],
                   ("connector", "name", "token", "refresh_token"))  # fmt: skip
    for chosen, found in (("", None), (str(other.id), other.id)):
        upload(client, grant, team=str(team), consumer=chosen)
        with works.inside():
            assert ImportRow.objects.order_by("batch__created_at").last().consumer_id == found
    assert one and "Select a valid choice" in refused(upload(client, grant, consumer=str(uuid4())))


def test_X20_a_cell_is_never_a_formula() -> None:
    assert inert(["=HYPERLINK(1)", "+1", "-1", "@x", "\t=1", "fine", ""]) == [
        *("'=HYPERLINK(1)", "'+1", "'-1", "'@x", "'\t=1", "fine", "")
    ]


def test_X20_a_formula_in_a_file_stays_text_in_its_report(works: Works) -> None:
    client = proven(works.admin)
    page = upload(client, a_row(description='=cmd|"/c calc"!A1'), name="=1.csv")["Location"]

    with works.inside():
        found = ImportRow.objects.get()
    assert found.description == '=cmd|"/c calc"!A1'
    report = client.get(f"{page}report.csv").content.decode("utf-8-sig")
    cells = [cell for line in csv.reader(io.StringIO(report)) for cell in line]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_what_is_wrong_with_a_file_is_said_beside_it(works: Works, monkeypatch: Any) -> None:
    client = proven(works.admin)
    assert "not UTF-8" in refused(upload(client, b"connector,name,token\nx,caf\xe9,t"))
    assert "Choose the file" in refused(client.post(BASE, {"key": str(uuid4())}))
    assert "is empty" in refused(upload(client, b""))
    wish = uploads.Wish("file", 1000)
    found = client.get(BASE).wsgi_request.resolver_match
    assert found is not None
    monkeypatch.setattr(found.func, "takes_file", wish)  # sixteen megabytes take their time
    assert "larger than 16 MB" in refused(upload(client, b"x" * 1001))
    with works.inside():
        assert not ImportBatch.objects.exists()


def test_F10_only_the_one_file_field_of_this_page_is_taken(works: Works) -> None:
    client = proven(works.admin)
    extra = SimpleUploadedFile("other.csv", b"kept nowhere")

    answer = upload(client, a_row(), attachment=extra, organization="globex", state="done")

    assert answer.status_code == 303
    assert list(answer.wsgi_request.FILES) == ["file"]
    elsewhere = client.post("/o/acme/settings/rename/", {"name": "Acme", "file": extra})
    assert not elsewhere.wsgi_request.FILES
    with works.inside():
        batch = ImportBatch.objects.get()
    assert (batch.state, batch.organization_id) == ("ready", works.acme.id)  # F06, F07


def test_uploads_and_downloads_need_a_recent_proof(works: Works) -> None:
    client = signed_in(works.admin)
    for answer in (
        client.get(BASE),
        upload(client, a_row()),
        client.get("/o/acme/settings/export/"),
    ):
        assert answer.status_code == 302 and "reauthenticate" in answer["Location"]
    with works.inside():
        assert not ImportBatch.objects.exists()
    assert signed_in(works.alice).get(BASE).status_code == 403  # a manager may not


@pytest.mark.parametrize("with_key", [False, True])
def test_an_export_is_asked_for_on_its_page(works: Works, with_key: bool) -> None:
    works.person("olga@acme.example", "Olga", "owner")  # type: ignore[arg-type]
    client, base = proven(works.admin), "/o/acme/settings/export/"
    key = "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=" if with_key else ""  # RFC 7748 §6.1
    form = {"why": "We move to another house.", "public_key": key, "key": str(uuid4())}

    answer = client.post(base, form)

    if with_key:
        page = text(answer)
        shown = page.partition('name="confirmed" value="')[2].partition('"')[0]
        assert len(shown.split()) == 8 and page.count(shown) == 2
        answer = client.post(base, form | {"confirmed": shown})
    assert answer.status_code == 303
    page = text(client.get(base))
    assert ("Another owner or admin has to agree" in page) is with_key
    with works.inside():
        made = Export.objects.get()
        assert AuditEvent.objects.filter(action="export.asked", subject_id=made.id).count() == 1
    if with_key:
        olga = User.objects.get(email="olga@acme.example")
        second = Client()
        second.force_login(olga)
        second.post("/accounts/reauthenticate/", {"password": "a long enough password"})
        assert "Agree" in text(second.get(base))
        second.post(f"{base}{made.id}/decide", {"answer": "yes"})
    works.drain()
    assert "Ready to download" in text(client.get(base))
    assert b"keygen" in client.get(f"{base}open_credentials.py").content
