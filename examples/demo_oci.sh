#!/usr/bin/env bash
# The demo against OCI Object Storage, or rather against an emulator of it that checks signatures as OCI does.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
work=.demo-oci
say() { printf '\n$ %s\n' "$*"; "$@"; }

rm -rf "$work"
mkdir -p "$work"
# Starts the emulator with a signing key, an OCI config and a bucket of its own; it says where it listens.
python -m tests.oci_emulator --config-dir "$work" --bucket backup --log "$work/requests.jsonl" > "$work/emulator.txt" &
emulator=$!
trap 'kill "$emulator" 2>/dev/null; wait "$emulator" 2>/dev/null || true' EXIT
for _ in $(seq 100); do
  [ -s "$work/emulator.txt" ] && break
  sleep 0.1
done
url=$(cut -d' ' -f1 "$work/emulator.txt")
echo "emulator at $url"

cat > "$work/job.yaml" <<EOF
version: 1
name: demo-oci
sources: [{path: ../docs}, {path: ../backup_runner}]
skip: ["__pycache__/"]
relative_path: ..
target:
  type: oci
  bucket: backup
  prefix: demo/
  endpoint: $url
  auth: {method: config_file, config_file: owner.config}
encryption: {key_file: key}
catalog: catalog.db
EOF
say backup-runner key new "$work/key"
say backup-runner validate "$work/job.yaml"
say backup-runner apply "$work/job.yaml" --yes
say backup-runner plan "$work/job.yaml" --detailed-exitcode
say backup-runner restore "$work/job.yaml" --to "$work/restored"
say backup-runner verify "$work/job.yaml" --level data
echo
for folder in docs backup_runner; do
  say diff -r --exclude=__pycache__ "$folder" "$work/restored/$folder"
done
echo "Everything came back, byte for byte, over $(wc -l < "$work/requests.jsonl") signed requests."
