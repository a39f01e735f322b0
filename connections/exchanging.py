"""A pasted client secret becomes a short-lived access token; it is shown as often as one is needed.

Runs in a worker, outside transactions. Nothing is spent: asking twice does no harm.
"""

from __future__ import annotations

from dataclasses import replace

from connections import oauth_wire
from connections.access import Way
from connections.contracts import ClientCredentials, Exchanges, OAuth2, TokenAnswer
from connections.errors import Misconfigured, ReauthorizationRequired
from connections.http import TOKEN
from portal.secret import Secret


def exchanged(
    way: Way,
    secret: Secret,
    *,
    scopes: frozenset[str] = frozenset(),
    deadline_seconds: float = oauth_wire.DEADLINE_SECONDS,
) -> TokenAnswer:
    """The access token that the vendor gives for this secret; raises what its answer means.

    The client is the connection's own: where the vendor does not know it, a person pastes another.
    """
    try:
        if way.method.exchange is None:
            answer = _by_connector(way, secret, deadline_seconds)
        else:
            endpoint = _endpoint(way, way.method.exchange, secret)
            answer = endpoint.client_credentials(scopes=scopes, deadline_seconds=deadline_seconds)
    except Misconfigured as error:
        raise ReauthorizationRequired(
            error.detail, status=error.status, request=error.request
        ) from error
    return replace(answer, refresh_token=None)


def _by_connector(way: Way, secret: Secret, deadline_seconds: float) -> TokenAnswer:
    if not isinstance(way.connector, Exchanges):
        raise Misconfigured(f"{way.manifest.name} exchanges no secrets.")
    api = way.anonymous(deadline_seconds=deadline_seconds)
    return way.connector.exchange(api, way.fields, way.method, secret.reveal())


def _endpoint(way: Way, exchange: ClientCredentials, secret: Secret) -> oauth_wire.TokenEndpoint:
    place = way.place.at(exchange.token_url)
    return oauth_wire.TokenEndpoint(
        oauth=OAuth2(
            authorize_url="",
            token_url=str(place),
            client_auth=exchange.client_auth,
            body=exchange.body,
            sends_scope=exchange.sends_scope,
            unsaid=exchange.unsaid,
            default_lifetime_seconds=exchange.default_lifetime_seconds,
        ),
        client=oauth_wire.Client(way.fields[exchange.client_id], secret.reveal()),
        door=way.through,
        origin=place.origin,
        limits=TOKEN,
        params=exchange.params,
    )
