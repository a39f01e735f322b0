"""What a removed team or connection takes along: its connect links and what was asked for it."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

from portal.rls import same_organization


class Migration(migrations.Migration):
    dependencies = [("connections", "0015_consumer_base_url")]

    operations = [
        same_organization(
            "connections_connectlink",
            "campaign_id",
            "connections_campaign",
            on_delete="SET NULL",
        ),
        RunSQL(
            "GRANT DELETE ON connections_connectlink, connections_linkrequest"
            " TO portal_app, portal_worker",
            RunSQL.noop,
        ),
    ]
