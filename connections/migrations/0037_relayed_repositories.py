"""The web process marks which repositories take part in a link."""

from django.db import migrations
from django.db.migrations.operations import RunSQL


class Migration(migrations.Migration):
    dependencies = [("connections", "0036_links_doubles")]

    operations = [
        RunSQL("GRANT UPDATE (relayed_at) ON connections_repository TO portal_app", RunSQL.noop),
    ]
