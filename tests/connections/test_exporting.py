"""An organization leaves as a file: whole, checkable offline, and nothing of anybody else in it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.exceptions import PermissionDenied

from connections.archive import open_credentials, packing, sections
from connections.flows import exports
from connections.flows.problems import FlowProblem
from connections.models import AllowListEntry, Connection, Export, ExportPiece, LinkRequest
from portal import clock, invitations, tenancy
from portal.models import AuditEvent, Job, Membership, Organization
from portal.policy import Role
from portal.tenancy import TenantModel
from tests.canary import spellings
from tests.connections.pages import proven, text
from tests.connections.ways import hurry
from tests.vendor import Vendor
from tests.works import Works

WHY = "We move to another house."
State = Export.State


def asked(works: Works, **rest: object) -> Export:
    with works.inside():
        values: dict[str, object] = {"public_key": "", "confirmed": "", "key": uuid4()} | rest
        return exports.ask(actor=works.admin, why=WHY, **values)  # type: ignore[arg-type]


def now(works: Works, export: Export) -> Export:
    with works.inside():
        found: Export = Export.objects.get(id=export.id)
        return found


def content_of(works: Works, export: Export) -> bytes:
    return b"".join(exports.pieces(works.acme.id, export.id))


def unpacked(content: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        found.extractall(folder / "export")
    return folder / "export"


def verified(folder: Path) -> subprocess.CompletedProcess[str]:
    """What the script in the archive says, in a Python that knows nothing of the portal."""
    command = [sys.executable, "-I", str(folder / "verify.py"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def lines(folder: Path, name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]


def test_T05_the_file_holds_all_of_this_organization_and_nothing_of_another(
    works: Works, vendor: Vendor, tmp_path: Path
) -> None:
    token = vendor.token("dana-full")
    works.connection(works.link_by_token(token))
    globex = works.organization("globex-zanzibar")
    mallory = works.person("mallory@zanzibar.example", "Mallory", Role.OWNER, globex)
    with works.inside(globex):
        Connection.objects.create(
            connector="bitbucket-cloud", method="api-token", name="Zanzibar code", account_id="z"
        )

    with works.inside():
        invited = invitations.invite(
            actor=works.admin, email="nia@acme.example", role=Role.MEMBER, key=uuid4()
        )

        about = {"kind": "host", "connector": "bitbucket-data-center", "same_as": "x"}
        people = {"also_asked_by": [works.admin.id], "formerly_asked_by": [works.admin.id]}
        LinkRequest.objects.create(
            asked_by_id=works.admin.id,
            terms={"base_url": "https://git.acme.dev"},
            **about,
            **people,
        )
    permitted("git.acme.dev", works.acme, globex)
    permitted("git.zanzibar.dev", globex)
    permitted("git.of-everybody.dev")

    export = asked(works)
    works.drain()

    made, content = now(works, export), content_of(works, export)
    assert (made.state, made.size) == (State.READY, len(content))
    folder = unpacked(content, tmp_path)
    said = verified(folder)
    assert said.returncode == 0, said.stdout
    assert [c["name"] for c in lines(folder, "connections.jsonl")] == ["Acme code"]
    assert {m["user.email"] for m in lines(folder, "members.jsonl")} >= {"ada@acme.example"}
    (waiting,) = lines(folder, "invitations.jsonl")
    assert (waiting["email"], waiting["accepted_at"]) == ("nia@acme.example", None)
    (request,) = lines(folder, "link_requests.jsonl")
    assert request["terms"] == {"base_url": "https://git.acme.dev"}
    (entry,) = lines(folder, "allow_list.jsonl")
    assert (entry["host"], entry["networks"]) == ("git.acme.dev", ["10.2.0.0/16"])
    everything = b"".join(path.read_bytes() for path in folder.iterdir()).lower()
    link, kept = invited.link.split("/")[-2], invited.invitation.token_hash
    assert link.lower().encode() not in everything and kept.hex().encode() not in everything
    assert b"zanzibar" not in everything and str(mallory.id).encode() not in everything
    assert not (folder / "credentials.sealed.jsonl").exists()
    assert [name for name, form in spellings(token).items() if form.lower() in everything] == []


def permitted(host: str, *organizations: Organization) -> None:
    """The platform lets these dial the host, or everybody."""
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        AllowListEntry.objects.create(
            host=host,
            networks=["10.2.0.0/16"],
            ports=[443],
            organizations=[each.id for each in organizations],
            why="Zanzibar wants it.",
            state=AllowListEntry.State.APPROVED,
        )


@pytest.mark.parametrize("what", ["row", "file", "end"])
def test_the_script_in_the_archive_finds_what_was_changed(
    works: Works, tmp_path: Path, what: str
) -> None:
    export = asked(works)
    works.drain()
    folder = unpacked(content_of(works, export), tmp_path)
    record, manifest = folder / "record.jsonl", json.loads((folder / "manifest.json").read_text())
    kept = record.read_text("utf-8").splitlines(keepends=True)
    if what == "row":
        record.write_text("".join(kept).replace(WHY, "Nothing to see."), "utf-8")
    elif what == "end":
        record.write_text("".join(kept[:-1]), "utf-8")
    else:
        (folder / "teams.jsonl").write_text("{}\n")
    for each in manifest["files"]:  # whoever changes a file changes its hash as well
        if each["name"] == "record.jsonl":
            each["sha256"] = hashlib.sha256(record.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))

    said = verified(folder)

    assert said.returncode == 1
    assert {"row": "was changed", "end": "at the end", "file": "teams.jsonl"}[what] in said.stdout


def test_credentials_leave_only_sealed_and_when_another_person_agrees(
    works: Works, vendor: Vendor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = vendor.token("dana-full")
    works.connection(works.link_by_token(token))
    open_credentials.keygen(tmp_path / "my.key")
    printed = capsys.readouterr().out.splitlines()
    public, shown = (line.partition(":")[2].strip() for line in printed)
    with pytest.raises(FlowProblem) as compare:
        asked(works, public_key=public)
    assert (compare.value.code, compare.value.message) == ("confirm", shown)
    with pytest.raises(FlowProblem, match="second person"):
        asked(works, public_key=public, confirmed=shown)  # nobody else could decide

    second = works.person("olga@acme.example", "Olga", Role.OWNER)
    export = asked(works, public_key=public, confirmed=shown)
    works.drain()
    assert now(works, export).state == State.ASKED
    with works.inside(), pytest.raises(PermissionDenied):
        exports.decide(actor=works.admin, export=now_inside(export), yes=True, why="")
    with works.inside():
        exports.decide(actor=second, export=now_inside(export), yes=True, why="")
    works.drain()

    folder = unpacked(content_of(works, export), tmp_path)
    assert verified(folder).returncode == 0
    assert token.encode() not in b"".join(p.read_bytes() for p in folder.iterdir())
    open_credentials.open_all(tmp_path / "my.key", folder)
    opened = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["value"] for one in opened] == [token]
    with works.inside():
        told = list(AuditEvent.objects.filter(action__startswith="export.").values_list("action"))
    assert len(told) == 2


def now_inside(export: Export) -> Export:
    found: Export = Export.objects.get(id=export.id)
    return found


def test_a_refused_key_and_a_refused_export_write_nothing(works: Works) -> None:
    small = base64.b64encode(bytes(32)).decode()  # a point of small order seals for everybody
    for given in ("nonsense", base64.b64encode(b"x" * 31).decode(), small):
        with pytest.raises(FlowProblem, match="no X25519 public key"):
            asked(works, public_key=given)
    second = works.person("olga@acme.example", "Olga", Role.OWNER)
    key = open_credentials.X25519PrivateKey.generate().public_key().public_bytes_raw()
    export = asked(
        works, public_key=base64.b64encode(key).decode(), confirmed=exports.fingerprint(key)
    )
    with works.inside():
        exports.decide(actor=second, export=now_inside(export), yes=False, why="Not this quarter.")
    works.drain()

    assert now(works, export).state == State.REFUSED
    with works.inside():
        assert not ExportPiece.objects.exists()


def test_a_download_is_on_record_and_the_file_is_deleted_in_time(works: Works) -> None:
    export = asked(works)
    works.drain()
    browser, base = proven(works.admin), "/o/acme/settings/export/"
    assert "Ready to download" in text(browser.get(base))

    answer = browser.post(f"{base}{export.id}/download")

    content = b"".join(answer.streaming_content)
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    assert int(answer["Content-Length"]) == len(content)
    with works.inside():
        assert AuditEvent.objects.filter(action="export.downloaded").count() == 1
        Export.objects.update(expires_at=clock.now())
    hurry(works)
    works.drain()
    assert now(works, export).state == State.EXPIRED
    assert browser.post(f"{base}{export.id}/download").status_code == 303
    with works.inside():
        assert not ExportPiece.objects.exists()


def test_T19_whoever_lost_the_right_meanwhile_gets_no_file(works: Works) -> None:
    export = asked(works)
    with works.inside():
        Membership.objects.filter(user_id=works.admin.id).update(role=Role.MEMBER)
    works.drain()

    assert (now(works, export).state, now(works, export).error) == (State.FAILED, "not_allowed")
    with works.inside():
        assert not ExportPiece.objects.exists()


def test_a_file_in_the_archive_may_be_larger_than_four_gibibytes() -> None:
    kept = io.BytesIO()
    pieces = packing.Pieces(kept.write)  # type: ignore[arg-type]
    archive = packing.begun(pieces)
    archive.lines("rows.jsonl", [{}])
    archive.finish({})
    pieces.finish()

    extra = zipfile.ZipFile(kept).infolist()[0]
    assert extra.extract_version >= 45  # ZIP64, said before the size is known (APPNOTE 4.4.3.2)


def test_every_table_of_an_organization_is_in_the_file_or_left_out_for_a_reason() -> None:
    held = {section.model.__name__ for section in sections.SECTIONS}
    models = {each.__name__ for each in apps.get_models() if issubclass(each, TenantModel)}
    assert held | set(sections.LEFT_OUT) == models
    assert held.isdisjoint(sections.LEFT_OUT)


def test_F03_the_same_form_sent_twice_asks_once(works: Works) -> None:
    key = uuid4()

    first, again = asked(works, key=key), asked(works, key=key)

    assert first.id == again.id
    with works.inside():
        assert Job.objects.filter(kind=exports.MAKE).count() == 1


def test_a_cancelled_export_stops_and_leaves_nothing(works: Works) -> None:
    export = asked(works)
    with works.inside():
        exports.cancel(actor=works.admin, export=now_inside(export))
    works.drain()

    assert now(works, export).state == State.CANCELLED
    with works.inside():
        assert not ExportPiece.objects.exists()
