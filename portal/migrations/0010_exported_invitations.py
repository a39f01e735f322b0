"""An export holds the invitations: workers read them, but never the hash of a link."""

from django.db import migrations
from django.db.migrations.operations import RunSQL

from portal.rls import CURRENT

COLUMNS = "id organization_id email role invited_by_id created_at expires_at accepted_at revoked_at"


class Migration(migrations.Migration):
    dependencies = [("portal", "0009_keys")]

    operations = [
        RunSQL(
            [
                "CREATE POLICY worker_read ON portal_invitation FOR SELECT TO portal_worker"
                f" USING (organization_id = {CURRENT})",
                f"GRANT SELECT ({', '.join(COLUMNS.split())}) ON portal_invitation"
                " TO portal_worker",
            ],
            RunSQL.noop,
        ),
    ]
