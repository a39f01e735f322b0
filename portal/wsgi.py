"""The web process, and the api process; each refuses to start without its own keys."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
os.environ.setdefault("PORTAL_PROCESS", "web")
application = get_wsgi_application()

from portal.startup import refuse_unless_ready  # noqa: E402  Django is set up first

refuse_unless_ready()
