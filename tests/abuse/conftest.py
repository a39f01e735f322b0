"""What the abuse cases share: Alice's browser, and a consumer to link with."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from connections.models import Consumer
from tests.abuse.bench import Bench
from tests.abuse.browsers import Browser
from tests.abuse.forms import ShownForm, forms_on
from tests.servers import Servers
from tests.test_urls import OURS, address, lets_in
from tests.town import Town
from tests.vendor import Vendor
from tests.works import Works

LIBRARYS = (
    *("account_login", "account_signup", "account_email", "account_change_password"),
    *("account_reset_password", "account_reauthenticate", "mfa_activate_totp"),
)
SIGNED_OUT = ("account_login", "account_signup", "account_reset_password")


@pytest.fixture
def alice(works: Works) -> Browser:
    return Browser(works, works.alice)


@pytest.fixture
def consumer(works: Works, vendor: Vendor) -> Consumer:
    return works.register(vendor.consumer("acme-portal"))


@pytest.fixture(scope="module")
def bench(module_works: Works, vendor_process: Vendor) -> Bench:
    """One linked connection for a whole module; each test leaves it as alive as it found it."""
    return Bench(module_works, vendor_process)


@pytest.fixture(scope="module")
def town(module_works: Works, servers: Servers) -> Town:
    return Town(module_works, servers)


@pytest.fixture(scope="module")
def clients(town: Town) -> dict[str, Client]:
    return {name: town.client(name) for name in ("owner", "manager", "operator", "support")} | {
        "": town.client(None)
    }


@pytest.fixture(scope="module")
def shown(town: Town, clients: dict[str, Client]) -> list[tuple[str, ShownForm]]:
    """Each form once, with somebody who is shown it. Signing out and leaving are left alone."""
    pages = [(name, address(town, name, route)) for name, route in OURS]
    pages += [("", reverse(name)) for name in LIBRARYS if name not in SIGNED_OUT]
    consent = address(town, "link_consent", "<uuid:link_id><slug:organization_slug>")
    methods = ("api-token", "workspace-token", "repository-token", "project-token")
    pages += [("link_consent", f"{consent}?method={method}") for method in methods]
    where = f"?issue=ACME-1&repository={town.ids['repository_id']}"
    pages.append(("branch_new", address(town, "branch_new", "<slug:organization_slug>") + where))
    found: dict[tuple[str, tuple[str, ...]], tuple[str, ShownForm]] = {}
    for who in ("owner", "manager", "operator", "support"):
        for name, page in pages:
            if name and not lets_in(name, who):
                continue  # tests/test_urls.py shows that nothing is there
            for form in forms_on(clients[who], page):
                found.setdefault((form.name, tuple(form.kinds)), (who, form))
    for name in SIGNED_OUT:
        for form in forms_on(clients[""], reverse(name)):
            found.setdefault((form.name, tuple(form.kinds)), ("", form))
    quiet = ("logout", "leave", "usersessions", "sessions")
    return [one for one in found.values() if not any(word in one[1].action for word in quiet)]
