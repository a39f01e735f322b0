"""The pages of connections."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
