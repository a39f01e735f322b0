"""Where a person withdraws a credential by hand, by the method through which it came."""

from __future__ import annotations

from connections.contracts import BASE_URL, Manifest, Method


def address(manifest: Manifest, method: Method, fields: dict[str, str]) -> str:
    """The page at the vendor; empty where nobody knows one."""
    if method.rotation and method.rotation.by_hand_path and BASE_URL in fields:
        path = method.rotation.by_hand_path.format_map(fields)
        return f"{fields[BASE_URL].rstrip('/')}/{path}"
    if method.kind.is_pasted:
        return next((step.url for step in method.steps if step.url), manifest.docs_url)
    return manifest.account_settings_url
