"""The site map, by strings: the first floor is included by its name."""

from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("", include("connections.urls")),
]

handler400 = "portal.views.problems.bad_request"
handler403 = "portal.views.problems.forbidden"
handler404 = "portal.views.problems.not_found"
handler500 = "portal.views.problems.server_error"
