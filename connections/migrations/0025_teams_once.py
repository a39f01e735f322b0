"""Connections ask once a statement, not once a row, whose teams the person entered.

NULL means every team, and such a list of uuids is compared without making text of each row's.
PostgreSQL also guesses well how many rows are left, so that it reads them by the best index.
"""

from django.db import migrations
from django.db.migrations.operations import RunSQL

ENTERED = (
    "(SELECT CASE WHEN current_setting('app.teams') <> '*'"
    " THEN string_to_array(current_setting('app.teams'), ',')::uuid[] END)::uuid[]"
)
TEAMS = f"team_id IS NULL OR coalesce(team_id = ANY ({ENTERED}), true)"


class Migration(migrations.Migration):
    dependencies = [("connections", "0024_lack")]

    argued = {"connections_connection": "the same rows are seen, by everyone"}
    operations = [
        RunSQL(
            f"ALTER POLICY teams ON connections_connection USING ({TEAMS}) WITH CHECK ({TEAMS})",
            RunSQL.noop,
        ),
    ]
