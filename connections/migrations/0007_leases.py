"""Keys of other services, what each used lately, and leases; the one statement that grants one."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import (
    APPEND,
    CURRENT,
    append_only,
    composite_key,
    lookup_function,
    same_organization,
    tenant_table,
)

KEY = [
    "id",
    "organization_id",
    "name",
    "prefix",
    "scopes",
    "connectors",
    "connections",
    "networks",
    "distinct_per_hour",
    "created_by_id",
    "created_by_name",
    "created_at",
    "expires_at",
    "last_used_at",
    "frozen_at",
    "frozen_because",
    "thawed_at",
    "revoked_at",
    "revoked_because",
]
USE = ["id", "organization_id", "service_key_id", "connection_id", "last_at", "refused_at"]
LEASE = [
    "id",
    "organization_id",
    "service_key_id",
    "connection_id",
    "asked",
    "at",
    "reason",
    "min_ttl_seconds",
    "outcome",
    "version",
    "expires_at",
    "address",
    "request_id",
    "takes_back",
]

# What the process that answers other services reads of a connection: facts, no forms, no words.
API_READS = {
    "connections_connection": (
        "id organization_id connector method name team_id labels capabilities account_id"
        " account_name account_kind account_url state paused_at suspect_since looked_at last_error"
        " last_error_at last_success_at linked_at created_at revoked_at"
    ),
    "connections_credential": (
        "id organization_id connection_id kind vocabulary scopes expires_at refreshable version"
        " refreshed_at created_at replaced_at quarantined_at used_at"
    ),
    "connections_verification": ("id organization_id connection_id outcome started_at finished_at"),
}

# One round trip for a fresh token: key, entitlement, connection, token and record. Nothing of the
# key is cached, so a revoked one is refused at once. `portal_api` runs it with its own rights.
# The statement is its own transaction, which is how long SET LOCAL lasts. Every row is found by a
# unique key, so one plan serves for all.
LEASE_SQL = """
CREATE FUNCTION connections_lease(
    wanted bytea, wish uuid, min_ttl integer, said text, came_from text, request text,
    moment timestamptz, reading text[], refused uuid, refused_any boolean, last_word boolean,
    OUT verdict text, OUT lease_id uuid, OUT organization_id uuid, OUT connection_id uuid,
    OUT connector text, OUT connection_name text, OUT state text, OUT suspect_since timestamptz,
    OUT last_success_at timestamptz, OUT capabilities text[], OUT credential_id uuid,
    OUT vocabulary text, OUT scopes text[], OUT version integer, OUT expires_at timestamptz,
    OUT seconds integer, OUT blob bytea, OUT wrapped bytea
) LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    known uuid[] := connections_service_key_by_hash(wanted);
    key uuid := known[1];
    k record;
    told integer;
    promised timestamptz;
BEGIN
    IF key IS NULL THEN
        verdict := 'unknown_key';
        RETURN;
    END IF;
    organization_id := known[2];
    EXECUTE format('SET LOCAL app.organization_id = %L', organization_id);
    SELECT s.scopes AS may, s.connectors, s.connections, s.networks, s.distinct_per_hour,
           s.expires_at AS key_ends, s.last_used_at, s.frozen_at, s.revoked_at,
           greatest(s.thawed_at, moment - interval '1 hour') AS counted_from,
           u.last_at AS asked_before,
           t.id, t.connector, t.name, t.state, t.paused_at, t.suspect_since, t.last_success_at,
           t.capabilities,
           g.id AS credential, g.refreshable, g.vocabulary, g.scopes, g.version, g.expires_at,
           g.expires_at - coalesce(g.refreshed_at, g.created_at) AS life,
           v.blob, d.wrapped
      INTO k
      FROM connections_servicekey s
      LEFT JOIN connections_connection t ON t.id = wish
      LEFT JOIN connections_keyuse u ON u.service_key_id = s.id AND u.connection_id = t.id
      LEFT JOIN connections_credential g ON g.organization_id = t.organization_id
           AND g.connection_id = t.id AND g.replaced_at IS NULL
      LEFT JOIN portal_sealedvalue v ON v.organization_id = t.organization_id
           AND v.table_name = 'connections_credential' AND v.row_id = g.id
           AND v.field = 'access' AND v.domain = 'access'
      LEFT JOIN portal_datakey d ON d.organization_id = t.organization_id
           AND d.domain = 'access' AND d.state <> 'destroyed'
           AND d.version = ('x' || encode(substring(v.blob FROM 4 FOR 4), 'hex'))::bit(32)::int
     WHERE s.id = key;

    IF k.revoked_at IS NOT NULL THEN verdict := 'key_revoked';
    ELSIF k.key_ends <= moment THEN verdict := 'key_expired';
    ELSIF k.frozen_at IS NOT NULL THEN verdict := 'key_frozen';
    ELSIF cardinality(k.networks) > 0 AND NOT coalesce(
        (SELECT bool_or(nullif(came_from, '')::inet <<= n::cidr) FROM unnest(k.networks) n), false)
    THEN verdict := 'network';
    ELSIF k.id IS NULL THEN verdict := 'not_found';
    ELSIF k.connector <> ALL (k.connectors)
          OR cardinality(k.connections) > 0 AND wish <> ALL (k.connections)
    THEN verdict := 'not_entitled';
    ELSIF NOT k.may && '{tokens:read,tokens:write}'::varchar[] THEN verdict := 'scope';
    ELSIF k.state = 'revoked' THEN verdict := 'revoked';
    ELSIF k.paused_at IS NOT NULL THEN verdict := 'paused';
    ELSIF k.state = 'needs_reauthorization' OR k.credential IS NULL THEN verdict := 'needs_link';
    ELSIF NOT k.refreshable THEN verdict := 'not_leasable';
    ELSIF 'tokens:write' <> ALL (k.may) AND (k.scopes IS NULL OR EXISTS (
        SELECT FROM unnest(k.scopes) s WHERE k.connector || ' ' || s <> ALL (reading)))
    THEN verdict := 'scope';
    ELSIF k.expires_at > moment AND k.life < make_interval(secs => min_ttl + 60) THEN
        verdict := 'too_long';
        seconds := greatest(0, extract(epoch FROM k.life)::int - 60);
    END IF;
    connection_id := k.id;
    connector := k.connector;
    connection_name := k.name;
    state := k.state;
    suspect_since := k.suspect_since;
    last_success_at := k.last_success_at;
    capabilities := k.capabilities;
    credential_id := k.credential;
    vocabulary := k.vocabulary;
    scopes := k.scopes;
    version := k.version;
    expires_at := k.expires_at;

    -- How many different connections in an hour. Only one that is new in it is counted, behind the
    -- key's lock, so that two at once do not both take the last place.
    IF verdict IS NULL AND (k.asked_before IS NULL OR k.asked_before <= k.counted_from) THEN
        PERFORM FROM connections_servicekey s WHERE s.id = key FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            verdict := 'key_frozen';  -- in the meantime
        ELSE
            SELECT count(*) INTO told FROM connections_keyuse u
             WHERE u.service_key_id = key AND u.last_at > k.counted_from
               AND u.connection_id <> wish;
            IF told < k.distinct_per_hour THEN
                INSERT INTO connections_keyuse (id, organization_id, service_key_id,
                    connection_id, last_at)
                VALUES (gen_random_uuid(), organization_id, key, wish, moment)
                ON CONFLICT ON CONSTRAINT key_use_once DO UPDATE SET last_at = moment;
            ELSE
                verdict := 'froze';
                UPDATE connections_servicekey s
                   SET frozen_at = moment, frozen_because = 'too_many' WHERE s.id = key;
                INSERT INTO portal_job (id, organization_id, kind, ref, dedupe, priority,
                    run_at, attempts, max_attempts, last_error, request_id, created_at)
                VALUES (gen_random_uuid(), organization_id, 'service_key_stopped',
                    jsonb_build_object('key_id', key, 'because', 'too_many'),
                    'key_stopped:' || key || ':too_many', 10, now(), 0, 20, '', request, now())
                ON CONFLICT DO NOTHING;
            END IF;
        END IF;
    ELSIF verdict IS NULL AND k.asked_before < moment - interval '1 minute' THEN
        UPDATE connections_keyuse u SET last_at = moment
         WHERE u.id = (SELECT w.id FROM connections_keyuse w WHERE w.service_key_id = key
                       AND w.connection_id = wish FOR NO KEY UPDATE SKIP LOCKED);
    END IF;

    -- The consumer saw a 401. Of an older token that says nothing; else a look, once a minute.
    IF verdict IS NULL AND (refused_any OR refused IS NOT NULL) AND (
        refused IS NULL OR k.version = (SELECT l.version FROM connections_lease l
            WHERE l.id = refused AND l.connection_id = wish AND l.service_key_id = key))
    THEN
        SELECT 60 - extract(epoch FROM moment - max(u.refused_at))::int INTO seconds
          FROM connections_keyuse u WHERE u.connection_id = wish
           AND u.refused_at > moment - interval '1 minute';
        verdict := CASE WHEN seconds IS NULL THEN 'look' ELSE 'too_soon' END;
        IF verdict = 'look' THEN
            UPDATE connections_keyuse u SET refused_at = moment
             WHERE u.service_key_id = key AND u.connection_id = wish;
        END IF;
    END IF;

    IF verdict IS NULL AND k.wrapped IS NOT NULL
       AND k.expires_at > moment + make_interval(secs => min_ttl)
    THEN
        verdict := 'granted';
        blob := k.blob;
        wrapped := k.wrapped;
        seconds := extract(epoch FROM k.expires_at - moment)::int;
    END IF;

    -- A new token may end the one before it ten minutes later (trust.md §5.1): what was handed out
    -- for longer is waited for.
    IF verdict IS NULL AND k.wrapped IS NOT NULL AND k.expires_at > moment + interval '10 minutes'
    THEN
        SELECT max(l.at + make_interval(secs => l.min_ttl_seconds)) INTO promised
          FROM connections_lease l
         WHERE l.connection_id = wish AND l.outcome = 'granted' AND l.version = k.version
           AND l.at > moment - interval '1 hour' AND NOT EXISTS (
               SELECT FROM connections_lease b WHERE b.takes_back = l.id);
        IF promised > moment + interval '10 minutes' THEN
            verdict := 'promised';
            seconds := extract(epoch FROM promised - moment)::int - 600;
        END IF;
    END IF;

    IF verdict IS NULL THEN
        verdict := CASE WHEN last_word THEN 'late' ELSE 'stale' END;
    END IF;
    IF verdict <> 'stale' THEN
        lease_id := gen_random_uuid();
        INSERT INTO connections_lease (id, organization_id, service_key_id, connection_id, asked,
            at, reason, min_ttl_seconds, outcome, version, expires_at, address, request_id)
        VALUES (lease_id, organization_id, key, k.id, wish, moment, said, min_ttl, verdict,
            k.version, CASE WHEN verdict = 'granted' THEN k.expires_at END, came_from, request);
    END IF;
    IF k.last_used_at IS NULL OR k.last_used_at < moment - interval '1 minute' THEN
        UPDATE connections_servicekey s SET last_used_at = moment
         WHERE s.id = (SELECT w.id FROM connections_servicekey w WHERE w.id = key
                       FOR NO KEY UPDATE SKIP LOCKED);
    END IF;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0006_refresh"),
        ("portal", "0006_api_role"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # Django checks new constraints as this migration ends, through row-level security.
        RunSQL(
            "SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'", RunSQL.noop
        ),
        migrations.CreateModel(
            name="ServiceKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                ("prefix", models.CharField(max_length=20)),
                ("hash", models.BinaryField(max_length=32)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("connections:read", "See connections and how they are"),
                                ("tokens:read", "Lease tokens that only read"),
                                ("tokens:write", "Lease tokens that can change something"),
                            ],
                            max_length=24,
                        ),
                        size=None,
                    ),
                ),
                (
                    "connectors",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), size=None
                    ),
                ),
                (
                    "connections",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), default=list, size=None
                    ),
                ),
                (
                    "networks",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=50), default=list, size=None
                    ),
                ),
                ("distinct_per_hour", models.PositiveIntegerField(default=20)),
                ("created_by_name", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField(null=True)),
                ("last_used_at", models.DateTimeField(null=True)),
                ("frozen_at", models.DateTimeField(null=True)),
                ("frozen_because", models.CharField(blank=True, max_length=24)),
                ("thawed_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                ("revoked_because", models.CharField(blank=True, max_length=24)),
                (
                    "created_by",
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
                "base_manager_name": "everywhere",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="KeyUse",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("last_at", models.DateTimeField()),
                ("refused_at", models.DateTimeField(null=True)),
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
                (
                    "service_key",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="uses",
                        to="connections.servicekey",
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
            name="Lease",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("service_key_id", models.UUIDField()),
                ("connection_id", models.UUIDField(null=True)),
                ("asked", models.UUIDField()),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                ("reason", models.CharField(max_length=300)),
                ("min_ttl_seconds", models.IntegerField()),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("granted", "Handed out"),
                            ("late", "No fresh token in time"),
                            ("not_found", "No such connection"),
                            ("not_entitled", "Not this key's connection"),
                            ("scope", "Not in this key's scopes"),
                            ("network", "From another network"),
                            ("key_expired", "The key has expired"),
                            ("key_revoked", "The key is revoked"),
                            ("key_frozen", "The key is frozen"),
                            ("froze", "Too many connections: the key was frozen"),
                            ("revoked", "The connection is revoked"),
                            ("paused", "The connection is paused"),
                            ("needs_link", "The connection needs a new link"),
                            ("not_leasable", "No token that may be leased"),
                            ("too_long", "Longer than a token lives"),
                            ("promised", "The token is promised to others"),
                            ("look", "The vendor refused it: a look was started"),
                            ("too_soon", "Said to be refused too often"),
                            ("unreadable", "It did not open: nothing was handed out"),
                        ],
                        max_length=16,
                    ),
                ),
                ("version", models.IntegerField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("address", models.CharField(blank=True, max_length=64)),
                ("request_id", models.CharField(blank=True, max_length=64)),
                ("takes_back", models.UUIDField(null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="portal.organization",
                    ),
                ),
            ],
            options={
                "base_manager_name": "everywhere",
                "indexes": [
                    models.Index(
                        condition=models.Q(("takes_back__isnull", False)),
                        fields=["organization", "takes_back"],
                        name="lease_taken_back",
                    ),
                    models.Index(
                        fields=["organization", "service_key_id", "-at"], name="lease_of_key"
                    ),
                    models.Index(
                        fields=["organization", "connection_id", "-at"], name="lease_of_connection"
                    ),
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddIndex(
            model_name="servicekey",
            index=models.Index(
                fields=["organization", "-created_at", "id"], name="service_key_by_age"
            ),
        ),
        migrations.AddConstraint(
            model_name="servicekey",
            constraint=models.UniqueConstraint(fields=("hash",), name="service_key_hash"),
        ),
        migrations.AddConstraint(
            model_name="servicekey",
            constraint=models.UniqueConstraint(
                condition=models.Q(("revoked_at", None)),
                fields=("organization", "name"),
                name="service_key_name_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="servicekey",
            constraint=models.CheckConstraint(
                condition=models.Q(("distinct_per_hour__gte", 1)), name="service_key_limit_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="keyuse",
            constraint=models.UniqueConstraint(
                fields=("service_key", "connection"), name="key_use_once"
            ),
        ),
        tenant_table(
            "connections_servicekey",
            grants={
                "portal_app": "SELECT, INSERT, UPDATE",
                "portal_worker": "SELECT, UPDATE",
                "portal_api": "SELECT, UPDATE (last_used_at, frozen_at, frozen_because,"
                " revoked_at, revoked_because)",
            },
            support=KEY,
        ),
        composite_key("connections_servicekey"),
        tenant_table(
            "connections_keyuse",
            grants={
                "portal_app": "SELECT",
                "portal_worker": "SELECT",
                "portal_api": "SELECT, INSERT, UPDATE",
            },
            support=USE,
        ),
        same_organization("connections_keyuse", "service_key_id", "connections_servicekey"),
        same_organization("connections_keyuse", "connection_id", "connections_connection"),
        tenant_table(
            "connections_lease",
            grants={"portal_app": "SELECT", "portal_worker": "SELECT", "portal_api": APPEND},
            support=LEASE,
        ),
        append_only("connections_lease"),
        RunSQL(
            [
                # Who has the process can stop keys with it, and let none go on.
                "CREATE POLICY api_stops ON connections_servicekey AS RESTRICTIVE FOR UPDATE"
                " TO portal_api USING (revoked_at IS NULL AND frozen_at IS NULL) WITH CHECK (true)",
                # Before an organization is known, key and organization are found by the hash.
                "CREATE POLICY lookup ON connections_servicekey FOR SELECT TO portal_lookup"
                " USING (true)",
                "GRANT SELECT (id, organization_id, hash) ON connections_servicekey"
                " TO portal_lookup",
                # It may also have people told of a key that stopped, and name their organization.
                "ALTER POLICY api_kinds ON portal_job WITH CHECK"
                " (kind IN ('refresh_credential', 'look_at_connection', 'service_key_stopped'))",
                "CREATE POLICY api_read ON portal_organization FOR SELECT TO portal_api"
                f" USING (id = {CURRENT})",
                "GRANT SELECT (id, slug, name) ON portal_organization TO portal_api",
                # Whether a vendor is in trouble is everybody's to know: the platform's rows.
                "CREATE POLICY api_read ON connections_breaker FOR SELECT TO portal_api"
                f" USING (organization_id = {CURRENT}"
                " OR organization_id = '00000000-0000-0000-0000-000000000000')",
                "GRANT SELECT (id, organization_id, connector, state, because, opened_at)"
                " ON connections_breaker TO portal_api",
                # Changed once a minute each, and never an indexed column.
                "ALTER TABLE connections_servicekey SET (fillfactor = 70)",
                "ALTER TABLE connections_keyuse SET (fillfactor = 70)",
            ],
            RunSQL.noop,
        ),
        *(
            RunSQL(
                [
                    f"CREATE POLICY api_read ON {table} FOR SELECT TO portal_api"
                    f" USING (organization_id = {CURRENT})",
                    f"GRANT SELECT ({', '.join(columns.split())}) ON {table} TO portal_api",
                ],
                RunSQL.noop,
            )
            for table, columns in API_READS.items()
        ),
        lookup_function(
            "connections_service_key_by_hash",
            "(wanted bytea)",
            "RETURNS uuid[] LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " BEGIN RETURN (SELECT ARRAY[k.id, k.organization_id] FROM connections_servicekey k"
            " WHERE k.hash = wanted); END $$",
            also="portal_api",
        ),
        RunSQL(
            [
                LEASE_SQL,
                "REVOKE ALL ON FUNCTION connections_lease FROM PUBLIC",
                "GRANT EXECUTE ON FUNCTION connections_lease TO portal_api",
            ],
            "DROP FUNCTION connections_lease",
        ),
    ]
