"""Extended attributes go into their blob and come back, whatever bytes they hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_runner.errors import CatalogError
from backup_runner.source.xattrs import decode_xattrs, encode_xattrs

_NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name)


@given(st.dictionaries(_NAMES, st.binary(max_size=40), max_size=5))
def test_round_trip(attributes: dict[bytes, bytes]) -> None:
    assert decode_xattrs(encode_xattrs(attributes)) == attributes


def test_none_for_none() -> None:
    assert encode_xattrs({}) is None
    assert decode_xattrs(None) == {}


def test_same_attributes_same_blob() -> None:
    assert encode_xattrs({b"user.b": b"2", b"user.a": b"1"}) == b'{"user.a":"MQ==","user.b":"Mg=="}'


@pytest.mark.parametrize("blob", [b"", b"[]", b'{"user.a":1}', b'{"user.a":"*"}', b'{"\\u0000zz":"MQ=="}'])
def test_anything_else_is_an_error(blob: bytes) -> None:
    with pytest.raises(CatalogError):
        decode_xattrs(blob)
