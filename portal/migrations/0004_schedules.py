"""Schedules, turns between organizations, classes of work, and what operators see of them."""

import uuid

import django.db.models.deletion
import django.db.models.manager
from django.db import migrations, models
from django.db.migrations.operations import RunSQL

from portal.rls import READ_WRITE, global_table, lookup_function, tenant_table

CLASSES = [
    (10, "A person waits"),
    (20, "Token refresh"),
    (50, "Webhooks and the like"),
    (70, "Incremental sync"),
    (90, "Full sync"),
    (95, "Housekeeping"),
]

IS_OPERATOR = (
    "EXISTS (SELECT FROM portal_user u WHERE u.id = asker AND u.is_operator AND u.is_active)"
)
DUE = "j.run_at <= now() AND (j.lease_until IS NULL OR j.lease_until < now())"

# Organizations with a due job of a class, from one id on: an index probe or two for each of them,
# however many jobs they have. Rows are compared and ordered as in the index `job_turn`, so that no
# statistics lead the planner to another one.
WAITING = """
CREATE FUNCTION portal_waiting(
    class smallint, moment timestamptz, low uuid, high uuid, most integer
) RETURNS SETOF uuid LANGUAGE plpgsql VOLATILE SET search_path = public AS $$
BEGIN
    RETURN QUERY WITH RECURSIVE walk (priority, organization_id) AS (
        (SELECT j.priority, j.organization_id FROM portal_job j
          WHERE j.done_at IS NULL AND (j.priority, j.organization_id) >= (class, low)
          ORDER BY j.priority, j.organization_id LIMIT 1)
        UNION ALL
        SELECT n.priority, n.organization_id
          FROM walk w CROSS JOIN LATERAL (
            SELECT j.priority, j.organization_id FROM portal_job j
             WHERE j.done_at IS NULL
               AND (j.priority, j.organization_id) > (w.priority, w.organization_id)
             ORDER BY j.priority, j.organization_id LIMIT 1) n
         WHERE (w.priority, w.organization_id) < (class, high)
    )
    SELECT w.organization_id FROM walk w
     WHERE (w.priority, w.organization_id) < (class, high)
       AND (SELECT true FROM portal_job j
             WHERE j.done_at IS NULL
               AND (j.priority, j.organization_id) >= (class, w.organization_id)
               AND (j.priority, j.organization_id, j.run_at) <= (class, w.organization_id, moment)
               AND (j.lease_until IS NULL OR j.lease_until < now())
             ORDER BY j.priority, j.organization_id, j.run_at LIMIT 1)
     LIMIT most;
END $$
"""

# One claim: the most urgent class that may take another hand; within it the organization that was
# served longest ago (of 64 from a random place on, so that thousands cost no more); its oldest job.
# Hands are counted by live leases, under a lock that ends with the statement: it is the database
# that holds it, so a worker that stops in the middle holds up nobody.
CLAIM = """
CREATE FUNCTION portal_claim(
    worker uuid, seconds double precision, moment timestamptz, classes smallint[], shares jsonb
) RETURNS TABLE (id uuid, organization_id uuid)
LANGUAGE plpgsql VOLATILE SET search_path = public AS $$
#variable_conflict use_column
DECLARE
    seen timestamptz;
    start uuid := gen_random_uuid();
    class smallint;
    candidate uuid;
    chosen uuid;
BEGIN
    PERFORM FROM portal_job j
      WHERE j.done_at IS NULL AND j.run_at <= moment
        AND (j.lease_until IS NULL OR j.lease_until < now())
      ORDER BY j.run_at LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF jsonb_array_length(shares) > 0 THEN
        PERFORM pg_advisory_xact_lock(7310001);
    END IF;
    seen := clock_timestamp();
    FOREACH class IN ARRAY classes LOOP
        CONTINUE WHEN EXISTS (
            SELECT FROM jsonb_to_recordset(shares) AS s (classes smallint[], most integer)
             WHERE class = ANY (s.classes)
               AND s.most <= (SELECT count(*) FROM (
                    SELECT FROM portal_job j
                     WHERE j.done_at IS NULL AND j.lease_until >= seen
                       AND j.priority = ANY (s.classes)
                     ORDER BY j.lease_until LIMIT s.most) AS held)
        );
        FOR candidate IN
            SELECT w.organization_id FROM (
                SELECT portal_waiting(
                    class, moment, start, 'ffffffff-ffff-ffff-ffff-ffffffffffff', 64)
                UNION ALL
                SELECT portal_waiting(
                    class, moment, '00000000-0000-0000-0000-000000000000', start, 64)
                LIMIT 64
            ) AS w (organization_id)
            LEFT JOIN portal_turn t
                   ON t.organization_id = w.organization_id AND t.priority = class
            ORDER BY t.served_at NULLS FIRST
        LOOP
            SELECT j.id INTO chosen FROM portal_job j
             WHERE j.done_at IS NULL
               AND (j.priority, j.organization_id) >= (class, candidate)
               AND (j.priority, j.organization_id, j.run_at) <= (class, candidate, moment)
               AND (j.lease_until IS NULL OR j.lease_until < seen)
             ORDER BY j.priority, j.organization_id, j.run_at LIMIT 1 FOR UPDATE SKIP LOCKED;
            CONTINUE WHEN NOT FOUND;
            UPDATE portal_job SET lease_owner = worker, attempts = attempts + 1, claimed_at = seen,
                   lease_until = seen + make_interval(secs => seconds)
             WHERE id = chosen;
            -- A turn that another worker writes in this moment need not be waited for.
            PERFORM FROM portal_turn t
              WHERE t.organization_id = candidate AND t.priority = class;
            IF FOUND THEN
                UPDATE portal_turn SET served_at = seen
                 WHERE (organization_id, priority) IN (
                    SELECT t.organization_id, t.priority FROM portal_turn t
                     WHERE t.organization_id = candidate AND t.priority = class
                       FOR UPDATE SKIP LOCKED);
            ELSE
                INSERT INTO portal_turn (id, organization_id, priority, served_at)
                VALUES (gen_random_uuid(), candidate, class, seen) ON CONFLICT DO NOTHING;
            END IF;
            id := chosen;
            organization_id := candidate;
            RETURN NEXT;
            RETURN;
        END LOOP;
    END LOOP;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("portal", "0003_lookups")]

    operations = [
        # The new tables' constraints are checked last, through the row security that they have by
        # then: it wants an organization, though there is no row yet.
        RunSQL(
            "SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'", RunSQL.noop
        ),
        migrations.CreateModel(
            name="Schedule",
            fields=[
                ("name", models.CharField(max_length=60, primary_key=True, serialize=False)),
                ("period_seconds", models.PositiveIntegerField()),
                ("next_run_at", models.DateTimeField()),
                ("lease_owner", models.UUIDField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("last_error", models.CharField(blank=True, max_length=80)),
                ("failures", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Turn",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("priority", models.SmallIntegerField(choices=CLASSES)),
                ("served_at", models.DateTimeField()),
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
                    models.UniqueConstraint(
                        fields=("organization", "priority"), name="turn_once"
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="hands",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="job", name="claimed_at", field=models.DateTimeField(null=True)
        ),
        migrations.AddField(
            model_name="job", name="retried_at", field=models.DateTimeField(null=True)
        ),
        migrations.AlterField(
            model_name="job",
            name="priority",
            field=models.SmallIntegerField(choices=CLASSES, default=50),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(priority__in=[10, 20, 50, 70, 90, 95]), name="job_priority"
            ),
        ),
        migrations.RemoveIndex(model_name="job", name="job_due"),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(done_at=None),
                fields=["priority", "organization", "run_at"],
                name="job_turn",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(done_at=None), fields=["run_at"], name="job_due"
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(done_at=None, lease_until__isnull=False),
                fields=["lease_until", "priority"],
                name="job_leased",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(failed_at__isnull=False),
                fields=["-failed_at"],
                name="job_failed",
            ),
        ),
        global_table("portal_schedule", {"portal_app": "SELECT", "portal_worker": READ_WRITE}),
        tenant_table(
            "portal_turn",
            grants={"portal_app": "SELECT", "portal_worker": "SELECT"},
            sweeper=("organization_id", "priority", "served_at"),
        ),
        RunSQL(
            [
                # Each claim updates a turn in place: room on the page, and no index on what moves.
                "ALTER TABLE portal_turn SET (fillfactor = 50)",
                "CREATE POLICY sweeper_serves ON portal_turn FOR UPDATE TO portal_sweeper"
                " USING (true) WITH CHECK (true)",
                "CREATE POLICY sweeper_adds ON portal_turn FOR INSERT TO portal_sweeper"
                " WITH CHECK (true)",
                "GRANT INSERT (id, organization_id, priority, served_at), UPDATE (served_at)"
                " ON portal_turn TO portal_sweeper",
                "GRANT UPDATE (claimed_at) ON portal_job TO portal_sweeper",
                # The page of queues tells of one job's failure and lets it be tried again, once.
                "GRANT UPDATE (retried_at) ON portal_job TO portal_app",
                "GRANT SELECT (id, organization_id, priority, attempts, last_error, claimed_at,"
                " retried_at) ON portal_job TO portal_lookup",
            ],
            RunSQL.noop,
        ),
        RunSQL(
            [
                WAITING,
                CLAIM,
                "REVOKE ALL ON FUNCTION portal_waiting(smallint, timestamptz, uuid, uuid, integer),"
                " portal_claim(uuid, double precision, timestamptz, smallint[], jsonb) FROM PUBLIC",
                "GRANT EXECUTE ON FUNCTION"
                " portal_waiting(smallint, timestamptz, uuid, uuid, integer),"
                " portal_claim(uuid, double precision, timestamptz, smallint[], jsonb)"
                " TO portal_sweeper",
            ],
            RunSQL.noop,
        ),
        lookup_function(
            "portal_queues",
            "(asker uuid)",
            "RETURNS TABLE (priority smallint, organization_id uuid, slug text, name text,"
            " due bigint, running bigint, later bigint, oldest_due timestamptz)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT j.priority, o.id, o.slug::text, o.name::text,"
            f" count(*) FILTER (WHERE {DUE}),"
            " count(*) FILTER (WHERE j.lease_until >= now()),"
            " count(*) FILTER (WHERE j.run_at > now()"
            " AND (j.lease_until IS NULL OR j.lease_until < now())),"
            f" min(j.run_at) FILTER (WHERE {DUE})"
            " FROM portal_job j JOIN portal_organization o ON o.id = j.organization_id"
            f" WHERE j.done_at IS NULL AND {IS_OPERATOR}"
            " GROUP BY 1, 2, 3, 4 ORDER BY 1, 8 NULLS LAST, 3 $$",
        ),
        lookup_function(
            "portal_leases",
            "(asker uuid)",
            "RETURNS TABLE (id uuid, kind text, priority smallint, slug text, name text,"
            " attempts integer, claimed_at timestamptz, lease_until timestamptz)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT j.id, j.kind::text, j.priority, o.slug::text, o.name::text, j.attempts,"
            " j.claimed_at, j.lease_until"
            " FROM portal_job j JOIN portal_organization o ON o.id = j.organization_id"
            f" WHERE j.done_at IS NULL AND j.lease_until IS NOT NULL AND {IS_OPERATOR}"
            " ORDER BY j.claimed_at NULLS FIRST, j.id $$",
        ),
        lookup_function(
            "portal_failed_jobs",
            "(asker uuid, wanted uuid)",
            "RETURNS TABLE (id uuid, kind text, priority smallint, organization_id uuid, slug text,"
            " name text, reason text, attempts integer, failed_at timestamptz,"
            " retried_at timestamptz)"
            " LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$"
            " SELECT j.id, j.kind::text, j.priority, o.id, o.slug::text, o.name::text,"
            " j.last_error::text, j.attempts, j.failed_at, j.retried_at"
            " FROM portal_job j JOIN portal_organization o ON o.id = j.organization_id"
            " WHERE j.failed_at > now() - interval '7 days'"
            f" AND (wanted IS NULL OR j.id = wanted) AND {IS_OPERATOR}"
            " ORDER BY j.failed_at DESC, j.id LIMIT 500 $$",
        ),
    ]
