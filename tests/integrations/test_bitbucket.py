"""What Bitbucket Cloud and Data Center share is the same for both."""

from __future__ import annotations

from typing import Any

import pytest

from connections.contracts import Answer, Connector
from connections.errors import Unavailable, UnexpectedResponse
from integrations import bitbucket, bitbucket_cloud, bitbucket_data_center

BOTH = pytest.mark.parametrize(
    "connector", [bitbucket_cloud.CONNECTOR, bitbucket_data_center.CONNECTOR], ids=["cloud", "own"]
)


def answer(status: int, body: Any = None, text: str = "", **headers: str) -> Answer:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, told, body, "GET /rest/x?filter=dana", 0.01, text)


@BOTH
def test_a_busy_server_says_when_to_come_back(connector: Connector) -> None:
    found = connector.judge(answer(503, retry_after="30"))

    assert isinstance(found, Unavailable) and found.retry_after_seconds == 30.0


@BOTH
def test_a_login_page_is_unexpected_and_nothing_of_it_is_kept(connector: Connector) -> None:
    found = connector.judge(answer(200, text="<html>dana@acme.example</html>"))

    assert isinstance(found, UnexpectedResponse) and found.request == "GET /rest/x"
    assert "dana" not in found.detail


@BOTH
def test_a_redirect_names_its_host_alone(connector: Connector) -> None:
    found = connector.judge(answer(302, location="https://login.acme.example/?user=dana"))

    assert found is not None and found.detail == "Redirected to login.acme.example."


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "No."}, "message": "not this"},
        {"errors": [{"context": None}, {"message": "No."}]},
        {"error": "invalid", "message": "No."},
    ],
)
def test_the_vendors_sentence_is_found_wherever_it_stands(body: Any) -> None:
    assert bitbucket.message(answer(404, body)) == "No."


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("https://bitbucket.acme.example/x", "https://bitbucket.acme.example/x"),
        ("http://bitbucket.acme.example/x", ""),
        ("https://bitbucket.acme.example/\x00", ""),
        ("https://bitbucket.acme.example/" + "x" * 500, ""),
        ("https://[", ""),
        (None, ""),
    ],
)
def test_only_what_a_person_can_open_becomes_a_link(address: object, link: str) -> None:
    assert bitbucket.html_link(address) == link


def test_a_name_keeps_what_shapes_its_letters() -> None:
    assert bitbucket.text({"name": " می\u200cخواهم\x00 \n"}, "name") == "می\u200cخواهم"
