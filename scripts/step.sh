#!/usr/bin/env bash
# Runs one check: one line where it passes, all of its output where it does not. step.sh NAME COMMAND...
set -uo pipefail
name=$1
shift
if [ -t 1 ]; then green=$'\033[32m' red=$'\033[31m' plain=$'\033[0m'; else green="" red="" plain=""; fi
began=$SECONDS
if output=$("$@" 2>&1); then
  printf '  %sok%s    %-22s %3d s  %s\n' "$green" "$plain" "$name" $((SECONDS - began)) "$(tail -n 1 <<<"$output" | cut -c 1-90)"
else
  status=$?
  printf '  %sFAIL%s  %-22s %3d s\n%s\n' "$red" "$plain" "$name" $((SECONDS - began)) "$output"
  printf 'run it alone: %s\n' "$*"
  exit "$status"
fi
