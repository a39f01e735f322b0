"""What every connector must pass, over real sockets against its sandbox.

`class TestJira(ConnectorContract)` names the connector and who may stand before it; a vendor's own
manners are tested beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import pytest

from connections.contracts import (
    CONTRACT_VERSION,
    Api,
    Ask,
    Connector,
    Container,
    Identity,
    Level,
    Method,
    Page,
    Proves,
    Scheme,
    Stream,
    TellsRights,
    WorkspaceRecord,
)
from connections.errors import ReauthorizationRequired, VendorError
from connections.http import Door, Limits
from connections.origins import BaseUrl
from connections.vendor_api import Authorization, VendorApi
from integrations.sandbox import vendors
from integrations.sandbox.running import Sandbox
from tests.contract_answers import AnswersContract

QUICK = Limits(body_bytes=5 * 1024 * 1024, deadline_seconds=2.0, silence_seconds=0.5)
MOST_PAGES = 60
# At the account endpoint, which is no list; in one test, because each is a request or two.
BROKEN_ACCOUNT: Mapping[str, Mapping[str, Any]] = {
    "P01": {"kind": "html"},
    "P03-200": {"kind": "empty"},
    "P03-204": {"kind": "empty", "status": 204},
    "P04": {"kind": "cut"},
    "P07-array": {"kind": "body", "lie": "array"},
    "P07-string": {"kind": "body", "lie": "string"},
    "P07-null": {"kind": "body", "lie": "null"},
    "P08": {"kind": "body", "lie": "duplicate_keys"},
    "P09": {"kind": "body", "lie": "nan"},
    "P10": {"kind": "body", "lie": "deep"},
    "P23": {"kind": "status", "status": 403, "text": "<h1>No</h1>", "content_type": "text/html"},
    "P26": {"kind": "status", "status": 503},
    "P27": {"kind": "redirect", "status": 302},
    "P36": {"kind": "headers", "headers": {"Content-Encoding": "snappy"}},
}


@dataclass(frozen=True)
class Standing:
    """A credential at the sandbox: by which method, what the form said, what the header says."""

    method: Method
    fields: Mapping[str, str]
    authorization: str = field(repr=False)


def door_to(sandbox: Sandbox, *origins: str) -> Door:
    """The real door, with these origins of the vendor led to the sandbox."""
    led = vendors.origins(sandbox.url)
    return Door(
        sandbox_origins=list(dict.fromkeys([sandbox.url, *led.values()])),  # its own first
        replace={origin: led.get(origin, sandbox.url) for origin in origins},
    )


Apis = Callable[[Standing], Api]


class ConnectorContract(AnswersContract):
    """Subclasses set `connector` and the fixture `standings`: key → Standing, the widest first."""

    connector: ClassVar[Connector]
    origins: ClassVar[tuple[str, ...]]
    asks: ClassVar[str] = "GET"  # how the vendor is asked for a list
    callback: ClassVar[str] = "http://localhost:8000/oauth/callback"

    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls) -> Iterator[Sandbox]:
        with Sandbox(repositories=230, callbacks=[cls.callback]) as running:
            yield running

    @pytest.fixture(autouse=True)
    def _calm(self, sandbox: Sandbox) -> None:
        sandbox.faults.withdraw()

    @pytest.fixture(scope="class")
    @classmethod
    def door(cls, sandbox: Sandbox) -> Iterator[Door]:
        door = door_to(sandbox, *cls.origins)
        yield door
        door.close()

    @pytest.fixture(scope="class")
    @classmethod
    def api(cls, door: Door) -> Apis:
        def build(standing: Standing) -> Api:
            own = standing.method.api_url.format_map(standing.fields)
            return VendorApi(
                door=door,
                base=door.vendor(own) if own else cls.base(door),
                authorization=Authorization(standing.authorization),
                judge=cls.connector.judge,
                limits=QUICK,
            )

        return build

    @pytest.fixture(scope="class")
    @classmethod
    def widest(cls, standings: Mapping[str, Standing]) -> Standing:
        return next(iter(standings.values()))

    @classmethod
    def base(cls, door: Door) -> BaseUrl:
        """Where the API is; a self-hosted product has it below a base URL."""
        return door.vendor(cls.connector.manifest.api_url)

    # ── the manifest ──────────────────────────────────────────────────────────────────────────

    def test_the_manifest_keeps_its_word(self):
        manifest = self.connector.manifest

        assert re.fullmatch(r"[a-z][a-z0-9-]*", manifest.slug)
        assert manifest.contract_version == CONTRACT_VERSION
        assert manifest.api_url.startswith("https://") or manifest.self_hosted
        assert manifest.api_url.endswith("/")
        assert len({method.key for method in manifest.methods}) == len(manifest.methods)
        assert len({c.key for c in manifest.capabilities}) == len(manifest.capabilities)
        assert all(stream.capability for stream in self.connector.streams)
        for stream in self.connector.streams:
            manifest.capability(stream.capability)
        for prefix in manifest.token_prefixes:
            ended = all(manifest.method(key).end for key in prefix.methods)
            assert bool(prefix.refusal) == ended
            assert {m.key for m in manifest.methods}.issuperset(prefix.methods)

    def test_each_method_explains_itself(self):
        for method in self.connector.manifest.methods:
            names = [f.name for f in method.fields]
            secrets = [f for f in method.fields if f.secret]
            assert len(set(names)) == len(names)
            assert method.title and method.summary and method.acts_as and method.lifetime
            assert len(secrets) == method.kind.is_pasted
            assert method.steps or not method.kind.is_pasted
            assert all(f.label and (f.help or f.placeholder) for f in method.fields)
            assert all(re.compile(f.pattern) for f in method.fields)
            assert (method.basic_user in names) == (method.scheme is Scheme.BASIC)
            looked_up = [method.lookup.field] if method.lookup else []
            asked_at = method.lookup.url if method.lookup else ""
            filled_in = re.findall(r"{(\w+)}", method.api_url + asked_at)
            strict = [f.name for f in method.fields if f.pattern and not f.secret]
            assert {*filled_in} <= {*strict, *looked_up}
            assert not (method.exchange and method.exchange.client_id not in names)

    def test_each_scope_is_explained_in_each_vocabulary(self):
        manifest = self.connector.manifest
        vocabularies = {method.vocabulary for method in manifest.methods}
        for capability in manifest.capabilities:
            assert capability.title and capability.why
            assert capability.scopes.keys() == capability.labels.keys()
            assert capability.scopes.keys() | capability.unavailable.keys() == vocabularies
            assert bool(capability.probe or capability.proof) != bool(capability.unprovable)
            assert not (capability.probe and capability.proof)
            assert not capability.proof or isinstance(self.connector, Proves)
        assert any(capability.minimal for capability in manifest.capabilities)
        assert not any(c.minimal and c.writes for c in manifest.capabilities)

    def test_every_sentence_is_calm(self):
        said = repr(self.connector.manifest).replace("(?!", "")  # as patterns say "not"
        assert "!" not in said

    # ── reading ───────────────────────────────────────────────────────────────────────────────

    def test_identity_is_read_and_stays_the_same(self, api, standings):
        for standing in standings.values():
            first, second = (self.identify(api, standing) for _ in range(2))

            assert first.account.remote_id and first.account == second.account
            tells = isinstance(self.connector, TellsRights)
            assert first.scopes or tells, "scopes come from the vendor's answer"
            assert first.vocabulary == standing.method.vocabulary

    def test_every_stream_is_read_to_its_end_for_every_standing(self, api, standings):
        for key, standing in standings.items():
            for workspace in self.workspaces(api, standing):
                for stream, pages in self.streams(api, standing, workspace):
                    records = [record for page in pages for record in page.records]
                    assert all(isinstance(record, stream.record) for record in records), key
                    assert len({r.remote_id for r in records}) == len(records)
                    assert not [page for page in pages if page.rejected]

    def test_a_stream_resumes_where_it_stopped(self, fetch):
        whole = pages_of(fetch)

        resumed = pages_of(fetch, after=whole[0].checkpoint)

        assert len(whole) > 1, "the sandbox must have more than one page"
        assert [p.records for p in resumed] == [p.records for p in whole[1:]]

    def test_every_probe_holds_with_all_scopes(self, api, widest, workspace, fetch):
        repository = fetch(None).records[0]
        said = self.identify(api, widest).scopes  # None where the vendor never says
        granted = None if said is None else self.connector.manifest.closure(said)
        for capability in self.connector.manifest.capabilities:
            words = capability.scopes.get(widest.method.vocabulary)
            if words is None or (granted is not None and not granted >= {*words}):
                continue
            if capability.proof and isinstance(self.connector, Proves):
                where = api(widest), widest.fields, widest.method
                assert self.connector.prove(*where, capability.key).status == 200, capability.key
            elif capability.probe:
                path = capability.probe.format(workspace=workspace.slug, repository=repository.slug)
                assert api(widest).get(path).status == 200, capability.key

    def test_a_refused_credential_is_named(self, api, widest):
        wrong = Standing(widest.method, widest.fields, "Bearer not-a-token")

        with pytest.raises(ReauthorizationRequired):
            self.identify(api, wrong)

    def test_p_a_broken_answer_about_who_we_are_says_nothing_of_the_credential(
        self, api, widest, sandbox, spoil
    ):
        for case, fault in BROKEN_ACCOUNT.items():
            sandbox.faults.withdraw()
            spoil(**fault)
            with pytest.raises(VendorError) as caught:
                self.identify(api, widest)
            assert not isinstance(caught.value, ReauthorizationRequired), case
            assert "elsewhere" not in str(caught.value.request), case

    # ── doing ─────────────────────────────────────────────────────────────────────────────────

    @pytest.fixture(scope="class")
    @classmethod
    def workspace(cls, api: Apis, widest: Standing) -> WorkspaceRecord:
        return cls.workspaces(api, widest)[0]

    @pytest.fixture(scope="class")
    @classmethod
    def fetch(
        cls, api: Apis, widest: Standing, workspace: WorkspaceRecord
    ) -> Callable[[str | None], Page]:
        """A page of the stream that a first sync cannot do without, or else of the containers."""
        stream = next((stream for stream in cls.connector.streams if stream.required), None)
        if stream is None:
            return partial(cls.connector.workspaces, api(widest), widest.fields, widest.method)
        return partial(page_of, stream, api(widest), Container(workspace), widest.fields)

    @pytest.fixture
    def spoil(self, sandbox: Sandbox, door: Door, fetch: object) -> Callable[..., None]:
        """Every answer of the API is wrong in this way from now on."""
        path = f"{self.base(door).path}/"

        def order(**wish: Any) -> None:
            sandbox.faults.order({"match": f"{self.asks} {path}*", "times": None, **wish})

        return order

    def identify(self, api: Apis, standing: Standing) -> Identity:
        return self.connector.identify(api(standing), standing.fields, standing.method)

    @classmethod
    def workspaces(cls, api: Apis, standing: Standing) -> list[WorkspaceRecord]:
        def read(checkpoint: str | None) -> Page:
            return cls.connector.workspaces(
                api(standing), standing.fields, standing.method, checkpoint
            )

        return [record for page in pages_of(read) for record in page.records]

    def streams(
        self, api: Apis, standing: Standing, workspace: WorkspaceRecord
    ) -> Iterator[tuple[Stream, list[Page]]]:
        """Each stream that this standing may read, with all its pages."""
        for stream in self.readable(api, standing, Level.WORKSPACE):
            at = Container(workspace)
            yield stream, pages_of(partial(page_of, stream, api(standing), at, standing.fields))

    def readable(self, api: Apis, standing: Standing, level: Level) -> Iterator[Stream]:
        """The streams on this level that the standing's scopes open, as far as they are known."""
        manifest = self.connector.manifest
        said = self.identify(api, standing).scopes
        for stream in self.connector.streams:
            capability = manifest.capability(stream.capability)
            words = {*capability.scopes.get(standing.method.vocabulary, ())}
            opened = said is None or words <= manifest.closure(said)
            possible = opened and not manifest.obstacle(capability, standing.method)
            if stream.level is level and possible:
                yield stream


def page_of(
    stream: Stream,
    api: Api,
    container: Container,
    fields: Mapping[str, str],
    at: str | None,
    commits: tuple[str, ...] = (),
) -> Page:
    """The stream's page at this checkpoint."""
    return stream.page(api, container, fields, Ask(at, commits=commits))


def pages_of(read: Callable[[str | None], Page], after: str | None = None) -> list[Page]:
    """All pages to the end; a list without an end fails."""
    pages = [read(after)]
    while pages[-1].checkpoint is not None and len(pages) < MOST_PAGES:
        pages.append(read(pages[-1].checkpoint))
    assert pages[-1].checkpoint is None
    return pages
