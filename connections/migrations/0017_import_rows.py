"""A removed team leaves the rows of old imports; and a row knows that its grant was renewed."""

from django.db import migrations, models
from django.db.migrations.operations import RunSQL


class Migration(migrations.Migration):
    dependencies = [("connections", "0016_links_leave")]

    operations = [
        migrations.AddField(
            model_name="importrow",
            name="renewed_at",
            field=models.DateTimeField(null=True),
        ),
        RunSQL(
            "GRANT UPDATE (team_id, consumer_id) ON connections_importrow TO portal_app",
            "REVOKE UPDATE (team_id, consumer_id) ON connections_importrow FROM portal_app",
        ),
    ]
