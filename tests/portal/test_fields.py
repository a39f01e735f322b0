"""Text that reaches any form: abuse cases X on every text field there is."""

from __future__ import annotations

import inspect
import json
from importlib import import_module

import pytest
from django.core.exceptions import ValidationError

from portal import fields
from portal.audit import Action
from portal.fields import CleanForm, CleanText, looks_secret
from portal.forms import OrganizationForm
from tests.cases import Cast, platform, recorded

FORM_MODULES = ("portal.forms", "portal.signup", "connections.forms")
SECRETS = {
    "api token": "ATATT3xFfGF0abcdefghijklmnop=1A2B3C4D",
    "access token": "ATCTT3xFfGN0abcdefghijklmnop=1A2B3C4D",
    "app password": "ATBBabcdefghijklmnopqrstuv12345678",
    "data center": "BBDC-MTIzNDU2Nzg5MDEyOgabcdefghijkl",
    "github": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefgh",
    "private key": "-----BEGIN RSA PRIVATE KEY-----",
    "random": "q7Xz2LmP9vRt4KdW8sBn3HfJ6yCg",
    "in a sentence": "the token is ATATT3xFfGF0abcdefghijklmnop, use it",
}
NO_SECRETS = (
    "Acme & Söhne GmbH",
    "شركة البوابة",
    "https://bitbucket.org/acme/website/pull-requests/12",
    "2f1e6d1e-9c1b-4a3e-8d2b-1c2d3e4f5a6b",
    "Donaudampfschifffahrtsgesellschaftskapitän",
    "release-2026-11-21_hotfix-for-billing-service",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "=HYPERLINK(1)",
    "../../etc/passwd",
    "C:\\CON",
)


def text_fields() -> list[tuple[str, CleanText]]:
    found = []
    for module in FORM_MODULES:
        for name, form in inspect.getmembers(import_module(module), inspect.isclass):
            if issubclass(form, CleanForm) or hasattr(form, "base_fields"):
                found += [
                    (f"{name}.{label}", field)
                    for label, field in form.base_fields.items()
                    if isinstance(field, CleanText)
                ]
    return found


FIELDS = dict(text_fields())


def refused(field: CleanText, value: str) -> str:
    with pytest.raises(ValidationError) as caught:
        field.clean(value)
    return caught.value.error_list[0].code


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
class TestEveryTextField:
    @pytest.mark.parametrize("value", ["", " \t", "\u00a0\u2003", "\u3164\u3164", "\u200b\ufeff"])
    def test_X01_X02_nothing_visible_is_nothing(self, field: CleanText, value: str) -> None:
        if field.required:
            assert refused(field, value) == "required"
        else:
            assert field.clean(value) == ""

    @pytest.mark.parametrize("value", ["a\x00b" * 4, "a\ud800b" * 4])
    def test_X03_X05_what_no_database_holds_is_refused(self, field: CleanText, value: str) -> None:
        assert refused(field, value)

    @pytest.mark.parametrize("letter", ["\x07", "\x1b", "\x7f", "\x85"])
    def test_X04_X22_controls_are_refused_or_become_spaces(
        self, field: CleanText, letter: str
    ) -> None:
        value = f"some words{letter}and more"
        if field.multiline:
            assert field.clean(value) == "some words and more"
        else:
            assert refused(field, value) == "control"

    def test_X16_the_longest_passes_and_one_more_does_not(self, field: CleanText) -> None:
        most = field.max_length or 0
        assert field.clean("n" * most) == "n" * most
        assert refused(field, "n" * (most + 1)) == "max_length"

    def test_X15_a_huge_text_is_refused_quickly(self, field: CleanText) -> None:
        assert refused(field, "n" * 10_000_000) == "max_length"

    @pytest.mark.parametrize("value", ["{{7*7}} and ${7*7}", "<%= 7*7 %> {% debug %}"])
    def test_X19_templates_stay_text(self, field: CleanText, value: str) -> None:
        assert field.clean(value[: field.max_length]) == value[: field.max_length]

    @pytest.mark.parametrize("value", SECRETS.values(), ids=SECRETS)
    def test_X27_what_looks_like_a_secret_is_not_taken(self, field: CleanText, value: str) -> None:
        if len(value) <= (field.max_length or 0):
            assert refused(field, value) == fields.LOOKS_SECRET


@pytest.mark.parametrize("value", NO_SECRETS)
def test_ordinary_text_is_no_secret(value: str) -> None:
    assert not looks_secret(value)


class TestAPastedSecret:
    SECRET = SECRETS["api token"]

    def test_X27_it_is_neither_stored_nor_shown_and_on_record_without_itself(
        self, cast: Cast
    ) -> None:
        page = cast.client("ada").post("/o/acme/settings/rename/", {"name": self.SECRET})

        assert page.status_code == 400
        assert self.SECRET not in page.content.decode()
        assert "looks like a token" in page.content.decode()
        entry = recorded(cast, Action.INPUT_LOOKS_SECRET, cast.acme)
        assert entry.details == {"fields": ["name"], "form": "RenameForm"}
        assert entry.actor_name == "Ada"

    def test_X27_outside_of_an_organization_the_platform_keeps_it(self, cast: Cast) -> None:
        fields = {"name": self.SECRET, "key": "2f1e6d1e-9c1b-4a3e-8d2b-1c2d3e4f5a6b"}
        page = cast.client("nina").post("/organizations/new/", fields)

        assert self.SECRET not in page.content.decode()
        entry = recorded(cast, Action.INPUT_LOOKS_SECRET, platform())
        assert self.SECRET not in json.dumps(entry.details)

    def test_the_rest_of_the_input_stays(self, cast: Cast) -> None:
        form = OrganizationForm({"name": self.SECRET, "key": "kept"}, actor=cast.actor("nina"))

        assert not form.is_valid()
        assert form.data["key"] == "kept"


class TestRequestsThatAreNoText:
    """The middleware's part: what is refused before a form sees it."""

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            pytest.param("name=%C0%AF", "application/x-www-form-urlencoded", id="X07"),
            pytest.param("name=%FF%FE", "application/x-www-form-urlencoded", id="X06"),
            pytest.param("name=a%00b", "application/x-www-form-urlencoded", id="X03"),
            pytest.param(
                "name=Acme", "application/x-www-form-urlencoded; charset=utf-16", id="X08"
            ),
            pytest.param(
                "&".join(f"f{n}=1" for n in range(1001)),
                "application/x-www-form-urlencoded",
                id="F12",
            ),
            pytest.param("name=a&name=b", "application/x-www-form-urlencoded", id="F08"),
            pytest.param("name=" + "n" * 300_000, "application/x-www-form-urlencoded", id="X15"),
            pytest.param("no boundary", "multipart/form-data", id="F11"),
            pytest.param('{"name": "Acme"}', "text/plain", id="F13"),
            pytest.param("name[]=a", "application/x-www-form-urlencoded", id="F09"),
        ],
    )
    def test_they_are_refused_and_nothing_changes(self, cast: Cast, body: str, kind: str) -> None:
        answer = cast.client("ada").generic(
            "POST", "/o/acme/settings/rename/", body, content_type=kind
        )

        assert answer.status_code in {400, 413, 415}
        assert Action.ORGANIZATION_RENAMED not in cast.actions(cast.acme)
        assert "Traceback" not in answer.content.decode()

    def test_F10_a_file_where_none_belongs_is_read_past(self, cast: Cast) -> None:
        boundary = "x"
        body = (
            '--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nAcme Two\r\n'
            '--x\r\nContent-Disposition: form-data; name="file"; filename="../../a"\r\n\r\n'
            "content\r\n--x--\r\n"
        )

        answer = cast.client("ada").generic(
            "POST",
            "/o/acme/settings/rename/",
            body,
            content_type=f"multipart/form-data; boundary={boundary}",
        )

        assert answer.status_code == 302
