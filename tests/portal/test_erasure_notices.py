"""Who is told of an erasure: at each step in the organization, on the platform, and at the end."""

from __future__ import annotations

import smtplib
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from portal import clock, erasing, erasure, roles, tenancy
from portal.models import AuditEvent, Job, Notice, Organization, Receipt, User
from portal.policy import Actor, Role
from tests.leasing import linked
from tests.works import Works


@pytest.fixture(autouse=True)
def _own_file(settings, tmp_path):
    settings.TOMBSTONE_FILE = str(tmp_path / "tombstones.sqlite3")


@pytest.fixture
def owner(works: Works) -> Actor:
    return works.person("owen@acme.example", "Owen", Role.OWNER)


@pytest.fixture
def olga(works: Works) -> Actor:
    user = User.objects.create_user("olga@portal.example", name="Olga", is_operator=True)
    return Actor("operator", user.id, "Olga")


def ask(works: Works, owner: Actor) -> None:
    with works.inside():
        erasure.ask(actor=owner, typed_name="Acme")


def confirm(works: Works, olga: Actor) -> None:
    erasure.confirm(actor=olga, organization_id=works.acme.id, typed_name="Acme")


def told(works: Works, kind: str) -> set[str]:
    """Whose inbox in Acme has a notice of this kind."""
    with works.inside():
        found = Receipt.objects.filter(notice__kind=kind).exclude(user=None)
        return set(found.values_list("user__name", flat=True))


def on_platform() -> list[tuple[str, str, bool]]:
    """Kind, title and whether it is open, of what operators were told."""
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        rows = Notice.objects.order_by("opened_at")
        return [(one.kind, one.title, one.is_open) for one in rows]


def sent() -> list[tuple[str, str]]:
    return sorted((letter.to[0], letter.subject) for letter in mail.outbox)


def later(works: Works, days: float) -> None:
    with clock.shifted(timedelta(days=days)):
        works.drain()


class TestAWish:
    def test_is_told_to_owners_admins_and_operators_and_mailed_at_once(
        self, works, owner, olga
    ) -> None:
        ask(works, owner)
        works.drain()
        assert told(works, "erasure_asked") == {"Owen", "Ada"}
        assert on_platform() == [("erasure_asked_operators", "Acme asks to be erased", True)]
        subject = "Somebody asks to erase Acme · Acme"
        assert sent() == [("ada@acme.example", subject), ("owen@acme.example", subject)]

    def test_that_is_confirmed_is_told_to_everybody_with_its_date_and_the_way_back(
        self, works, owner, olga
    ) -> None:
        ask(works, owner)
        works.drain()
        confirm(works, olga)
        works.drain()
        assert told(works, "erasure_confirmed") == {"Owen", "Ada", "Alice"}
        with works.inside():
            due = erasure.open_one().due_at
            notice = Notice.objects.get(kind="erasure_confirmed")
            assert not Notice.objects.filter(kind="erasure_asked", resolved_at=None).exists()
        day = f"{due.day} {due:%B %Y, %H:%M} UTC"
        assert notice.title == f"Acme is erased on {day}"
        assert f"Until {day} an owner can take it back in the settings" in notice.body
        assert notice.url == "/o/acme/settings/"
        assert ("alice@acme.example", f"{notice.title} · Acme") in sent()
        assert [is_open for *_, is_open in on_platform()] == [False]

    @pytest.mark.parametrize("is_confirmed", [False, True])
    def test_that_is_taken_back_is_told_to_whoever_was_told_of_it(
        self, works, owner, olga, is_confirmed
    ) -> None:
        ask(works, owner)
        works.drain()
        if is_confirmed:
            confirm(works, olga)
            works.drain()
        erasure.take_back(actor=olga, organization_id=works.acme.id)
        later(works, 0.1)
        assert told(works, "erasure_taken_back") == (
            {"Owen", "Ada", "Alice"} if is_confirmed else {"Owen", "Ada"}
        )
        with works.inside():
            assert not Notice.objects.filter(resolved_at=None).exclude(severity="news").exists()
        assert not any(
            is_open for kind, _, is_open in on_platform() if kind == "erasure_asked_operators"
        )

    def test_that_was_not_committed_is_told_to_nobody(self, works, owner) -> None:
        with pytest.raises(RuntimeError), works.inside():
            erasure.ask(actor=owner, typed_name="Acme")
            raise RuntimeError
        assert told(works, "erasure_asked") == set()
        with works.inside():
            assert not Job.objects.filter(kind="tell_of_erasure").exists()


class TestTheEnd:
    @pytest.fixture
    def gone(self, works, owner, olga) -> Works:
        with works.inside():
            linked(works.acme, "Acme code")
        ask(works, owner)
        confirm(works, olga)
        works.drain()
        mail.outbox.clear()
        return works

    def test_is_mailed_to_the_owners_and_told_to_operators(self, gone, olga) -> None:
        later(gone, 7.1)
        assert sent() == [("owen@acme.example", "Acme is erased")]
        (letter,) = mail.outbox
        assert "opens any more, for anybody" in letter.body
        assert letter.extra_headers["Message-ID"].startswith("<erased.")
        kind, title, is_open = on_platform()[-1]
        assert (kind, title, is_open) == ("organization_erased_operators", "Acme is erased", True)

    def test_leaves_nobody_of_the_organization_on_the_platform(self, gone, owner) -> None:
        later(gone, 7.1)
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            events = AuditEvent.objects.filter(subject_id=gone.acme.id).order_by("sequence")
            words = str([(one.actor_name, one.details) for one in events])
            words += str(list(Notice.objects.values_list("title", "body", "subject_name")))
            left = Job.objects.filter(done_at=None)
            assert [one.action for one in events] == [
                "organization.keys_destroyed",
                "organization.erased",
            ]
            assert not left.exists()
        for name in ("Owen", "owen@acme.example", "Ada", "Alice", str(owner.id)):
            assert name not in words

    def test_waits_for_a_mail_server_that_is_away(self, gone, monkeypatch) -> None:
        def away(self, messages):
            raise smtplib.SMTPServerDisconnected

        with monkeypatch.context() as patched:
            patched.setattr(EmailBackend, "send_messages", away)
            later(gone, 7.1)
            with gone.inside():
                assert not Organization.objects.filter(id=gone.acme.id).exists()
        assert sent() == []
        later(gone, 7.2)
        assert sent() == [("owen@acme.example", "Acme is erased")]

    def test_after_a_restore_is_not_told_to_people_again(self, works, owner) -> None:
        with roles.using_role("worker"), works.inside():
            erasing.destroy()
        works.drain()
        assert sent() == []
        assert [kind for kind, *_ in on_platform()] == ["organization_erased_operators"]
