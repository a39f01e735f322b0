"""What a repository was called before, and where a branch stood."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("connections", "0031_trail")]

    operations = [
        migrations.AddField(
            model_name="repository",
            name="former_name",
            field=models.CharField(blank=True, db_default="", default="", max_length=400),
        ),
        migrations.AddField(
            model_name="repository",
            name="renamed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="branch",
            name="former_target",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="branch",
            name="rewritten_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="repository",
            index=models.Index(
                condition=models.Q(("gone_at__isnull", False)),
                fields=["organization", "connection", "gone_at"],
                name="repository_gone",
            ),
        ),
        migrations.AddIndex(
            model_name="repository",
            index=models.Index(
                condition=models.Q(("renamed_at__isnull", False)),
                fields=["organization", "connection", "renamed_at"],
                name="repository_renamed",
            ),
        ),
        migrations.AddIndex(
            model_name="branch",
            index=models.Index(
                condition=models.Q(("rewritten_at__isnull", False)),
                fields=["organization", "connection", "rewritten_at"],
                name="branch_rewritten",
            ),
        ),
    ]
