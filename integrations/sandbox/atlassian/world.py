"""Who and where: Atlassian accounts, and sites with the products and people on them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Account:
    """An Atlassian account; `kind` is "app" for a service account."""

    account_id: str
    nickname: str
    name: str
    email: str
    about: str = ""
    kind: str = "atlassian"
    zone: str = "Europe/Oslo"
    active: bool = True


@dataclass(slots=True)
class Site:
    """One `<name>.atlassian.net`; a suspended one is unavailable to everybody."""

    name: str
    title: str
    cloud_id: str
    products: list[str]
    members: list[str] = field(default_factory=list)  # account ids
    admins: list[str] = field(default_factory=list)
    suspended: bool = False

    @property
    def url(self) -> str:
        return f"https://{self.name}.atlassian.net"


@dataclass(slots=True)
class World:
    accounts: dict[str, Account] = field(default_factory=dict)  # by nickname
    sites: dict[str, Site] = field(default_factory=dict)  # by name

    def account(self, identifier: str) -> Account | None:
        """Find somebody by nickname, e-mail address or account id."""
        found = self.accounts.get(identifier)
        if found is not None or not identifier:
            return found
        return next(
            (a for a in self.accounts.values() if identifier in (a.email, a.account_id)), None
        )

    def site(self, cloud_id: str) -> Site | None:
        return next((site for site in self.sites.values() if site.cloud_id == cloud_id), None)

    def sites_of(self, account_id: str) -> list[Site]:
        return [site for site in self.sites.values() if account_id in site.members]
