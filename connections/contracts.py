"""What a connector is: the words that every vendor's room and the process share. No Django here.

A connector is a module-like object with a `MANIFEST` (data, checked at start-up) and a few
functions that turn the vendor's bytes into records. It never sees a tenant, a row or a stored
secret: it is handed an `Api` that already carries the authorization.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from connections.branch_words import MakesBranches as MakesBranches
from connections.calls import Answer as Answer, Api as Api
from connections.changes import VendorChange as VendorChange
from connections.code_records import (
    NOBODY as NOBODY,
    BranchRecord as BranchRecord,
    BuildRecord as BuildRecord,
    BuildState as BuildState,
    CommitPullsRecord as CommitPullsRecord,
    CommitRecord as CommitRecord,
    DeploymentRecord as DeploymentRecord,
    GroupRecord as GroupRecord,
    Participation as Participation,
    PermissionRecord as PermissionRecord,
    Person as Person,
    PipelineRecord as PipelineRecord,
    PullRequestRecord as PullRequestRecord,
    PullsSaid as PullsSaid,
    PullState as PullState,
    StepRecord as StepRecord,
    Verdict as Verdict,
)
from connections.errors import VendorError
from connections.hook_words import (
    Event as Event,
    HookEvent as HookEvent,
    HookRules as HookRules,
    HookWish as HookWish,
    ManagesHooks as ManagesHooks,
    PullMove as PullMove,
    PushedRef as PushedRef,
    Receives as Receives,
    TestsHooks as TestsHooks,
)
from connections.methods import (
    BASE_URL as BASE_URL,
    ClientCredentials as ClientCredentials,
    Field as Field,
    Lookup as Lookup,
    Method as Method,
    MethodEnd as MethodEnd,
    MethodKind as MethodKind,
    NewToken as NewToken,
    Scheme as Scheme,
    SelfHosted as SelfHosted,
    Step as Step,
    TokenAnswer as TokenAnswer,
    TokenPrefix as TokenPrefix,
    TokenRotation as TokenRotation,
)
from connections.records import (
    Account as Account,
    Finding as Finding,
    HookRecord as HookRecord,
    Identity as Identity,
    MemberRecord as MemberRecord,
    Outcome as Outcome,
    Page as Page,
    ProjectRecord as ProjectRecord,
    RateBudget as RateBudget,
    Record as Record,
    Rejected as Rejected,
    Remark as Remark,
    RepositoryRecord as RepositoryRecord,
    WorkspaceRecord as WorkspaceRecord,
)
from connections.relay_commands import (
    Command as Command,
    CommandKind as CommandKind,
    Deed as Deed,
    FindsDoubles as FindsDoubles,
    Order as Order,
    RunsCommands as RunsCommands,
)
from connections.relay_events import (
    NO_LINKS as NO_LINKS,
    Carried as Carried,
    ChangedFile as ChangedFile,
    CodeLinks as CodeLinks,
    RelayEvent as RelayEvent,
    RelayKind as RelayKind,
    RelayRecord as RelayRecord,
    carried_key as carried_key,
)
from connections.relay_panels import (
    PanelRow as PanelRow,
    PanelSection as PanelSection,
    SubjectPanel as SubjectPanel,
)
from connections.relay_words import (
    Outcomes as Outcomes,
    Packing as Packing,
    Parcel as Parcel,
    Reach as Reach,
    RelayOption as RelayOption,
    RelayRules as RelayRules,
    Relays as Relays,
    RelayWay as RelayWay,
    Sent as Sent,
    Told as Told,
)
from connections.rights_words import (
    EndsGrants as EndsGrants,
    PlaceRights as PlaceRights,
    Proves as Proves,
    TellsRights as TellsRights,
)
from connections.streams import (
    Ask as Ask,
    Container as Container,
    Level as Level,
    Stream as Stream,
    Target as Target,
)
from connections.token_words import (
    Exchanges as Exchanges,
    IssuesTokens as IssuesTokens,
    OAuth2 as OAuth2,
)

CONTRACT_VERSION = 1  # grows when a connector that was written before would no longer be right


# ── The manifest: what is data about a connector ──────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Capability:
    """Something a person wants to do, and what it costs in each of the vendor's vocabularies.

    `scopes[vocabulary]` are the words on the wire, `labels[vocabulary]` what the vendor's screen
    shows; a vocabulary that is absent cannot do it, and `unavailable[vocabulary]` says why.
    `probe` is a read-only path that proves it, with {workspace} and {repository} filled in; where
    the connector `Proves` it, `proof` tells how; with neither, `unprovable` says why not.
    """

    key: str
    title: str
    why: str
    scopes: Mapping[str, tuple[str, ...]]
    labels: Mapping[str, tuple[str, ...]]
    probe: str = ""
    proof: str = ""
    unprovable: str = ""
    minimal: bool = False
    writes: bool = False
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retired:
    """Something people look for that the vendor removed; said plainly in the catalogue.

    `is_all`: it is the product itself, and what still runs of it is served.
    """

    title: str
    on: date
    why: str
    instead: str = ""
    url: str = ""
    is_all: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything about a connector that is data: shown in the catalogue, obeyed by every flow.

    With `self_hosted` there is no address of the vendor's: `api_url` and the URLs of `oauth` are
    paths below the base URL that a person types.
    """

    slug: str
    name: str
    vendor: str
    summary: str
    gives: tuple[str, ...]
    takes: str
    api_url: str
    docs_url: str
    methods: tuple[Method, ...]
    capabilities: tuple[Capability, ...]
    implies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # granted along with it
    oauth: OAuth2 | None = None
    self_hosted: SelfHosted | None = None
    token_prefixes: tuple[TokenPrefix, ...] = ()
    retired: tuple[Retired, ...] = ()
    changes: tuple[VendorChange, ...] = ()
    hooks: HookRules | None = None
    code_links: CodeLinks = NO_LINKS  # where it shows code to people
    branches: str = ""  # key of the capability to make branches, where the connector can
    relay: RelayRules | None = None  # what can travel to it
    endpoints: tuple[str, ...] = ()  # path templates that are asked besides capabilities' probes
    workspace_word: str = "workspace"
    unlisted: str = ""  # what cannot be chosen to be read, because no list of the product has it
    aliases: tuple[str, ...] = ()  # what other programs' exports call it, as words-with-dashes
    account_settings_url: str = ""  # where a person withdraws the grant by hand
    contract_version: int = 0  # CONTRACT_VERSION as it was when this was written; to be said
    quirks: tuple[str, ...] = field(default=())

    @property
    def choices(self) -> tuple[Method, ...]:
        """The methods that can be chosen now: all that the vendor has not ended."""
        return tuple(method for method in self.methods if method.end is None)

    def method(self, key: str) -> Method:
        """The method with this key; KeyError when there is none."""
        for method in self.methods:
            if method.key == key:
                return method
        raise KeyError(key)

    def fields_of(self, method: Method) -> tuple[Field, ...]:
        """The inputs of the method's form, the base URL first; a consumer brings its own."""
        if self.self_hosted is None or not method.kind.is_pasted:
            return method.fields
        return (self.self_hosted.field, *method.fields)

    def capability(self, key: str) -> Capability:
        """The capability with this key; KeyError when there is none."""
        for capability in self.capabilities:
            if capability.key == key:
                return capability
        raise KeyError(key)

    def obstacle(self, capability: Capability, method: Method) -> str:
        """Why this method can never have the capability; empty when it can."""
        scopes = capability.scopes.get(method.vocabulary)
        if scopes is None:
            return capability.unavailable.get(method.vocabulary, f"Not possible: {method.title}.")
        if method.offers and not self.closure(method.offers).issuperset(scopes):
            return f"{method.title} cannot be given {', '.join(scopes)}."
        return ""

    @property
    def templates(self) -> tuple[str, ...]:
        """The path templates that this connector may ask, those that are gone included."""
        probes = tuple(each.probe for each in self.capabilities if each.probe)
        announced = (path.partition(" ")[2] for each in self.changes for path in each.endpoints)
        return (*self.endpoints, *probes, *announced)

    def closure(self, scopes: frozenset[str]) -> frozenset[str]:
        """The scopes and all they imply."""
        reached, waiting = set(scopes), list(scopes)
        while waiting:
            for implied in self.implies.get(waiting.pop(), ()):
                if implied not in reached:
                    reached.add(implied)
                    waiting.append(implied)
        return frozenset(reached)


class Connector(Protocol):
    """One vendor product. `fields` are the non-secret answers of the method's form.

    `identify` asks who we are and reads scopes from the answer, never from what we asked for.
    `workspaces` gives one page of the containers this credential reaches.
    `judge` names what is wrong with an answer, None when nothing is.
    """

    @property
    def manifest(self) -> Manifest: ...

    @property
    def streams(self) -> tuple[Stream, ...]: ...

    def identify(self, api: Api, fields: Mapping[str, str], method: Method) -> Identity: ...

    def workspaces(
        self, api: Api, fields: Mapping[str, str], method: Method, checkpoint: str | None
    ) -> Page: ...

    def judge(self, answer: Answer) -> VendorError | None: ...

    def rate(self, answer: Answer) -> RateBudget: ...
