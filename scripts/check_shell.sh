#!/usr/bin/env bash
# Parses every shell script of the tree, and checks that those with a #! can be run.
set -euo pipefail
cd "$(dirname "$0")/.."
count=0
while IFS= read -r file; do
  [ -f "$file" ] || continue
  bash -n "$file"
  [ -x "$file" ] || { echo "$file is not executable: chmod +x $file"; exit 1; }
  count=$((count + 1))
done < <(git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run)
echo "$count scripts parse"
