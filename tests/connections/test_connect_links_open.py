"""Connect links in the browsers that open them: two at once, planted sessions, their pace."""

from __future__ import annotations

import pytest
from django.test import Client

from connections.flows import guests, pace, policy_settings
from connections.flows.policies import Rule
from connections.models import Connection, PendingLink
from portal.limits import Limit
from tests.connections.pages import text
from tests.connections.test_connect_links import opened, page_of, paste, path, row, sent, way_out
from tests.vendor import Vendor
from tests.works import Works


def test_what_is_pasted_in_one_tab_is_linked_for_that_tabs_link(
    works: Works, vendor: Vendor
) -> None:
    alpha = sent(works, works.admin, name="Alpha")
    beta = sent(works, works.admin, name="Beta")
    browser = opened(alpha)
    browser.post(page_of(alpha, "begin"), {"method": "api-token"})
    browser.get(path(beta))
    browser.post(page_of(beta, "begin"), {"method": "api-token"})

    paste(browser, alpha, vendor.token("dana-full"))
    works.drain()

    assert row(works, alpha).linked_at and row(works, beta).linked_at is None
    with works.inside():
        assert Connection.objects.get().name == "Alpha"
    assert browser.get(page_of(alpha, "check"))["Location"] == page_of(alpha, "done")
    assert b"Beta" in browser.get(page_of(beta)).content


def test_an_answer_of_the_vendor_leads_to_the_link_it_was_for(works: Works, vendor: Vendor) -> None:
    works.register(vendor.consumer("acme-portal"))
    alpha = sent(works, works.admin, name="Alpha")
    beta = sent(works, works.admin, name="Beta")
    browser = opened(alpha)
    browser.post(page_of(alpha, "begin"), {"method": "oauth"})
    browser.post(page_of(alpha, "consent?method=oauth"), {"go": "1"})
    address = way_out(browser, alpha)
    browser.get(path(beta))
    answer = {name: values[0] for name, values in works.consent(address).items()}

    back = browser.get("/oauth/bitbucket-cloud/callback", answer)

    assert back["Location"] == page_of(alpha, "check")


def test_of_several_consumers_the_person_says_which(works: Works, vendor: Vendor) -> None:
    works.register(vendor.consumer("acme-portal"))
    second = works.register(vendor.consumer("acme-portal"), name="Acme, the other")
    made = sent(works, works.admin)
    browser = opened(made)
    browser.post(page_of(made, "begin"), {"method": "oauth"})
    consent = page_of(made, "consent?method=oauth")
    assert "An OAuth consumer is what the product knows" in text(browser.get(consent))

    assert b"This field is required" in browser.post(consent, {"go": "1"}).content
    assert browser.post(consent, {"consumer": str(second.id)}).status_code == 303

    with works.inside():
        assert PendingLink.objects.get().consumer_id == second.id


def test_a_link_that_was_opened_opens_no_other(works: Works) -> None:
    alpha = sent(works, works.admin, name="Alpha")
    beta = sent(works, works.admin, name="Beta")
    browser = opened(alpha)
    assert browser.get(page_of(beta)).status_code == 404
    assert browser.get(page_of(alpha)).status_code == 200


def test_O35_a_planted_session_sees_nothing_of_the_link(works: Works) -> None:
    attacker = opened(sent(works, works.admin, name="Alpha"))
    planted = attacker.cookies["session"].value
    victim, made = Client(), sent(works, works.admin, name="Beta")
    victim.cookies["session"] = planted

    victim.get(path(made))

    assert victim.cookies["session"].value != planted
    assert victim.get(page_of(made)).status_code == 200
    assert attacker.get(page_of(made)).status_code == 404


def test_a_guest_uses_up_nothing_of_the_senders(
    works: Works, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pace.LIMITS, "guest", (Limit(2, 600), Limit(300, 600)))
    monkeypatch.setitem(pace.LIMITS, "link", (Limit(0, 600), Limit(0, 600)))
    alpha = sent(works, works.admin, name="Alpha")
    beta = sent(works, works.admin, name="Beta")
    browser = opened(alpha)
    for wrong in ("not a token", vendor.token("dana-full")):
        answer = paste(browser, alpha, wrong)
    assert answer.status_code == 400 and b"That was often" in answer.content

    assert paste(opened(beta), beta, vendor.token("dana-full")).status_code == 303


def test_one_link_is_begun_in_a_few_browsers_only(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "MOST_UNDER_WAY", 1)
    made = sent(works, works.admin)
    opened(made).post(page_of(made, "begin"), {"method": "api-token"})
    second = opened(made)

    answer = second.post(page_of(made, "begin"), {"method": "api-token"}, follow=True)

    assert b"too many browsers" in answer.content
    with works.inside():
        assert PendingLink.objects.count() == 1


def test_a_guest_cannot_use_the_organizations_own_consumer(works: Works, vendor: Vendor) -> None:
    works.register(vendor.consumer("acme-portal"))
    made = sent(works, works.admin)
    browser = opened(made)
    assert "client-credentials" not in text(browser.get(page_of(made)))
    answer = browser.post(page_of(made, "begin"), {"method": "client-credentials"})
    assert answer["Location"] == page_of(made)
    browser.post(page_of(made, "begin"), {"method": "api-token"})
    answer = browser.post(page_of(made, "consent?method=client-credentials"), {"go": "1"})
    assert answer["Location"] == page_of(made)
    with works.inside():
        assert PendingLink.objects.get().stage == "choosing"


def test_where_a_policy_forbids_it_a_guest_is_offered_no_way_that_acts_as_a_person(
    works: Works, vendor: Vendor
) -> None:
    with works.inside():
        policy_settings.set_general(actor=works.admin, rule=Rule(forbids_personal=True))
    made = sent(works, works.admin)
    browser = opened(made)
    page = text(browser.get(page_of(made)))
    assert 'value="workspace-token"' in page and 'value="api-token"' not in page

    answer = browser.post(page_of(made, "begin"), {"method": "api-token"})
    assert answer["Location"] == page_of(made)
    browser.post(page_of(made, "begin"), {"method": "workspace-token"})
    form = {"email": "dana@acme.example", "token": vendor.token("dana-full")}
    answer = browser.post(page_of(made, "consent?method=api-token"), form)
    assert answer["Location"] == page_of(made)
    with works.inside():
        assert PendingLink.objects.get().stage == "choosing"
