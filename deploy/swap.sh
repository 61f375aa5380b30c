#!/usr/bin/env bash
# Replaces one stage under live calls, without a gap: the new container serves before the old one is told to go.
#
#   deploy/swap.sh STAGE       asr, turn, llm or tts; the new one takes its settings from deploy/.env, as always
#   deploy/swap.sh STAGE -b    builds its image first
#
# COMPOSE and DOCKER name the commands, for example COMPOSE="docker compose -f deploy/compose.cpu.yaml".
# SWAP_TIMEOUT_S is how long the new one may take to become healthy (300). docs/swap-a-stage.md tells what callers notice.
set -euo pipefail
cd "$(dirname "$0")/.."
stage=${1:-}
case "$stage" in
  asr | turn | llm | tts) ;;
  *) sed -n '2,9p' "$0" >&2; exit 2 ;;
esac
read -r -a compose <<<"${COMPOSE:-docker compose -f deploy/compose.yaml}"
read -r -a docker <<<"${DOCKER:-docker}"

containers() { "${docker[@]}" ps -q --filter "label=com.docker.compose.service=$stage" --filter "label=com.docker.compose.project=parley"; }
healthy() { [ "$("${docker[@]}" inspect --format '{{.State.Health.Status}}' "$1")" = healthy ]; }

old=$(containers)
[ -n "$old" ] || { echo "no $stage is running: start it with ${compose[*]} up -d $stage" >&2; exit 1; }
if [ "${2:-}" = -b ]; then "${compose[@]}" build "$stage"; fi
"${compose[@]}" up -d --no-deps --no-recreate --scale "$stage=$(($(wc -w <<<"$old") + 1))" "$stage"
new=$(comm -13 <(sort <<<"$old") <(containers | sort))
[ -n "$new" ] || { echo "no new $stage came up beside $old: is its service scaled by a fixed container_name?" >&2; exit 1; }

deadline=$((SECONDS + ${SWAP_TIMEOUT_S:-300}))
until healthy "$new"; do
  if [ $SECONDS -ge $deadline ]; then
    "${docker[@]}" logs --tail 15 "$new" >&2
    "${docker[@]}" rm -f "$new" >/dev/null
    echo "the new $stage did not become healthy within ${SWAP_TIMEOUT_S:-300} s and is removed; the old one serves on" >&2
    exit 1
  fi
  sleep 1
done
echo "$stage: $new serves; $old drains"
# A drain ends every stream at a quiet moment of its call; docker waits for it as long as stop_grace_period says.
for container in $old; do
  "${docker[@]}" stop "$container" >/dev/null
  "${docker[@]}" rm "$container" >/dev/null
done
echo "$stage: swapped"
