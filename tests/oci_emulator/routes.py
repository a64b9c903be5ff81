"""From method and raw path to an operation. The raw path is split first and unquoted afterwards, because
clients differ in whether they quote the "/" of an object name."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

from .api import Call

_BUCKET = {
    "GET": "GetBucket",
    "HEAD": "HeadBucket",
    "POST": "UpdateBucket",
    "DELETE": "DeleteBucket",
}
_OBJECT = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
_UPLOAD = {
    "GET": "ListMultipartUploadParts",
    "PUT": "UploadPart",
    "POST": "CommitMultipartUpload",
    "DELETE": "AbortMultipartUpload",
}
_ACTIONS = {
    "restoreObjects": "RestoreObjects",
    "copyObject": "CopyObject",
    "renameObject": "RenameObject",
    "updateObjectStorageTier": "UpdateObjectStorageTier",
    "batchDeleteObjects": "BatchDeleteObjects",
}
_RULES = {"GET": "ListRetentionRules", "POST": "CreateRetentionRule"}
_RULE = {"GET": "GetRetentionRule", "PUT": "UpdateRetentionRule", "DELETE": "DeleteRetentionRule"}
_LIFECYCLE = {"GET": "GetLifecycle", "PUT": "PutLifecycle", "DELETE": "DeleteLifecycle"}
_IDENTITY = {
    "compartments": "CreateCompartment",
    "users": "CreateUser",
    "groups": "CreateGroup",
    "userGroupMemberships": "AddUserToGroup",
    "policies": "CreatePolicy",
}

UNKNOWN = "Unknown"


def route(method: str, target: str) -> tuple[Call, dict[str, str]]:
    """The call and its query; an operation of "Unknown" when there is none such."""
    path, _, query_text = target.partition("?")
    query = dict(parse_qsl(query_text, keep_blank_values=True))
    pieces = path.split("/")[1:]
    while pieces and pieces[0] == "":
        pieces = pieces[1:]
    if pieces and pieces[0] == "20160918":
        pieces = pieces[1:]
    return _call(method, pieces), query


def _call(method: str, pieces: list[str]) -> Call:
    match pieces:
        case ["_emulator", what]:
            return Call("Emulator", name=f"{method} {what}")
        case ["workRequests", identity]:
            return Call("GetWorkRequest" if method == "GET" else UNKNOWN, name=unquote(identity))
        case [kind] | [kind, ""] if kind in _IDENTITY:
            return Call(_IDENTITY[kind] if method == "POST" else UNKNOWN)
        case ["users", user, "apiKeys"] | ["users", user, "apiKeys", ""]:
            return Call("UploadApiKey" if method == "POST" else UNKNOWN, name=unquote(user))
        case ["n"] | ["n", ""]:
            return Call("GetNamespace" if method == "GET" else UNKNOWN)
        case ["n", namespace] | ["n", namespace, ""]:
            return Call("GetNamespaceMetadata" if method == "GET" else UNKNOWN, unquote(namespace))
        case ["n", namespace, "b"] | ["n", namespace, "b", ""]:
            operation = {"GET": "ListBuckets", "POST": "CreateBucket"}.get(method, UNKNOWN)
            return Call(operation, unquote(namespace))
        case ["n", namespace, "b", bucket]:
            return Call(_BUCKET.get(method, UNKNOWN), unquote(namespace), unquote(bucket))
        case ["n", namespace, "b", bucket, *rest]:
            operation, name = _inside(method, rest)
            return Call(operation, unquote(namespace), unquote(bucket), name)
    return Call(UNKNOWN)


def _inside(method: str, rest: list[str]) -> tuple[str, str]:
    name = unquote("/".join(rest[1:]))
    match rest[0], name:
        case "o", "":
            return ("ListObjects" if method == "GET" else UNKNOWN), ""
        case "o", _:
            return _OBJECT.get(method, UNKNOWN), name
        case "u", "":
            return {"GET": "ListMultipartUploads", "POST": "CreateMultipartUpload"}.get(method, UNKNOWN), ""
        case "u", _:
            return _UPLOAD.get(method, UNKNOWN), name
        case "objectversions", "":
            return ("ListObjectVersions" if method == "GET" else UNKNOWN), ""
        case "actions", _:
            return (_ACTIONS.get(name, UNKNOWN) if method == "POST" else UNKNOWN), ""
        case "retentionRules", "":
            return _RULES.get(method, UNKNOWN), ""
        case "retentionRules", _:
            return _RULE.get(method, UNKNOWN), name
        case "l", "":
            return _LIFECYCLE.get(method, UNKNOWN), ""
    return UNKNOWN, name
