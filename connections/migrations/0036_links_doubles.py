"""A link remembers what brings the same to its target already."""

import django.contrib.postgres.fields
from django.db import migrations, models
from django.db.migrations.operations import RunSQL


class Migration(migrations.Migration):
    dependencies = [("connections", "0035_links_seen")]

    operations = [
        migrations.AddField(
            model_name="link",
            name="doubles",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=300), null=True, size=None
            ),
        ),
        migrations.AddField(
            model_name="link",
            name="doubles_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="link",
            name="doubles_error",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
        RunSQL(
            "GRANT SELECT (doubles_at, doubles_error) ON connections_link TO portal_support",
            RunSQL.noop,
        ),
    ]
