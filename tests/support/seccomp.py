"""System calls that fail with an error of the test's choice, refused by the kernel itself (seccomp(2)).

A filter stays for the rest of a process's life, so what is tested runs in a child.
"""

from __future__ import annotations

import ctypes
import errno
import os
import pickle
import platform
import struct
import traceback
from collections.abc import Callable, Mapping
from typing import TypeVar

import pytest

T = TypeVar("T")
OPENAT2 = 437
LISTXATTR = (194, 195, 196)
"""listxattr, llistxattr and flistxattr."""

_LOAD_NUMBER, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2


def with_refused(calls: Mapping[int, int], act: Callable[[], T]) -> T:
    """What `act` returns in a child in which these system calls fail with these error numbers."""
    if platform.machine() != "x86_64":
        pytest.skip("the numbers of system calls are those of x86-64")
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            refuse(calls)
            os.write(there, pickle.dumps(act()))
        except BaseException:  # noqa: BLE001 - the parent sees that nothing came
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(there)
    with open(here, "rb") as answer:
        data = answer.read()
    os.waitpid(child, 0)
    assert data, "the child failed"
    value: T = pickle.loads(data)
    return value


def refuse(calls: Mapping[int, int]) -> None:
    """From now on these system calls fail with these error numbers in this process."""
    steps = [struct.pack("HBBI", _LOAD_NUMBER, 0, 0, 0)]
    for number, error in calls.items():
        steps += [struct.pack("HBBI", _IF_EQUAL, 0, 1, number), struct.pack("HBBI", _RETURN, 0, 0, _FAIL | error)]
    steps.append(struct.pack("HBBI", _RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    call = ctypes.CDLL(None, use_errno=True).prctl
    if call(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or call(_SET_SECCOMP, _FILTER, program):
        raise OSError(ctypes.get_errno(), errno.errorcode[ctypes.get_errno()])
