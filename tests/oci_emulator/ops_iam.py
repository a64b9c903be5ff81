"""Of Identity, as much as docs/oci-setup.md needs: compartments, users and their keys, groups, policies.

Users that are created here may do what the policies of their groups say, and nothing else. Whoever has no policy (the
first key of a test or demo) is an administrator.
"""

from __future__ import annotations

import json
import re
import secrets

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from .api import ApiError, Request, Response, json_response, timestamp
from .keys import admit, limit
from .store import Store

_GRANTED = re.compile(r"allow\s+(?:group\s+(?P<group>\S+)|service\s+\S+)\s+to\s+\S+\s+\S+\s+in\s", re.IGNORECASE)


def create_compartment(store: Store, request: Request) -> Response:
    return _made(store, "compartment", _details(request, "compartmentId", "name", "description"))


def create_user(store: Store, request: Request) -> Response:
    user = _details(request, "compartmentId", "name", "description")
    answer = _made(store, "user", user)
    store.identity.users.append(str(user["id"]))
    return answer


def create_group(store: Store, request: Request) -> Response:
    group = _details(request, "compartmentId", "name", "description")
    answer = _made(store, "group", group)
    store.identity.groups[str(group["id"])] = str(group["name"])
    return answer


def add_user_to_group(store: Store, request: Request) -> Response:
    pair = _details(request, "userId", "groupId")
    user, group = str(pair["userId"]), str(pair["groupId"])
    if user not in store.identity.users or group not in store.identity.groups:
        raise ApiError(404, "NotAuthorizedOrNotFound", f"no user {user}, or no group {group}")
    answer = _made(store, "groupmembership", pair)
    store.identity.members.append((user, group))
    _hold_users_to_policies(store)
    return answer


def create_policy(store: Store, request: Request) -> Response:
    policy = _details(request, "compartmentId", "name", "description", "statements")
    statements = policy["statements"]
    assert isinstance(statements, list)
    groups = set(store.identity.groups.values())
    for statement in statements:
        granted = _GRANTED.match(str(statement))
        if granted is None:
            raise ApiError(400, "InvalidParameter", f"no statement of a policy: {statement}")
        if granted["group"] and granted["group"] not in groups:
            raise ApiError(400, "InvalidParameter", f"no group is called {granted['group']}")
    answer = _made(store, "policy", policy)
    store.identity.statements += map(str, statements)
    _hold_users_to_policies(store)
    return answer


def upload_api_key(store: Store, request: Request) -> Response:
    _check_administrator(request)
    user, text = request.call.name, str(request.json().get("key") or "")
    try:
        load_pem_public_key(text.encode())
    except ValueError:
        raise ApiError(400, "InvalidParameter", "the key is no public key in PEM format") from None
    key_id = admit(store.users_file, user, text)
    _hold_users_to_policies(store)
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


def service_may(store: Store, region: str) -> bool:
    """Whether a policy lets the storage service itself manage objects, which lifecycle rules need."""
    start = f"allow service objectstorage-{region} to manage object-family in "
    return any(statement.lower().startswith(start) for statement in store.identity.statements)


def _details(request: Request, *needed: str) -> dict[str, object]:
    _check_administrator(request)
    details = request.json()
    if missing := [name for name in needed if not details.get(name)]:
        raise ApiError(400, "InvalidParameter", f"needed: {json.dumps(missing)}")
    return details


def _check_administrator(request: Request) -> None:
    if request.policy is not None:
        raise ApiError(404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found.")


def _made(store: Store, kind: str, details: dict[str, object]) -> Response:
    details["id"] = f"ocid1.{kind}.oc1..{secrets.token_hex(8)}"
    return json_response({**details, "timeCreated": timestamp(store.now()), "lifecycleState": "ACTIVE"})


def _hold_users_to_policies(store: Store) -> None:
    known = store.identity
    policies = {}
    for user in known.users:
        names = {known.groups[group] for member, group in known.members if member == user}
        granted = [(statement, _GRANTED.match(statement)) for statement in known.statements]
        policies[user] = "\n".join(statement for statement, found in granted if found and found["group"] in names)
    limit(store.users_file, policies)
