"""JSON web tokens as an identity server of Mikro signs them."""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path
from typing import Any

KID = "lab-1"

KEY = os.environ.get("PYVOLUME_MIKRO_KEY", "")
"""The file with the private key that a real server trusts; without it a key is made."""


@functools.cache
def _key() -> Any:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    if KEY:
        return serialization.load_pem_private_key(Path(KEY).read_bytes(), None)
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_keys() -> dict[str, str]:
    """Return the public key that belongs to the tokens, in PEM, by its id."""
    from cryptography.hazmat.primitives import serialization

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return {KID: _key().public_key().public_bytes(serialization.Encoding.PEM, form).decode()}


def web_token(*, kid: str | None = KID, **changes: Any) -> str:
    """Sign a token of an administrator; a claim that is changed to ``...`` is left out."""
    import jwt

    now = int(time.time())
    claims = {
        "sub": "1", "iss": "lab", "iat": now, "exp": now + 7200, "client_id": "tests", "preferred_username": "tests",
        "roles": ["admin"], "scope": "openid", "active_org": "static_org",
    }  # fmt: skip
    kept = {name: value for name, value in {**claims, **changes}.items() if value is not ...}
    return jwt.encode(kept, _key(), "RS256", headers={"kid": kid} if kid else {})
