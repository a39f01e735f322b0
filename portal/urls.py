"""The site map, by strings: the first floor is included by its name."""

from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("", include("connections.urls")),
]
