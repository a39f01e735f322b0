"""A person may say when the secret that they paste ends."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("connections", "0022_servers_in_trouble")]

    operations = [
        migrations.AddField(
            model_name="pendinglink",
            name="ends_at",
            field=models.DateTimeField(null=True),
        ),
    ]
