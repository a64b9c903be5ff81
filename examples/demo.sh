#!/usr/bin/env bash
# From nothing to a restored backup, all inside .demo: key, validate, plan, apply, restore, compare, verify.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
job=examples/quickstart.yaml
say() { printf '\n$ %s\n' "$*"; "$@"; }

rm -rf .demo
mkdir -p .demo
say backup-runner key new .demo/key
say backup-runner validate "$job"
say backup-runner plan "$job" --out .demo/plan.jsonl
say backup-runner apply .demo/plan.jsonl --yes
say backup-runner plan "$job" --detailed-exitcode
say backup-runner restore "$job" --to .demo/restored
say backup-runner verify "$job" --level data
echo
for folder in docs examples backup_runner; do
  say diff -r --exclude=__pycache__ --exclude='*.typed' "$folder" ".demo/restored/$folder"
done
echo "Everything came back, byte for byte."
