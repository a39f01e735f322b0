"""A consumer of a self-hosted product belongs to one base URL: its secret is sent nowhere else."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("connections", "0014_erasable")]

    operations = [
        migrations.AddField(
            model_name="consumer",
            name="base_url",
            field=models.CharField(blank=True, db_default="", default="", max_length=2048),
        ),
    ]
