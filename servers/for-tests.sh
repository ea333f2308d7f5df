#!/bin/sh
# Before the tests: have servers for them, in the order of SPEC section 11, and the clients that they start. Says plainly
# what is left out.
set -eu
cd "$(dirname "$0")/.."

have() { # what is left out without them, then their names
    left_out=$1
    shift
    ./servers/build.sh "$@" && return
    [ "${REQUIRE_SERVERS:-0}" != 1 ] || exit 1
    echo "tests: $left_out are left out" >&2
}

are_servers_there() {
    [ -n "${TEST_S3_ENDPOINT_URL:-}" ] || { command -v docker >/dev/null 2>&1 && docker info >/dev/null 2>&1; }
}

have "the runs of the Postman collection" newman
if are_servers_there; then
    have "the parts that write into the bucket with mc" mc
else
    have "the parts that need MinIO and a Mongo-wire server" minio mc mongo-wire
fi
