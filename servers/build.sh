#!/bin/sh
# Servers for the tests where there is no Docker: .servers/minio and .servers/mongo-wire.
# A second run does nothing, until a version or a source changes: each has a stamp that says what it was built from.
set -eu
cd "$(dirname "$0")/.."

minio_version=$(sed -n 's/^ARG MINIO_VERSION=//p' servers/minio.Dockerfile)
wire_version=$(cat servers/mongo-wire/* | cksum)

stale() {
    ! { [ -x ".servers/$1" ] && [ "$(cat ".servers/$1.stamp" 2>/dev/null)" = "$2" ]; }
}

missing=
need() {
    for tool; do command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"; done
}

# All tools are looked for before the first build, which takes minutes.
need java
if stale minio "$minio_version"; then need go; fi
if stale mongo-wire "$wire_version"; then need mvn javac; fi
if [ -n "$missing" ]; then
    echo "servers/build.sh: not found:$missing (go builds MinIO, a JDK 17 and Maven build mongo-wire)" >&2
    exit 1
fi

mkdir -p .servers
work=$(mktemp -d "$PWD/.servers/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

if stale minio "$minio_version"; then
    echo "building MinIO $minio_version, which takes some minutes the first time"
    # local: rather an error about an old Go than a second Go downloaded unasked.
    GOTOOLCHAIN=local GOBIN="$work" go install "github.com/minio/minio@$minio_version"
    mv "$work/minio" .servers/minio
    echo "$minio_version" >.servers/minio.stamp
fi

if stale mongo-wire "$wire_version"; then
    echo "building mongo-wire"
    mvn -q -B -f servers/mongo-wire/pom.xml dependency:copy-dependencies -DoutputDirectory="$work/lib"
    javac --release 17 -cp "$work/lib/*" -d "$work/lib" servers/mongo-wire/MongoWire.java
    rm -rf .servers/lib/mongo-wire
    mkdir -p .servers/lib
    mv "$work/lib" .servers/lib/mongo-wire
    install -m 755 servers/mongo-wire/mongo-wire.sh .servers/mongo-wire
    echo "$wire_version" >.servers/mongo-wire.stamp
fi
