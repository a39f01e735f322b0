"""Campaigns, rotation policies, calendar feeds, and the endpoints that connections use."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import READ_WRITE, composite_key, lookup_function, same_organization, tenant_table

CAMPAIGN = (
    "id organization_id title goal because due_at zone started_by_id started_by_name"
    " started_at ended_at cancelled_at cancelled_by_name"
).split()
ITEM = (
    "id organization_id campaign_id connection_id done_at excluded_at excluded_by_name"
    " excluded_because"
).split()
POLICY = (
    "id organization_id connection_id max_age_days forbids_personal told_roles told_people"
    " escalate_after_days excepted_until excepted_because excepted_by_name changed_at"
    " changed_by_name"
).split()
USED = "id organization_id connection_id endpoint first_at last_at".split()

# How many connections of how many organizations a change of a vendor hits: counts, and only for
# those who run the platform.
HITS = """
RETURNS TABLE (connections bigint, organizations bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
SELECT count(*), count(DISTINCT c.organization_id) FROM connections_connection c
 WHERE c.connector = slug AND c.state <> 'revoked'
   AND (EXISTS (SELECT FROM connections_credential k WHERE k.connection_id = c.id
                   AND k.organization_id = c.organization_id AND k.replaced_at IS NULL
                   AND (k.kind = ANY (kinds) OR k.scopes::text[] && words))
        OR EXISTS (SELECT FROM connections_usedendpoint e WHERE e.connection_id = c.id
                      AND e.organization_id = c.organization_id AND e.endpoint = ANY (asked)
                      AND e.last_at >= since))
   AND EXISTS (SELECT FROM portal_user u
                WHERE u.id = asker AND u.is_operator AND u.is_active) $$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0012_approvals_and_links"),
        ("portal", "0008_approvals_and_links"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # The keys to people are checked last, under the new policies; the tables are empty then.
        RunSQL(
            "SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'", RunSQL.noop
        ),
        migrations.CreateModel(
            name="Campaign",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("title", models.CharField(max_length=100)),
                (
                    "goal",
                    models.CharField(
                        choices=[("rotate", "Replace the credential"), ("relink", "Link again")],
                        max_length=8,
                    ),
                ),
                ("because", models.CharField(blank=True, max_length=300)),
                ("due_at", models.DateTimeField()),
                ("zone", models.CharField(default="UTC", max_length=60)),
                ("started_by_name", models.CharField(max_length=200)),
                ("started_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("ended_at", models.DateTimeField(null=True)),
                ("cancelled_at", models.DateTimeField(null=True)),
                ("cancelled_by_name", models.CharField(blank=True, max_length=200)),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
                (
                    "started_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
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
            name="CampaignItem",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("done_at", models.DateTimeField(null=True)),
                ("excluded_at", models.DateTimeField(null=True)),
                ("excluded_by_name", models.CharField(blank=True, max_length=200)),
                ("excluded_because", models.CharField(blank=True, max_length=300)),
                (
                    "campaign",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="connections.campaign",
                    ),
                ),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="connections.connection",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
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
            name="RotationPolicy",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("max_age_days", models.PositiveSmallIntegerField(null=True)),
                ("forbids_personal", models.BooleanField(default=False)),
                (
                    "told_roles",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=12), default=list, size=None
                    ),
                ),
                (
                    "told_people",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), default=list, size=None
                    ),
                ),
                ("escalate_after_days", models.PositiveSmallIntegerField(null=True)),
                ("excepted_until", models.DateTimeField(null=True)),
                ("excepted_because", models.CharField(blank=True, max_length=300)),
                ("excepted_by_name", models.CharField(blank=True, max_length=200)),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("changed_by_name", models.CharField(blank=True, max_length=200)),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="connections.connection",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
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
            name="UsedEndpoint",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("endpoint", models.CharField(max_length=200)),
                ("first_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("last_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="used_endpoints",
                        to="connections.connection",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
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
            name="CalendarFeed",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("hash", models.BinaryField(max_length=32)),
                ("sealed", models.BinaryField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("read_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
                "constraints": [
                    models.UniqueConstraint(fields=("hash",), name="calendar_feed_hash"),
                    models.UniqueConstraint(
                        condition=models.Q(("revoked_at", None)),
                        fields=("organization", "user"),
                        name="calendar_feed_once",
                    ),
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddIndex(
            model_name="campaign",
            index=models.Index(
                fields=["organization", "-started_at", "id"], name="campaign_by_age"
            ),
        ),
        migrations.AddIndex(
            model_name="campaignitem",
            index=models.Index(
                condition=models.Q(("done_at", None), ("excluded_at", None)),
                fields=["organization", "connection"],
                name="campaign_item_to_do",
            ),
        ),
        migrations.AddConstraint(
            model_name="campaignitem",
            constraint=models.UniqueConstraint(
                fields=("organization", "campaign", "connection"), name="campaign_item_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="campaignitem",
            constraint=models.CheckConstraint(
                condition=models.Q(("done_at", None), ("excluded_at", None), _connector="OR"),
                name="campaign_item_one_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="rotationpolicy",
            constraint=models.UniqueConstraint(
                fields=("organization", "connection"),
                name="rotation_policy_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="rotationpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("max_age_days", None), ("max_age_days__gte", 1), _connector="OR"
                ),
                name="rotation_policy_age",
            ),
        ),
        migrations.AddConstraint(
            model_name="rotationpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("excepted_until", None), ("connection__isnull", False), _connector="OR"
                ),
                name="rotation_policy_excepts_one",
            ),
        ),
        migrations.AddConstraint(
            model_name="usedendpoint",
            constraint=models.UniqueConstraint(
                fields=("organization", "connection", "endpoint"), name="used_endpoint_once"
            ),
        ),
        composite_key("connections_campaign"),
        tenant_table("connections_campaign", support=CAMPAIGN),
        tenant_table("connections_campaignitem", support=ITEM),
        same_organization("connections_campaignitem", "campaign_id", "connections_campaign"),
        same_organization("connections_campaignitem", "connection_id", "connections_connection"),
        tenant_table(
            "connections_rotationpolicy",
            grants={"portal_app": READ_WRITE, "portal_worker": "SELECT"},
            support=POLICY,
        ),
        same_organization("connections_rotationpolicy", "connection_id", "connections_connection"),
        tenant_table("connections_calendarfeed", grants={"portal_app": READ_WRITE}),
        tenant_table(
            "connections_usedendpoint",
            grants={"portal_app": "SELECT", "portal_worker": "SELECT, INSERT, UPDATE"},
            support=USED,
        ),
        same_organization("connections_usedendpoint", "connection_id", "connections_connection"),
        RunSQL(
            [
                "CREATE POLICY lookup ON connections_calendarfeed FOR SELECT TO portal_lookup"
                " USING (true)",
                "GRANT SELECT (id, organization_id, user_id, hash, revoked_at)"
                " ON connections_calendarfeed TO portal_lookup",
                "CREATE POLICY lookup ON connections_usedendpoint FOR SELECT TO portal_lookup"
                " USING (true)",
                "GRANT SELECT (organization_id, connection_id, endpoint, last_at)"
                " ON connections_usedendpoint TO portal_lookup",
                "CREATE POLICY lookup ON connections_credential FOR SELECT TO portal_lookup"
                " USING (true)",
                "GRANT SELECT (organization_id, connection_id, kind, scopes, replaced_at)"
                " ON connections_credential TO portal_lookup",
                "GRANT SELECT (connector) ON connections_connection TO portal_lookup",
            ],
            RunSQL.noop,
        ),
        lookup_function(
            "connections_feed_by_hash",
            "(wanted bytea)",
            "RETURNS TABLE (id uuid, organization_id uuid, user_id uuid)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT f.id, f.organization_id, f.user_id FROM connections_calendarfeed f"
            " WHERE f.hash = wanted AND f.revoked_at IS NULL $$",
        ),
        lookup_function(
            "connections_change_hits",
            "(asker uuid, slug text, kinds text[], words text[], asked text[], since timestamptz)",
            HITS,
        ),
    ]
