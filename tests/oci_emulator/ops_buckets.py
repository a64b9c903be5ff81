"""Namespace, buckets, retention rules, lifecycle policy."""

from __future__ import annotations

import secrets
from datetime import timedelta

from .api import ApiError, Request, Response, json_response, new_etag, timestamp
from .keys import REGION
from .ops_iam import service_may
from .store import Bucket, Store, Stored

_UNITS = {"DAYS": 1, "YEARS": 365}


def get_namespace(store: Store, request: Request) -> Response:
    return json_response(store.namespace)


def get_namespace_metadata(store: Store, request: Request) -> Response:
    store.check_namespace(request.call.namespace)
    compartment = "ocid1.compartment.oc1..emulated"
    return json_response(
        {
            "namespace": store.namespace,
            "defaultS3CompartmentId": compartment,
            "defaultSwiftCompartmentId": compartment,
        }
    )


def create_bucket(store: Store, request: Request) -> Response:
    request.need("BUCKET_CREATE")
    store.check_namespace(request.call.namespace)
    details = request.json()
    name = str(details.get("name") or "")
    if not name:
        raise ApiError(400, "InvalidBucketName", "a bucket needs a name")
    with store.lock:
        if name in store.buckets:
            raise ApiError(
                409,
                "BucketAlreadyExists",
                f"Either the bucket '{name}' in namespace '{store.namespace}' already exists or you are "
                "not authorized to create it",
            )
        bucket = Bucket(name, store.namespace, str(details.get("compartmentId") or ""), store.now(), dict(details))
        store.buckets[name] = bucket
    return _bucket_response(bucket, {})


def list_buckets(store: Store, request: Request) -> Response:
    request.need("BUCKET_INSPECT")
    store.check_namespace(request.call.namespace)
    limit = int(request.query.get("limit") or 1000)
    page = request.query.get("page", "")
    compartment = request.query.get("compartmentId", "")
    with store.lock:
        buckets = [
            bucket
            for name, bucket in sorted(store.buckets.items())
            if name > page and bucket.compartment in ("", compartment)
        ]
    headers = {"opc-next-page": buckets[limit - 1].name} if len(buckets) > limit else {}
    items = [
        {
            "namespace": bucket.namespace,
            "name": bucket.name,
            "compartmentId": bucket.compartment,
            "createdBy": "emulator",
            "timeCreated": timestamp(bucket.created),
            "etag": bucket.etag,
        }
        for bucket in buckets[:limit]
    ]
    return json_response(items, headers)


def get_bucket(store: Store, request: Request) -> Response:
    request.need("BUCKET_READ")
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        extra: dict[str, object] = {}
        fields = request.query.get("fields", "")
        if "approximateCount" in fields:
            extra["approximateCount"] = len(bucket.objects)
        if "approximateSize" in fields:
            extra["approximateSize"] = sum(item.size for item in bucket.objects.values())
    return _bucket_response(bucket, extra)


def head_bucket(store: Store, request: Request) -> Response:
    request.need("BUCKET_INSPECT")
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
    return Response(200, {"etag": bucket.etag})


def update_bucket(store: Store, request: Request) -> Response:
    request.need("BUCKET_UPDATE")
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        bucket.details.update(request.json())
        bucket.etag = new_etag()
    return _bucket_response(bucket, {})


def delete_bucket(store: Store, request: Request) -> Response:
    request.need("BUCKET_DELETE")
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        if bucket.objects or bucket.uploads:
            raise ApiError(
                409,
                "BucketNotEmpty",
                f"Bucket named '{bucket.name}' is not empty. Delete all objects and uploads first.",
            )
        del store.buckets[bucket.name]
    return Response(204)


def check_retention(store: Store, bucket: Bucket, item: Stored) -> None:
    """Refuse to touch what a retention rule still protects; rules count from an object's last change."""
    for rule in bucket.rules.values():
        duration = rule.get("duration")
        if isinstance(duration, dict):
            days = int(duration["timeAmount"]) * _UNITS[str(duration["timeUnit"])]
            if store.now() - item.modified >= timedelta(days=days).total_seconds():
                continue
        raise ApiError(
            403,
            "RetentionRuleViolation",
            f"Object '{item.name}' is protected by the retention rule '{rule['displayName']}'",
        )


def create_rule(store: Store, request: Request) -> Response:
    request.need("RETENTION_RULE_MANAGE")
    details = request.json()
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        identity = secrets.token_hex(8)
        now = timestamp(store.now())
        bucket.rules[identity] = {
            "displayName": "",
            **details,
            "id": identity,
            "timeCreated": now,
            "timeModified": now,
        }
        return json_response(bucket.rules[identity], {"etag": new_etag()})


def list_rules(store: Store, request: Request) -> Response:
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        return json_response({"items": list(bucket.rules.values())})


def one_rule(store: Store, request: Request) -> Response:
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        rule = bucket.rules.get(request.call.name)
        if rule is None:
            raise ApiError(404, "RetentionRuleNotFound", f"no retention rule {request.call.name}")
        if request.method == "GET":
            return json_response(rule)
        request.need("RETENTION_RULE_MANAGE")
        if request.method == "PUT":
            rule.update(request.json())
            return json_response(rule)
        del bucket.rules[request.call.name]
        return Response(204)


def lifecycle(store: Store, request: Request) -> Response:
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        if request.method == "PUT":
            request.need("BUCKET_UPDATE")
            if not service_may(store, REGION):
                service = f"objectstorage-{REGION}"
                raise ApiError(400, "InsufficientServicePermissions", f"'{service}' may not manage objects here")
            bucket.lifecycle = {**request.json(), "timeCreated": timestamp(store.now())}
        if request.method == "DELETE":
            bucket.lifecycle = None
            return Response(204)
        if bucket.lifecycle is None:
            raise ApiError(404, "LifecyclePolicyNotFound", f"bucket '{bucket.name}' has no lifecycle policy")
        return json_response(bucket.lifecycle, {"etag": bucket.etag})


def _bucket_response(bucket: Bucket, extra: dict[str, object]) -> Response:
    details = bucket.details
    body = {
        "namespace": bucket.namespace,
        "name": bucket.name,
        "compartmentId": bucket.compartment,
        "metadata": details.get("metadata") or {},
        "createdBy": "emulator",
        "timeCreated": timestamp(bucket.created),
        "etag": bucket.etag,
        "publicAccessType": details.get("publicAccessType") or "NoPublicAccess",
        "storageTier": details.get("storageTier") or "Standard",
        "objectEventsEnabled": False,
        "freeformTags": details.get("freeformTags") or {},
        "definedTags": details.get("definedTags") or {},
        "versioning": "Disabled",
        "id": f"ocid1.bucket.oc1..{bucket.name}",
        **extra,
    }
    headers = {"etag": bucket.etag, "location": f"/n/{bucket.namespace}/b/{bucket.name}"}
    return json_response(body, headers)
