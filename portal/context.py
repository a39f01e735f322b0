"""What every page's frame needs: where one is, where one may go, and in which theme."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject

from portal import inbox, tenancy
from portal.policy import Permission, allows

THEMES = ("light", "dark")
AREAS = {"platform": "Platform", "support": "Support"}


@dataclass(frozen=True, slots=True)
class NavItem:
    label: str
    url: str
    icon: str
    active: bool


@dataclass(frozen=True, slots=True)
class Place:
    """An organization in the switcher."""

    name: str
    role: str
    url: str
    here: bool


@dataclass(frozen=True, slots=True)
class Bell:
    """How many notices are unread, and where they are."""

    count: int
    notices: str
    notices_bell: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Read by `base.html` and the layouts; `area` is organization, platform, support or plain."""

    area: str
    area_label: str
    organization: Any
    organizations: list[Place]
    items: list[NavItem]
    theme: str
    user: Any
    bell: Bell | None

    @property
    def user_name(self) -> str:
        """The person's name, or the address of somebody who gave none."""
        return str(getattr(self.user, "name", "") or getattr(self.user, "email", ""))


# label, URL name, icon; and what one needs to see it, where not everybody does
ORGANIZATION_ITEMS = (
    ("Overview", "overview", "layout-dashboard"),
    ("Connections", "connections", "plug-connected"),
    ("Links", "links", "link"),
    ("Trail", "trail", "git-branch"),
    ("Catalogue", "catalogue", "layout-grid"),
    ("Activity", "activity", "activity"),
    ("Calendar", "calendar", "calendar"),
    ("Requests", "link_requests", "send"),
    ("Service keys", "service_keys", "key"),
    ("Members", "members", "users"),
    ("Audit", "audit", "history"),
    ("Settings", "organization_settings", "settings"),
)
NEEDS = {
    "service_keys": Permission.SERVICE_KEY_VIEW,
    "members": Permission.MEMBER_VIEW,
    "activity": Permission.AUDIT_VIEW,
    "audit": Permission.AUDIT_VIEW,
}
PLATFORM_ITEMS = (
    ("Overview", "platform", "layout-dashboard"),
    ("Organizations", "platform_organizations", "building"),
    ("Erasures", "platform_erasures", "trash"),
    ("Connectors", "platform_connectors", "plug"),
    ("Keys", "platform_keys", "key"),
    ("Network", "platform_network", "world"),
    ("Queues", "platform_queues", "list-check"),
    ("Webhooks", "platform_webhooks", "webhook"),
    ("Links", "platform_relays", "link"),
    ("Workers", "platform_workers", "server"),
    ("Restores", "platform_restores", "database"),
    ("Vendor changes", "platform_changes", "world"),
    ("Record", "platform_record", "history"),
)
SUPPORT_ITEMS = (
    ("Look at an organization", "support", "headset"),
    ("The organization", "support_look", "building"),  # this and the rest during a look
    ("Connections", "support_connections", "plug-connected"),
    ("Links", "support_links", "link"),
)
ACCOUNT_ITEMS = (
    ("E-mail addresses", "account_email", "mail"),
    ("Password", "account_change_password", "lock"),
    ("Two-step sign-in", "mfa_index", "device-mobile"),
    ("Linked sign-ins", "socialaccount_connections", "link"),
    ("Sessions", "usersessions_list", "device-desktop"),
)


def frame(request: HttpRequest) -> dict[str, object]:
    """`frame` for templates; nothing is looked up until a template asks."""
    return {"frame": SimpleLazyObject(lambda: frame_of(request))}


def frame_of(request: HttpRequest) -> Frame:
    organization = getattr(request, "organization", None)
    area = area_of(request, organization)
    theme = request.COOKIES.get("theme", "")
    return Frame(
        area=area,
        area_label=AREAS.get(area, ""),
        organization=organization,
        organizations=places(request, organization),
        items=area_items(request, area, organization),
        theme=theme if theme in THEMES else "",
        user=getattr(request, "user", None),
        bell=bell(request, area, organization),
    )


def bell(request: HttpRequest, area: str, organization: Any) -> Bell | None:
    """For members in their organization and operators on the platform; nobody else has one."""
    user: Any = getattr(request, "user", None)
    if area == "organization" and tenancy.is_inside():
        names = [address(name, organization.slug) for name in ("notices", "notices_bell")]
        return Bell(_unread(request, organization.id), *names)
    if not request.path_info.startswith("/platform/") or not getattr(user, "is_operator", False):
        return None
    names = [address(f"platform_{name}") for name in ("notices", "notices_bell")]
    if tenancy.is_inside():
        return Bell(inbox.unread(user.id), *names)
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        return Bell(inbox.unread(user.id), *names)


def _unread(request: HttpRequest, organization_id: UUID) -> int:
    """As the request found it with the person's memberships."""
    here: Iterable[Any] = getattr(request, "memberships", None) or ()
    return next((one.unread for one in here if one.organization.id == organization_id), 0)


def places(request: HttpRequest, organization: Any) -> list[Place]:
    here = getattr(organization, "slug", None)
    return [
        Place(found.name, str(found.role), address("overview", found.slug), found.slug == here)
        for found in getattr(request, "memberships", None) or ()
    ]


def area_of(request: HttpRequest, organization: Any) -> str:
    """Said by the middleware, or else read from the address."""
    said: str = getattr(request, "area", "")
    if said:
        return said
    first = request.path_info.strip("/").partition("/")[0]
    if first in AREAS:
        return first
    return "organization" if organization is not None else "plain"


def area_items(request: HttpRequest, area: str, organization: Any) -> list[NavItem]:
    if area == "organization" and organization is not None:
        shown = [item for item in ORGANIZATION_ITEMS if may_see(request, item[1])]
        return placed(request, shown, organization.slug)
    if area == "platform":
        return placed(request, PLATFORM_ITEMS)
    if area == "support":
        return placed(request, SUPPORT_ITEMS, *looked_at(request, organization))
    return placed(request, ACCOUNT_ITEMS)


def looked_at(request: HttpRequest, organization: Any) -> list[str]:
    """The organization's part of addresses while support looks at it."""
    return [organization.slug] if getattr(request, "look", None) else []


def may_see(request: HttpRequest, name: str) -> bool:
    """Whether the person's role opens that page; this hides, the page itself refuses."""
    actor = getattr(request, "actor", None)
    return actor is None or name not in NEEDS or allows(actor, NEEDS[name])


def placed(
    request: HttpRequest, items: Iterable[tuple[str, str, str]], *args: str
) -> list[NavItem]:
    """The items whose address exists, by these arguments or without any; the longest address
    that begins this one is active."""
    found = [
        (label, name, address(name, *args) or address(name), icon) for label, name, icon in items
    ]
    here = [url for _, name, url, _ in found if is_here(request.path, name, url)]
    current = max(here, key=len, default="")
    return [NavItem(label, url, icon, url == current) for label, _, url, icon in found if url]


def is_here(path: str, name: str, url: str) -> bool:
    """Whether the page lies under the item; an overview is above all others, so only itself."""
    overviews = {"overview", "platform"}
    return bool(url) and (path == url if name in overviews else path.startswith(url))


def address(name: str, *args: str) -> str:
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""
