"""Keys that can be replaced and organizations that can be erased: who holds which key, how far a
rotation has come, data keys wrapped anew across organizations, tombstones, and what an erasure may
delete."""

import uuid

import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import (
    append_only,
    erasable,
    global_table,
    lookup_function,
    tenant_table,
)

DEFINER = "SECURITY DEFINER SET search_path = public AS $$"
NOT_ASKED = "'00000000-0000-0000-0000-000000000000'"


def workers_only(signature: str) -> RunSQL:
    """The web process may not call it after all."""
    return RunSQL(
        [
            "SET LOCAL ROLE portal_lookup",
            f"REVOKE EXECUTE ON FUNCTION {signature} FROM portal_app",
            "RESET ROLE",
        ],
        RunSQL.noop,
    )


class Migration(migrations.Migration):
    dependencies = [("portal", "0008_approvals_and_links")]

    operations = [
        # ── Which process holds and uses which key ────────────────────────────────────────────
        migrations.AddField(
            model_name="heartbeat",
            name="active",
            field=models.JSONField(
                default=dict, db_default=models.Value({}, output_field=models.JSONField())
            ),
        ),
        # A process says so of itself only, as what its role makes it.
        RunSQL("GRANT SELECT, INSERT, UPDATE ON portal_heartbeat TO portal_lookup", RunSQL.noop),
        lookup_function(
            "portal_beat",
            "(me uuid, its_host text, its_pid integer, held jsonb, used jsonb)",
            f"RETURNS void LANGUAGE sql VOLATILE {DEFINER}"
            " INSERT INTO portal_heartbeat"
            " (id, kind, host, pid, hands, started_at, seen_at, keys, active)"
            " VALUES (me, CASE session_user WHEN 'portal_api' THEN 'api' ELSE 'web' END,"
            " left(its_host, 100), its_pid, 0, now(), now(), held, used)"
            " ON CONFLICT (id) DO UPDATE SET seen_at = now(), keys = excluded.keys,"
            " active = excluded.active WHERE portal_heartbeat.kind = excluded.kind $$",
            also="portal_api",
        ),
        # ── How far a key has come ────────────────────────────────────────────────────────────
        migrations.AddField("keycheck", "activated_at", models.DateTimeField(null=True)),
        migrations.AddField("keycheck", "emptied_at", models.DateTimeField(null=True)),
        RunSQL("UPDATE portal_keycheck SET activated_at = created_at", RunSQL.noop),
        migrations.AddField("datakey", "demoted_at", models.DateTimeField(null=True)),
        # The web process has one data key, that of second factors, and replaces it itself.
        RunSQL(
            [
                "GRANT UPDATE (wrapped, kek_version, state, demoted_at) ON portal_datakey"
                " TO portal_app",
                "CREATE POLICY rewrapped ON portal_datakey FOR UPDATE TO portal_lookup"
                " USING (domain <> 'mfa') WITH CHECK (domain <> 'mfa')",
                "GRANT SELECT (id, organization_id, version, wrapped, created_at),"
                " UPDATE (wrapped, kek_version) ON portal_datakey TO portal_lookup",
                "CREATE POLICY lookup ON portal_intake FOR SELECT TO portal_lookup USING (true)",
                "GRANT SELECT (created_at, expires_at) ON portal_intake TO portal_lookup",
            ],
            RunSQL.noop,
        ),
        lookup_function(
            "portal_keys_to_rewrap",
            "(of_domain text, to_version integer, after uuid, most integer)",
            "RETURNS TABLE (id uuid, organization_id uuid, version integer, wrapped bytea,"
            f" kek_version integer) LANGUAGE sql VOLATILE {DEFINER}"
            " SELECT k.id, k.organization_id, k.version, k.wrapped, k.kek_version"
            " FROM portal_datakey k WHERE k.id > after AND k.domain = of_domain"
            " AND k.domain <> 'mfa' AND k.kek_version <> to_version AND k.state <> 'destroyed'"
            " ORDER BY k.id LIMIT most FOR UPDATE SKIP LOCKED $$",
        ),
        workers_only("portal_keys_to_rewrap(text, integer, uuid, integer)"),
        lookup_function(
            "portal_rewrap",
            "(of_domain text, to_version integer, ids uuid[], froms integer[], wraps bytea[])",
            f"RETURNS bigint LANGUAGE sql VOLATILE {DEFINER}"
            " WITH done AS (UPDATE portal_datakey k"
            " SET wrapped = n.wrapped, kek_version = to_version"
            " FROM unnest(ids, froms, wraps) AS n(id, kek_version, wrapped)"
            " WHERE k.id = n.id AND k.domain = of_domain AND k.domain <> 'mfa'"
            " AND k.kek_version = n.kek_version AND k.state <> 'destroyed' RETURNING 1)"
            " SELECT count(*) FROM done $$",
        ),
        workers_only("portal_rewrap(text, integer, uuid[], integer[], bytea[])"),
        lookup_function(
            "portal_aged_data_keys",
            "(before timestamptz)",
            f"RETURNS TABLE (organization_id uuid) LANGUAGE sql STABLE {DEFINER}"
            " SELECT DISTINCT k.organization_id FROM portal_datakey k WHERE k.domain <> 'mfa'"
            " AND (k.state = 'decrypt_only' OR k.state = 'active' AND k.created_at < before) $$",
        ),
        lookup_function(
            "portal_data_key_states",
            "()",
            "RETURNS TABLE (domain text, state text, data_keys bigint, oldest timestamptz)"
            f" LANGUAGE sql STABLE {DEFINER}"
            " SELECT k.domain::text, k.state::text, count(*), min(k.created_at)"
            " FROM portal_datakey k GROUP BY 1, 2 $$",
        ),
        lookup_function(
            "portal_intake_waiting",
            "(before timestamptz)",
            f"RETURNS bigint LANGUAGE sql STABLE {DEFINER}"
            " SELECT count(*) FROM portal_intake i"
            " WHERE i.created_at < before AND i.expires_at > now() $$",
        ),
        # ── Organizations that are erased ─────────────────────────────────────────────────────
        migrations.CreateModel(
            name="Tombstone",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sequence", models.PositiveIntegerField(unique=True)),
                ("erased_id", models.UUIDField(unique=True)),
                ("keys", models.JSONField(default=list)),
                ("at", models.DateTimeField()),
                ("previous_hash", models.BinaryField(max_length=32)),
                ("hash", models.BinaryField(max_length=32)),
            ],
            options={"ordering": ["sequence"]},
        ),
        global_table(
            "portal_tombstone", {"portal_app": "SELECT", "portal_worker": "SELECT, INSERT"}
        ),
        RunSQL("GRANT USAGE ON SEQUENCE portal_tombstone_id_seq TO portal_worker", RunSQL.noop),
        append_only("portal_tombstone"),
        RunSQL("GRANT SELECT (erased_id) ON portal_tombstone TO portal_lookup", RunSQL.noop),
        lookup_function(
            "portal_unburied",
            "(wanted uuid[])",
            f"RETURNS SETOF uuid LANGUAGE sql STABLE {DEFINER}"
            " SELECT w FROM unnest(wanted) w WHERE NOT EXISTS"
            " (SELECT FROM portal_tombstone t WHERE t.erased_id = w) $$",
            also="portal_api",
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("asked_by_id", models.UUIDField()),
                ("asked_by", models.CharField(max_length=200)),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("because", models.CharField(blank=True, max_length=500)),
                ("counted", models.JSONField(default=dict)),
                ("confirmed_by_id", models.UUIDField(null=True)),
                ("confirmed_by", models.CharField(blank=True, max_length=200)),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.CharField(blank=True, max_length=200)),
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
            options={"base_manager_name": "everywhere"},
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddConstraint(
            "erasure",
            models.UniqueConstraint(
                condition=models.Q(ended_at=None), fields=["organization"], name="erasure_once"
            ),
        ),
        tenant_table(
            "portal_erasure",
            grants={
                "portal_app": "SELECT, INSERT, UPDATE",
                "portal_worker": "SELECT, UPDATE, DELETE",
            },
        ),
        RunSQL(
            [
                "CREATE POLICY lookup ON portal_erasure FOR SELECT TO portal_lookup USING (true)",
                "GRANT SELECT (id, organization_id, asked_by, asked_at, confirmed_by,"
                " confirmed_at, due_at, ended_at) ON portal_erasure TO portal_lookup",
            ],
            RunSQL.noop,
        ),
        lookup_function(
            "portal_erasures",
            "(asker uuid)",
            "RETURNS TABLE (id uuid, organization_id uuid, slug text, name text, asked_by text,"
            " asked_at timestamptz, confirmed_by text, confirmed_at timestamptz,"
            f" due_at timestamptz) LANGUAGE sql STABLE {DEFINER}"
            " SELECT e.id, o.id, o.slug::text, o.name::text, e.asked_by::text, e.asked_at,"
            " e.confirmed_by::text, e.confirmed_at, e.due_at"
            " FROM portal_erasure e JOIN portal_organization o ON o.id = e.organization_id"
            " WHERE e.ended_at IS NULL AND EXISTS"
            " (SELECT FROM portal_user u WHERE u.id = asker AND u.is_operator AND u.is_active)"
            " ORDER BY e.asked_at $$",
        ),
        # What a worker may not delete otherwise goes through one function, behind a tombstone.
        erasable(
            "portal_approval",
            "portal_auditevent",
            "portal_audithead",
            "portal_datakey",
            "portal_invitation",
            "portal_membership",
            "portal_supportlook",
            "portal_team",
            "portal_teammembership",
            "portal_turn",
        ),
        erasable("portal_organization", column="id"),
        lookup_function(
            "portal_erase_rows",
            "(wanted text, most integer)",
            f"RETURNS bigint LANGUAGE plpgsql VOLATILE {DEFINER}"
            " DECLARE gone bigint; mine uuid := current_setting('app.organization_id')::uuid;"
            " own text := CASE wanted WHEN 'portal_organization' THEN 'id'"
            " ELSE 'organization_id' END;"
            " BEGIN"
            " IF NOT EXISTS (SELECT FROM portal_tombstone t WHERE t.erased_id = mine) THEN"
            " RAISE EXCEPTION 'this organization is not erased'; END IF;"
            " EXECUTE format('DELETE FROM %I WHERE %I = $1 AND id IN"
            " (SELECT id FROM %I WHERE %I = $1 LIMIT $2)', wanted, own, wanted, own)"
            " USING mine, most;"
            " GET DIAGNOSTICS gone = ROW_COUNT; RETURN gone; END $$",
        ),
        workers_only("portal_erase_rows(text, integer)"),
    ]
