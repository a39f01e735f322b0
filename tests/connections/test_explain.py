"""Every code that can reach a page has an explanation that names who acts and how."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connections import errors
from connections.explain import BROKEN, CODES, Button, explain, explain_link
from connections.explanations import LINK, VENDOR
from connections.grant_explanations import GRANT

FLOWS = Path(__file__).resolve().parents[2] / "connections" / "flows"
SAID = re.compile(
    r"""(?:fail|_fail|failed|_refused_now|refused)\([^()"]*"([a-z_]+)"|code="([a-z_]+)\""""
)


def vendor_errors(base: type[errors.VendorError] = errors.VendorError) -> list[str]:
    return [base.code, *(code for each in base.__subclasses__() for code in vendor_errors(each))]


@pytest.mark.parametrize("code", sorted(set(vendor_errors())))
def test_every_vendor_error_is_explained(code: str) -> None:
    assert code in CODES


def test_every_code_a_flow_writes_is_explained() -> None:
    written = {
        found
        for path in FLOWS.glob("*.py")
        for pair in SAID.findall(path.read_text())
        for found in pair
        if found
    }

    assert written - {"abandoned"} <= CODES


def test_who_acts_agrees_with_the_error() -> None:
    for each in VENDOR:
        error = next((e for e in _all(errors.VendorError) if e.code == each.code), None)
        if error is not None:
            assert each.who is error.who, each.code


def _all(base: type[errors.VendorError]) -> list[type[errors.VendorError]]:
    return [base, *(found for each in base.__subclasses__() for found in _all(each))]


@pytest.mark.parametrize("code", sorted(CODES))
def test_an_explanation_is_calm_and_whole(code: str) -> None:
    each = explain(code, product="Bitbucket Cloud")

    for text in (each.title, each.happened, each.remedy, each.who_acts):
        assert text and "!" not in text and "{" not in text
    assert not each.title.endswith(".")


@pytest.mark.parametrize("code", sorted(CODES | {"something new", ""}))
def test_a_link_that_failed_always_has_a_way_out(code: str) -> None:
    each = explain_link(code, product="Bitbucket Cloud")

    assert each.button not in {Button.NONE, Button.LINK_AGAIN, Button.VERIFY} or each.code in {
        "not_allowed"
    }
    assert "We keep trying" not in each.remedy


def test_codes_are_said_once_each() -> None:
    codes = [each.code for each in VENDOR + GRANT + LINK]

    assert len(codes) == len(set(codes))
    assert "misconfigured" in BROKEN and "unavailable" not in BROKEN
