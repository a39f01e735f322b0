"""Every setting once, in reading order. What comes from outside is read through `env.py`."""

from hashlib import sha256
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from portal import env, version
from portal.database_settings import databases, role_of
from portal.key_settings import *  # noqa: F403
from portal.mail_settings import *  # noqa: F403

BASE_DIR = Path(__file__).resolve().parent.parent

# ── What runs here ────────────────────────────────────────────────────────────────────────────
MODE = env.choice("PORTAL_MODE", ("development", "production"), "development")
PRODUCTION = MODE == "production"
PROCESS = env.choice("PORTAL_PROCESS", (*version.SERVING, "manage"), "manage")
FOR_PEOPLE = PROCESS not in ("api", "ingest")  # those serve machines: no sessions, no sign-in
DEBUG = env.boolean("DEBUG", False)
PORTAL_URL = env.text("PORTAL_URL", "http://localhost:8000").rstrip("/")
API_URL = env.text("API_URL", "http://localhost:8001").rstrip("/")
HOOKS_URL = env.text("HOOKS_URL", "").rstrip("/")  # without it changes are found by asking
API_THREADS = env.integer("API_THREADS", 4)  # as many as the server has; half of them may wait
API_PER_MINUTE = env.integer("API_PER_MINUTE", 1200)  # requests of a key, in each process
HOOKS_PER_SECOND = env.integer("HOOKS_PER_SECOND", 100)  # of an endpoint, in each ingest process
HOOKS_ORGANIZATION_PER_SECOND = env.integer("HOOKS_ORGANIZATION_PER_SECOND", 400)
ALLOWED_HOSTS = env.listed("ALLOWED_HOSTS", "localhost,127.0.0.1,testserver")
CSRF_TRUSTED_ORIGINS = [PORTAL_URL]

if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("DEBUG must be off in production.")

# ── Keys ──────────────────────────────────────────────────────────────────────────────────────
SECRET_KEY = env.secret("SECRET_KEY", None if PRODUCTION else "development-only")
SECRET_KEY_FALLBACKS: list[str] = []
KEYRING_FILE = env.text("KEYRING_FILE", "")
KEYRING_DIR = env.text("KEYRING_DIR", str(BASE_DIR / "var" / "keys"))  # of every process, for tools
KEYRING_FD = env.integer("KEYRING_FD", -1)
# ── Applications ──────────────────────────────────────────────────────────────────────────────
INSTALLED_APPS = [
    "portal.apps.PortalConfig",
    "connections.apps.ConnectionsConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
]
INSTALLED_APPS += FOR_PEOPLE * [
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
]

MIDDLEWARE = [
    "portal.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "portal.middleware.SecurityHeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "portal.middleware.CleanInputMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.last_seen.LastSeenMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.OrganizationMiddleware",
]
if not FOR_PEOPLE:
    MIDDLEWARE = [
        "portal.middleware.RequestIdMiddleware",
        "django.middleware.security.SecurityMiddleware",
        "portal.middleware.SecurityHeadersMiddleware",
        "connections.api.exposure.ExposedKeyMiddleware",
        "portal.problem_details.ProblemMiddleware",
        "django.middleware.common.CommonMiddleware",
    ]

ROOT_URLCONF = "portal.urls" if FOR_PEOPLE else "portal.api_urls"
APPEND_SLASH = FOR_PEOPLE
WSGI_APPLICATION = "portal.wsgi.application"
API_FRONT = "connections.api.front.Front"  # stands before Django in the api process
INGEST_APPLICATION = "connections.receiving.front.application"  # in its place in the ingest process
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.frame",
            ],
            "builtins": ["portal.templatetags.portal"],
        },
    }
]

# ── Database: one PostgreSQL, one login role for each duty ────────────────────────────────────
DATABASE_ROLE = role_of(PROCESS)
DATABASES = databases(PROCESS, production=PRODUCTION)
DATABASE_ROUTERS = ["portal.roles.RoleRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ── Valkey or Redis: hints, counters, cache; losing it loses nothing ──────────────────────────
REDIS_URL = env.text("REDIS_URL", "redis://127.0.0.1:6379/0")
CACHES = {
    "default": {
        "BACKEND": "portal.cache.ForgetfulRedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "portal",
        "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
    }
}

# ── Backups: PostgreSQL's tools, and what is remembered outside the database ──────────────────
POSTGRES_TOOLS = env.text("POSTGRES_TOOLS", "")  # the folder of pg_dump and its kin, else PATH
HIGH_WATER_FILE = env.text("HIGH_WATER_FILE", str(BASE_DIR / "var" / "high_water.sqlite3"))
TOMBSTONE_FILE = env.text("TOMBSTONE_FILE", f"{HIGH_WATER_FILE}.tombstones")
BACKUP_DAYS = env.integer("BACKUP_DAYS", 35)  # how long a backup of the database is kept
DATA_KEY_DAYS = env.integer("DATA_KEY_DAYS", 90)
ERASE_GRACE_DAYS = env.integer("ERASE_GRACE_DAYS", 7)

# ── Work ──────────────────────────────────────────────────────────────────────────────────────
LEASE_SECONDS = env.integer("LEASE_SECONDS", 60)
SWEEP_SECONDS = env.integer("SWEEP_SECONDS", 10)
REFRESH_LEASE_SECONDS = env.integer("REFRESH_LEASE_SECONDS", 120)  # three hard deadlines
REFRESH_PER_SECOND = env.integer("REFRESH_PER_SECOND", 20)  # of each connector, all organizations
PROBE_IDLE_MINUTES = env.integer("PROBE_IDLE_MINUTES", 13)  # 0: no quiet looks at idle connections
DIE_AT_STEP = "" if PRODUCTION else env.text("DIE_AT_STEP", "")  # crash tests, see steps.py

# ── People ────────────────────────────────────────────────────────────────────────────────────
AUTH_USER_MODEL = "portal.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "account_login"

# Who may sign up: anybody, holders of an invitation, or addresses of these domains.
SIGNUP = env.choice("SIGNUP", ("open", "invitation", "domain"), "open")
SIGNUP_DOMAINS = [domain.lower() for domain in env.listed("SIGNUP_DOMAINS")]
if SIGNUP == "domain" and not SIGNUP_DOMAINS:
    raise ImproperlyConfigured("SIGNUP_DOMAINS must name a domain when SIGNUP is 'domain'.")

ACCOUNT_ADAPTER = "portal.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "portal.signup.SignupForm"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = PORTAL_URL.partition(":")[0]
MFA_ADAPTER = "portal.mfa.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Portal"
# Operators and support need a second step to enter their areas (OWASP ASVS 5.0 V6.3.3).
REQUIRE_MFA_FOR_STAFF = env.boolean("REQUIRE_MFA_FOR_STAFF", PRODUCTION)
USERSESSIONS_TRACK_ACTIVITY = True
SOCIALACCOUNT_ADAPTER = "portal.accounts.SocialAccountAdapter"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
# One platform-wide OpenID Connect sign-in, shown on the sign-in page when an issuer is set.
OIDC_ISSUER = env.text("OIDC_ISSUER", "")
# Part of a person's identity here: the same subject at another issuer is somebody else.
OIDC_PROVIDER_ID = f"sso-{sha256(OIDC_ISSUER.encode()).hexdigest()[:12]}"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": OIDC_PROVIDER_ID,
                "name": env.text("OIDC_NAME", "single sign-on"),
                "client_id": env.text("OIDC_CLIENT_ID"),
                "secret": env.secret("OIDC_CLIENT_SECRET"),
                "settings": {"server_url": OIDC_ISSUER},
            }
        ]
        if OIDC_ISSUER
        else [],
    }
}

# ── Sessions, cookies, transport ──────────────────────────────────────────────────────────────
SESSION_ENGINE = "portal.sessions"
SESSION_COOKIE_AGE = 60 * 60 * 12
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"  # the way back from a vendor needs them
CSRF_FAILURE_VIEW = "portal.views.problems.csrf_failure"
SECURE_COOKIES = env.boolean("SECURE_COOKIES", PRODUCTION)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_NAME = "__Host-session" if SECURE_COOKIES else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if SECURE_COOKIES else "csrf"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
TLS_ONLY = env.boolean("SECURE_SSL_REDIRECT", PRODUCTION)
SECURE_SSL_REDIRECT = TLS_ONLY and FOR_PEOPLE  # a service's key sent in clear is refused instead
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
X_FRAME_OPTIONS = "DENY"
# Our own proxies before us: each writes the last entry of X-Forwarded-For that it knows of.
BEHIND_PROXY = env.boolean("BEHIND_PROXY", False)
ALLAUTH_TRUSTED_PROXY_COUNT = env.integer("TRUSTED_PROXIES", 1 if BEHIND_PROXY else 0)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
FILE_UPLOAD_HANDLERS = ["portal.uploads.RefuseUploads"]

# ── Words and time ────────────────────────────────────────────────────────────────────────────
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"

# ── Static files ──────────────────────────────────────────────────────────────────────────────
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(BASE_DIR / "var" / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "portal.connector_files.ConnectorFiles",  # icons of connectors from other packages
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PROCESS in {"web", "manage"} and not DEBUG
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_MANIFEST_STRICT = False

# ── Connectors: an allow-list, because a stray folder must not become a live OAuth client ─────
CONNECTORS = [
    "integrations.bitbucket_cloud",
    "integrations.bitbucket_data_center",
    "integrations.jetbrains_space",
    "integrations.jira",
    "integrations.confluence",
    "integrations.spacelift",
]
CONNECTOR_ORIGINS = env.mapping("CONNECTOR_ORIGINS")
SANDBOX_ORIGINS = env.listed("SANDBOX_ORIGINS")
OUTBOUND_PROXY = env.text("OUTBOUND_PROXY", "")
SEED_CONSUMERS = {} if PRODUCTION else env.mapping("SEED_CONSUMERS")  # {"connector": "key:secret"}
if PRODUCTION and (SANDBOX_ORIGINS or CONNECTOR_ORIGINS):
    raise ImproperlyConfigured("SANDBOX_ORIGINS and CONNECTOR_ORIGINS must be empty in production.")

PENDING_LINK_MINUTES = 10
SYNC_CONCURRENCY = env.integer("SYNC_CONCURRENCY", 8)
REQUESTS_PER_HOUR = env.integer("REQUESTS_PER_HOUR", 1000)  # where a vendor does not say
REFRESH_CONCURRENCY = env.integer("REFRESH_CONCURRENCY", 32)
# Tokens that the database could not take wait here, sealed: a disk that outlives the process.
SPOOL_DIR = Path(env.text("SPOOL_DIR", str(BASE_DIR / "var" / "spool")))

# ── Logs: one JSON line each, without secrets ─────────────────────────────────────────────────
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "portal.logs.JsonFormatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO")},
    "loggers": {
        "django.db.backends": {"level": "WARNING"},
        "django.utils.autoreload": {"level": "WARNING"},
    },
}
