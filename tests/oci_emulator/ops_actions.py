"""Actions on objects: restore, copy, rename, tiers, batch delete, and the work requests of copies."""

from __future__ import annotations

import dataclasses
import uuid

from .api import ApiError, Request, Response, http_date, json_response, new_etag, timestamp
from .ops_buckets import check_retention
from .ops_objects import check_object_name, check_tier, remove
from .store import Piece, Store, read_pieces

_MAX_HOURS = 240
_MAX_BATCH = 1000


def restore(store: Store, request: Request) -> Response:
    request.need("OBJECT_RESTORE")
    details = request.json()
    hours = int(str(details.get("hours") or 24))
    if not 1 <= hours <= _MAX_HOURS:
        raise ApiError(400, "InvalidRestoreHours", f"hours must be from 1 to {_MAX_HOURS}")
    with store.lock:
        item = store.bucket(request.call.namespace, request.call.bucket).find(str(details.get("objectName")))
        now = store.now()
        match item.archival_state(now):
            case "":
                raise ApiError(400, "NotArchivedObject", f"The object '{item.name}' is not in Archive tier")
            case "Restoring":
                raise ApiError(409, "RestoreInProgress", f"The object '{item.name}' is being restored")
            case "Restored":
                raise ApiError(409, "AlreadyRestored", f"The object '{item.name}' is restored already")
        item.ready_at = now + store.restore_delay
        item.ready_until = item.ready_at + hours * 3600
    return Response(202)


def rename(store: Store, request: Request) -> Response:
    details = request.json()
    source, new = str(details.get("sourceName")), str(details.get("newName"))
    for name in (source, new):
        request.need("OBJECT_CREATE", "OBJECT_OVERWRITE", name=name)
    check_object_name(new)
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        item = bucket.find(source)
        old = bucket.objects.get(new)
        _match(details.get("srcObjIfMatchETag"), item.etag)
        _match(details.get("newObjIfMatchETag"), old.etag if old else "")
        if details.get("newObjIfNoneMatchETag") == "*" and old is not None:
            raise ApiError(412, "IfNoneMatchFailed", f"The object '{new}' exists")
        check_retention(store, bucket, item)
        if old is not None:
            check_retention(store, bucket, old)
            store.forget(old.pieces)
        bucket.drop(source)
        item.name, item.modified, item.etag = new, store.now(), new_etag()
        bucket.set(item)
    return Response(200, {"etag": item.etag, "last-modified": http_date(item.modified)})


def copy(store: Store, request: Request) -> Response:
    details = request.json()
    name = str(details.get("destinationObjectName"))
    request.need("OBJECT_READ", name=str(details.get("sourceObjectName")))
    request.need("OBJECT_CREATE", name=name)
    check_object_name(name)
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        item = bucket.find(str(details.get("sourceObjectName")))
        _match(details.get("sourceObjectIfMatchETag"), item.etag)
        there = store.bucket(str(details.get("destinationNamespace")), str(details.get("destinationBucket")))
        old = there.objects.get(name)
        if details.get("destinationObjectIfNoneMatchETag") == "*" and old is not None:
            raise ApiError(412, "IfNoneMatchFailed", f"The object '{name}' exists")
        if old is not None:
            request.need("OBJECT_OVERWRITE", name=name)
            check_retention(store, there, old)
        now = store.now()
        made = dataclasses.replace(
            item, name=name, created=now, modified=now, etag=new_etag(), pieces=_copied(store, item.pieces)
        )
        tier = details.get("destinationObjectStorageTier")
        made.tier = check_tier(str(tier)) if tier else item.tier
        there.set(made)
        identity = f"ocid1.workrequest.{uuid.uuid4()}"
        store.work[identity] = _work(identity, now)
    return Response(202, {"opc-work-request-id": identity})


def work_request(store: Store, request: Request) -> Response:
    with store.lock:
        found = store.work.get(request.call.name)
    if found is None:
        raise ApiError(404, "NotAuthorizedOrNotFound", f"there is no work request {request.call.name}")
    return json_response(found)


def update_tier(store: Store, request: Request) -> Response:
    request.need("OBJECT_UPDATE_TIER")
    details = request.json()
    with store.lock:
        item = store.bucket(request.call.namespace, request.call.bucket).find(str(details.get("objectName")))
        item.tier = check_tier(str(details.get("storageTier")))
        item.archived, item.ready_at, item.ready_until = store.now(), 0.0, 0.0
    return Response(200)


def batch_delete(store: Store, request: Request) -> Response:
    details = request.json()
    wanted = details.get("objects") or []
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= _MAX_BATCH:
        raise ApiError(400, "InvalidParameter", f"objects must name from 1 to {_MAX_BATCH} objects")
    request.need("OBJECT_DELETE")
    deleted: list[dict[str, object]] = []
    failed: list[dict[str, object]] = []
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        for one in wanted:
            name = str(one.get("objectName"))
            try:
                item = bucket.find(name)
                _match(one.get("ifMatch"), item.etag)
                remove(store, bucket, item)
                deleted.append({"objectName": name})
            except ApiError as error:
                failed.append({"objectName": name, "statusCode": error.status, "errorMessage": error.message})
    if details.get("isSkipDeletedResult"):
        deleted = []
    return json_response({"deleted": deleted, "failed": failed})


def _match(wanted: object, etag: str) -> None:
    if wanted and wanted not in ("*", etag):
        raise ApiError(412, "IfMatchFailed", "The entity tag does not match")


def _copied(store: Store, pieces: list[Piece]) -> list[Piece]:
    """Bytes in memory can be shared, since nothing alters them; files belong to one object each."""
    if store.root is None:
        return list(pieces)
    return [store.keep(b"".join(read_pieces([piece], 0, piece.size))) for piece in pieces]


def _work(identity: str, now: float) -> dict[str, object]:
    return {
        "id": identity,
        "operationType": "COPY_OBJECT",
        "status": "COMPLETED",
        "compartmentId": "",
        "resources": [],
        "percentComplete": 100.0,
        "timeAccepted": timestamp(now),
        "timeStarted": timestamp(now),
        "timeFinished": timestamp(now),
    }
