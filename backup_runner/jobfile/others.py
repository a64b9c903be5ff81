"""Keys in configuration files of other programs, and their equivalents here."""

from __future__ import annotations

_KEYS = {
    "repository": "`target`",
    "repositories": "`target`",
    "repo": "`target`",
    "storage": "`target`",
    "destination": "`target`",
    "source_directories": "`sources`",
    "directories": "`sources`",
    "paths": "`sources`",
    "from": "`sources`",
    "location": "`sources` and `target`",
    "include": "`extends`",
    "includes": "`extends`",
    "inherit": "`extends`",
    "use_profile": "`extends`",
    "exclude": "`skip`",
    "excludes": "`skip`",
    "exclude_patterns": "`skip`",
    "patterns": "`skip`",
    "exclude_from": "`skip_from`",
    "exclude_file": "`skip_from`",
    "patterns_from": "`skip_from`",
    "iexclude": "`skip` with `skip_case_insensitive: true`",
    "exclude_caches": "`skip_caches`",
    "exclude_if_present": "`skip_if_present`",
    "exclude_larger_than": "`max_file_size`",
    "same_fs": "`one_file_system`",
    "upload_rate_limit": "`target.limits.upload`",
    "remote_rate_limit": "`target.limits.upload`",
    "limit_upload": "`target.limits.upload`",
    "before_backup": "`hooks.before`",
    "run_before": "`hooks.before`",
    "after_backup": "`hooks.after`",
    "run_after": "`hooks.after`",
    "on_error": "`hooks.on_failure`",
    "run_after_fail": "`hooks.on_failure`",
    "healthchecks": "`notify: [{style: healthchecks, url: …}]`",
    "ntfy": "`notify: [{style: ntfy, url: …}]`",
    "apprise": "`notify: [{style: apprise, url: …}]`",
    "forget": "`retention`",
    "prune": "`retention`",
    "keep": "`retention`",
    "tag": "`tags`",
    "encryption_passcommand": "`encryption.key_command`",
    "password_command": "`encryption.key_command`",
    "password_file": "`encryption.key_file`",
    "postgresql_databases": "`sources: [{path: dumps/NAME.sql, command: [pg_dump, NAME]}]`",
    "mysql_databases": "`sources: [{path: dumps/NAME.sql, command: [mysqldump, NAME]}]`",
    "mariadb_databases": "`sources: [{path: dumps/NAME.sql, command: [mariadb-dump, NAME]}]`",
    "sqlite_databases": "`sources: [{path: dumps/NAME.db, command: […]}]`",
}


def of_other_tools(key: str, block: str) -> str | None:
    """The hint for an unknown key that another program has; None if none is known to have it."""
    if block not in ("", "sources.*"):
        return None
    here = _KEYS.get(key.lower().replace("-", "_"))
    return f"use {here} instead" if here else None
