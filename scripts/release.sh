#!/usr/bin/env bash
# Builds what people install: a binary for any Linux of the last ten years, an archive with its
# checksum and its bill of materials, a Python wheel, and a container image. All of it goes into
# `target/dist`.
#
#   scripts/release.sh                 everything, for this machine's architecture
#   scripts/release.sh archive TARGET  only the binary and its archive, for a Rust target
#   scripts/release.sh wheel TARGET    only the wheel
#   scripts/release.sh image           only the container image (needs `buildah`)
#   scripts/release.sh check           installs each of them in a bare Debian, and runs a workflow
#
# Targets. The standard library of a target comes from `rustup target add TARGET`:
#   x86_64-unknown-linux-gnu, aarch64-unknown-linux-gnu    linked against glibc 2.17 (2012) by Zig
#   x86_64-unknown-linux-musl, aarch64-unknown-linux-musl  static, for Alpine and for no libc at all
#   x86_64-apple-darwin, aarch64-apple-darwin              on a Mac, or with the SDK in SDKROOT
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The oldest glibc that the binary runs with: that of RHEL 7, Debian 8 and Ubuntu 14.04.
glibc=2.17
dist="$PWD/target/dist"
version="$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)"

stage() { printf '\n==> %s\n' "$1"; }
give_up() {
    printf '\nerror: %s\n' "$1" >&2
    exit 1
}

# Zig links for an old glibc, and maturin makes wheels. Both come from PyPI.
need_tools() {
    local lock="$PWD/scripts/release/tools.txt"
    tools="$PWD/target/release-tools-$(git hash-object "$lock" | cut -c1-12)"
    if [ ! -e "$tools/installed" ]; then
        echo "Installing Zig and maturin below \`target\`; this takes a minute." >&2
        rm -rf "$tools"
        python3 -m venv "$tools"
        "$tools/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$lock"
        touch "$tools/installed"
    fi
    PATH="$tools/bin:$PATH"
}

# Names the standard library of a target that is not installed.
need_target() {
    local libraries
    libraries="$(rustc --print target-libdir --target "$1" 2>/dev/null)" || give_up "Rust has no target \`$1\`"
    [ -d "$libraries" ] || give_up "the target \`$1\` is not installed; run \`rustup target add $1\`"
}

# The place of a target's binary.
binary() { echo "target/$1/release/stepwright"; }

build() {
    need_tools
    need_target "$1"
    stage "the binary for $1"
    case "$1" in
    *-linux-gnu) cargo zigbuild --release --locked -p stepwright-cli --target "$1.$glibc" ;;
    *-linux-musl) cargo zigbuild --release --locked -p stepwright-cli --target "$1" ;;
    *) cargo build --release --locked -p stepwright-cli --target "$1" ;;
    esac
    ls -l "$(binary "$1")"
}

# The bill of materials: each crate in the binary, with version, licence and checksum.
bill_of_materials() {
    if ! cargo cyclonedx --version >/dev/null 2>&1; then
        cargo install cargo-cyclonedx --locked
    fi
    cargo cyclonedx --manifest-path crates/stepwright-cli/Cargo.toml --format json --target "$1" \
        --override-filename "stepwright-$version-$1.cdx"
    # The tool writes beside each manifest of the workspace; the one of the command is the binary's.
    mv "crates/stepwright-cli/stepwright-$version-$1.cdx.json" "$dist/"
    rm -f crates/*/"stepwright-$version-$1.cdx.json"
}

checksums() {
    (cd "$dist" && find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%f\n' | sort | xargs sha256sum >SHA256SUMS)
}

archive() {
    build "$1"
    stage "the archive for $1"
    local name="stepwright-$version-$1"
    mkdir -p "$dist"
    rm -rf "target/$name"
    mkdir -p "target/$name"
    cp "$(binary "$1")" README.md LICENSE-APACHE LICENSE-MIT "target/$name/"
    tar -C target --owner=0 --group=0 --sort=name -czf "$dist/$name.tar.gz" "$name"
    rm -rf "target/$name"
    bill_of_materials "$1"
    checksums
}

wheel() {
    need_tools
    need_target "$1"
    stage "the wheel for $1"
    mkdir -p "$dist"
    case "$1" in
    *-linux-gnu)
        maturin build --release --locked --zig --target "$1" --compatibility manylinux2014 \
            --manifest-path crates/stepwright-cli/Cargo.toml --out "$dist"
        ;;
    *-linux-musl)
        maturin build --release --locked --zig --target "$1" --compatibility musllinux_1_2 \
            --manifest-path crates/stepwright-cli/Cargo.toml --out "$dist"
        ;;
    *)
        maturin build --release --locked --target "$1" \
            --manifest-path crates/stepwright-cli/Cargo.toml --out "$dist"
        ;;
    esac
    checksums
}

# The files of the image: the binary and the few libraries that it links. Without certificates of the
# platform, the binary trusts Mozilla's, which it brings along.
image() {
    command -v buildah >/dev/null || give_up "\`buildah\` is missing; install the package of that name"
    local target built root
    target="$(rustc -vV | sed -n 's/^host: //p')"
    built="$(binary "$target")"
    [ -e "$built" ] || build "$target"
    stage "the container image"
    root="target/image/rootfs"
    rm -rf target/image
    mkdir -p "$root"/{etc,usr/bin,tmp,runs} "$dist"
    cp "$built" "$root/usr/bin/stepwright"
    # Each library stands where the loader looks for it.
    ldd "$built" | grep -o '/[^ ]*' | sort -u | while read -r library; do
        install -D "$(realpath "$library")" "$root$library"
    done
    printf 'stepwright:x:65532:65532::/runs:/sbin/nologin\n' >"$root/etc/passwd"
    printf 'stepwright:x:65532:\n' >"$root/etc/group"
    chmod 1777 "$root/tmp"
    chmod 0777 "$root/runs"
    local image="stepwright:$version" file="$dist/stepwright-$version-image.tar"
    rm -f "$file"
    buildah --storage-driver vfs bud --isolation chroot --layers=false --tag "$image" \
        --file scripts/release/Containerfile target/image
    buildah --storage-driver vfs push "$image" "oci-archive:$file:$image"
    ls -l "$file"
    checksums
}

case "${1:-}" in
"")
    host="$(rustc -vV | sed -n 's/^host: //p')"
    archive "$host"
    wheel "$host"
    image
    stage "in target/dist"
    cat "$dist/SHA256SUMS"
    ;;
archive | wheel)
    [ -n "${2:-}" ] || give_up "which target? for example \`scripts/release.sh $1 x86_64-unknown-linux-gnu\`"
    "$1" "$2"
    ;;
image) image ;;
check) scripts/release/check.sh "$dist" "$version" ;;
-h | --help) sed -n '2,16p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' ;;
*)
    echo "error: unknown argument \`$1\`; run \`scripts/release.sh --help\`" >&2
    exit 2
    ;;
esac
