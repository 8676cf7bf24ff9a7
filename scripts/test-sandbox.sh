#!/usr/bin/env bash
# Runs the tests of sandboxes in real containers, by podman and by docker. It installs what is
# missing, makes an image of the packages of this system, and starts a daemon of docker of its own.
# At the end it removes the image, the daemon and all that they have; the packages stay. Needs root
# on a Debian or Ubuntu.
#
#   scripts/test-sandbox.sh              runs the tests with podman and docker
#   scripts/test-sandbox.sh podman       with this program alone
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "$(uname -s)" != Linux ] || [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Skipped: it needs root on a Debian or Ubuntu." >&2
    exit 0
fi

programs="${1:-podman,docker}"
image=stepwright-test:sandbox
servers="$PWD/target/test-servers"
# The sockets of a daemon have paths of at most 107 bytes.
home="$(mktemp -d /tmp/stepwright-sandbox-XXXXXX)"
daemon=

give_up() {
    echo "error: $1" >&2
    exit 1
}

# Removes the image, the daemon with all that it has, and the folder.
remove() {
    if command -v podman >/dev/null; then podman rmi --force "$image" >/dev/null 2>&1 || true; fi
    if [ -n "$daemon" ]; then
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$home" || echo "\`$home\` is left: it is in use" >&2
}
trap remove EXIT

need() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing+=("$package")
    done
    if [ "${#missing[@]}" -eq 0 ]; then return; fi
    echo "Installing the packages ${missing[*]}." >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
        >&2
}

# The files of the image: a small system like this one, so that the programs of tests run in it.
root_of_image() {
    local codename
    codename="$(. /etc/os-release && echo "${VERSION_CODENAME:?this system has no codename}")"
    root="$servers/sandbox-$codename.tar"
    if [ -e "$root" ]; then return; fi
    echo "Making an image of the packages of $codename; this takes a minute." >&2
    mkdir -p "$servers"
    debootstrap --variant=minbase --include=python3-minimal "$codename" "$home/system" \
        >"$home/debootstrap.log" || give_up "debootstrap failed: see $home/debootstrap.log"
    rm -rf "$home"/system/var/cache/apt/archives/*.deb "$home"/system/var/lib/apt/lists/*
    tar -C "$home/system" -cf "$root.new" .
    mv "$root.new" "$root"
    rm -rf "$home/system"
}

need debootstrap
root_of_image

case ",$programs," in *,podman,*)
    # `catatonit` runs the commands in containers. `runc` runs where there are control groups of both
    # versions at once, too, and root may set these limits where it may not raise any.
    need podman catatonit runc netavark aardvark-dns
    cat >"$home/containers.conf" <<'EOF'
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=1024:4096"]
[engine]
runtime = "runc"
EOF
    export CONTAINERS_CONF="$home/containers.conf"
    podman import --quiet "$root" "$image" >/dev/null
    podman run --rm --pull=never "$image" true || give_up "podman runs no container here"
    podman --version
    ;;
esac

case ",$programs," in *,docker,*)
    need docker.io tini iptables
    export DOCKER_HOST="unix://$home/docker.sock"
    dockerd --data-root "$home/data" --exec-root "$home/exec" --pidfile "$home/pid" \
        --host "$DOCKER_HOST" --log-level warn >"$home/dockerd.log" 2>&1 &
    daemon=$!
    for _ in $(seq 120); do
        if docker info >/dev/null 2>&1; then break; fi
        kill -0 "$daemon" 2>/dev/null || { cat "$home/dockerd.log" >&2; give_up "dockerd ended"; }
        sleep 0.5
    done
    docker import "$root" "$image" >/dev/null
    docker run --rm --pull=never "$image" true || give_up "docker runs no container here"
    docker version --format 'docker version {{.Client.Version}}, daemon {{.Server.Version}}'
    ;;
esac

export STEPWRIGHT_TEST_SANDBOX="$programs"
cargo test -p stepwright-process --all-features --test it -- containers:: killed::
cargo test -p stepwright-tools --all-features --test it -- in_the_sandbox_of_its_step
cargo test -p stepwright-harness --all-features --test it -- contained::

# Those of commands that ended early are removed after their tests.
for program in ${programs//,/ }; do
    for _ in $(seq 60); do
        left="$("$program" ps --all --filter name=stepwright- --format '{{.Names}}')"
        if [ -z "$left" ]; then break; fi
        sleep 0.5
    done
    [ -z "$left" ] || give_up "$program has containers that are left: $left"
done
echo "No container is listed."
