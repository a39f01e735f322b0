"""The certificate authorities that an allow-list entry brings: PEM text, checked and told in words.

No Django here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID

LONGEST_PEM = 64 * 1024
MOST_CERTIFICATES = 10


class NotAuthorities(ValueError):
    """The text is no bundle of usable CA certificates; the message says which one and why."""


@dataclass(frozen=True, slots=True)
class Authority:
    """One CA certificate: its name, until when it is valid, and its SHA-256 fingerprint."""

    name: str
    not_after: datetime
    fingerprint: str


def bundle(text: str, *, now: datetime) -> str:
    """The same certificates in PEM and nothing else; "" for an empty text.

    Raises NotAuthorities for what is no certificate, no CA, not valid now, or a private key.
    """
    if not text.strip():
        return ""
    found = _loaded(text)
    for place, certificate in enumerate(found, start=1):
        if wrong := _wrong(certificate, now):
            raise NotAuthorities(f"Certificate {place} ({_name(certificate)}) {wrong}")
    return "".join(each.public_bytes(Encoding.PEM).decode("ascii") for each in found)


def told(pem: str) -> list[Authority]:
    """What a stored bundle holds; empty for none."""
    if not pem:
        return []
    return [
        Authority(
            _name(each), each.not_valid_after_utc, each.fingerprint(SHA256()).hex(":").upper()
        )
        for each in x509.load_pem_x509_certificates(pem.encode("ascii"))
    ]


def _loaded(text: str) -> list[x509.Certificate]:
    if len(text) > LONGEST_PEM:
        raise NotAuthorities("This is longer than a bundle of CA certificates. Paste the CA only.")
    if "PRIVATE KEY" in text:
        raise NotAuthorities(
            "This holds a private key. Nothing was kept. Paste the CA certificate alone."
        )
    try:
        found = x509.load_pem_x509_certificates(text.encode("ascii"))
    except ValueError:
        raise NotAuthorities(
            "This is no certificate in PEM. It begins with -----BEGIN CERTIFICATE-----."
        ) from None
    if len(found) > MOST_CERTIFICATES:
        raise NotAuthorities(f"A bundle has at most {MOST_CERTIFICATES} certificates.")
    return found


def _wrong(certificate: x509.Certificate, now: datetime) -> str:
    if certificate.not_valid_after_utc <= now:
        return f"expired on {certificate.not_valid_after_utc:%-d %B %Y}. Paste its successor."
    if certificate.not_valid_before_utc > now:
        return f"is not valid before {certificate.not_valid_before_utc:%-d %B %Y}."
    if not _is_authority(certificate):
        return "is no CA: it may not sign others. Paste the certificate of the CA that signed it."
    return ""


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        found = certificate.extensions.get_extension_for_oid(ExtensionOID.BASIC_CONSTRAINTS)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return isinstance(found.value, x509.BasicConstraints) and found.value.ca


def _name(certificate: x509.Certificate) -> str:
    try:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        names = []
    text = str(names[0].value) if names else "no name"
    return "".join(char if char.isprintable() else " " for char in text)[:100]
