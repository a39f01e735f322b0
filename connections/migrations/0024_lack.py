"""What a verification found not possible stands on its own row, for lists."""

from django.db import migrations, models
from django.db.migrations.operations import RunSQL


class Migration(migrations.Migration):
    dependencies = [("connections", "0023_told_ends")]

    operations = [
        migrations.AddField(
            model_name="verification",
            name="lack",
            field=models.CharField(max_length=260, null=True),
        ),
        RunSQL("GRANT SELECT (lack) ON connections_verification TO portal_support", RunSQL.noop),
    ]
