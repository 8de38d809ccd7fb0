#!/usr/bin/env bash
# Makes the base image of the Dockerfile from the Go tool chain of this machine,
# for machines that can not pull it. It holds the tool chain, a shell, the root
# certificates, the modules that go.mod names and their compiled form, so a
# build needs no network and little time.
#
#   bash e2e/images.sh          only when the image is missing
#   bash e2e/images.sh --force  also when it is there
set -euo pipefail

cd "$(dirname "$0")/.."
image=$(awk '$1 == "FROM" && $3 == "AS" { print $2; exit }' Dockerfile)

if [ "${1:-}" != "--force" ] && docker image inspect "$image" >/dev/null 2>&1; then
  echo "$image is here"
  exit 0
fi

root=$(mktemp -d)
trap 'chmod -R u+w "$root"; rm -rf "$root"' EXIT

# add copies files to the same place in the image, with the libraries they are
# linked to.
add() {
  local file library
  for file in "$@"; do
    mkdir -p "$root$(dirname "$file")"
    cp -L "$file" "$root$file"
    for library in $(ldd "$file" 2>/dev/null | grep -o '/[^ )]*' || true); do
      mkdir -p "$root$(dirname "$library")"
      cp -Ln "$library" "$root$library"
    done
  done
}

for tool in sh mkdir; do
  path=$(command -v "$tool")
  add "$path"
  [ "$path" = "/bin/$tool" ] || { mkdir -p "$root/bin"; [ -e "$root/bin/$tool" ] || cp "$root$path" "$root/bin/$tool"; }
done
[ ! -f /etc/ssl/certs/ca-certificates.crt ] || add /etc/ssl/certs/ca-certificates.crt
mkdir -m 1777 "$root/tmp"
mkdir -p "$root/usr/local" "$root/go" "$root/root"
cp -R "$(go env GOROOT)" "$root/usr/local/go"

# The modules come from this machine's cache where they are there already.
GOFLAGS=-mod=mod GOMODCACHE="$root/go/pkg/mod" \
  GOPROXY="file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)" go mod download

# What the program is made of beside its own code, compiled as the Dockerfile
# does it.
export CGO_ENABLED=0 GOMODCACHE="$root/go/pkg/mod" GOCACHE="$root/root/.cache/go-build"
go list -deps -f '{{if not (and .Module .Module.Main)}}{{.ImportPath}}{{end}}' ./cmd/kissvdb |
  xargs go build -trimpath -ldflags="-s -w"

tar -C "$root" -c . | docker import \
  --change 'ENV PATH=/usr/local/go/bin:/usr/bin:/bin GOPATH=/go GOTOOLCHAIN=local HOME=/root' \
  --change 'WORKDIR /go' - "$image" >/dev/null
echo "$image is made"
