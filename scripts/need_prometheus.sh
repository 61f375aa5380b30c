#!/usr/bin/env bash
# Makes sure that prometheus and promtool are on the PATH: rules and dashboards are tested on real ones.
set -euo pipefail
command -v prometheus >/dev/null && command -v promtool >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "prometheus is not on the PATH: installing it with apt-get"
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  # RUNLEVEL=1 keeps the package from starting its own server: a test starts one for itself.
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  install() { apt-get install -y -qq --no-install-recommends prometheus; }
  { install || { apt-get update -qq && install; }; } >"$log" 2>&1 </dev/null || { tail -n 20 "$log" >&2; }
  command -v prometheus >/dev/null && command -v promtool >/dev/null && exit 0
fi
cat >&2 <<'END'
The tests need prometheus and promtool on the PATH (they start one of their own; nothing of yours is touched):
  Debian, Ubuntu:  sudo apt-get install prometheus
  Fedora:          sudo dnf install golang-github-prometheus
  macOS:           brew install prometheus
END
exit 1
