"""The table of all rules, the source of severities, of help in reports, and of docs/rules/."""

from __future__ import annotations

from . import rules
from .rules import Rule, Severity

RULES: dict[str, Rule] = {
    rule.code: rule
    for rule in (
        Rule(
            rules.UNREADABLE,
            "A job file is a readable, regular file.",
            "A fifo or device could block the program for ever; a missing file is most often a typing mistake.",
            "Check the path and its permissions.",
        ),
        Rule(
            rules.NOT_UTF8,
            "A job file is UTF-8 text.",
            "Paths and names would be read differently on each machine.",
            "Save it as UTF-8.",
        ),
        Rule(
            rules.CHARACTER,
            "A job file holds no characters that cannot be seen or that hide what is read.",
            "A reviewer must see what the program reads. Control characters and half characters cannot be seen, and "
            "some terminals obey them. U+0085, U+2028, U+2029 and a lone carriage return end a line for YAML readers "
            "but not in most editors and reviews, so that a key could stand in what looks like a comment. "
            "Bidirectional controls show text in another order than it is read, invisible characters make two names "
            "look alike, and a no-break space before a # makes the comment a part of the value.",
            "Remove the character. Where a name really has it, write the value in double quotes with an escape, for "
            'example "\\u202e": everybody can see that.',
            'name: "half \\ud800"',
        ),
        Rule(
            rules.LIMIT,
            "A job file keeps to limits of size, depth and number of values.",
            "At most 128 KiB, 20 levels and 10,000 values, each counted as often as aliases repeat it: a "
            "hostile file must not take the machine down.",
            "Split or flatten the job.",
            "skip: [[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]",
        ),
        Rule(
            rules.EMPTY,
            "A job file holds a job.",
            "An empty file is most often one that was not saved.",
            "Start from an example.",
        ),
        Rule(
            rules.DOCUMENTS,
            "One file holds one job.",
            "Whatever stands behind the first document would silently be left out.",
            "Put each document into its own file.",
            "name: documents\n---\nname: photos",
        ),
        Rule(
            rules.SYNTAX,
            "A job file is YAML 1.2 without directives.",
            "What cannot be read cannot be run.",
            "Mend the syntax where the message points.",
            "name: [documents",
        ),
        Rule(
            rules.TAB,
            "YAML is indented with spaces.",
            "YAML forbids tabs there; they look different in each editor.",
            "Replace tabs by spaces.",
            "guards:\n\tmin_files: 1",
        ),
        Rule(
            rules.DUPLICATE_KEY,
            "A key stands only once in a block.",
            "Readers differ in which of the two they take.",
            "Keep one of the two.",
            "detect: ctime\ndetect: mtime",
        ),
        Rule(
            rules.TAG,
            "YAML tags are not used.",
            "A tag can make a value into something that it does not look like.",
            "Remove the tag; quote the value to make it text.",
            "name: !!binary ZG9j",
        ),
        Rule(
            rules.ALIAS,
            "An alias names a finished anchor above it.",
            "Otherwise there is nothing that it could stand for.",
            "Define the anchor first.",
            "skip: *common",
        ),
        Rule(
            rules.UNKNOWN_KEY,
            "Every key is one that the format knows.",
            "A misspelt `retention` that is passed over would be noticed too late.",
            "Look at the schema: `backup-runner schema job`.",
            "overwrit: never",
        ),
        Rule(
            rules.MISSING_KEY,
            "What a job needs is there.",
            "The program does not guess where backups go.",
            "Add the key.",
            "target: {type: directory}",
        ),
        Rule(
            rules.WRONG_TYPE,
            "Each value has its key's type.",
            "Text that happens to look like a number is a common trap of YAML.",
            "Write text, number, true/false, list or block as asked.",
            "name: 2026",
        ),
        Rule(
            rules.NO_VALUE,
            "A key that is written has a value.",
            "A value that was forgotten looks like one that was left out on purpose.",
            "Give it a value or remove it.",
            "detect:",
        ),
        Rule(
            rules.NOT_ALLOWED,
            "A choice is one of those offered.",
            "The program does not guess which of them is meant.",
            "Pick one that the message names.",
            "overwrite: sometimes",
        ),
        Rule(
            rules.RANGE,
            "Numbers, lengths and counts are within bounds.",
            "Beyond them a value is a mistake.",
            "Stay within what the message names.",
            "guards: {max_delete_percent: 120}",
        ),
        Rule(
            rules.MALFORMED,
            "Text has its key's form.",
            "What is not understood now would fail in the middle of the night.",
            "Write it as the message shows.",
            "retention: {keep_within: 3m}",
        ),
        Rule(
            rules.VERSION,
            "The format's version is one this program reads.",
            "A later version may mean something else by the same words.",
            "Write `version: 1`, or bring an old file up to date with `backup-runner migrate`.",
            "version: 2",
        ),
        Rule(
            rules.CONFLICT,
            "What can be said in several ways is said in exactly one.",
            "If the ways disagreed, one of them would silently lose.",
            "Keep one of the two.",
            "encryption: {key_file: ~/key, key_env: BACKUP_KEY}",
        ),
        Rule(
            rules.LITERAL_KEY,
            "A job never contains a secret.",
            "Job files live in git, where everyone can read them for ever.",
            "Say where it is found, and change a secret you wrote down.",
            "encryption: {password: swordfish}",
        ),
        Rule(
            rules.KEEPS_NOTHING,
            "Retention keeps at least one snapshot.",
            "The next prune would delete everything.",
            "Set one of its keep_ rules above 0.",
            "retention: {keep_last: 0}",
        ),
        Rule(
            rules.UNSET_VARIABLE,
            "Variables in paths are set.",
            "An unset variable would make another path, such as `/` itself.",
            "Set the variable, or write the path out.",
            "sources: [{path: '${NOT_SET_ANYWHERE}/data'}]",
        ),
        Rule(
            rules.BAD_PATH,
            "A path can be resolved and is of its kind.",
            "A path that cannot exist is a mistake.",
            "Write it as the message shows.",
            "sources: [{path: ~somebody/data}]",
        ),
        Rule(
            rules.OVERLAP,
            "No source lies inside another.",
            "The inner files would be backed up twice, under two sets of rules.",
            "Remove the inner one; use `skip` to leave parts out.",
            "sources: [{path: /srv/data}, {path: /srv/data/photos}]",
        ),
        Rule(
            rules.BUCKET_IN_SOURCE,
            "Bucket directory and sources don't contain each other.",
            "Each backup would contain the one before, and grow without end.",
            "Move the bucket elsewhere.",
            "target: {type: directory, path: /srv/data/bucket}",
        ),
        Rule(
            rules.NOT_A_PARENT,
            "relative_path is a folder that holds every source.",
            "A source outside it would have no stored path.",
            "Use a folder above all sources.",
            "relative_path: /home",
        ),
        Rule(
            rules.SAME_NAME,
            "A job's name is unique within its catalog.",
            "Two jobs of one name would forget each other's files.",
            "Rename one of the jobs.",
        ),
        Rule(
            rules.CATALOG_KEYS,
            "Jobs that share a catalog share the key.",
            "Records and copies of the catalog are sealed with the key of whichever job ran; with one of the "
            "keys alone, the catalog cannot be rebuilt from the bucket.",
            "Give the jobs one key, or a catalog each.",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.PREFIXES,
            "Prefixes in one bucket lie side by side.",
            "One job's listing, lifecycle rules and policies also take in the other's objects.",
            "Give each catalog a prefix of its own, none inside another.",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.BUCKET_IN_OTHERS,
            "A job's bucket directory is in no other job's source.",
            "The other job encrypts the sealed objects once more and grows with each run; two such jobs feed "
            "each other.",
            "Move the bucket, skip it, or ignore this warning where a copy of the bucket is wanted.",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.IGNORE,
            "An ignore comment names warnings that are met.",
            "A comment that hides nothing hides the next mistake.",
            "Remove the comment, or name the warning's code; errors cannot be ignored.",
            "# backup-runner: ignore BR999",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.NO_RETENTION,
            "A job says which snapshots are kept.",
            "Without `retention` nothing is ever deleted, and the bill only grows.",
            "Add `retention`, or ignore this warning where every snapshot is to stay.",
            "-retention",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.NO_GUARDS,
            "A job says when a run has to stop.",
            "An empty mount or encrypted files must not replace good snapshots. Without `guards` the defaults "
            "hold, unseen by whoever reviews the job.",
            "Write the guards down, e.g. `guards: {max_delete_percent: 20}`.",
            "guards: {min_files: 0, max_change_percent: 100, max_delete_percent: 100}",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.KEY_IN_SOURCE,
            "The key file lies in no source.",
            "A backup that holds its own key is of no use without it, and the only copy goes down with the machine.",
            "Keep the key elsewhere or skip it, and keep a copy on paper or another machine.",
            "encryption: {key_file: /srv/data/key}",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.SECRET_VALUE,
            "No value looks like a secret.",
            "Job files live in git; keys, tokens and passwords do not.",
            "Move it into a file or the environment, and change it if it was real.",
            "hooks: {before: [curl, '--password=swordfish']}",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.SKIP_NEVER,
            "Each skip pattern can match something.",
            "A pattern that never matches leaves in the backup what was to be left out.",
            "Write it as gitignore has it, relative to the source.",
            "skip: [./cache]",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.SKIP_ALL,
            "No skip pattern hides a whole source.",
            "The source would be backed up as empty.",
            "Narrow the pattern, or bring files back with a `!` pattern behind it.",
            'skip: ["*"]',
            severity=Severity.WARNING,
        ),
        Rule(
            rules.SHARED_BUCKET,
            "Jobs that share a bucket use a prefix.",
            "Without one nothing else can ever live in that bucket apart from them.",
            "Add a `prefix`, the same for jobs of one catalog.",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.CERTAIN_HOME,
            "A path names no user's home.",
            "The job works for one user on one machine only.",
            "Write `~` or a variable.",
            "sources: [{path: /home/alice/documents}]",
            severity=Severity.WARNING,
        ),
    )
}
