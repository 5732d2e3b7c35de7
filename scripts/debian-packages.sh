#!/usr/bin/env bash
# Programs of the system that the tests use and that no Python package brings. Users need none of them: where one is
# missing, the tests that use it are skipped and say so; where CI is set, they fail.
#
#   chromium       A browser: the journeys of the clinic are tested in it, as people would click and type them.
#   libcoap3-bin   coap-client: another implementation of CoAP, in C and without OSCORE. The pump must tell it nothing.
set -euo pipefail

packages=(chromium libcoap3-bin)

missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "This is no Debian system: install ${missing[*]} in its own way, or leave these tests out." >&2
  exit 1
fi
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get update --quiet --quiet
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install --quiet --quiet --yes --no-install-recommends "${missing[@]}"
