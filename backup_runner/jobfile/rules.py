"""Rules and their codes; `rulebook` has the table.

Codes are stable and never reused. Codes below BR060 are errors, plus warnings about sets of jobs; from BR060 on
they are warnings about one job.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    """Errors make `validate` fail; warnings only with --strict."""

    ERROR = "error"
    WARNING = "warning"


class Rule(NamedTuple):
    """`title` is the rule as a sentence, `why` its reason, `help` what to do about a violation.

    `example` is a job file fragment that violates it, "" if a single file cannot.
    """

    code: str
    title: str
    why: str
    help: str
    example: str = ""
    severity: Severity = Severity.ERROR


UNREADABLE = "BR001"
NOT_UTF8 = "BR002"
CHARACTER = "BR003"
LIMIT = "BR004"
EMPTY = "BR005"
DOCUMENTS = "BR006"
SYNTAX = "BR007"
TAB = "BR008"
DUPLICATE_KEY = "BR009"
TAG = "BR010"
ALIAS = "BR011"
UNKNOWN_KEY = "BR020"
MISSING_KEY = "BR021"
WRONG_TYPE = "BR022"
NO_VALUE = "BR023"
NOT_ALLOWED = "BR024"
RANGE = "BR025"
MALFORMED = "BR026"
VERSION = "BR027"
CONFLICT = "BR028"
LITERAL_KEY = "BR029"
KEEPS_NOTHING = "BR030"
RECIPIENT = "BR031"
EXTENDS = "BR032"
UNSET_VARIABLE = "BR040"
BAD_PATH = "BR041"
OVERLAP = "BR042"
BUCKET_IN_SOURCE = "BR043"
NOT_A_PARENT = "BR044"
SAME_NAME = "BR045"
CATALOG_KEYS = "BR046"
PREFIXES = "BR047"
BUCKET_IN_OTHERS = "BR048"
IGNORE = "BR060"
NO_RETENTION = "BR061"
NO_GUARDS = "BR062"
KEY_IN_SOURCE = "BR063"
SECRET_VALUE = "BR064"  # noqa: S105 - a code
SKIP_NEVER = "BR065"
SKIP_ALL = "BR066"
SHARED_BUCKET = "BR067"
CERTAIN_HOME = "BR068"
ODD_PATH = "BR069"
SKIP_REGEX = "BR070"
SKIP_DEFEATED = "BR071"
