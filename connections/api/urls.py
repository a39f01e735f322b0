"""What the api process serves under /api/v1/ besides its index."""

from __future__ import annotations

from django.urls import URLPattern, path

from connections.api import views

urlpatterns: list[URLPattern] = [
    path("api/v1/openapi.json", views.openapi, name="api_openapi"),
    path("api/v1/connections", views.connections, name="api_connections"),
    path("api/v1/connections/<str:connection_id>", views.connection, name="api_connection"),
    path("api/v1/connections/<str:connection_id>/token", views.token, name="api_token"),
]
