-- The login roles and what each may do, on PostgreSQL 15 or newer. Run it once as an administrator,
-- connected to the portal's database, and again after an upgrade: every statement may be repeated.
--
--   psql --dbname=portal --file=portal/sql/roles.sql
--
-- Roles are made without a password. Where they log in by one, give each its own with \password.
-- Nobody here is a superuser or bypasses row-level security (trust.md §4.3).

-- ── The roles ────────────────────────────────────────────────────────────────────────────────

DO $$
DECLARE
    name text;
BEGIN
    -- portal_owner   owns the tables and runs the migrations; no serving process logs in as it
    -- portal_app     the web process
    -- portal_api     the api process: it serves other services
    -- portal_ingest  the ingest process: webhooks come in
    -- portal_worker  the worker process
    -- portal_sweeper finds due work of all organizations: queue columns only
    -- portal_support reads across organizations: no sealed column
    -- portal_lookup  owns the functions that find what must be known before an organization is
    FOREACH name IN ARRAY ARRAY['portal_owner', 'portal_app', 'portal_api', 'portal_ingest',
                                'portal_worker', 'portal_sweeper', 'portal_support',
                                'portal_lookup']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I', name);
        END IF;
        -- A managed service's administrator may not mention SUPERUSER; a new role has none of
        -- these, so they are spelled out only where an older one has.
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = name
                   AND (rolsuper OR rolbypassrls OR rolreplication)) THEN
            EXECUTE format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOREPLICATION', name);
        END IF;
        EXECUTE format('ALTER ROLE %I NOCREATEDB NOCREATEROLE NOINHERIT %s', name,
                       CASE name WHEN 'portal_lookup' THEN 'NOLOGIN' ELSE 'LOGIN' END);
        -- Exactly UTC: Django would otherwise set the zone through set_config, revoked below.
        EXECUTE format('ALTER ROLE %I SET timezone = ''UTC''', name);
    END LOOP;
END $$;

-- The owner hands functions over to portal_lookup and has none of its rights itself.
DO $$
BEGIN
    IF current_setting('server_version_num')::int >= 160000 THEN
        EXECUTE 'GRANT portal_lookup TO portal_owner WITH INHERIT FALSE, SET TRUE';
    ELSE
        GRANT portal_lookup TO portal_owner;  -- NOINHERIT above says the same here
    END IF;
END $$;

-- ── Patience: what waits too long is ended, so that one query cannot starve the rest ────────────

ALTER ROLE portal_app SET statement_timeout = '5s';
ALTER ROLE portal_app SET lock_timeout = '3s';
ALTER ROLE portal_app SET idle_in_transaction_session_timeout = '15s';

ALTER ROLE portal_api SET statement_timeout = '5s';
ALTER ROLE portal_api SET lock_timeout = '1s';
ALTER ROLE portal_api SET idle_in_transaction_session_timeout = '15s';

ALTER ROLE portal_ingest SET statement_timeout = '5s';
ALTER ROLE portal_ingest SET lock_timeout = '1s';
ALTER ROLE portal_ingest SET idle_in_transaction_session_timeout = '15s';
-- What it answers for is on disk, whatever the server's own setting is.
ALTER ROLE portal_ingest SET synchronous_commit = on;

ALTER ROLE portal_support SET statement_timeout = '5s';
ALTER ROLE portal_support SET lock_timeout = '1s';
ALTER ROLE portal_support SET idle_in_transaction_session_timeout = '15s';

ALTER ROLE portal_sweeper SET statement_timeout = '10s';
ALTER ROLE portal_sweeper SET lock_timeout = '1s';
ALTER ROLE portal_sweeper SET idle_in_transaction_session_timeout = '15s';
-- It writes leases and turns only. One that a crash of the server takes back is claimed again.
ALTER ROLE portal_sweeper SET synchronous_commit = off;

ALTER ROLE portal_worker SET statement_timeout = '60s';
ALTER ROLE portal_worker SET lock_timeout = '10s';
ALTER ROLE portal_worker SET idle_in_transaction_session_timeout = '60s';

-- A migration waits in vain for its lock rather than holding up everybody behind it.
ALTER ROLE portal_owner SET lock_timeout = '10s';

-- ── The database and its schema ──────────────────────────────────────────────────────────────

DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I OWNER TO portal_owner', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO portal_owner, portal_app, portal_api,'
                   ' portal_ingest, portal_worker, portal_sweeper, portal_support', current_database());
END $$;

ALTER SCHEMA public OWNER TO portal_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public
    TO portal_app, portal_api, portal_ingest, portal_worker, portal_sweeper, portal_support;
-- portal_lookup cannot log in; it needs CREATE to be given its functions.
GRANT USAGE, CREATE ON SCHEMA public TO portal_owner, portal_lookup;

-- What a migration makes is nobody's until the migration grants it.
ALTER DEFAULT PRIVILEGES FOR ROLE portal_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE portal_lookup REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Row-level security reads app.organization_id, which tenancy.py sets by SET LOCAL. An injected
-- SELECT cannot say SET, but it could call set_config or update pg_settings, which calls it.
-- Where the installation does not allow this, the portal runs without this fence.
DO $$
BEGIN
    REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC;
    IF has_function_privilege('portal_app', 'pg_catalog.set_config(text, text, boolean)', 'EXECUTE')
    THEN
        RAISE NOTICE 'set_config stays callable: its privileges are not ours to revoke.';
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'set_config stays callable: its privileges are not ours to revoke.';
END $$;
