"""Refresh by lineage: intents and due times, spare answers, the ledger, and each vendor's breaker."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import (
    APPEND,
    READ_WRITE,
    append_only,
    composite_key,
    same_organization,
    tenant_table,
)

CREDENTIAL = (
    "intent_version, intent_at, refresh_attempts, refresh_due_at, used_at, quarantined_at,"
    " identified_version"
)
CANDIDATE = "id organization_id credential_id parent received_at expires_at scopes source".split()
ATTEMPT = (
    "id organization_id connection_id credential_id at caller worker parent_version"
    " received_version spent received latency_ms answer decision reference"
).split()
BREAKER = (
    "id organization_id connector host state because opened_at probed_at good_probes told_at"
    " tokens filled_at rate normal_rate"
).split()

# Five to ten minutes before the end; of a life under twenty minutes, with a quarter of it or more
# left. Grants that were refreshed without a known end, and those that wait for a person, have none.
DUE = """
UPDATE connections_credential c
   SET refresh_due_at = CASE
           WHEN c.expires_at - coalesce(c.refreshed_at, c.created_at) < interval '20 minutes'
           THEN c.expires_at - (c.expires_at - coalesce(c.refreshed_at, c.created_at))
                * (0.25 + random() * 0.15)
           ELSE c.expires_at - interval '5 minutes' - random() * interval '5 minutes' END
  FROM connections_connection k
 WHERE k.id = c.connection_id AND c.refreshable AND c.replaced_at IS NULL
   AND c.expires_at IS NOT NULL AND k.state NOT IN ('revoked', 'needs_reauthorization')
"""
BELOW_THE_FENCE = ("connections_credential", "connections_connection")


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0005_counts"),
        ("portal", "0003_lookups"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # The new tables' constraints are checked last, when their row security wants to know of an
        # organization already.
        RunSQL(
            "SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'", RunSQL.noop
        ),
        migrations.CreateModel(
            name="Breaker",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("connector", models.CharField(max_length=40)),
                ("host", models.CharField(max_length=260)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("closed", "Closed"),
                            ("open", "Open"),
                            ("half_open", "Half open"),
                        ],
                        default="closed",
                        max_length=12,
                    ),
                ),
                ("because", models.CharField(blank=True, max_length=40)),
                ("opened_at", models.DateTimeField(null=True)),
                ("probed_at", models.DateTimeField(null=True)),
                ("good_probes", models.SmallIntegerField(default=0)),
                ("told_at", models.DateTimeField(null=True)),
                ("tokens", models.FloatField(default=0)),
                ("filled_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("rate", models.FloatField()),
                ("normal_rate", models.FloatField()),
                ("window", models.JSONField(default=list)),
            ],
            options={
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Candidate",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("parent", models.IntegerField()),
                ("received_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField(null=True)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=80), null=True, size=None
                    ),
                ),
                ("source", models.CharField(max_length=16)),
            ],
            options={
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="RefreshAttempt",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("connection_id", models.UUIDField()),
                ("credential_id", models.UUIDField()),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                ("caller", models.CharField(max_length=16)),
                ("worker", models.CharField(max_length=60)),
                ("parent_version", models.IntegerField()),
                ("received_version", models.IntegerField(null=True)),
                ("spent", models.CharField(blank=True, max_length=16)),
                ("received", models.CharField(blank=True, max_length=16)),
                ("latency_ms", models.IntegerField(null=True)),
                ("answer", models.CharField(max_length=24)),
                ("decision", models.CharField(max_length=32)),
                ("reference", models.CharField(blank=True, max_length=40)),
            ],
            options={
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddField(
            model_name="connection",
            name="looked_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="connection",
            name="looks",
            field=models.SmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="connection",
            name="next_probe_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="connection",
            name="orphaned_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="credential",
            name="identified_version",
            field=models.IntegerField(null=True),
        ),
        migrations.AddField(
            model_name="credential",
            name="intent_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="credential",
            name="intent_version",
            field=models.IntegerField(null=True),
        ),
        migrations.AddField(
            model_name="credential",
            name="quarantined_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="credential",
            name="refresh_attempts",
            field=models.IntegerField(default=0),
        ),
        migrations.AddField(
            model_name="credential",
            name="refresh_due_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="credential",
            name="used_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="connection",
            index=models.Index(
                condition=models.Q(("next_probe_at__isnull", False)),
                fields=["next_probe_at"],
                name="connection_probe_due",
            ),
        ),
        migrations.AddIndex(
            model_name="credential",
            index=models.Index(
                condition=models.Q(("refresh_due_at__isnull", False)),
                fields=["organization", "refresh_due_at"],
                name="credential_refresh_due",
            ),
        ),
        migrations.AddField(
            model_name="breaker",
            name="organization",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="portal.organization",
            ),
        ),
        migrations.AddField(
            model_name="candidate",
            name="credential",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="candidates",
                to="connections.credential",
            ),
        ),
        migrations.AddField(
            model_name="candidate",
            name="organization",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="portal.organization",
            ),
        ),
        migrations.AddField(
            model_name="refreshattempt",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="portal.organization",
            ),
        ),
        migrations.AddConstraint(
            model_name="breaker",
            constraint=models.UniqueConstraint(
                fields=("organization", "connector", "host"), name="breaker_once"
            ),
        ),
        migrations.AddIndex(
            model_name="candidate",
            index=models.Index(
                fields=["organization", "credential"], name="candidate_of_credential"
            ),
        ),
        migrations.AddIndex(
            model_name="refreshattempt",
            index=models.Index(
                fields=["organization", "connection_id", "-at"], name="attempt_story"
            ),
        ),
        composite_key("connections_credential"),
        tenant_table(
            "connections_candidate",
            grants={"portal_app": "SELECT", "portal_worker": READ_WRITE},
            support=CANDIDATE,
        ),
        same_organization("connections_candidate", "credential_id", "connections_credential"),
        tenant_table(
            "connections_refreshattempt",
            grants={"portal_app": "SELECT", "portal_worker": APPEND},
            support=ATTEMPT,
        ),
        append_only("connections_refreshattempt"),
        # The platform's rows: every organization may know that a vendor is in trouble.
        tenant_table(
            "connections_breaker",
            grants={"portal_app": "SELECT", "portal_worker": READ_WRITE},
            platform_readable=True,
            support=BREAKER,
        ),
        RunSQL(
            [
                f"GRANT SELECT ({CREDENTIAL}) ON connections_credential TO portal_support",
                "GRANT SELECT (looks, looked_at, next_probe_at, orphaned_at)"
                " ON connections_connection TO portal_support",
                "GRANT SELECT (next_probe_at) ON connections_connection TO portal_sweeper",
                # Which organizations have grants that are due: queue columns, no facts.
                "CREATE POLICY sweeper ON connections_credential FOR SELECT TO portal_sweeper"
                " USING (true)",
                "GRANT SELECT (id, organization_id, refresh_due_at, intent_version, lease_until,"
                " quarantined_at) ON connections_credential TO portal_sweeper",
                # A claim changes no indexed column: with room on its page it costs no index.
                "ALTER TABLE connections_credential SET (fillfactor = 70)",
            ],
            RunSQL.noop,
        ),
        # Every organization's rows at once: the owner steps over the fence for one statement.
        RunSQL(
            [
                *(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY" for table in BELOW_THE_FENCE),
                DUE,
                *(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY" for table in BELOW_THE_FENCE),
            ],
            RunSQL.noop,
        ),
    ]
