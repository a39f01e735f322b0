"""What is chained in batches is read by its time; its rows lie in that order anyway."""

from django.db import migrations
from django.db.migrations.operations import RunSQL


class Migration(migrations.Migration):
    dependencies = [("connections", "0008_held_back")]

    operations = [
        RunSQL(
            f"CREATE INDEX {table}_by_time ON {table} USING brin (at) WITH (autosummarize = on)",
            f"DROP INDEX {table}_by_time",
        )
        for table in ("connections_lease", "connections_refreshattempt")
    ]
