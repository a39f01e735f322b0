"""Consumers and tokens that exist from the start, derived from the seed and worth nothing."""

from __future__ import annotations

from integrations.sandbox.bitbucket_cloud.credentials import (
    Consumer,
    Registry,
    StaticToken,
    derived,
    static_text,
)
from integrations.sandbox.bitbucket_cloud.world import World

DAY = 86400.0
READ = ["account", "email", "project", "repository", "pullrequest", "pipeline", "webhook"]
GRANULAR_READ = [
    f"read:{thing}:bitbucket"
    for thing in (
        "user",
        "workspace",
        "project",
        "repository",
        "pullrequest",
        "pipeline",
        "webhook",
    )
]
HOOKS = ["write:webhook:bitbucket", "delete:webhook:bitbucket"]

# name, about, workspace, scopes, private, whether it has a callback
CONSUMERS = (
    ("acme-portal", "Everything the portal's capabilities read, and webhooks", "acme",
     READ, True, True),
    ("acme-narrow", "Lacks pull requests, pipelines, projects and webhooks", "acme",
     ["account", "repository"], False, True),
    ("acme-wide", "Grants far more than is asked", "acme",
     [*READ, "repository:admin", "repository:write", "pullrequest:write", "pipeline:variable",
      "project:admin", "account:write", "snippet:write"], True, True),
    ("acme-no-callback", "Has no callback URL, so that every grant is refused", "acme",
     READ, True, False),
    ("dana-personal", "Belongs to a personal workspace", "dana-levi",
     ["account", "repository"], True, True),
)  # fmt: skip
# name, about, kind, user, scopes, days to live (None: none), workspace, project, repository
TOKENS: tuple[tuple[str, str, str, str, list[str], int | None, str, str, str], ...] = (
    ("dana-full", "Dana's API token with every read scope and webhooks", "api_token", "dana",
     GRANULAR_READ + HOOKS, 300, "", "", ""),
    ("dana-writes", "The same, and writes repositories", "api_token", "dana",
     [*GRANULAR_READ, *HOOKS, "write:repository:bitbucket"], 300, "", "", ""),
    ("dana-narrow", "Repositories only: no pull requests, pipelines, projects or webhooks",
     "api_token", "dana", [s for s in GRANULAR_READ if s.split(":")[1] in
                           {"user", "workspace", "repository"}], 120, "", "", ""),
    ("dana-no-user", "Cannot say whose it is: lacks read:user", "api_token", "dana",
     ["read:repository:bitbucket", "read:workspace:bitbucket"], 120, "", "", ""),
    ("dana-one-workspace", "Limited to fjord-lab", "api_token", "dana", GRANULAR_READ, 200,
     "fjord-lab", "", ""),
    ("dana-expiring", "Expires in five days", "api_token", "dana", GRANULAR_READ, 5, "", "", ""),
    ("dana-expired", "Expired yesterday", "api_token", "dana", GRANULAR_READ, -1, "", "", ""),
    ("dana-classic", "An API token without scopes: Bitbucket refuses it", "api_token", "dana",
     [], 200, "", "", ""),
    ("tomas-full", "Tomás sees acme only", "api_token", "tomas", GRANULAR_READ, 250, "", "", ""),
    ("nora-full", "Nora belongs to no workspace", "api_token", "nora", GRANULAR_READ, 250,
     "", "", ""),
    ("dana-app-password", "Died with all app passwords on 28 July 2026", "app_password", "dana",
     ["account", "repository"], None, "", "", ""),
    ("acme-workspace", "Workspace access token for acme", "workspace_access_token", "",
     ["account", "project", "repository", "pullrequest", "pipeline", "webhook"], 365,
     "acme", "", ""),
    ("acme-payments", "Project access token for acme, project PAY", "project_access_token", "",
     ["project", "pullrequest", "pipeline", "webhook"], 365, "acme", "PAY", ""),
    ("acme-repository", "Repository access token for acme's first repository",
     "repo_access_token", "", ["pullrequest", "pipeline", "webhook"], 365, "acme", "", "first"),
    ("acme-repository-narrow", "The same with repository alone", "repo_access_token", "",
     ["repository"], None, "acme", "", "first"),
)  # fmt: skip


def enrol(registry: Registry, world: World, callbacks: list[str], now: float) -> None:
    """Put the known consumers and tokens into the registry."""
    for name, about, workspace, scopes, private, has_callback in CONSUMERS:
        key = derived(f"{world.seed}:consumer:{name}", 18).replace("-", "x").replace("_", "y")
        registry.consumers[key] = Consumer(
            key=key,
            secret=derived(f"{world.seed}:secret:{name}", 32),
            name=name,
            workspace=workspace,
            callbacks=list(callbacks) if has_callback else [],
            scopes=list(scopes),
            private=private,
            about=about,
        )
    for name, about, kind, nickname, scopes, days, workspace, project, repository in TOKENS:
        user = world.users.get(nickname)
        first = world.workspaces["acme"].repositories
        registry.keep_static(
            StaticToken(
                kind=kind,
                token=static_text(kind, f"{world.seed}:token:{name}"),
                scopes=list(scopes),
                expires_at=None if days is None else now + days * DAY,
                user_uuid=user.uuid if user else "",
                email=user.email if user else "",
                workspace=workspace,
                project=project,
                repository=first[0].uuid if repository and first else "",
                about=f"{name}: {about}",
            )
        )
