"""Lists objects page by page. Every page is checked, and a listing cannot be endless."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...errors import EndlessListing
from ...records import StoredObject
from .answers import as_dict, as_list, check_page, listed, readable

_THIN, _THIN_PAGES = 10, 200
"""After this many nearly empty pages in a row, a listing is rejected as endless."""
MOST_LISTED = 1_000_000
"""Maximum objects in a listing, unless the job sets another one: some 30 TB in packs."""
_FIELDS = "name,size,md5,etag,timeCreated,storageTier,archivalState"

Page = tuple[list[StoredObject], str | None]
"""Objects, and the name to continue from."""
Options = dict[str, Any]


def page_of(data: object, options: Options, ours: str, prefix: str) -> Page:
    """Parse a response that lists objects below `ours` (the target's prefix) and `prefix`. Raises TargetError."""
    body = as_dict(data)
    with readable():
        items = [listed(item, ours) for item in as_list(body.get("objects"))]
        following = body.get("nextStartWith")
        check_page(items, following, str(options.get("start", "")), ours, prefix)
    return items, following


def pages(fetch: Callable[[Options], Page], prefix: str, limit: int, most: int | None) -> Iterator[StoredObject]:
    """All objects whose whole names begin with `prefix`, in pages of `limit`. Raises EndlessListing if there are more
    than `most` (None: the default), and TargetError."""
    options: Options = {"prefix": prefix, "fields": _FIELDS, "limit": limit}
    thin = count = 0
    while True:
        found, following = fetch(options)
        yield from found
        if not following:
            return
        count += len(found)
        if count >= (most or MOST_LISTED):
            raise EndlessListing(
                f"the listing does not end: {count} objects were listed, and there are more",
                hint="check what is in the bucket, the service and target.endpoint; if there are so many objects, "
                "raise target.limits.listed_objects",
            )
        thin = thin + 1 if len(found) < _THIN else 0
        if thin > _THIN_PAGES:
            raise EndlessListing(
                f"the listing does not end: {thin} pages in a row had fewer than {_THIN} objects",
                hint="check the service and target.endpoint",
            )
        options["start"] = following
