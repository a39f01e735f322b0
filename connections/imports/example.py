"""An example file to begin with, made from the manifests: a row for each way. No Django here."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Final

from connections.contracts import BASE_URL, Manifest, Method

ABOUT: Final = ("connector", "method", "name", "team", BASE_URL)
REST: Final = ("labels", "expires_at", "token")


def csv_text(manifests: Iterable[Manifest]) -> str:
    """The example as CSV, with the mark by which spreadsheets know UTF-8."""
    rows = [
        _row(manifest, method)
        for manifest in manifests
        for method in manifest.choices
        if method.kind.is_pasted
    ]
    asked = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    columns = [*ABOUT, *(name for name in asked if name not in {*ABOUT, *REST}), *REST]
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return "\ufeff" + text.getvalue()


def _row(manifest: Manifest, method: Method) -> dict[str, str]:
    about = {"connector": manifest.slug, "method": method.key}
    secret = next(field.label for field in method.fields if field.secret)
    about["token"] = f"paste the {secret[:1].lower()}{secret[1:]} here"
    about["name"] = f"{manifest.name} by {method.title.lower()}"
    about["team"] = "The team’s name here"
    if manifest.self_hosted is not None:
        about[BASE_URL] = manifest.self_hosted.placeholder
    asked = {field.name: field.placeholder for field in method.fields if not field.secret}
    return asked | about
