"""Every rule a job file can break. Codes are stable: a retired one is never used again."""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """`title` is the rule as a sentence; `help` says what to do when it is broken."""

    code: str
    title: str
    help: str


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
UNSET_VARIABLE = "BR040"
BAD_PATH = "BR041"
OVERLAP = "BR042"
BUCKET_IN_SOURCE = "BR043"
NOT_A_PARENT = "BR044"
SAME_NAME = "BR045"

RULES: dict[str, Rule] = {
    rule.code: rule
    for rule in (
        Rule(UNREADABLE, "A job file is a readable, regular file.", "Check the path and its permissions."),
        Rule(NOT_UTF8, "A job file is UTF-8 text.", "Save it as UTF-8."),
        Rule(CHARACTER, "A job file holds no control characters and no half characters.", "Remove the character."),
        Rule(LIMIT, "A job file keeps to limits of size, depth and number of values.", "Split or flatten the job."),
        Rule(EMPTY, "A job file holds a job.", "Start from an example."),
        Rule(DOCUMENTS, "One file holds one job.", "Put each document into its own file."),
        Rule(SYNTAX, "A job file is YAML 1.2 without directives.", "Mend the syntax where the message points."),
        Rule(TAB, "YAML is indented with spaces.", "Replace tabs by spaces."),
        Rule(DUPLICATE_KEY, "A key stands once in its block.", "Keep one of the two."),
        Rule(TAG, "A job file needs no tags.", "Remove the tag; quote the value to make it text."),
        Rule(ALIAS, "An alias names a finished anchor above it.", "Define the anchor first."),
        Rule(UNKNOWN_KEY, "Every key is one that the format knows.", "Look at the schema: `backup-runner schema job`."),
        Rule(MISSING_KEY, "What a job needs is there.", "Add the key."),
        Rule(WRONG_TYPE, "Each value has its key's type.", "Write text, number, true/false, list or block as asked."),
        Rule(NO_VALUE, "A key that is written has a value.", "Give it a value or remove it."),
        Rule(NOT_ALLOWED, "A choice is one of those offered.", "Pick one that the message names."),
        Rule(RANGE, "Numbers, lengths and counts are within bounds.", "Stay within what the message names."),
        Rule(MALFORMED, "Text has its key's form.", "Write it as the message shows."),
        Rule(VERSION, "The format's version is one this program reads.", "Write `version: 1`."),
        Rule(CONFLICT, "The key is found in exactly one way.", "Keep one of key_file, key_env and key_command."),
        Rule(
            LITERAL_KEY, "A job never contains a secret.", "Say where it is found, and change a secret you wrote down."
        ),
        Rule(KEEPS_NOTHING, "Retention keeps at least one snapshot.", "Set one of its keep_ rules above 0."),
        Rule(UNSET_VARIABLE, "Variables in paths are set.", "Set the variable, or write the path out."),
        Rule(BAD_PATH, "A path can be resolved and is of its kind.", "Write it as the message shows."),
        Rule(OVERLAP, "No source lies inside another.", "Remove the inner one; use `skip` to leave parts out."),
        Rule(BUCKET_IN_SOURCE, "Bucket directory and sources don't contain each other.", "Move the bucket elsewhere."),
        Rule(NOT_A_PARENT, "relative_path is a folder that holds every source.", "Use a folder above all sources."),
        Rule(SAME_NAME, "A job's name is unique within its catalog.", "Rename one of the jobs."),
    )
}
