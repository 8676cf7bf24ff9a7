#!/usr/bin/env bash
# Builds what people install without Rust: a binary for any Linux of the last ten years, an archive
# with its checksum and its bill of materials, a Python wheel, and a container image.
#
#   scripts/release.sh                  all of it for this machine's architecture, then says what it made
#   scripts/release.sh archive TARGET   only the binary, its archive and its wheel, for a Rust target
#   scripts/release.sh image            only the container image (needs `buildah`)
#   scripts/release.sh check            installs each product in a bare Debian, and runs a workflow with it
#   scripts/release.sh --help
#
# The products go into `dist` below `target`, or below $CARGO_TARGET_DIR. The first build takes 10 to
# 15 minutes of two cores; most of it is the optimiser, which is silent. A product that is current is
# not made again, so that a second call takes seconds, and a call that was interrupted goes on.
#
# Targets. The standard library of a target comes from `rustup target add TARGET`:
#   x86_64-unknown-linux-gnu, aarch64-unknown-linux-gnu    linked against glibc 2.17 (2012) by Zig
#   x86_64-unknown-linux-musl, aarch64-unknown-linux-musl  static, for Alpine and for no libc at all
#   x86_64-apple-darwin, aarch64-apple-darwin              on a Mac, or with the SDK in SDKROOT
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target_dir="${CARGO_TARGET_DIR:-$PWD/target}"
mkdir -p "$target_dir"
target_dir="$(cd "$target_dir" && pwd)"
export CARGO_TARGET_DIR="$target_dir"
dist="$target_dir/dist"
version="$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)"
# Two builds of one commit give the same archive.
changed="$(git log -1 --format=%ct 2>/dev/null || date +%s)"

begun=$SECONDS
stage() { printf '\n==> %s  (after %d:%02d)\n' "$1" $(((SECONDS - begun) / 60)) $(((SECONDS - begun) % 60)); }
give_up() {
    printf '\nerror: %s\n' "$1" >&2
    exit 1
}

# Says that PRODUCT exists and was made from these very FILES: current PRODUCT FILE…
inputs() { sha256sum "$@" | cut -d' ' -f1 | sha256sum | cut -d' ' -f1; }
stamp() { echo "$dist/.made/$(basename "$1")"; }
current() {
    local product="$1"
    shift
    if [ -e "$product" ] && [ "$(cat "$(stamp "$product")" 2>/dev/null)" = "$(inputs "$@")" ]; then
        echo "$(basename "$product") is current"
    else
        return 1
    fi
}
made() {
    local product="$1"
    shift
    mkdir -p "$dist/.made"
    inputs "$@" >"$(stamp "$product")"
}

# maturin packs the wheel, and Zig links for an old glibc. Both come from PyPI.
need_tools() {
    local lock="$PWD/scripts/release/tools.txt"
    tools="$target_dir/release-tools-$(git hash-object "$lock" | cut -c1-12)"
    if [ ! -e "$tools/installed" ]; then
        stage "Zig and maturin"
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

host() { rustc -vV | sed -n 's/^host: //p'; }

# The place of a target's binary.
binary() { echo "$target_dir/$1/release/stepwright"; }

# The binary, and the wheel: the Python package with the extension, which is the command too. Cargo knows what
# is current.
build() {
    need_tools
    need_target "$1"
    stage "the binary for $1"
    mkdir -p "$dist"
    case "$1" in
    *-linux-gnu) cargo zigbuild --release --locked --target "$1.2.17" --package stepwright-cli ;;
    *-linux-musl) cargo zigbuild --release --locked --target "$1" --package stepwright-cli ;;
    *) cargo build --release --locked --target "$1" --package stepwright-cli ;;
    esac
    ls -l "$(binary "$1")"
    stage "the wheel for $1"
    WHEELS="$dist" scripts/wheel.sh "$1"
}

# The bill of materials: each crate in the binary, with version, licence and checksum.
bill_of_materials() {
    local name="stepwright-$version-$1.cdx.json"
    local from=(Cargo.lock Cargo.toml crates/*/Cargo.toml scripts/release/cyclonedx.txt)
    if current "$dist/$name" "${from[@]}"; then return; fi
    local wanted installed
    wanted="$(cat scripts/release/cyclonedx.txt)"
    installed="$target_dir/release-cyclonedx-$wanted"
    if [ ! -e "$installed/bin/cargo-cyclonedx" ]; then
        stage "cargo-cyclonedx, for the bill of materials"
        CARGO_TARGET_DIR="$target_dir/cyclonedx" cargo install "cargo-cyclonedx@$wanted" --locked --root "$installed"
        rm -rf "$target_dir/cyclonedx"
    fi
    stage "the bill of materials for $1"
    PATH="$installed/bin:$PATH" cargo cyclonedx --manifest-path crates/stepwright-cli/Cargo.toml --format json \
        --target "$1" --override-filename "${name%.json}"
    # The tool writes beside each manifest of the workspace; the one of the command is the binary's.
    mv "crates/stepwright-cli/$name" "$dist/"
    rm -f crates/*/"$name"
    made "$dist/$name" "${from[@]}"
}

checksums() {
    cp install.sh "$dist/"
    (cd "$dist" && find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%f\n' | sort | xargs sha256sum >SHA256SUMS)
}

archive() {
    build "$1"
    local name="stepwright-$version-$1"
    local from=("$(binary "$1")" README.md LICENSE-APACHE LICENSE-MIT)
    if ! current "$dist/$name.tar.gz" "${from[@]}"; then
        stage "the archive for $1"
        local work="$target_dir/archive"
        rm -rf "$work"
        mkdir -p "$work/$name"
        cp "${from[@]}" "$work/$name/"
        tar -C "$work" --owner=0 --group=0 --sort=name --mtime="@$changed" -cf - "$name" | gzip -9n >"$work/archive"
        mv "$work/archive" "$dist/$name.tar.gz"
        rm -rf "$work"
        made "$dist/$name.tar.gz" "${from[@]}"
    fi
    bill_of_materials "$1"
    checksums
}

# The files of the image: the binary and the few libraries that it links. Without certificates of the
# platform, the binary trusts Mozilla's, which it brings along.
image() {
    local built root file="$dist/stepwright-$version-image.tar" image="stepwright:$version"
    built="$(binary "$(host)")"
    [ -e "$built" ] || build "$(host)"
    if current "$file" "$built" scripts/release/Containerfile; then return; fi
    if ! command -v buildah >/dev/null; then
        if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
            give_up "\`buildah\` is missing; install the package of that name"
        fi
        echo "No \`buildah\` found; installing the package of that name."
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq buildah
    fi
    stage "the container image"
    local work="$target_dir/image"
    root="$work/rootfs"
    rm -rf "$work"
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
    rm -f "$file"
    buildah --storage-driver vfs bud --isolation chroot --layers=false --tag "$image" \
        --file scripts/release/Containerfile "$work"
    buildah --storage-driver vfs push "$image" "oci-archive:$file:$image"
    ls -l "$file"
    rm -rf "$work"
    made "$file" "$built" scripts/release/Containerfile
}

case "${1:-}" in
"")
    archive "$(host)"
    image
    checksums
    stage "in $dist"
    cat "$dist/SHA256SUMS"
    ;;
archive)
    [ -n "${2:-}" ] || give_up "which target? for example \`scripts/release.sh $1 x86_64-unknown-linux-gnu\`"
    archive "$2"
    ;;
image)
    image
    checksums
    ;;
check) scripts/release/check.sh "$dist" "$version" ;;
-h | --help) sed -n '2,18p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' ;;
*)
    echo "error: unknown argument \`$1\`; run \`scripts/release.sh --help\`" >&2
    exit 2
    ;;
esac
