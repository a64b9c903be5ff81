"""Which IAM permission each operation needs (Oracle's policy reference for Object Storage), and how to grant it."""

from __future__ import annotations

PERMISSIONS = {
    "GetNamespace": (),
    "HeadBucket": ("BUCKET_INSPECT",),
    "PutObject": ("OBJECT_CREATE",),
    "ReplaceObject": ("OBJECT_CREATE", "OBJECT_OVERWRITE"),
    "GetObject": ("OBJECT_READ",),
    "HeadObject": ("OBJECT_INSPECT",),
    "ListObjects": ("OBJECT_INSPECT",),
    "DeleteObject": ("OBJECT_DELETE",),
    "AbortMultipartUpload": ("OBJECT_DELETE",),
    "RestoreObjects": ("OBJECT_RESTORE",),
}


def policy_line(operation: str, bucket: str) -> str:
    """The statement that grants exactly what `operation` needs on this bucket; "" if it needs nothing."""
    permissions = PERMISSIONS[operation]
    if not permissions:
        return ""
    kind = "buckets" if permissions[0].startswith("BUCKET") else "objects"
    granted = ", ".join(f"request.permission='{permission}'" for permission in permissions)
    return (
        f"Allow group <group> to manage {kind} in compartment <compartment> "
        f"where all {{target.bucket.name='{bucket}', any {{{granted}}}}}"
    )
