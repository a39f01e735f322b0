"""What a request asks for exactly, and who has taken theirs back."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0019_feeds_by_key"),
    ]

    operations = [
        migrations.AddField(
            model_name="linkrequest",
            name="formerly_asked_by",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(), db_default=[], default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="linkrequest",
            name="terms",
            field=models.JSONField(db_default={}, default=dict),
        ),
        migrations.AlterField(
            model_name="linkrequest",
            name="kind",
            field=models.CharField(
                choices=[("link", "A link"), ("capability", "A capability"), ("host", "A server")],
                max_length=12,
            ),
        ),
    ]
