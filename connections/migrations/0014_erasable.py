"""Rows that no worker may delete go with their organization once that is erased."""

from django.db import migrations

from portal.rls import erasable


class Migration(migrations.Migration):
    dependencies = [("connections", "0013_campaigns_and_policies"), ("portal", "0009_keys")]

    operations = [
        erasable(
            "connections_allowlistentry",
            "connections_calendarfeed",
            "connections_connectlink",
            "connections_consumer",
            "connections_heldback",
            "connections_keyuse",
            "connections_lease",
            "connections_linkrequest",
            "connections_refreshattempt",
            "connections_rotationpolicy",
            "connections_servicekey",
            "connections_usedendpoint",
        ),
    ]
