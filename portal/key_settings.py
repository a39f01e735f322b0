"""The settings that say who wraps data keys; part of `settings.py`."""

from django.core.exceptions import ImproperlyConfigured

from portal import env

__all__ = [
    "KEY_PROVIDER",
    "KEY_PROVIDER_DOMAINS",
    "KMS_ENDPOINT",
    "KMS_FORMER_KEYS",
    "KMS_KEYS",
    "KMS_REGION",
    "VAULT_ADDR",
    "VAULT_CA_FILE",
    "VAULT_NAMESPACE",
    "VAULT_TOKEN_FILE",
    "VAULT_TRANSIT_KEY",
    "VAULT_TRANSIT_MOUNT",
]

# Who wraps the data keys of these domains: the keyring, Vault's transit engine, or AWS KMS.
KEY_PROVIDER = env.choice("KEY_PROVIDER", ("keyring", "vault", "aws"), "keyring")
KEY_PROVIDER_DOMAINS = env.listed("KEY_PROVIDER_DOMAINS", "grant,access,mfa")
_PRODUCTION = env.text("PORTAL_MODE", "development") == "production"
_SCHEMES = ("https://",) if _PRODUCTION else ("https://", "http://")
VAULT_ADDR = env.text("VAULT_ADDR", "")
VAULT_TOKEN_FILE = env.text("VAULT_TOKEN_FILE", "")
VAULT_CA_FILE = env.text("VAULT_CA_FILE", "")
VAULT_NAMESPACE = env.text("VAULT_NAMESPACE", "")
VAULT_TRANSIT_MOUNT = env.text("VAULT_TRANSIT_MOUNT", "transit")
VAULT_TRANSIT_KEY = env.text("VAULT_TRANSIT_KEY", "portal-{domain}")
KMS_KEYS = env.mapping("KMS_KEYS")  # by domain: the key's ARN or id, no alias
KMS_FORMER_KEYS = env.listed("KMS_FORMER_KEYS")
KMS_REGION = env.text("KMS_REGION", "")
KMS_ENDPOINT = env.text("KMS_ENDPOINT", "")
if not set(KEY_PROVIDER_DOMAINS) <= {"grant", "access", "mfa"}:
    raise ImproperlyConfigured("KEY_PROVIDER_DOMAINS may name grant, access and mfa.")
if VAULT_ADDR and not VAULT_ADDR.startswith(_SCHEMES):
    raise ImproperlyConfigured("VAULT_ADDR must be an https address.")
if KEY_PROVIDER == "vault" and not (VAULT_ADDR and VAULT_TOKEN_FILE):
    raise ImproperlyConfigured("KEY_PROVIDER=vault needs VAULT_ADDR and VAULT_TOKEN_FILE.")
if KEY_PROVIDER == "aws" and set(KEY_PROVIDER_DOMAINS) - KMS_KEYS.keys():
    raise ImproperlyConfigured("KEY_PROVIDER=aws needs a key in KMS_KEYS for each of its domains.")
