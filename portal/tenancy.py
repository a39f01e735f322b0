"""For which organization we work: a context variable, and a transaction that tells PostgreSQL.

`acting_for` names the organization; `transaction` opens a transaction and emits `SET LOCAL`, which
row-level security reads (trust.md §4). A tenant query outside both raises. Row-level security stops
forgotten filters, not code execution. The platform itself is the organization with the nil id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID, uuid4

from django.db import models, transaction as django_transaction

from portal import roles
from portal.context_vars import acting_for as acting_for_var

PLATFORM = UUID(int=0)

ALL_TEAMS = "*"

_teams: ContextVar[str] = ContextVar("teams", default=ALL_TEAMS)
_endings: ContextVar[list[Callable[[], None]] | None] = ContextVar("endings", default=None)


class TenantNotSet(RuntimeError):
    """A tenant query was made outside `acting_for(organization)`."""


class ScopeNested(RuntimeError):
    """A scope was opened inside another one; `SET LOCAL` would leak out of the inner one."""


class NetworkInsideTransaction(RuntimeError):
    """A vendor was called while a transaction was open."""


class HasId(Protocol):
    @property
    def id(self) -> UUID: ...


def organization_id() -> UUID:
    """The organization we act for; raises TenantNotSet when there is none."""
    found = acting_for_var.get()
    if found is None:
        raise TenantNotSet("Enter acting_for(organization) first.")
    return found


def is_acting() -> bool:
    return acting_for_var.get() is not None


@contextmanager
def acting_for(
    organization: HasId | UUID, *, teams: Iterable[UUID] | None = None
) -> Iterator[None]:
    """Work inside is for this organization. Entering the same one again is harmless.

    `teams` narrows what row-level security shows to connections of these teams and of none;
    None shows every team's.
    """
    wanted = organization if isinstance(organization, UUID) else organization.id
    now = acting_for_var.get()
    if now is not None and now != wanted:
        raise ScopeNested(f"Already acting for {now}.")
    token = acting_for_var.set(wanted)
    shown = _teams.set(_teams.get() if teams is None else ",".join(map(str, teams)))
    try:
        yield
    finally:
        _teams.reset(shown)
        acting_for_var.reset(token)


@contextmanager
def elsewhere(organization: HasId | UUID) -> Iterator[None]:
    """Leave for another organization and come back; raises ScopeNested inside a transaction.

    For the platform's own rows that serve everybody, such as a platform-wide OAuth consumer.
    """
    if is_inside():
        raise ScopeNested("Close the transaction before going elsewhere.")
    token = acting_for_var.set(organization if isinstance(organization, UUID) else organization.id)
    try:
        yield
    finally:
        acting_for_var.reset(token)


@contextmanager
def transaction() -> Iterator[None]:
    """A transaction that shows this organization's rows only; nested use joins it."""
    wanted = organization_id()
    if _endings.get() is not None:
        yield
        return
    with django_transaction.atomic(using=roles.current(), durable=True):
        # SET takes no parameters; the literals are parsed UUIDs.
        _set_local(organization=str(UUID(str(wanted))), teams=_teams.get())
        with _scope():
            yield


@contextmanager
def borrowed_transaction() -> Iterator[None]:
    """Like `transaction`, inside the open transaction of a library that knows no organization.

    allauth seals TOTP seeds in one of its own. The scope is taken back at the end, or with the
    savepoint when something fails, so it does not leak into what the library does next.
    """
    wanted = organization_id()
    with django_transaction.atomic(using=roles.current()):
        _set_local(organization=str(UUID(str(wanted))), teams=_teams.get())
        with _scope():
            yield
        _set_local(organization="", teams="")


def _set_local(*, organization: str, teams: str) -> None:
    with roles.connection().cursor() as cursor:
        cursor.execute(
            f"SET LOCAL app.organization_id = '{organization}'; SET LOCAL app.teams = '{teams}'"
        )


@contextmanager
def _scope() -> Iterator[None]:
    endings: list[Callable[[], None]] = []
    token = _endings.set(endings)
    try:
        yield
        for ending in endings:
            ending()
    finally:
        _endings.reset(token)


def at_end(ending: Callable[[], None]) -> None:
    """Call `ending` last in the open transaction: for locks that must be held briefly."""
    endings = _endings.get()
    if endings is None:
        raise TenantNotSet("Open tenancy.transaction() first.")
    endings.append(ending)


def is_inside() -> bool:
    return _endings.get() is not None


def forbid_inside_transaction() -> None:
    """Raise when a transaction is open: called by the network door before each vendor call."""
    if is_inside() or roles.connection().in_atomic_block:
        raise NetworkInsideTransaction("Close the transaction before calling a vendor.")


T = TypeVar("T", bound="TenantModel")


class TenantManager(models.Manager[T], Generic[T]):
    """Filters by the acting organization and raises without one."""

    def get_queryset(self) -> models.QuerySet[T]:
        if not is_inside():
            raise TenantNotSet(f"{self.model.__name__} is read inside tenancy.transaction() only.")
        return super().get_queryset().filter(organization_id=organization_id())

    def create(self, **values: Any) -> T:
        values.setdefault("organization_id", organization_id())
        return super().create(**values)


class TenantModel(models.Model):
    """A row of one organization. `everywhere` is for the sweeper's and the support's alias only."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    organization = models.ForeignKey(
        "portal.Organization", on_delete=models.CASCADE, related_name="+", editable=False
    )

    objects: models.Manager[Any] = TenantManager()
    everywhere: models.Manager[Any] = models.Manager()

    class Meta:
        abstract = True
        base_manager_name = "everywhere"

    def hold(self) -> None:
        """The row is as it is now and stays so until the transaction ends (abuse case F03).

        Without its key: rows that point to it are written beside this, and would deadlock.
        """
        self.refresh_from_db(from_queryset=type(self).objects.select_for_update(no_key=True))


class LedgerModel(TenantModel):
    """A line that outlives what it tells about and locks nobody's row: it has ids, no real keys."""

    organization = models.ForeignKey(
        "portal.Organization",
        on_delete=models.DO_NOTHING,
        related_name="+",
        editable=False,
        db_constraint=False,
        db_index=False,
    )

    class Meta:
        abstract = True
        base_manager_name = "everywhere"
