"""The server's refusals: an envelope of `errors`, each with the name of its exception."""

from __future__ import annotations

from integrations.sandbox.http import ApiError, json_response, text_response

PACKAGE = "com.atlassian.bitbucket."
NOT_PERMITTED = "You are not permitted to access this resource"


def failure(status: int, message: str, exception: str) -> ApiError:
    # The real server says `"context": null`; its schema knows no null.
    error = {"context": None, "message": message, "exceptionName": PACKAGE + exception}
    return ApiError(json_response({"errors": [error]}, status))


def not_permitted() -> ApiError:
    """401 is what a missing permission is answered with, not 403."""
    return failure(401, NOT_PERMITTED, "AuthorisationException")


def wrong_credentials() -> ApiError:
    return failure(
        401,
        "Authentication failed. Please check your credentials and try again.",
        "auth.IncorrectPasswordAuthenticationException",
    )


def no_project(key: str) -> ApiError:
    return failure(404, f"Project {key} does not exist.", "project.NoSuchProjectException")


def no_repository(project: str, slug: str) -> ApiError:
    return failure(
        404, f"Repository {project}/{slug} does not exist.", "repository.NoSuchRepositoryException"
    )


def no_user(slug: str) -> ApiError:
    return failure(404, f"{slug} does not exist.", "user.NoSuchUserException")


def no_commit(revision: str, slug: str) -> ApiError:
    return no_thing(f"Commit '{revision}' does not exist in '{slug}'.", "commit.NoSuchCommit")


def no_thing(message: str, exception: str) -> ApiError:
    return failure(404, message, f"{exception}Exception")


def no_token(identifier: str) -> ApiError:
    return failure(404, f"No access token {identifier}.", "accesstokens.NoSuchTokenException")


def invalid(message: str) -> ApiError:
    return failure(400, message, "ArgumentValidationException")


def too_many(seconds: int | None) -> ApiError:
    """The body is no JSON envelope (cdancy/bitbucket-rest issue 354)."""
    headers = {} if seconds is None else {"Retry-After": str(seconds)}
    return ApiError(text_response("Too many requests", 429, headers))
