"""The table of all rules: the source of severities, of the help in reports, and of docs/rules/."""

from __future__ import annotations

from . import rules
from .rules import Rule, Severity

RULES: dict[str, Rule] = {
    rule.code: rule
    for rule in (
        Rule(
            rules.UNREADABLE,
            "A job file is a readable, regular file.",
            "Reading a FIFO or device could block forever; a missing file is usually a typo.",
            "Check the path and its permissions.",
        ),
        Rule(
            rules.NOT_UTF8,
            "A job file is UTF-8 text.",
            "In another encoding, paths and names would depend on the machine.",
            "Save it as UTF-8.",
        ),
        Rule(
            rules.CHARACTER,
            "A job file has no invisible or misleading characters.",
            "A reviewer must see what the program reads. Control characters and unpaired surrogates are invisible, and "
            "some terminals act on them. U+0085, U+2028, U+2029 and a lone carriage return end a line for YAML parsers "
            "but not in most editors and reviews, so that a key could hide in what looks like a comment. "
            "Bidirectional controls display text in another order than it is parsed. Invisible characters make names "
            "look alike, and a no-break space before a # makes the comment part of the value.",
            "Remove the character. If a name really contains it, write the value in double quotes with an escape, for "
            'example "\\u202e", which is visible.',
            'name: "half \\ud800"',
        ),
        Rule(
            rules.LIMIT,
            "A job file stays within limits of size, depth and number of values.",
            "At most 128 KiB, 20 levels and 10,000 values, with aliases counted in full: a "
            "hostile file must not exhaust the machine.",
            "Split or flatten the job.",
            "skip: [[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]",
        ),
        Rule(
            rules.EMPTY,
            "A job file contains a job.",
            "An empty file is usually one that was not saved.",
            "Start from an example.",
        ),
        Rule(
            rules.DOCUMENTS,
            "A file contains one job.",
            "Everything after the first document would be ignored silently.",
            "Put each document into its own file.",
            "name: documents\n---\nname: photos",
        ),
        Rule(
            rules.SYNTAX,
            "A job file is valid YAML 1.2 without directives.",
            "A file that cannot be parsed cannot be run.",
            "Fix the syntax at the place shown.",
            "name: [documents",
        ),
        Rule(
            rules.TAB,
            "YAML is indented with spaces.",
            "YAML forbids tabs in indentation, because their width depends on the editor.",
            "Replace tabs with spaces.",
            "guards:\n\tmin_files: 1",
        ),
        Rule(
            rules.DUPLICATE_KEY,
            "A key appears only once in a block.",
            "Parsers disagree on which of the two counts.",
            "Keep one of the two.",
            "detect: ctime\ndetect: mtime",
        ),
        Rule(
            rules.TAG,
            "YAML tags are not used.",
            "A tag can turn a value into something it does not look like.",
            "Remove the tag; quote the value to make it text.",
            "name: !!binary ZG9j",
        ),
        Rule(
            rules.ALIAS,
            "An alias refers to a complete anchor above it.",
            "Otherwise the alias has no value.",
            "Define the anchor first.",
            "skip: *common",
        ),
        Rule(
            rules.UNKNOWN_KEY,
            "Every key is known.",
            "A misspelt `retention` that was ignored would be noticed too late.",
            "Check the key against the schema: `backup-runner schema job`.",
            "overwrit: never",
        ),
        Rule(
            rules.MISSING_KEY,
            "All required keys are present.",
            "The program does not guess where backups go.",
            "Add the key.",
            "target: {type: directory}",
        ),
        Rule(
            rules.WRONG_TYPE,
            "Each value has the type of its key.",
            "Text that looks like a number is a common pitfall of YAML.",
            "Write text, a number, true/false, a list or a block, as the message says.",
            "name: 2026",
        ),
        Rule(
            rules.NO_VALUE,
            "Every key has a value.",
            "A forgotten value looks the same as one that was left out on purpose.",
            "Give it a value or remove it.",
            "detect:",
        ),
        Rule(
            rules.NOT_ALLOWED,
            "An enumerated value is one of the allowed values.",
            "The program does not guess which one is meant.",
            "Use one of the values in the message.",
            "overwrite: sometimes",
        ),
        Rule(
            rules.RANGE,
            "Numbers, lengths and counts are within bounds.",
            "A value out of bounds is a mistake.",
            "Use a value within the bounds in the message.",
            "guards: {max_delete_percent: 120}",
        ),
        Rule(
            rules.MALFORMED,
            "Text has the format of its key.",
            "A value that is not understood now would make a run fail at night.",
            "Write it as the message shows.",
            "retention: {keep_within: 3m}",
        ),
        Rule(
            rules.VERSION,
            "The format version is supported.",
            "The same keys may mean something else in a later version.",
            "Write `version: 1`, or update an old file with `backup-runner migrate`.",
            "version: 2",
        ),
        Rule(
            rules.CONFLICT,
            "Of several alternative keys, exactly one is set.",
            "If they disagreed, one of them would be ignored silently.",
            "Keep one of the two.",
            "encryption: {key_file: ~/key, key_env: BACKUP_KEY}",
        ),
        Rule(
            rules.LITERAL_KEY,
            "A job does not contain secrets.",
            "Job files are kept in git, where a secret stays readable forever.",
            "Name the file, variable or command that has the secret, and change any secret you wrote into the file.",
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
            rules.RECIPIENT,
            "A recipient is a public key without a mistake, listed once.",
            "What is sealed to another key cannot be opened by the one who is meant.",
            "Copy what `backup-runner key recipient FILE` prints, or name a file that holds it.",
            "encryption: {recipients: [bkr1qqqqqqqqqqqqqqqq]}",
        ),
        Rule(
            rules.EXTENDS,
            "`extends` names a readable file of shared settings, without circles.",
            "A job without its shared settings would be another job. When files are only checked, the shared file is "
            "below the current folder, so that a merge request cannot show other files of the machine.",
            "Write the path as seen from the file with `extends`, and start the command in a folder with both files.",
            "extends: missing.yaml",
        ),
        Rule(
            rules.UNSET_VARIABLE,
            "Every variable in a path is set.",
            "An unset variable would lead to another path, such as `/`.",
            "Set the variable, or write the full path.",
            "sources: [{path: '${NOT_SET_ANYWHERE}/data'}]",
        ),
        Rule(
            rules.BAD_PATH,
            "Every path can be resolved and has the right type.",
            "A path that cannot exist is a mistake.",
            "Write it as the message shows.",
            "sources: [{path: ~somebody/data}]",
        ),
        Rule(
            rules.OVERLAP,
            "No source is inside another.",
            "The inner files would be backed up twice, under two sets of rules.",
            "Remove the inner one; use `skip` to exclude parts.",
            "sources: [{path: /srv/data}, {path: /srv/data/photos}]",
        ),
        Rule(
            rules.BUCKET_IN_SOURCE,
            "The bucket directory and the sources do not contain each other.",
            "Each backup would contain the previous one and grow without limit.",
            "Move the bucket elsewhere.",
            "target: {type: directory, path: /srv/data/bucket}",
        ),
        Rule(
            rules.NOT_A_PARENT,
            "relative_path is a folder that contains every source.",
            "A source outside it would have no stored path.",
            "Use a folder above all sources.",
            "relative_path: /home",
        ),
        Rule(
            rules.SAME_NAME,
            "A job's name is unique within its catalog.",
            "Two jobs with one name would delete each other's files from their snapshots.",
            "Rename one of the jobs.",
        ),
        Rule(
            rules.CATALOG_KEYS,
            "Jobs that share a catalog use the same key.",
            "Records and copies of the catalog are encrypted with the key of the job that ran; with only one of the "
            "keys, the catalog cannot be rebuilt from the bucket.",
            "Use one key for all jobs, or a catalog for each.",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.PREFIXES,
            "Prefixes in one bucket do not overlap.",
            "Otherwise listings, lifecycle rules and policies of one job also cover the objects of the other.",
            "Give each catalog its own prefix, none inside another.",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.BUCKET_IN_OTHERS,
            "A job's bucket directory is not inside another job's source.",
            "The other job encrypts the encrypted objects again and grows with each run; two such jobs feed "
            "each other.",
            "Move the bucket, skip it, or ignore this warning if you want a copy of the bucket.",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.IGNORE,
            "An ignore comment only names warnings that occur.",
            "A comment that suppresses nothing now would hide the next mistake.",
            "Remove the comment, or use the code of the warning; errors cannot be ignored.",
            "# backup-runner: ignore BR999",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.NO_RETENTION,
            "A job sets which snapshots are kept.",
            "Without `retention`, nothing is ever deleted and the costs only grow.",
            "Add `retention`, or ignore this warning if every snapshot should be kept.",
            "-retention",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.NO_GUARDS,
            "A job sets when a run must stop.",
            "An empty mount or encrypted files must not replace good snapshots. Without `guards`, the defaults "
            "apply, but reviewers of the job do not see them.",
            "Set the guards explicitly, e.g. `guards: {max_delete_percent: 20}`.",
            "guards: {min_files: 0, max_change_percent: 100, max_delete_percent: 100}",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.KEY_IN_SOURCE,
            "The key file is not inside a source.",
            "A backup that contains its own key cannot be opened without it: the key is lost with the machine.",
            "Keep the key elsewhere or skip it, and keep a copy on paper or another machine.",
            "encryption: {key_file: /srv/data/key}",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.SECRET_VALUE,
            "No value looks like a secret.",
            "Job files belong in git; keys, tokens and passwords do not.",
            "Move it to a file or the environment, and change it if it was real.",
            "hooks: {before: [curl, '--password=swordfish']}",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.SKIP_NEVER,
            "Each skip pattern can match something.",
            "Files that a useless pattern should exclude are backed up.",
            "Write it in gitignore syntax, relative to the source.",
            "skip: [./cache]",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.SKIP_ALL,
            "No skip pattern excludes a whole source.",
            "The source would be backed up as empty.",
            "Narrow the pattern, or re-include files with a `!` pattern after it.",
            'skip: ["*"]',
            severity=Severity.WARNING,
        ),
        Rule(
            rules.SHARED_BUCKET,
            "Jobs that share a bucket use a prefix.",
            "Without a prefix, nothing else can be kept separately in that bucket.",
            "Add a `prefix`; jobs of one catalog use the same one.",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.CERTAIN_HOME,
            "No path names the home folder of a user.",
            "The job works for one user on one machine only.",
            "Write `~` or a variable.",
            "sources: [{path: /home/alice/documents}]",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.ODD_PATH,
            "A path is a path of this system.",
            "A URL, a Windows path, `$HOME` without braces or a pattern is taken for a name as it stands, and the "
            "source is missing on every run.",
            "Write an absolute or relative path, with `~` or ${NAME}; name a folder and leave out the rest by `skip`.",
            'sources: [{path: "file:///srv/data"}]',
            severity=Severity.WARNING,
        ),
        Rule(
            rules.SKIP_REGEX,
            "Skip patterns are gitignore's, not regular expressions.",
            "A regular expression matches nothing, or something else, and what was to be left out is backed up.",
            "Write `*.tmp` for `.*\\.tmp$`; docs/config.md has the rules.",
            "skip: ['.*\\.tmp$']",
            severity=Severity.WARNING,
        ),
        Rule(
            rules.SKIP_DEFEATED,
            "A `!` pattern re-includes something.",
            "Skipped folders are never entered, so that nothing in them can be re-included: the files that the "
            "pattern names are not backed up.",
            "Skip what is in the folder (`build/*`) instead of the folder (`build/`), or re-include the folder first.",
            "skip: [build/, '!build/keep.txt']",
            severity=Severity.WARNING,
        ),
    )
}
