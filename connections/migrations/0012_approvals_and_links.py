"""The network allow-list, connect links for people without an account, and requests of members."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

import connections.models.connect_link
import connections.models.link_request
from portal.rls import composite_key, lookup_function, same_organization, tenant_table

CHANGES = "SELECT, INSERT, UPDATE"
BOTH = {"portal_app": CHANGES, "portal_worker": CHANGES}
# The host of a base URL as the wizard stores it: canonical, an IPv6 address in brackets.
HOST = r"substring(c.fields->>'base_url' from '^https?://(\[[^]]+\]|[^/:]+)')"


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0011_replacements"),
        ("portal", "0008_approvals_and_links"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # The keys to people are checked last, under the new policies; the tables are empty then.
        RunSQL(
            "SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'", RunSQL.noop
        ),
        migrations.CreateModel(
            name="AllowListEntry",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("host", models.CharField(max_length=253)),
                (
                    "networks",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=43), default=list, size=None
                    ),
                ),
                (
                    "ports",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                ("http", models.BooleanField(default=False)),
                ("ca_pem", models.TextField(blank=True)),
                (
                    "organizations",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), default=list, size=None
                    ),
                ),
                ("why", models.CharField(max_length=500)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Waiting for a second operator"),
                            ("approved", "In force"),
                            ("refused", "Refused"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="asked",
                        max_length=10,
                    ),
                ),
                ("asked_by_name", models.CharField(max_length=200)),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("approved_by_name", models.CharField(blank=True, max_length=200)),
                ("approved_at", models.DateTimeField(null=True)),
                ("ended_by_name", models.CharField(blank=True, max_length=200)),
                ("ended_at", models.DateTimeField(null=True)),
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
                "ordering": ["host", "-asked_at"],
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="ConnectLink",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("connector", models.CharField(max_length=40)),
                ("name", models.CharField(max_length=80)),
                (
                    "capabilities",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), default=list, size=None
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("token_hash", models.BinaryField(max_length=32, unique=True)),
                ("to_name", models.CharField(max_length=80)),
                ("to_email", models.EmailField(blank=True, max_length=254)),
                ("message", models.CharField(blank=True, max_length=500)),
                ("campaign_id", models.UUIDField(null=True)),
                ("sent_by_name", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "expires_at",
                    models.DateTimeField(
                        default=connections.models.connect_link.connect_link_expiry
                    ),
                ),
                ("mailed_at", models.DateTimeField(null=True)),
                ("opened_at", models.DateTimeField(null=True)),
                ("opened_from", models.CharField(blank=True, max_length=64)),
                ("begun_at", models.DateTimeField(null=True)),
                ("linked_at", models.DateTimeField(null=True)),
                ("linked_from", models.CharField(blank=True, max_length=64)),
                ("linked_account", models.CharField(blank=True, max_length=200)),
                ("revoked_at", models.DateTimeField(null=True)),
                ("revoked_by_name", models.CharField(blank=True, max_length=200)),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
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
                (
                    "relink",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="connections.connection",
                    ),
                ),
                (
                    "sent_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="portal.team",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddField(
            model_name="pendinglink",
            name="connect_link",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="connections.connectlink",
            ),
        ),
        migrations.CreateModel(
            name="LinkRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("link", "A link"), ("capability", "A capability")], max_length=12
                    ),
                ),
                ("connector", models.CharField(max_length=40)),
                (
                    "capabilities",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), default=list, size=None
                    ),
                ),
                ("same_as", models.CharField(max_length=200)),
                ("what", models.CharField(max_length=200)),
                ("why", models.CharField(max_length=500)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Waiting"),
                            ("approved", "Approved"),
                            ("declined", "Declined"),
                            ("withdrawn", "Withdrawn"),
                            ("expired", "Expired"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("asked_by_name", models.CharField(max_length=200)),
                (
                    "also_asked_by",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), default=list, size=None
                    ),
                ),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "expires_at",
                    models.DateTimeField(
                        default=connections.models.link_request.link_request_expiry
                    ),
                ),
                ("decided_by_name", models.CharField(blank=True, max_length=200)),
                ("decided_at", models.DateTimeField(null=True)),
                ("decision_why", models.CharField(blank=True, max_length=500)),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
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
                    "decided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
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
                "ordering": ["-asked_at"],
                "base_manager_name": "everywhere",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")),
                        fields=("organization", "same_as"),
                        name="link_request_open_once",
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        tenant_table(
            "connections_allowlistentry", grants={"portal_app": CHANGES, "portal_worker": "SELECT"}
        ),
        composite_key("connections_connectlink"),
        tenant_table("connections_connectlink", grants=BOTH),
        same_organization("connections_connectlink", "relink_id", "connections_connection"),
        same_organization(
            "connections_connectlink",
            "connection_id",
            "connections_connection",
            on_delete="SET NULL",
        ),
        same_organization("connections_connectlink", "team_id", "portal_team"),
        same_organization("connections_pendinglink", "connect_link_id", "connections_connectlink"),
        tenant_table("connections_linkrequest", grants=BOTH),
        same_organization("connections_linkrequest", "connection_id", "connections_connection"),
        RunSQL(
            [
                "CREATE POLICY lookup ON connections_allowlistentry FOR SELECT TO portal_lookup"
                " USING (true)",
                "GRANT SELECT (organization_id, host, networks, ports, http, ca_pem, organizations,"
                " state) ON connections_allowlistentry TO portal_lookup",
                "CREATE POLICY lookup ON connections_connectlink FOR SELECT TO portal_lookup"
                " USING (true)",
                "GRANT SELECT (id, organization_id, token_hash) ON connections_connectlink"
                " TO portal_lookup",
                "GRANT SELECT (session_hash, connect_link_id) ON connections_pendinglink"
                " TO portal_lookup",
                "GRANT SELECT (connector, state, fields) ON connections_connection"
                " TO portal_lookup",
            ],
            RunSQL.noop,
        ),
        # What the platform permits for one organization: the terms, and neither why nor for whom.
        lookup_function(
            "connections_allowed",
            "(asked_for uuid)",
            "RETURNS TABLE (host text, networks text[], ports integer[], http boolean, ca_pem text)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT a.host::text, a.networks::text[], a.ports, a.http, a.ca_pem"
            " FROM connections_allowlistentry a"
            " WHERE a.organization_id = '00000000-0000-0000-0000-000000000000'"
            " AND a.state = 'approved'"
            " AND (a.organizations = '{}' OR asked_for = ANY (a.organizations))"
            " ORDER BY a.host, cardinality(a.organizations) DESC $$",
        ),
        # Whom a withdrawal touches: counts for operators, who see no content.
        lookup_function(
            "connections_at_host",
            "(asker uuid, wanted text)",
            "RETURNS TABLE (organization_id uuid, slug text, name text, live bigint)"  # noqa: S608
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT o.id, o.slug::text, o.name::text, count(*)"
            " FROM connections_connection c JOIN portal_organization o ON o.id = c.organization_id"
            f" WHERE c.state <> 'revoked' AND {HOST} = wanted AND EXISTS"
            " (SELECT FROM portal_user u WHERE u.id = asker AND u.is_operator AND u.is_active)"
            " GROUP BY o.id, o.slug, o.name ORDER BY lower(o.name), o.slug $$",
        ),
        # A person without an account is known by the address they hold, then by their session.
        lookup_function(
            "connections_connect_link_by_hash",
            "(wanted bytea)",
            "RETURNS TABLE (id uuid, organization_id uuid, slug text, name text)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT l.id, o.id, o.slug::text, o.name::text FROM connections_connectlink l"
            " JOIN portal_organization o ON o.id = l.organization_id"
            " WHERE l.token_hash = wanted $$",
        ),
        lookup_function(
            "connections_connect_answer",
            "(wanted bytea, session bytea)",
            "RETURNS TABLE (id uuid, organization_id uuid, slug text)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT l.id, o.id, o.slug::text FROM connections_pendinglink l"
            " JOIN portal_organization o ON o.id = l.organization_id"
            " WHERE l.state_hash = wanted AND l.session_hash = session"
            " AND l.connect_link_id IS NOT NULL $$",
        ),
    ]
