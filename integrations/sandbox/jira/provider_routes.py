"""What development providers may call, below api.atlassian.com/jira, with the scopes they need."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from integrations.sandbox.atlassian.call import Call, Route
from integrations.sandbox.http import Response
from integrations.sandbox.jira import build_deployment, devinfo
from integrations.sandbox.jira.build_deployment import BUILDS, DEPLOYMENTS
from integrations.sandbox.jira.provider_place import ProviderPlace

Worker = Callable[[ProviderPlace], Response]
VERBS = {"GET": "read", "POST": "write", "DELETE": "delete"}
ONE_BUILD = "/pipelines/{pipeline}/builds/{number}"
ONE_DEPLOYMENT = "/pipelines/{pipeline}/environments/{environment}/deployments/{number}"

# kind → what its scopes are called; method, path below the site, what answers
TABLES: dict[str, tuple[str, tuple[tuple[str, str, Worker], ...]]] = {
    "devinfo": ("dev-info", (
        ("POST", "/bulk", devinfo.submit),
        ("GET", "/repository/{repository}", devinfo.show),
        ("DELETE", "/repository/{repository}", devinfo.delete_repository),
        ("DELETE", "/repository/{repository}/{kind}/{entity}", devinfo.delete_entity),
        ("DELETE", "/bulkByProperties", devinfo.delete_by_properties),
        ("GET", "/existsByProperties", devinfo.exists),
    )),
    "builds": ("build-info", (
        ("POST", "/bulk", partial(build_deployment.submit, BUILDS)),
        ("GET", ONE_BUILD, partial(build_deployment.show, BUILDS)),
        ("DELETE", ONE_BUILD, partial(build_deployment.delete, BUILDS)),
        ("DELETE", "/bulkByProperties", partial(build_deployment.delete_by_properties, BUILDS)),
    )),
    "deployments": ("deployment-info", (
        ("POST", "/bulk", partial(build_deployment.submit, DEPLOYMENTS)),
        ("GET", ONE_DEPLOYMENT, partial(build_deployment.show, DEPLOYMENTS)),
        ("DELETE", ONE_DEPLOYMENT, partial(build_deployment.delete, DEPLOYMENTS)),
        ("GET", f"{ONE_DEPLOYMENT}/gating-status", build_deployment.gating),
        ("DELETE", "/bulkByProperties",
         partial(build_deployment.delete_by_properties, DEPLOYMENTS)),
    )),
}  # fmt: skip


def routes(place_of: Callable[[Call], ProviderPlace]) -> tuple[Route, ...]:
    """Return the table; paths begin with the kind, as `/devinfo/bulk`."""

    def bound(worker: Worker) -> Callable[[Call], Response]:
        return lambda call: worker(place_of(call))

    return tuple(
        Route(method, f"/{kind}{path}", bound(worker), ((f"{VERBS[method]}:{words}:jira",),))
        for kind, (words, table) in TABLES.items()
        for method, path, worker in table
    )
