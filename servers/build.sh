#!/bin/sh
# Servers for the tests where there is no Docker: .servers/minio and .servers/mongo-wire. And clients for the tests:
# .servers/mc, MinIO's own, and .servers/newman, which runs the Postman collection. All of them, or those that are named.
# A second run does nothing, until a version or a source changes: each has a stamp that says what it was built from.
set -eu
cd "$(dirname "$0")/.."

minio_version=$(sed -n 's/^ARG MINIO_VERSION=//p' servers/minio.Dockerfile)
# The one place that names the client's version.
mc_version=v0.0.0-20250313080218-cf909e1063a9
wire_version=$(cat servers/mongo-wire/* | cksum)
# The one place that names newman's version.
newman_version=6.2.2

wanted=" ${*:-minio mc mongo-wire newman} "
is_wanted() {
    case $wanted in *" $1 "*) ;; *) return 1 ;; esac
}

stale() {
    is_wanted "$1" && ! { [ -x ".servers/$1" ] && [ "$(cat ".servers/$1.stamp" 2>/dev/null)" = "$2" ]; }
}

missing=
need() {
    for tool; do command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"; done
}

# All tools are looked for before the first build, which takes minutes.
if is_wanted mongo-wire; then need java; fi
if is_wanted newman; then need node; fi
if stale minio "$minio_version" || stale mc "$mc_version"; then need go; fi
if stale mongo-wire "$wire_version"; then need mvn javac; fi
if stale newman "$newman_version"; then need npm; fi
if [ -n "$missing" ]; then
    echo "servers/build.sh: not found:$missing (go builds MinIO and mc, a JDK 17 and Maven build mongo-wire," \
        "npm installs newman and node runs it)" >&2
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

if stale mc "$mc_version"; then
    echo "building mc $mc_version"
    GOTOOLCHAIN=local GOBIN="$work" go install "github.com/minio/mc@$mc_version"
    mv "$work/mc" .servers/mc
    echo "$mc_version" >.servers/mc.stamp
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

if stale newman "$newman_version"; then
    echo "installing newman $newman_version"
    # No package of it needs a script to install itself. What the tests run is this one version, so nothing is locked.
    npm install --prefix "$work/newman" --no-save --no-package-lock --ignore-scripts \
        --no-audit --no-fund --no-update-notifier --loglevel=error "newman@$newman_version" >/dev/null
    rm -rf .servers/lib/newman
    mkdir -p .servers/lib
    mv "$work/newman" .servers/lib/newman
    ln -sfn lib/newman/node_modules/newman/bin/newman.js .servers/newman
    echo "$newman_version" >.servers/newman.stamp
fi
