"""Multipart uploads."""

from __future__ import annotations

import base64
import hashlib
import uuid

from .api import ApiError, Request, Response, http_date, json_response, new_etag, timestamp
from .ops_objects import check_body, check_conditions, check_object_name, check_tier, kept_headers, store_object
from .store import Bucket, PartKept, Store, Stored, Upload

_WRITE = ("OBJECT_CREATE", "OBJECT_OVERWRITE")


def create(store: Store, request: Request) -> Response:
    details = request.json()
    name = str(details.get("object") or "")
    request.need(*_WRITE, name=name)
    check_object_name(name)
    tier = check_tier(str(details.get("storageTier") or "Standard"))
    headers = kept_headers(request)
    headers.pop("content-type", None)
    if details.get("contentType"):
        headers["content-type"] = str(details["contentType"])
    metadata = details.get("metadata")
    if isinstance(metadata, dict):
        headers.update((f"opc-meta-{key.removeprefix('opc-meta-')}", str(metadata[key])) for key in metadata)
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        check_conditions(request, bucket.objects.get(name))
        upload = Upload(str(uuid.uuid4()), name, store.now(), tier, headers)
        bucket.uploads[upload.identity] = upload
    return json_response(_summary(bucket, upload), {"location": f"/n/{bucket.namespace}/b/{bucket.name}/u/{name}"})


def put_part(store: Store, request: Request) -> Response:
    request.need(*_WRITE)
    number = _number(request.query.get("uploadPartNum", ""))
    check_body(request)
    with store.lock:
        _find(store, request)
    part = PartKept(number, store.keep(request.body), request.md5, new_etag())
    with store.lock:
        upload = _find(store, request)
        old = upload.parts.get(number)
        upload.parts[number] = part
    if old is not None:
        store.forget([old.piece])
    return Response(200, {"opc-content-md5": base64.b64encode(part.md5).decode(), "etag": part.etag})


def list_parts(store: Store, request: Request) -> Response:
    request.need("OBJECT_INSPECT")
    limit = int(request.query.get("limit") or 1000)
    after = int(request.query.get("page") or 0)
    with store.lock:
        upload = _find(store, request)
        parts = [upload.parts[number] for number in sorted(upload.parts) if number > after]
    items = [
        {
            "etag": part.etag,
            "md5": base64.b64encode(part.md5).decode(),
            "size": part.piece.size,
            "partNumber": part.number,
        }
        for part in parts[:limit]
    ]
    return json_response(items, {"opc-next-page": str(items[-1]["partNumber"])} if len(parts) > limit else {})


def list_uploads(store: Store, request: Request) -> Response:
    request.need("BUCKET_READ")
    limit = int(request.query.get("limit") or 1000)
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        uploads = sorted(bucket.uploads.values(), key=lambda upload: (upload.name, upload.identity))
    after = base64.urlsafe_b64decode(request.query.get("page", "")).decode()
    rest = [upload for upload in uploads if f"{upload.name}\n{upload.identity}" > after]
    page = rest[:limit]
    headers = {}
    if len(rest) > limit:
        token = f"{page[-1].name}\n{page[-1].identity}"
        headers["opc-next-page"] = base64.urlsafe_b64encode(token.encode()).decode()
    return json_response([_summary(bucket, upload) for upload in page], headers)


def commit(store: Store, request: Request) -> Response:
    request.need(*_WRITE)
    details = request.json()
    wanted = details.get("partsToCommit") or []
    if not isinstance(wanted, list) or not wanted:
        raise ApiError(400, "InvalidUploadPart", "There are no parts to commit")
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        upload = _find(store, request)
        parts = _chosen(upload, wanted)
        digest = hashlib.md5(b"".join(part.md5 for part in parts)).digest()
        checksum = f"{base64.b64encode(digest).decode()}-{len(parts)}"
        now = store.now()
        item = Stored(
            upload.name,
            [part.piece for part in parts],
            sum(part.piece.size for part in parts),
            checksum,
            now,
            now,
            tier=upload.tier,
            headers=upload.headers,
            archived=now,
        )
        store_object(store, bucket, request, item)
        del bucket.uploads[upload.identity]
        used = {part.number for part in parts}
        store.forget([part.piece for part in upload.parts.values() if part.number not in used])
    return Response(
        200,
        {"opc-multipart-md5": checksum, "etag": item.etag, "version-id": item.etag, "last-modified": http_date(now)},
    )


def abort(store: Store, request: Request) -> Response:
    request.need("OBJECT_DELETE")
    with store.lock:
        upload = _find(store, request)
        del store.bucket(request.call.namespace, request.call.bucket).uploads[upload.identity]
    store.forget([part.piece for part in upload.parts.values()])
    return Response(204)


def _chosen(upload: Upload, wanted: list[dict[str, object]]) -> list[PartKept]:
    """The parts that a commit names, in order of their numbers, whatever order they came in."""
    chosen: dict[int, PartKept] = {}
    for item in wanted:
        number = _number(str(item.get("partNum", "")))
        part = upload.parts.get(number)
        if part is None or part.etag != str(item.get("etag", "")).strip('"') or number in chosen:
            raise ApiError(400, "InvalidUploadPart", f"Part {number} does not exist, or has another entity tag")
        chosen[number] = part
    return [chosen[number] for number in sorted(chosen)]


def _find(store: Store, request: Request) -> Upload:
    bucket = store.bucket(request.call.namespace, request.call.bucket)
    upload = bucket.uploads.get(request.query.get("uploadId", ""))
    if upload is None or upload.name != request.call.name:
        raise ApiError(404, "UploadNotFound", f"There is no upload with this id of '{request.call.name}'")
    return upload


def _number(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 10_000:
        raise ApiError(400, "InvalidUploadPart", f"'{text}' is not a part number from 1 to 10000")
    return int(text)


def _summary(bucket: Bucket, upload: Upload) -> dict[str, object]:
    return {
        "namespace": bucket.namespace,
        "bucket": bucket.name,
        "object": upload.name,
        "uploadId": upload.identity,
        "timeCreated": timestamp(upload.created),
        "storageTier": upload.tier,
    }
