"""The statements that claim grants: they say in SQL what `lineage.py` says in rules.

A test holds the two together. All run inside the acting organization's transaction.
"""

from __future__ import annotations

from typing import Final

# Nobody holds it, and it may be asked for. Of what is in doubt, `refresh_due_at` has passed: the
# claim that wrote the intent saw to that, and it stays so until the answer is settled.
_CLAIM = """
WITH taken AS MATERIALIZED (
    SELECT c.id, c.intent_version IS NOT NULL AS doubted
      FROM connections_credential c
     WHERE c.organization_id = %(organization)s AND --which--
       AND (c.lease_until IS NULL OR c.lease_until <= %(now)s)
       AND c.quarantined_at IS NULL AND c.replaced_at IS NULL AND c.refreshable
     ORDER BY c.refresh_due_at LIMIT %(limit)s
       FOR NO KEY UPDATE OF c SKIP LOCKED
), changed AS (
    UPDATE connections_credential c
       SET lease_owner = %(owner)s, lease_until = %(until)s, intent_version = c.version,
           intent_at = CASE WHEN c.intent_version IS NULL THEN %(now)s ELSE c.intent_at END,
           refresh_attempts = c.refresh_attempts + 1,
           refresh_due_at = least(c.refresh_due_at, %(now)s)
     WHERE c.id = ANY (ARRAY(SELECT id FROM taken))
 RETURNING c.*
)
SELECT c.id, c.connection_id, c.version, taken.doubted, c.refresh_attempts, c.scopes,
       k.connector, k.method, k.consumer_id, k.paused_at IS NOT NULL,
       k.suspect_since IS NOT NULL OR c.refresh_attempts > 1 AND k.last_error <> '',
       EXISTS (SELECT FROM connections_candidate s
                WHERE s.organization_id = c.organization_id AND s.credential_id = c.id),
       k.name,
       to_char(k.linked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00',
       coalesce(k.fields->>'base_url', '')
  FROM changed c JOIN taken ON taken.id = c.id CROSS JOIN LATERAL (
       SELECT * FROM connections_connection k WHERE k.id = c.connection_id OFFSET 0) k
"""
# Of each row in turn, in the order of the index: as a join, or as an equality of which the planner
# expects little, all connections of an organization would be read to find the first due ones.
_LIVE = """(SELECT k.state <> 'revoked' AND k.connector = coalesce(%(connector)s, k.connector)
                   AND (%(base_url)s = '' OR k.fields->>'base_url' = %(base_url)s)
              FROM connections_connection k WHERE k.id = c.connection_id)"""
DUE: Final = _CLAIM.replace("--which--", f"c.refresh_due_at <= %(now)s AND {_LIVE}")
WANTED: Final = _CLAIM.replace(
    "--which--", f"c.id = %(credential)s AND c.version = %(version)s AND {_LIVE}"
)
# Of a product that people run, by server: its grants are renewed where their consumer is known, and
# what is exchanged without one at the server of its connection.
WAITING: Final = """
WITH wanted AS (
    SELECT unnest(%(shared)s::text[]) AS connector, '' AS base_url
     UNION
    SELECT connector, base_url FROM connections_consumer WHERE connector = ANY (%(own)s::text[])
     UNION
    SELECT connector, fields->>'base_url' FROM connections_connection
     WHERE connector = ANY (%(own)s::text[]) AND consumer_id IS NULL
       AND organization_id = %(organization)s AND state <> 'revoked'
       AND fields->>'base_url' <> ''
)
SELECT wanted.connector, wanted.base_url, due.count
  FROM wanted CROSS JOIN LATERAL (
       SELECT count(*) FROM (
           SELECT FROM connections_credential c
            WHERE c.organization_id = %(organization)s AND c.refresh_due_at <= %(now)s
              AND (c.lease_until IS NULL OR c.lease_until <= %(now)s)
              AND c.quarantined_at IS NULL AND c.replaced_at IS NULL AND c.refreshable
              AND (SELECT k.state <> 'revoked' AND k.connector = wanted.connector
                          AND (wanted.base_url = '' OR k.fields->>'base_url' = wanted.base_url)
                     FROM connections_connection k WHERE k.id = c.connection_id)
            ORDER BY c.refresh_due_at LIMIT %(limit)s) first) due
 WHERE due.count > 0
"""
