"""Notices ask once a statement, not once a row, whose teams the person entered."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

from portal.rls import TEAMS


class Migration(migrations.Migration):
    dependencies = [("portal", "0010_exported_invitations")]

    argued = {"portal_notice": "the same rows are seen, by everyone"}
    operations = [
        RunSQL(
            f"ALTER POLICY teams ON portal_notice USING ({TEAMS}) WITH CHECK ({TEAMS})",
            RunSQL.noop,
        ),
    ]
