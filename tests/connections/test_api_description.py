"""The OpenAPI document is right, real answers are as it says, and its page shows all of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from connections.api import description, kinds
from connections.models import Connection
from portal.models import Organization
from tests.leasing import Service, at_the_api, service, with_token
from tests.works import Works

ADDRESS = "http://localhost:8001"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """As it is served."""
    return json.loads(json.dumps(description.document(ADDRESS)))  # type: ignore[no-any-return]


@pytest.fixture
def reports(works: Works) -> Service:
    return service(works)


@pytest.fixture
def code(works: Works) -> Connection:
    return with_token(works)


def check(document: dict[str, Any], path: str, method: str, response: HttpResponse) -> None:
    """The answer has a status that the document names, and the body that goes with it."""
    named = document["paths"][path][method]["responses"]
    assert str(response.status_code) in named, (path, response.status_code, response.content)
    declared = named[str(response.status_code)]["headers"]
    assert declared.keys() <= {name for name, _ in response.items()}
    content = named[str(response.status_code)]["content"]
    (media,) = content
    assert response["Content-Type"] == media
    whole = Resource.from_contents(document, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:api", whole)
    schema = json.loads(json.dumps(content[media]["schema"]).replace('"#/', '"urn:api#/'))
    found = Draft202012Validator(schema, registry=registry, format_checker=FormatChecker())
    found.validate(response.json())


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    validate(document, cls=OpenAPIV31SpecValidator)
    assert document["openapi"].startswith("3.1")


def test_it_is_served_without_a_key() -> None:
    with at_the_api():
        response = Client().get("/api/v1/openapi.json")
    assert response.json()["info"]["title"] == "Portal API"


@pytest.mark.django_db
class TestRealAnswers:
    LEASE = "/connections/{connection_id}/token"

    def test_leases(self, document: dict[str, Any], reports: Service, code: Connection) -> None:
        for body in ({}, {"min_ttl_seconds": 0}, {"min_ttl_seconds": 3600, "wait_seconds": 0}):
            check(document, self.LEASE, "post", reports.ask(code, **body))

    def test_refused_leases(
        self, document: dict[str, Any], works: Works, reports: Service, code: Connection
    ) -> None:
        with works.inside():
            Connection.objects.filter(id=code.id).update(state="needs_reauthorization")
        check(document, self.LEASE, "post", reports.ask(code))
        check(document, self.LEASE, "post", reports.ask(works.acme.id))
        reports.whole = ""
        check(document, self.LEASE, "post", reports.ask(code))

    def test_facts(
        self, document: dict[str, Any], works: Works, reports: Service, code: Connection
    ) -> None:
        with works.inside():
            Connection.objects.create(
                connector="bitbucket-cloud", method="oauth", name="Bare", account_id="x"
            )
        check(document, "/connections", "get", reports.get("connections"))
        check(document, "/connections", "get", reports.get("connections?limit=1"))
        check(document, "/connections", "get", reports.get("connections?limit=0"))
        one = "/connections/{connection_id}"
        check(document, one, "get", reports.get(f"connections/{code.id}"))
        check(document, one, "get", reports.get(f"connections/{works.acme.id}"))

    def test_every_paced_refusal_tells_the_pace(
        self, document: dict[str, Any], works: Works, reports: Service, code: Connection
    ) -> None:
        leaser = service(works, scopes=["tokens:read"])
        for refused in (
            reports.get("connections?limit=0"), reports.get(f"connections/{works.acme.id}"),
            reports.get("connections?cursor=x"), leaser.get("connections"), reports.ask("x"),
        ):  # fmt: skip
            assert refused.status_code >= 400
            assert refused["RateLimit"] and refused["RateLimit-Policy"]
        late = with_token(works, "Late", hours=-0.1)
        check(document, self.LEASE, "post", reports.ask(late, wait_seconds=0))

    def test_every_page_of_a_list_is_walked_once(
        self, works: Works, reports: Service, document: dict[str, Any]
    ) -> None:
        made = {str(with_token(works, f"Code {n}").id) for n in range(5)}
        seen: list[str] = []
        cursor = ""
        while True:
            body = reports.get(f"connections?limit=2&cursor={cursor}").json()
            seen += [each["id"] for each in body["connections"]]
            cursor = body["next_cursor"]
            if cursor is None:
                break
        assert len(seen) == 5 and set(seen) == made

    def test_F14_a_cursor_of_another_organization_is_refused(
        self, works: Works, document: dict[str, Any]
    ) -> None:
        for n in range(2):
            with_token(works, f"Code {n}")
        cursor = service(works).get("connections?limit=1").json()["next_cursor"]
        globex: Organization = works.organization("globex")
        boss = works.person("boss@globex.example", "Boss", "owner", globex)  # type: ignore[arg-type]
        with_globex = Works.__new__(Works)
        with_globex.acme, with_globex.admin = globex, boss
        foreign = service(with_globex).get(f"connections?cursor={cursor}")
        check(document, "/connections", "get", foreign)
        assert foreign.status_code == 400
        for query in ("sort=name", "state=x", "limit=1&limit=2", "label=%00", "limit=1e9"):
            assert service(works).get(f"connections?{query}").status_code == 400, query


def test_its_page_names_every_operation_field_and_code(db: None) -> None:
    page = Client().get("/api/").content.decode()
    document = description.document(ADDRESS)
    for path, found in document["paths"].items():
        assert path in page
        for method, operation in found.items():
            assert method == "parameters" or f'id="{operation["operationId"]}"' in page
    for kind in kinds.every():
        assert f'id="{kind.code}"' in page
    for name in document["components"]["schemas"]["Lease"]["properties"]:
        assert f"<code>{name}</code>" in page
    assert not re.search(r"<script(?![^>]*src=\"/static/)", page)
