"""The whole connector: what is data about it, who the token is, and which shelves it reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connections.contracts import (
    Account,
    Answer,
    Api,
    Capability,
    Field,
    Identity,
    Manifest,
    Method,
    MethodKind,
    Page,
    RateBudget,
    Step,
    Stream,
    WorkspaceRecord,
)
from connections.errors import ReauthorizationRequired, VendorError
from integrations import answers

WORDS = "token"

MANIFEST = Manifest(
    contract_version=1,
    slug="almanac",
    name="Almanac",
    vendor="Nobody",
    summary="Tides and moons, by shelf.",
    gives=("Shelves",),
    takes="A token of your account.",
    api_url="https://api.almanac.example/v1/",
    docs_url="https://almanac.example/docs",
    workspace_word="shelf",
    methods=(
        Method(
            key="token",
            kind=MethodKind.SECRET,
            title="Token",
            summary="A token of your account.",
            vocabulary=WORDS,
            credential_kind="token",
            fields=(Field("token", "Token", help="From your account's page.", secret=True),),
            steps=(Step("Open your account's page and make a token."),),
            acts_as="You",
            lifetime="Until you delete it",
        ),
    ),
    capabilities=(
        Capability(
            key="shelves-read",
            title="See shelves",
            why="Shows which shelves there are.",
            scopes={WORDS: ("read",)},
            labels={WORDS: ("Read",)},
            probe="shelves/{workspace}",
            minimal=True,
        ),
        Capability(
            key="pages-write",
            title="Write pages",
            why="Adds what happened to a page.",
            scopes={WORDS: ("write",)},
            labels={WORDS: ("Write",)},
            unprovable="Only writing would prove it.",
            writes=True,
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Almanac:
    manifest: Manifest = MANIFEST
    streams: tuple[Stream, ...] = ()

    def identify(self, api: Api, fields: Mapping[str, str], method: Method) -> Identity:
        """Whose token it is, and what it may."""
        raw = answers.body(api.get("me"))
        return Identity(
            account=Account(str(raw["id"]), str(raw["name"]), "user"),
            credential_kind=method.credential_kind,
            scopes=frozenset(raw["scopes"]),
            vocabulary=method.vocabulary,
        )

    def workspaces(
        self, api: Api, fields: Mapping[str, str], method: Method, checkpoint: str | None
    ) -> Page:
        """All shelves at once."""
        names = answers.body(api.get("shelves"))["shelves"]
        return Page(tuple(WorkspaceRecord(name, name, name.title()) for name in names), None)

    def judge(self, answer: Answer) -> VendorError | None:
        return answers.judge(answer, {**answers.JUDGES, 401: _refused})

    def rate(self, answer: Answer) -> RateBudget:
        return RateBudget()


def _refused(answer: Answer) -> VendorError:
    return ReauthorizationRequired(answers.message(answer), **answers.facts(answer))


CONNECTOR = Almanac()
