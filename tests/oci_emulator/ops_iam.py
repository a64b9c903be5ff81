"""Of Identity, as much as docs/oci-setup.md needs: compartments, and keys of users."""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from .api import ApiError, Request, Response, json_response, timestamp
from .keys import admit
from .store import Store


def create_compartment(store: Store, request: Request) -> Response:
    details = request.json()
    if not all(details.get(name) for name in ("compartmentId", "name", "description")):
        raise ApiError(400, "InvalidParameter", "compartmentId, name and description are needed")
    compartment = {
        **details,
        "id": f"ocid1.compartment.oc1..{secrets.token_hex(8)}",
        "timeCreated": timestamp(store.now()),
        "lifecycleState": "ACTIVE",
    }
    return json_response(compartment)


def upload_api_key(store: Store, request: Request) -> Response:
    """Whoever has a key may add one, for themselves or for another user."""
    user, text = request.call.name, str(request.json().get("key") or "")
    try:
        load_pem_public_key(text.encode())
    except ValueError:
        raise ApiError(400, "InvalidParameter", "the key is no public key in PEM format") from None
    key_id = admit(store.users_file, user, text)
    return json_response(
        {
            "keyId": key_id,
            "keyValue": text,
            "fingerprint": key_id.rpartition("/")[2],
            "userId": user,
            "timeCreated": timestamp(store.now()),
            "lifecycleState": "ACTIVE",
        }
    )
