"""The ground: who is asking, for which organization, may they, and is it on record."""

from portal.celery import app as celery_app

__all__ = ["celery_app"]
