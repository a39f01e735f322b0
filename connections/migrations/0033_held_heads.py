"""Which commits a pass goes by, below which of them all is held, and when a pass got on last."""

import django.contrib.postgres.fields
from django.db import migrations, models


def hashes() -> django.contrib.postgres.fields.ArrayField:
    return django.contrib.postgres.fields.ArrayField(
        base_field=models.CharField(max_length=64), null=True, size=None
    )


class Migration(migrations.Migration):
    dependencies = [("connections", "0032_former_names")]

    operations = [
        migrations.AddField("streamstate", "last_page_at", models.DateTimeField(null=True)),
        migrations.AddField("streamstate", "heads", hashes()),
        migrations.AddField("streamstate", "held_heads", hashes()),
    ]
