from __future__ import annotations

import base64

import pytest

from lab.base.redaction import REDACTED, redact, redact_json

KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA\n-----END EC PRIVATE KEY-----"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0x.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"key:\n{KEY}\nend", "MHcCAQEEIA"),
        (f"tls.key: {base64.b64encode(KEY.encode()).decode()}", base64.b64encode(KEY.encode()).decode()),
        (f"Authorization: Bearer {TOKEN}", "eyJ"),
        ("Authorization: bearer abcdefgh12345678", "abcdefgh"),
        ("client-key-data: LS0tabcdef", "LS0tabcdef"),
        ('{"client-key-data": "LS0tabcdef", "x": 1}', "LS0tabcdef"),
        ("token: 0123456789abcdef0123", "0123456789abcdef"),
        ('{"token": "0123456789abcdef0123"}', "0123456789abcdef"),
        ("http://a.test/x?n=1&access_token=geheim&m=2", "geheim"),
        ("curl 'https://a.test/?X-Amz-Signature=geheim'", "geheim"),
        ("https://a.test/?api_key=geheim#top", "geheim"),
        ("HTTP_PROXY=http://lab:geheim@127.0.0.1:3128", "geheim"),
    ],
)
def test_secrets_are_left_out_of_text_and_documents(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert REDACTED in redact(text)
    assert redact_json({"a": [text]}) == {"a": [redact(text)]}


@pytest.mark.parametrize(
    "text",
    ["http://127.0.0.1:8080/x", "http://a.test/?design=1&page=2", "a token: short", "-----BEGIN CERTIFICATE-----\nMII"],
)
def test_other_text_stays(text: str) -> None:
    assert redact(text) == text
