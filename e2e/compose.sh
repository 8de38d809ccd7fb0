#!/usr/bin/env bash
# Tries docker-compose.yml as a user would: three containers, a write on one
# node, a read and the stream on the others, the leader killed and brought back.
# Needs the ports 9917, 9927 and 9937; leaves only the images behind.
set -euo pipefail

cd "$(dirname "$0")/.."
n1=http://127.0.0.1:9917 n2=http://127.0.0.1:9927 n3=http://127.0.0.1:9937
export RUSTKISS_API_KEY=a-key-for-this-test
export COMPOSE_PROJECT_NAME=kissvdb-try
work=$(mktemp -d)

if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
else
  compose=(docker-compose)
fi

finish() {
  code=$?
  [ $code -eq 0 ] || "${compose[@]}" logs --tail 50
  "${compose[@]}" down -v >/dev/null 2>&1
  kill "$(jobs -p)" 2>/dev/null || true
  rm -rf "$work"
  exit $code
}
trap finish EXIT

fail() { echo "FAIL: $*" >&2; exit 1; }

call() { curl -sS --max-time 20 -H "Authorization: Bearer $RUSTKISS_API_KEY" -H 'Content-Type: application/json' "$@"; }

# eventually WHAT SECONDS COMMAND... repeats the command until it succeeds.
eventually() {
  local what=$1 end=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "$what"
    sleep 0.2
  done
}

healthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$("${compose[@]}" ps -q "$1")")" = healthy ]; }
put() { call -f -X PUT "$1/v1/state/$2" -d "{\"value\":\"$3\"}"; }
streamed() { [ "$(grep -c '^id:' "$work/stream")" -ge "$1" ]; }

bash e2e/images.sh
"${compose[@]}" up -d --build
for node in n1 n2 n3; do eventually "$node did not become healthy" 60 healthy $node; done

[ "$(curl -s -o "$work/answer" -w '%{http_code}' $n1/v1/state/a)" = 401 ] || fail "no key was asked for"
call -N --max-time 300 "$n3/v1/stream?since=0" >"$work/stream" &
put $n1 a first >/dev/null
[ "$(call -H 'Kiss-Min-Offset: 1' $n2/v1/state/a)" = '{"key":"a","value":"first","revision":1,"expires_at_ms":null}' ] || fail "the write is not on n2"

# Kill a leader that does not hold the stream.
call -X POST $n1/v1/cluster/leader -d '{"id":"n1"}' >/dev/null
eventually "n1 does not lead" 20 bash -c "curl -sS -H 'Authorization: Bearer $RUSTKISS_API_KEY' $n3/v1/cluster | grep -q '\"leader\":\"n1\"'"
"${compose[@]}" kill n1
eventually "no write without n1" 30 put $n2 b second
eventually "the stream did not go on" 20 streamed 2

"${compose[@]}" start n1
eventually "n1 did not come back" 60 healthy n1
[ "$(call -H 'Kiss-Min-Offset: 2' $n1/v1/state/b)" = '{"key":"b","value":"second","revision":1,"expires_at_ms":null}' ] || fail "n1 has not caught up"

# An orderly end, with a stream open.
"${compose[@]}" stop -t 8
for node in n1 n2 n3; do
  code=$(docker inspect --format '{{.State.ExitCode}}' "$("${compose[@]}" ps -aq $node 2>/dev/null || "${compose[@]}" ps -q $node)")
  [ "$code" = 0 ] || fail "$node ended with exit code $code"
done
echo "ok: the containers do what they should"
