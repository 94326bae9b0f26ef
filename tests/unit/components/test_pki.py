import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from lab.base import pki
from lab.base.errors import LabError

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def issuer(folder: Path, *, domain: str = "east.example", now: datetime = NOW) -> pki.Issued:
    return pki.issuer(folder, lab_name="dev", cluster="issuer-east", trust_domain=domain, now=now)


def test_the_anchor_signs_issuers_that_can_sign_workloads_only(tmp_path: Path) -> None:
    own, root = issuer(tmp_path).parsed, pki.anchor(tmp_path, lab_name="dev", now=NOW).parsed
    own.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    limits = own.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (limits.critical, limits.value.ca, limits.value.path_length) == (True, True, 0)
    assert own.public_key().curve.name == "secp256r1"  # type: ignore[union-attr]
    assert pki.trust_domain_of(own) == "east.example"
    assert pki.trust_domain_of(root) is None


def test_existing_certificates_are_reused(tmp_path: Path) -> None:
    assert issuer(tmp_path) == issuer(tmp_path)
    assert pki.anchor(tmp_path, lab_name="dev", now=NOW) == pki.anchor(tmp_path, lab_name="dev", now=NOW)


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    issuer(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(f.stat().st_mode) for f in folder.iterdir()} == {0o600}
    assert {f.name for f in folder.iterdir()} == {"anchor.crt", "anchor.key", "issuer-east.crt", "issuer-east.key"}


def test_an_issuer_is_renewed_before_its_end_and_for_another_trust_domain(tmp_path: Path) -> None:
    first = issuer(tmp_path)
    assert issuer(tmp_path, now=NOW + timedelta(days=334)) == first
    second = issuer(tmp_path, now=NOW + timedelta(days=336))
    assert second != first
    assert issuer(tmp_path, domain="other.example", now=NOW + timedelta(days=336)) != second


def test_a_damaged_issuer_or_one_of_another_anchor_is_made_again(tmp_path: Path) -> None:
    first = issuer(tmp_path)
    (tmp_path / "issuer-east.crt").write_text("damaged")
    second = issuer(tmp_path)
    assert second != first
    (tmp_path / "issuer-east.crt").unlink()
    assert issuer(tmp_path) != second
    for file in tmp_path.glob("anchor.*"):
        file.unlink()
    third = issuer(tmp_path)
    third.parsed.verify_directly_issued_by(pki.anchor(tmp_path, lab_name="dev", now=NOW).parsed)


def test_an_anchor_that_expires_soon_is_an_error_with_the_date(tmp_path: Path) -> None:
    issuer(tmp_path)
    with pytest.raises(LabError, match=r"expires on 2036-11-20.*Next: lab down"):
        issuer(tmp_path, now=NOW + timedelta(days=3640))


def test_a_damaged_anchor_is_an_error_and_not_replaced(tmp_path: Path) -> None:
    issuer(tmp_path)
    (tmp_path / "anchor.key").write_text("damaged")
    with pytest.raises(LabError, match="the trust anchor is damaged"):
        issuer(tmp_path)


def test_a_key_does_not_show_in_a_traceback(tmp_path: Path) -> None:
    shown = repr(issuer(tmp_path))
    assert "PRIVATE" not in shown
    assert "until 2027-11-23" in shown


def test_facts_are_read_from_pem(tmp_path: Path) -> None:
    own = issuer(tmp_path)
    facts = pki.describe(own.certificate)
    assert facts.trust_domain == "east.example"
    assert facts.ends == own.not_after
    assert len(facts.fingerprint) == 64


def test_a_workloads_certificate_names_it_and_is_no_authority(tmp_path: Path) -> None:
    signer = pki.issuer(tmp_path, lab_name="dev", cluster="issuer-east", trust_domain="east.example")
    made = pki.leaf(signer, "spiffe://east.example/ns/test/sa/frontend")
    made.parsed.verify_directly_issued_by(signer.parsed)
    names = made.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier) == [
        "spiffe://east.example/ns/test/sa/frontend"
    ]
    assert made.parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert made.certificate.count(b"BEGIN CERTIFICATE") == 2
    assert {file.name for file in tmp_path.iterdir()} == {
        f"{n}.{e}" for n in ("anchor", "issuer-east") for e in ("crt", "key")
    }
