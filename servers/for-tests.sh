#!/bin/sh
# Before the tests: have servers for them, in the order of SPEC section 11. Says plainly what is left out.
set -eu
cd "$(dirname "$0")/.."
[ -z "${TEST_S3_ENDPOINT_URL:-}" ] || exit 0
if command -v docker >/dev/null 2>&1 && docker info >/dev/null 2>&1; then exit 0; fi
./servers/build.sh && exit 0
[ "${REQUIRE_SERVERS:-0}" != 1 ] || exit 1
echo "tests: the parts that need MinIO and a Mongo-wire server are left out" >&2
