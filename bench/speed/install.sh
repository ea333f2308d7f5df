#!/bin/sh
# What is measured beside the service, and what measures: nginx and wrk from Debian, tusd and dufs into .bench/bin,
# copyparty into .venv. All of them, or those that are named. A second run does nothing, until a version changes.
set -eu
cd "$(dirname "$0")/../.."

# The one place that names these versions; those from PyPI are in bench/requirements.txt, nginx's and wrk's are Debian's.
tusd_version=v2.8.0
dufs_version=0.47.0

wanted=" ${*:-nginx wrk tusd dufs copyparty} "
is_wanted() {
    case $wanted in *" $1 "*) ;; *) return 1 ;; esac
}

# Debian keeps servers where not every user looks.
has() {
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1
}

stale() {
    is_wanted "$1" && ! { [ -x ".bench/bin/$1" ] && [ "$(cat ".bench/$1.stamp" 2>/dev/null)" = "$2" ]; }
}

# What is wanted of bench/requirements.txt: copyparty, and matplotlib for the chart.
python_stale() {
    is_wanted copyparty && ! .venv/bin/python -c "import importlib.metadata as m, sys
pins = dict(line.split('==') for line in open('bench/requirements.txt').read().split() if '==' in line)
sys.exit(any(m.version(name) != version for name, version in pins.items()))" 2>/dev/null
}

packages=
for package in nginx wrk; do
    if is_wanted "$package" && ! has "$package"; then packages="$packages $package"; fi
done

missing=
need() {
    has "$1" || missing="$missing $1"
}

# All tools are looked for before the first build, which takes minutes.
if stale tusd "$tusd_version"; then need go; fi
if stale dufs "$dufs_version"; then need cargo; fi
if python_stale; then need .venv/bin/python; fi
if [ -n "$packages" ] && ! { has apt-get && [ "$(id -u)" = 0 ]; }; then missing="$missing$packages"; fi
if [ -n "$missing" ]; then
    echo "bench/speed/install.sh: not found:$missing (go builds tusd, cargo builds dufs, \`make test\` makes .venv," \
        "the system's packages have nginx and wrk: as root, apt-get install nginx wrk)" >&2
    exit 1
fi

mkdir -p .bench/bin
work=$(mktemp -d "$PWD/.bench/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

if [ -n "$packages" ]; then
    echo "installing$packages from Debian"
    # RUNLEVEL=1: nginx is not to be started as a service of this machine. The names are split on purpose.
    # shellcheck disable=SC2086
    { apt-get update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends $packages; } >"$work/apt.log" 2>&1 ||
        { cat "$work/apt.log" >&2 && exit 1; }
fi

if stale tusd "$tusd_version"; then
    echo "building tusd $tusd_version, which takes some minutes the first time"
    # local: rather an error about an old Go than a second Go downloaded unasked. `go install` would do as well, but it
    # also asks for the list of all versions, which a registry may refuse although it has this one. The version is told
    # at link time, as tusd's own builds do.
    (
        cd "$work"
        export GOTOOLCHAIN=local
        go mod init bench >/dev/null 2>&1
        go mod edit -require "github.com/tus/tusd/v2@$tusd_version"
        go build -mod=mod -o tusd -ldflags "-X github.com/tus/tusd/v2/cmd/tusd/cli.VersionName=$tusd_version" \
            github.com/tus/tusd/v2/cmd/tusd
    )
    mv "$work/tusd" .bench/bin/tusd
    echo "$tusd_version" >.bench/tusd.stamp
fi

if stale dufs "$dufs_version"; then
    echo "building dufs $dufs_version, which takes some minutes the first time"
    cargo install dufs --quiet --version "$dufs_version" --locked --no-track --force --root "$work"
    mv "$work/bin/dufs" .bench/bin/dufs
    echo "$dufs_version" >.bench/dufs.stamp
fi

if python_stale; then
    echo "installing copyparty and matplotlib"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
fi
