"""Webhooks come in: endpoints, deliveries, and the functions that the ingest process lives by."""

import uuid

import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import composite_key, lookup_function, same_organization, tenant_table

ENDPOINT = [
    "id",
    "organization_id",
    "connection_id",
    "created_at",
    "disabled_at",
    "previous_until",
    "refused",
    "refused_at",
    "refused_because",
]
DELIVERY = [
    "id",
    "organization_id",
    "endpoint_id",
    "connection_id",
    "received_at",
    "event_key",
    "attempt",
    "possible_replay",
    "conflict",
    "size",
    "state",
    "attempts",
    "next_at",
    "error",
    "applied_at",
]
# What a person's replay or discard changes.
DECIDED = "state, attempts, next_at, error, error_detail"

DEFINER = "SECURITY DEFINER SET search_path = public AS $$"
_KEY = (
    "LEFT JOIN portal_sealedvalue {v} ON {v}.organization_id = e.organization_id"
    " AND {v}.table_name = 'connections_hookendpoint' AND {v}.row_id = e.id"
    " AND {v}.field = '{field}' AND {v}.domain = 'webhook'"
    " LEFT JOIN portal_datakey {k} ON {k}.organization_id = e.organization_id"
    " AND {k}.domain = 'webhook' AND {k}.state <> 'destroyed' AND {k}.version ="
    " ('x' || encode(substring({v}.blob FROM 4 FOR 4), 'hex'))::bit(32)::int "
)

# One endpoint, by the hash of an address that somebody knows: no list, no other's secret.
FIND = (
    "RETURNS TABLE (id uuid, organization_id uuid, connector text, is_open boolean,"
    " previous_until timestamptz, secret bytea, secret_key bytea, previous bytea,"
    f" previous_key bytea) LANGUAGE sql STABLE {DEFINER}"
    " SELECT e.id, e.organization_id, c.connector::text,"
    " e.disabled_at IS NULL AND c.state <> 'revoked', e.previous_until,"
    " s.blob, t.wrapped, p.blob, q.wrapped"
    " FROM connections_hookendpoint e"
    " JOIN connections_connection c"
    " ON c.organization_id = e.organization_id AND c.id = e.connection_id "
    + _KEY.format(v="s", k="t", field="secret")
    + _KEY.format(v="p", k="q", field="previous")
    + " WHERE e.hash = wanted $$"
)

# The delivery and the work it makes, in one statement that is its own transaction. Whoever takes
# the work over waits for the shared lock, so nothing that is being stored is overlooked
# (connections/receiving/handover.py).
RECEIVE = f"""RETURNS text LANGUAGE plpgsql VOLATILE {DEFINER}
DECLARE
    e record;
    made uuid;
    known bytea;
    asked integer;
    verdict text := 'stored';
BEGIN
    SELECT h.organization_id, h.connection_id INTO e FROM connections_hookendpoint h
     WHERE h.id = its_endpoint AND h.disabled_at IS NULL;
    IF NOT FOUND THEN
        RETURN 'gone';
    END IF;
    PERFORM pg_advisory_xact_lock_shared(1751084915, hashtext(e.organization_id::text));
    INSERT INTO connections_delivery AS d (id, organization_id, endpoint_id, connection_id,
        received_at, sender_id, dedupe, content_hash, possible_replay, conflict, event_key,
        attempt, headers, body, size, state, attempts, next_at, error, error_detail, effect)
    VALUES (gen_random_uuid(), e.organization_id, its_endpoint, e.connection_id, moment,
        its_sender, its_dedupe, its_hash, EXISTS (SELECT FROM connections_delivery o
            WHERE o.content_hash = its_hash AND o.endpoint_id = its_endpoint
            AND o.received_at > moment - interval '24 hours'),
        false, its_event, its_attempt, its_headers, its_body, length(its_body), 'new', 0, moment,
        '', '', '{{}}')
    ON CONFLICT ON CONSTRAINT delivery_once DO NOTHING RETURNING d.id INTO made;
    IF made IS NULL THEN
        SELECT o.content_hash INTO known FROM connections_delivery o
         WHERE o.endpoint_id = its_endpoint AND o.dedupe = its_dedupe;
        IF known = its_hash THEN
            RETURN 'duplicate';
        END IF;
        verdict := 'conflict';
        INSERT INTO connections_delivery AS d (id, organization_id, endpoint_id, connection_id,
            received_at, sender_id, dedupe, content_hash, possible_replay, conflict, event_key,
            attempt, headers, body, size, state, attempts, next_at, error, error_detail, effect)
        VALUES (gen_random_uuid(), e.organization_id, its_endpoint, e.connection_id, moment,
            its_sender, sha256(its_dedupe || its_hash), its_hash, false, true, its_event,
            its_attempt, its_headers, its_body, length(its_body), 'new', 0, moment, '', '', '{{}}')
        ON CONFLICT ON CONSTRAINT delivery_once DO NOTHING RETURNING d.id INTO made;
        IF made IS NULL THEN
            RETURN 'duplicate';
        END IF;
    END IF;
    IF EXISTS (SELECT FROM portal_job j WHERE j.organization_id = e.organization_id
            AND j.dedupe = 'apply_deliveries' AND j.done_at IS NULL) THEN
        RETURN verdict;
    END IF;
    INSERT INTO portal_job (id, organization_id, kind, ref, dedupe, priority, run_at, attempts,
        max_attempts, last_error, request_id, created_at)
    VALUES (gen_random_uuid(), e.organization_id, 'apply_deliveries', '{{}}', 'apply_deliveries',
        50, moment, 0, 8, '', request, now())
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS asked = ROW_COUNT;
    RETURN CASE WHEN asked > 0 THEN verdict || ' first' ELSE verdict END;
END $$"""


def ingest_only(signature: str, *others: str) -> RunSQL:
    """Of the tenant roles, these do not call it."""
    return RunSQL(
        [
            "SET LOCAL ROLE portal_lookup",
            f"REVOKE EXECUTE ON FUNCTION {signature} FROM {', '.join(others)}",
            "RESET ROLE",
        ],
        RunSQL.noop,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0026_code_and_streams"),
        ("portal", "0012_ingest_role"),
    ]

    operations = [
        # The keys to organizations are checked last, under the new policies; the tables are empty.
        RunSQL(
            "SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'", RunSQL.noop
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("endpoint_id", models.UUIDField()),
                ("connection_id", models.UUIDField()),
                ("received_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("sender_id", models.CharField(blank=True, max_length=64)),
                ("dedupe", models.BinaryField(max_length=40)),
                ("content_hash", models.BinaryField(max_length=32)),
                ("possible_replay", models.BooleanField(default=False)),
                ("conflict", models.BooleanField(default=False)),
                ("event_key", models.CharField(blank=True, max_length=100)),
                ("attempt", models.SmallIntegerField(null=True)),
                ("headers", models.JSONField(default=dict)),
                ("body", models.BinaryField(null=True)),
                ("size", models.IntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "Waiting"),
                            ("applied", "Applied"),
                            ("ignored", "Nothing to do"),
                            ("dead", "Failed"),
                            ("discarded", "Discarded"),
                        ],
                        default="new",
                        max_length=12,
                    ),
                ),
                ("attempts", models.SmallIntegerField(default=0)),
                ("next_at", models.DateTimeField(default=django.utils.timezone.now, null=True)),
                ("error", models.CharField(blank=True, max_length=40)),
                ("error_detail", models.CharField(blank=True, max_length=200)),
                ("effect", models.JSONField(default=dict)),
                ("applied_at", models.DateTimeField(null=True)),
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
                        fields=["content_hash", "endpoint_id", "received_at"],
                        name="delivery_by_content",
                    ),
                    models.Index(
                        condition=models.Q(("state", "new")),
                        fields=["organization", "next_at"],
                        name="delivery_due",
                    ),
                    models.Index(
                        condition=models.Q(("attempts__gt", 0), ("state", "new")),
                        fields=["organization", "next_at"],
                        name="delivery_again",
                    ),
                    models.Index(
                        condition=models.Q(("body__isnull", False)),
                        fields=["organization", "connection_id", "received_at"],
                        name="delivery_with_body",
                    ),
                    models.Index(
                        fields=["organization", "connection_id", "-received_at", "id"],
                        name="delivery_of_connection",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("dedupe", "endpoint_id"), name="delivery_once")
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="HookEndpoint",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("hash", models.BinaryField(max_length=32)),
                ("sealed", models.BinaryField()),
                ("secret_last_four", models.CharField(blank=True, max_length=4)),
                ("secret_at", models.DateTimeField(null=True)),
                ("previous_until", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("disabled_at", models.DateTimeField(null=True)),
                ("refused", models.IntegerField(default=0)),
                ("refused_at", models.DateTimeField(null=True)),
                ("refused_because", models.CharField(blank=True, max_length=24)),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="hook_endpoints",
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
                "constraints": [
                    models.UniqueConstraint(fields=("hash",), name="hook_endpoint_hash"),
                    models.UniqueConstraint(
                        fields=("organization", "connection"), name="hook_endpoint_once"
                    ),
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        tenant_table(
            "connections_hookendpoint",
            grants={
                "portal_app": "SELECT, INSERT, UPDATE",
                "portal_worker": "SELECT, INSERT, UPDATE, DELETE",
            },
            support=ENDPOINT,
        ),
        composite_key("connections_hookendpoint"),
        same_organization("connections_hookendpoint", "connection_id", "connections_connection"),
        tenant_table(
            "connections_delivery",
            grants={
                "portal_app": f"SELECT, UPDATE ({DECIDED})",
                "portal_worker": "SELECT, UPDATE, DELETE",
            },
            support=DELIVERY,
        ),
        RunSQL(
            [
                "CREATE POLICY lookup ON connections_hookendpoint FOR SELECT TO portal_lookup"
                " USING (true)",
                "CREATE POLICY refusals ON connections_hookendpoint FOR UPDATE TO portal_lookup"
                " USING (true) WITH CHECK (true)",
                "GRANT SELECT (id, organization_id, connection_id, hash, sealed, previous_until,"
                " disabled_at, refused), UPDATE (refused, refused_at, refused_because)"
                " ON connections_hookendpoint TO portal_lookup",
                "CREATE POLICY lookup ON connections_delivery FOR SELECT TO portal_lookup"
                " USING (true)",
                "CREATE POLICY arrivals ON connections_delivery FOR INSERT TO portal_lookup"
                " WITH CHECK (state = 'new')",
                "GRANT INSERT, SELECT (id, organization_id, endpoint_id, dedupe, content_hash,"
                " received_at, state, next_at) ON connections_delivery TO portal_lookup",
            ],
            RunSQL.noop,
        ),
        lookup_function("connections_hook", "(wanted bytea)", FIND, also="portal_ingest"),
        ingest_only("connections_hook(bytea)", "portal_app", "portal_worker"),
        lookup_function(
            "connections_receive",
            "(its_endpoint uuid, its_sender text, its_dedupe bytea, its_hash bytea,"
            " its_event text, its_attempt integer, its_headers jsonb, its_body bytea,"
            " moment timestamptz, request text)",
            RECEIVE,
            also="portal_ingest",
        ),
        ingest_only(
            "connections_receive(uuid, text, bytea, bytea, text, integer, jsonb, bytea,"
            " timestamptz, text)",
            "portal_app",
            "portal_worker",
        ),
        lookup_function(
            "connections_hooks_refused",
            "(endpoints uuid[], times integer[], reasons text[], moment timestamptz)",
            f"RETURNS void LANGUAGE sql VOLATILE {DEFINER}"
            " UPDATE connections_hookendpoint h SET refused = h.refused + r.times,"
            " refused_at = moment, refused_because = left(r.reason, 24)"
            " FROM unnest(endpoints, times, reasons) AS r(id, times, reason)"
            " WHERE h.id = r.id $$",
            also="portal_ingest",
        ),
        ingest_only(
            "connections_hooks_refused(uuid[], integer[], text[], timestamptz)",
            "portal_app",
            "portal_worker",
        ),
        # The web process finds the addresses under a data key of its own, in all organizations.
        lookup_function(
            "connections_hooks_under",
            "(version bytea)",
            "RETURNS TABLE (id uuid, organization_id uuid)"
            f" LANGUAGE sql STABLE {DEFINER}"
            " SELECT h.id, h.organization_id FROM connections_hookendpoint h"
            " WHERE substring(h.sealed FROM 1 FOR 2) = 'P1'::bytea"
            " AND substring(h.sealed FROM 4 FOR 4) = version $$",
        ),
        # Whose inbox has something to do: for workers, in case the job for it was lost.
        lookup_function(
            "connections_inboxes_waiting",
            "(before timestamptz)",
            f"RETURNS SETOF uuid LANGUAGE sql STABLE {DEFINER}"
            " SELECT DISTINCT d.organization_id FROM connections_delivery d"
            " WHERE d.state = 'new' AND d.next_at <= before $$",
        ),
        ingest_only("connections_inboxes_waiting(timestamptz)", "portal_app"),
    ]
