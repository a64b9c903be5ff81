"""Which function answers which operation."""

from __future__ import annotations

from collections.abc import Callable

from . import ops_actions, ops_buckets, ops_iam, ops_list, ops_objects, ops_uploads
from .api import Request, Response
from .store import Store

Handler = Callable[[Store, Request], Response]

HANDLERS: dict[str, Handler] = {
    "GetNamespace": ops_buckets.get_namespace,
    "GetNamespaceMetadata": ops_buckets.get_namespace_metadata,
    "CreateBucket": ops_buckets.create_bucket,
    "ListBuckets": ops_buckets.list_buckets,
    "GetBucket": ops_buckets.get_bucket,
    "HeadBucket": ops_buckets.head_bucket,
    "UpdateBucket": ops_buckets.update_bucket,
    "DeleteBucket": ops_buckets.delete_bucket,
    "ListRetentionRules": ops_buckets.list_rules,
    "CreateRetentionRule": ops_buckets.create_rule,
    "GetRetentionRule": ops_buckets.one_rule,
    "UpdateRetentionRule": ops_buckets.one_rule,
    "DeleteRetentionRule": ops_buckets.one_rule,
    "GetLifecycle": ops_buckets.lifecycle,
    "PutLifecycle": ops_buckets.lifecycle,
    "DeleteLifecycle": ops_buckets.lifecycle,
    "ListObjects": ops_list.list_objects,
    "ListObjectVersions": ops_list.list_versions,
    "PutObject": ops_objects.put_object,
    "GetObject": ops_objects.get_object,
    "HeadObject": ops_objects.head_object,
    "DeleteObject": ops_objects.delete_object,
    "CreateMultipartUpload": ops_uploads.create,
    "UploadPart": ops_uploads.put_part,
    "ListMultipartUploads": ops_uploads.list_uploads,
    "ListMultipartUploadParts": ops_uploads.list_parts,
    "CommitMultipartUpload": ops_uploads.commit,
    "AbortMultipartUpload": ops_uploads.abort,
    "RestoreObjects": ops_actions.restore,
    "CopyObject": ops_actions.copy,
    "RenameObject": ops_actions.rename,
    "UpdateObjectStorageTier": ops_actions.update_tier,
    "BatchDeleteObjects": ops_actions.batch_delete,
    "GetWorkRequest": ops_actions.work_request,
    "CreateCompartment": ops_iam.create_compartment,
    "CreateUser": ops_iam.create_user,
    "CreateGroup": ops_iam.create_group,
    "AddUserToGroup": ops_iam.add_user_to_group,
    "CreatePolicy": ops_iam.create_policy,
    "UploadApiKey": ops_iam.upload_api_key,
}

HASHED = frozenset({"PutObject", "UploadPart"})
"""Operations whose body is hashed with MD5 while it arrives."""
