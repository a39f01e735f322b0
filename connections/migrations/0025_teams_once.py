"""Connections ask once a statement, not once a row, whose teams the person entered."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

from portal.rls import TEAMS


class Migration(migrations.Migration):
    dependencies = [("connections", "0024_lack")]

    argued = {"connections_connection": "the same rows are seen, by everyone"}
    operations = [
        RunSQL(
            f"ALTER POLICY teams ON connections_connection USING ({TEAMS}) WITH CHECK ({TEAMS})",
            RunSQL.noop,
        ),
    ]
