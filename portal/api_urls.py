"""The addresses of the API process; the first floor's are included by name."""

from django.urls import include, path

from portal.views import health, service

urlpatterns = [
    path("api/v1", service.index),
    path("api/v1/", service.index, name="api"),
    path("", include("connections.api.urls")),
    path("health/alive/", health.alive, name="health_alive"),
    path("health/ready/", health.ready, name="health_ready"),
]

handler400 = "portal.problem_details.bad_request"
handler403 = "portal.problem_details.forbidden"
handler404 = "portal.problem_details.not_found"
handler500 = "portal.problem_details.server_error"
