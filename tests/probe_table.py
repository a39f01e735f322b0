"""The table of probes that a connector's README prints, made from its manifest."""

from __future__ import annotations

from connections.contracts import Capability, Manifest

BEGIN, END = "<!-- probes: kept in step by a test -->", "<!-- end of probes -->"


def table(manifest: Manifest) -> str:
    """Each capability with its scopes in each vocabulary, and what proves it."""
    vocabularies = list(dict.fromkeys(method.vocabulary for method in manifest.methods))
    titles = [word.replace("_", " ") for word in vocabularies]
    rows = [["capability", *titles, "proved by reading"]]
    rows += [
        [capability.title, *(_scopes(capability, v) for v in vocabularies), _proof(capability)]
        for capability in manifest.capabilities
    ]
    rows.insert(1, ["---"] * len(rows[0]))
    proved = sum(bool(capability.probe or capability.proof) for capability in manifest.capabilities)
    head = f"{proved} of {len(manifest.capabilities)} capabilities are proved by a read-only probe."
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([BEGIN, head, "", *lines, END])


def printed(readme: str) -> str:
    """The table as it stands in a README; empty when there is none."""
    begin, end = readme.find(BEGIN), readme.find(END)
    return readme[begin : end + len(END)] if 0 <= begin < end else ""


def _scopes(capability: Capability, vocabulary: str) -> str:
    words = capability.scopes.get(vocabulary)
    if words is None:
        return "not possible"
    return " ".join(f"`{word}`" for word in words) or "none needed"


def _proof(capability: Capability) -> str:
    if capability.proof:
        return f"`{capability.proof}`"
    return f"`GET {capability.probe}`" if capability.probe else "not provable by reading"
