"""The web, api and ingest processes; each refuses to start without its own keys."""

import os

import django
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
os.environ.setdefault("PORTAL_PROCESS", "web")
django.setup()

from django.conf import settings  # noqa: E402  Django is set up first
from django.utils.module_loading import import_string  # noqa: E402

from portal.startup import serve  # noqa: E402

if settings.PROCESS == "ingest":  # not even Django's request cycle is behind it
    application = import_string(settings.INGEST_APPLICATION)
else:
    application = get_wsgi_application()
if settings.PROCESS == "api":
    application = import_string(settings.API_FRONT)(application)
serve()
