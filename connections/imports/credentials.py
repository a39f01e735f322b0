"""Which way of linking a row's credential is, and what is wrong with it. No Django here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from connections.contracts import Manifest, Method, MethodKind, TokenPrefix
from connections.imports.findings import Finding, error, warning

IMPORTABLE = frozenset({MethodKind.SECRET, MethodKind.EXCHANGED, MethodKind.AUTHORIZATION_CODE})
NOT_REFRESHED = "What this way brings is exchanged, not refreshed. Leave this cell empty."


def prefix_of(manifest: Manifest, token: str) -> TokenPrefix | None:
    """What the token's first characters say at this vendor."""
    return next((p for p in manifest.token_prefixes if token.startswith(p.prefix)), None)


def by_token(manifest: Manifest, token: str) -> list[Method] | None:
    """The methods a token of this prefix belongs to; None when it does not say."""
    prefix = prefix_of(manifest, token) if token else None
    if prefix is None or not prefix.methods:
        return None
    return [method for method in manifest.methods if method.key in prefix.methods]


def by_name(manifest: Manifest, named: str, values: Mapping[str, str]) -> Method | None:
    """The method that a row names by key, title or the vendor's word for its credential."""
    wanted = _plain(named)
    named_so = [
        method
        for method in manifest.methods
        if method.kind in IMPORTABLE
        and wanted in {_plain(method.key), _plain(method.title), _plain(method.credential_kind)}
    ]
    return fitting(named_so, values) or (named_so[0] if named_so else None)


def fitting(possible: Sequence[Method] | None, values: Mapping[str, str]) -> Method | None:
    """The method whose answers the row has, the one with most of them; None when it is not clear.

    A row with a workspace and a repository brings the repository's token, not the workspace's.
    """
    if not possible:
        return None
    if len(possible) == 1:
        return possible[0]
    filled = [
        (len(asked), method)
        for method in possible
        if (asked := [f.name for f in method.fields if not f.secret]) is not None
        and all(values.get(name) for name in asked)
    ]
    most = max((count for count, _ in filled), default=0)
    best = [method for count, method in filled if count == most]
    return best[0] if len(best) == 1 else None


def choices(manifest: Manifest, possible: Sequence[Method] | None = None) -> str:
    """What a person may write into the column `method`."""
    keys = [m.key for m in possible or manifest.methods if m.kind in IMPORTABLE]
    return f"Name one of these ways: {', '.join(keys)}."


def fields(method: Method, values: Mapping[str, str]) -> tuple[dict[str, str], list[Finding]]:
    """The method's answers that the row has, and one finding for each that is missing or wrong."""
    kept, found = {}, []
    for asked in method.fields:
        if asked.secret:
            continue
        text = values.get(asked.name, "")
        if not text or len(text) > asked.max_length:
            found.append(error(asked.name, f"Fill in {asked.label}. {asked.help}".strip()))
        elif asked.pattern and not re.fullmatch(asked.pattern, text):
            found.append(error(asked.name, f"{asked.label} does not look right. {asked.help}"))
        else:
            kept[asked.name] = text
    return kept, found


def problems(manifest: Manifest, method: Method, secrets: Mapping[str, str]) -> list[Finding]:
    """What is wrong with the secret, told without a letter of it."""
    token = secrets.get("token", "")
    asked = next((f for f in method.fields if f.secret), None)
    if not token:
        named = asked.label if asked else "access token"
        return [error("token", f"Put the {named[:1].lower()}{named[1:]} itself into this column.")]
    if asked is None:
        return _oauth_problems(secrets)
    if method.kind is MethodKind.EXCHANGED and "refresh_token" in secrets:
        return [error("refresh_token", NOT_REFRESHED)]
    if len(token) > asked.max_length:
        return [error("token", "It is longer than any token of this kind. Copy it again.")]
    if asked.pattern and not re.fullmatch(asked.pattern, token):
        return [error("token", "A token has no spaces or line breaks. Copy it again, whole.")]
    prefix = prefix_of(manifest, token)
    if prefix is not None and method.key not in prefix.methods:
        return [error("token", prefix.refusal or _other_kind(prefix))]
    return []


def _other_kind(prefix: TokenPrefix) -> str:
    return f"This is a {prefix.name}. Correct the column “method”: {', '.join(prefix.methods)}."


def _oauth_problems(secrets: Mapping[str, str]) -> list[Finding]:
    if any(not re.fullmatch(r"[\x21-\x7e]+", text) for text in secrets.values()):
        return [error("token", "A token has no spaces or line breaks. Copy it again, whole.")]
    if "refresh_token" not in secrets:
        text = "An access token ends within hours. Bring its refresh token, or link it here anew."
        return [error("refresh_token", text)]
    return []


def capabilities(
    manifest: Manifest, method: Method, wanted: Sequence[str]
) -> tuple[list[str], list[Finding]]:
    """What the connection is for: what the row asks for and the method can do, else the least."""
    can = [c.key for c in manifest.capabilities if not manifest.obstacle(c, method)]
    asked = [key for key in can if key in wanted]
    if wanted and len(asked) < len(set(wanted)):
        text = "Not all of these are known or possible this way; the others are left out."
        return asked or _least(manifest, can), [warning("capabilities", text)]
    return asked or _least(manifest, can), []


def _least(manifest: Manifest, can: Sequence[str]) -> list[str]:
    return [c.key for c in manifest.capabilities if c.minimal and c.key in can]


def _plain(text: str) -> str:
    return re.sub(r"[\s_\-]+", "", text.lower())
