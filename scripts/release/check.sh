#!/usr/bin/env bash
# Installs what `scripts/release.sh` has built in a bare Debian without Rust, compiler and
# certificates, as a user would, and runs a workflow with each. Needs root and `debootstrap`.
#
#   scripts/release/check.sh target/dist 0.1.0
set -euo pipefail
repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
dist="$(cd "${1:?usage: scripts/release/check.sh DIST VERSION}" && pwd)"
version="${2:?usage: scripts/release/check.sh DIST VERSION}"

stage() { printf '\n==> %s\n' "$1"; }
give_up() {
    printf '\nerror: %s\n' "$1" >&2
    exit 1
}
[ "$(id -u)" -eq 0 ] || give_up "\`chroot\` needs root"
if ! command -v debootstrap >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq debootstrap
fi

stage "checksums"
(cd "$dist" && sha256sum --check SHA256SUMS)

# The main job, and what must come of it: a digest of two notes, recorded in the default place.
job() {
    printf '%s\n' \
        'set -eu' \
        'cd "$(mktemp -d)" && mkdir notes' \
        'echo "# Agents\n\nAgents are programs that act. A team ran nine of them for a year." >notes/a.md' \
        'echo "# Runs\n\nA run survives the death of its process. Nothing is done twice." >notes/b.md' \
        'stepwright --version' \
        'stepwright run /digest.yaml notes --db runs.db --run-id r-1 >digest.md' \
        'grep -q "^# Digest of" digest.md' \
        'stepwright show r-1 --db runs.db >/dev/null' \
        'stepwright runs --db runs.db' >"$1/job.sh"
    cp "$repository/examples/digest.yaml" "$1/digest.yaml"
}

bare="$repository/target/bare"
stage "a bare Debian in target/bare"
if [ ! -e "$bare/installed" ]; then
    rm -rf "$bare"
    debootstrap --variant=minbase bookworm "$bare" >"$repository/target/bare.log"
    touch "$bare/installed"
fi
for program in cargo rustc cc gcc; do
    if chroot "$bare" sh -c "command -v $program" >/dev/null; then give_up "the bare Debian has \`$program\`"; fi
done
job "$bare"

archive="$(ls "$dist"/stepwright-"$version"-*-linux-*.tar.gz | head -1)"
stage "the installer, with $(basename "$archive")"
rm -rf "$bare/dist" "$bare/srv/.local"
mkdir "$bare/dist"
cp "$archive" "$dist/SHA256SUMS" "$repository/install.sh" "$bare/dist/"
chroot "$bare" env -i HOME=/srv PATH=/usr/bin:/bin sh /dist/install.sh --from /dist --version "$version"
chroot "$bare" env -i HOME=/srv PATH=/srv/.local/bin:/usr/bin:/bin sh /job.sh

stage "an archive that was changed is refused"
printf 'x' >>"$bare/dist/$(basename "$archive")"
if chroot "$bare" env -i HOME=/srv PATH=/usr/bin:/bin sh /dist/install.sh --from /dist --version "$version"; then
    give_up "the installer took a changed archive"
fi

python="$repository/target/bare-python"
stage "a bare Debian with Python in target/bare-python"
if [ ! -e "$python/installed" ]; then
    rm -rf "$python"
    debootstrap --variant=minbase --include=python3,python3-venv bookworm "$python" >"$repository/target/bare.log"
    touch "$python/installed"
fi
job "$python"
stage "the wheel"
rm -rf "$python/dist" "$python/venv"
mkdir "$python/dist"
cp "$dist"/stepwright-"$version"-*.whl "$python/dist/"
chroot "$python" env -i HOME=/srv PATH=/usr/bin:/bin sh -c \
    'python3 -m venv /venv && /venv/bin/pip install --quiet --no-index /dist/*.whl'
chroot "$python" env -i HOME=/srv PATH=/venv/bin:/usr/bin:/bin sh /job.sh

image="$dist/stepwright-$version-image.tar"
stage "the container image"
[ "$(stat -c %s "$image")" -le 40000000 ] || give_up "the image is larger than 40 MB"
# Without an engine for containers, its files are run with `chroot`, as the user that it names.
unpacked="$repository/target/image-check"
rm -rf "$unpacked"
mkdir -p "$unpacked/layout" "$unpacked/files"
tar -C "$unpacked/layout" -xf "$image"
for layer in "$unpacked"/layout/blobs/sha256/*; do
    if tar -tf "$layer" 2>/dev/null | grep -q usr/bin/stepwright; then tar -C "$unpacked/files" -xf "$layer"; fi
done
grep -q '"User":"65532:65532"' "$unpacked"/layout/blobs/sha256/* || give_up "the image runs as root"
mkdir -p "$unpacked/files/runs/notes"
echo "A run survives the death of its process. Nothing is done twice." >"$unpacked/files/runs/notes/a.md"
cp "$repository/examples/digest.yaml" "$unpacked/files/runs/"
chroot --userspec=65532:65532 "$unpacked/files" /usr/bin/stepwright --version
(cd / && chroot --userspec=65532:65532 "$unpacked/files" /usr/bin/stepwright \
    run /runs/digest.yaml /runs/notes --base-dir /runs --db /runs/runs.db --run-id r-1) | grep -q "Digest of"

stage "each of them runs in a bare system"
