"""The lab's certificates: one trust anchor, which signs an issuer for each cluster.

Keys are ECDSA P-256, which both meshes accept, in files that only their owner can read.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.base.errors import LabError
from lab.base.files import write_atomic

ANCHOR_LIFETIME = timedelta(days=3650)
ISSUER_LIFETIME = timedelta(days=365)
LEAF_LIFETIME = timedelta(minutes=10)
RENEW_BEFORE = timedelta(days=30)
"""An issuer that expires sooner is replaced. An anchor that expires sooner is an error, since clusters trust it."""
_CLOCK_SKEW = timedelta(minutes=5)
_creating = threading.Lock()  # the clusters' steps run in parallel, and must share one anchor


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"Issued({self.parsed.subject.rfc4514_string()}, until {self.not_after:%Y-%m-%d})"

    @property
    def parsed(self) -> x509.Certificate:
        """The certificate."""
        return x509.load_pem_x509_certificate(self.certificate)

    @property
    def not_after(self) -> datetime:
        """When it expires."""
        return self.parsed.not_valid_after_utc


def anchor(folder: Path, *, lab_name: str, now: datetime | None = None) -> Issued:
    """Return the lab's trust anchor; the first call creates it.

    Raises:
        LabError: it is damaged, or expires in less than 30 days.
    """
    with _creating:
        return _anchor(folder, lab_name, now or datetime.now(UTC))


def refuse_ended(folder: Path, *, now: datetime | None = None) -> None:
    """Check that an existing trust anchor is still valid; do nothing if there is none.

    Raises:
        LabError: it is damaged, or expires in less than 30 days.
    """
    now = now or datetime.now(UTC)
    try:
        existing = _load(folder, "anchor")
    except (OSError, ValueError) as error:
        raise LabError(
            f"the trust anchor is damaged: {error}", where=str(folder), next="lab down, then lab up"
        ) from error
    if existing is not None and existing.not_after - now < RENEW_BEFORE:
        expires = "expired" if existing.not_after <= now else "expires"
        raise LabError(
            f"the trust anchor {expires} on {existing.not_after:%Y-%m-%d}",
            where=str(folder),
            next="lab down, then lab up",
        )


def _anchor(folder: Path, lab_name: str, now: datetime) -> Issued:
    refuse_ended(folder, now=now)
    existing = _load(folder, "anchor")
    if existing is None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(lab_name, "trust anchor")
        certificate = _sign(
            key,
            subject=name,
            signer_key=key,
            signer=name,
            begins=now - _CLOCK_SKEW,
            ends=now + ANCHOR_LIFETIME,
            path_length=1,
        )
        return _store(folder, "anchor", key, certificate)
    return existing


def issuer(folder: Path, *, lab_name: str, cluster: str, trust_domain: str, now: datetime | None = None) -> Issued:
    """Return a cluster's issuer. Replace it if it is missing, damaged, about to expire, or of another anchor or domain.

    Raises:
        LabError: as `anchor`.
    """
    now = now or datetime.now(UTC)
    root = anchor(folder, lab_name=lab_name, now=now)
    try:
        existing = _load(folder, cluster)
    except (OSError, ValueError):
        existing = None
    if existing is not None and _fits(existing, root, trust_domain, now):
        return existing
    key = ec.generate_private_key(ec.SECP256R1())
    root_key = cast("ec.EllipticCurvePrivateKey", serialization.load_pem_private_key(root.key, None))
    certificate = _sign(
        key,
        subject=_name(lab_name, f"issuer of {cluster}"),
        signer_key=root_key,
        signer=root.parsed.subject,
        ends=min(now + ISSUER_LIFETIME, root.not_after),
        begins=now - _CLOCK_SKEW,
        path_length=0,
        identity=f"spiffe://{trust_domain}",
    )
    return _store(folder, cluster, key, certificate)


def leaf(signer: Issued, identity: str, *, lifetime: timedelta = LEAF_LIFETIME) -> Issued:
    """Return a workload's certificate with its identity, followed by its signer's; it is not stored anywhere.

    A SPIFFE ID becomes a URI (SPIFFE X509-SVID, 4 and 5), any other identity a DNS name, as in Linkerd.
    """
    now, key = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    signer_key = cast("ec.EllipticCurvePrivateKey", serialization.load_pem_private_key(signer.key, None))
    certificate = _sign(
        key,
        subject=x509.Name([]),
        signer_key=signer_key,
        signer=signer.parsed.subject,
        begins=now - _CLOCK_SKEW,
        ends=now + lifetime,
        path_length=None,
        identity=identity,
    )
    issued = _pem(key, certificate)
    return Issued(certificate=issued.certificate + signer.certificate, key=issued.key)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Contents of a certificate. `fingerprint` is SHA-256, hexadecimal."""

    fingerprint: str
    ends: datetime
    trust_domain: str | None


def describe(certificate: bytes) -> Facts:
    """Return the contents of a PEM certificate."""
    parsed = x509.load_pem_x509_certificate(certificate)
    return Facts(
        fingerprint=parsed.fingerprint(hashes.SHA256()).hex(),
        ends=parsed.not_valid_after_utc,
        trust_domain=trust_domain_of(parsed),
    )


def identities(certificate: bytes) -> tuple[str, ...]:
    """Return the identities in a workload's certificate (DER): SPIFFE IDs, and DNS names as Linkerd uses them."""
    parsed = x509.load_der_x509_certificate(certificate)
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (*names.get_values_for_type(x509.UniformResourceIdentifier), *names.get_values_for_type(x509.DNSName))


def trust_domain_of(certificate: x509.Certificate) -> str | None:
    """Return the SPIFFE trust domain in an issuer's certificate (SPIFFE X509-SVID, 4.2: no path)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return next((uri.removeprefix("spiffe://") for uri in uris if uri.startswith("spiffe://")), None)


def _fits(existing: Issued, root: Issued, trust_domain: str, now: datetime) -> bool:
    try:
        existing.parsed.verify_directly_issued_by(root.parsed)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return existing.not_after - now >= RENEW_BEFORE and trust_domain_of(existing.parsed) == trust_domain


def _name(lab_name: str, what: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, lab_name), x509.NameAttribute(NameOID.COMMON_NAME, what)]
    )


def _sign(
    key: ec.EllipticCurvePrivateKey,
    *,
    subject: x509.Name,
    signer_key: ec.EllipticCurvePrivateKey,
    signer: x509.Name,
    begins: datetime,
    ends: datetime,
    path_length: int | None,
    identity: str | None = None,
) -> x509.Certificate:
    """Sign a certificate: an authority's with this path length, or with None a workload's."""
    authority = path_length is not None
    usage = x509.KeyUsage(
        key_cert_sign=authority,
        crl_sign=authority,
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=path_length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key.public_key()), critical=False)
    )
    if identity is not None:
        kind = x509.UniformResourceIdentifier if identity.startswith("spiffe://") else x509.DNSName
        names = x509.SubjectAlternativeName([kind(identity)])
        # RFC 5280, 4.2.1.6: critical where the subject is empty, as a workload's is.
        builder = builder.add_extension(names, critical=not authority)
    return builder.sign(signer_key, hashes.SHA256())


def _load(folder: Path, name: str) -> Issued | None:
    """Read a certificate with its key; None if neither exists; ValueError if they do not belong together."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    if not certificate.exists() and not key.exists():
        return None
    existing = Issued(certificate=certificate.read_bytes(), key=key.read_bytes())
    private = serialization.load_pem_private_key(existing.key, None)
    if private.public_key() != existing.parsed.public_key():
        raise ValueError(f"{certificate.name} and {key.name} do not belong together")
    return existing


def _store(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Issued:
    issued = _pem(key, certificate)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The certificate is written last: a key without its certificate makes the next run start over.
    for file, content in ((folder / f"{name}.key", issued.key), (folder / f"{name}.crt", issued.certificate)):
        write_atomic(file, content)
    return issued


def _pem(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Issued:
    pem = serialization.Encoding.PEM
    return Issued(
        certificate=certificate.public_bytes(pem),
        key=key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()),
    )
