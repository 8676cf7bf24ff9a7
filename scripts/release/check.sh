#!/usr/bin/env bash
# Installs what `scripts/release.sh` has built in bare Debian systems without Rust, compiler and keys,
# as a user would, and runs a workflow with each product. Needs root and `debootstrap`. The first call
# loads two Debian systems and takes some minutes; they are kept, and later calls take a minute.
#
#   scripts/release/check.sh target/dist 0.1.0
set -euo pipefail
repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
dist="$(cd "${1:?usage: scripts/release/check.sh DIST VERSION}" && pwd)"
version="${2:?usage: scripts/release/check.sh DIST VERSION}"
work="$(dirname "$dist")/release-check"
mkdir -p "$work"

begun=$SECONDS
stage() { printf '\n==> %s  (after %d:%02d)\n' "$1" $(((SECONDS - begun) / 60)) $(((SECONDS - begun) % 60)); }
give_up() {
    printf '\nerror: %s\n' "$1" >&2
    exit 1
}
[ "$(id -u)" -eq 0 ] || give_up "\`chroot\` needs root"
if ! command -v debootstrap >/dev/null || ! command -v objdump >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq debootstrap binutils
fi

# One file of the release. Several versions in one folder are not taken for each other.
product() {
    local found
    found="$(find "$dist" -maxdepth 1 -name "$1")"
    case "$found" in
    "") give_up "$dist has no $1; run \`scripts/release.sh\`" ;;
    *$'\n'*) give_up "$dist has several of $1" ;;
    esac
    echo "$found"
}
machine="$(uname -m)"
archive="$(product "stepwright-$version-$machine-*-linux-gnu.tar.gz")"
wheel="$(product "stepwright-$version-*manylinux*_$machine.whl")"
image="$(product "stepwright-$version-image.tar")"
bill="$(product "stepwright-$version-$machine-*-linux-gnu.cdx.json")"

stage "checksums"
(cd "$dist" && sha256sum --check SHA256SUMS)

stage "the oldest glibc that the binary runs with"
rm -rf "$work/archive"
mkdir "$work/archive"
tar -C "$work/archive" -xzf "$archive"
binary="$(find "$work/archive" -type f -name stepwright)"
newest="$(objdump -T "$binary" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)"
echo "$newest"
[ "$(printf '%s\n' "$newest" GLIBC_2.17 | sort -V | tail -1)" = GLIBC_2.17 ] || give_up "it needs $newest, not 2.17"

stage "the wheel has the package, the extension and the command, and needs no newer glibc"
python3 - "$wheel" "$work/extension.so" <<'END'
import pathlib, sys, zipfile
wheel, extension = map(pathlib.Path, sys.argv[1:])
with zipfile.ZipFile(wheel) as packed:
    names = packed.namelist()
    [native] = [name for name in names if name.startswith("stepwright/_native") and name.endswith(".so")]
    extension.write_bytes(packed.read(native))
    assert {"stepwright/__init__.py", "stepwright/py.typed", "stepwright/_native.pyi"} <= set(names), names
    [entries] = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
    assert "stepwright=stepwright._command:main" in packed.read(entries).decode().replace(" ", "")
assert wheel.stat().st_size <= 15 * 1024 * 1024, "the wheel is larger than 15 MB"
print(f"{wheel.stat().st_size} bytes")
END
newest="$(objdump -T "$work/extension.so" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)"
[ "$(printf '%s\n' "$newest" GLIBC_2.17 | sort -V | tail -1)" = GLIBC_2.17 ] || give_up "it needs $newest, not 2.17"

stage "the bill of materials names what the binary is made of"
python3 - "$bill" "$repository/Cargo.lock" <<'END'
import json, pathlib, sys, tomllib
bill, lock = map(pathlib.Path, sys.argv[1:])
components = json.loads(bill.read_text())["components"]
listed = {(crate["name"], crate["version"]) for crate in components}
locked = {(crate["name"], crate["version"]) for crate in tomllib.loads(lock.read_text())["package"]}
assert listed <= locked, f"not in Cargo.lock: {listed - locked}"
for needed in ("tokio", "libsqlite3-sys", "rustls", "stepwright"):
    assert needed in {name for name, _ in listed}, f"the bill does not name {needed}"
without = [c["name"] for c in components if not c["name"].startswith("stepwright") and not c.get("licenses")]
assert not without, f"without a licence: {without}"
print(f"{len(components)} crates, each with its licence")
END

stage "where \`cargo binstall\` looks"
# The templates of the manifest, filled in as `cargo binstall` does, name a file of the release and the
# binary in it.
(cd "$repository" && cargo metadata --format-version 1 --no-deps --offline) >"$work/metadata.json"
python3 - "$work/metadata.json" "$archive" <<'END'
import json, os, sys, tarfile
metadata, archive = sys.argv[1:]
[crate] = [c for c in json.load(open(metadata))["packages"] if c["name"] == "stepwright-cli"]
binstall = crate["metadata"]["binstall"]
file = os.path.basename(archive)
target = file.removeprefix(f"stepwright-{crate['version']}-").removesuffix(".tar.gz")
values = {"repo": crate["repository"], "version": crate["version"], "target": target, "bin": "stepwright",
          "binary-ext": "", "archive-suffix": {"tgz": ".tar.gz"}[binstall["pkg-fmt"]]}
def fill(text):
    for name, value in values.items():
        text = text.replace("{ " + name + " }", value)
    assert "{" not in text, text
    return text
url, inside = fill(binstall["pkg-url"]), fill(binstall["bin-dir"])
assert url.endswith(f"/releases/download/v{crate['version']}/{file}"), url
assert tarfile.open(archive).getmember(inside).isfile(), inside
print(url, inside, sep="\n")
END

# The main job, and what must come of it: a digest of two notes, kept in the usual database.
job() {
    cat >"$1/job.sh" <<'END'
set -eu
cd "$(mktemp -d)" && mkdir notes
export XDG_STATE_HOME="$PWD/state"
cat >notes/agents.md <<'TEXT'
# Agents

Agents are programs that act. A team ran nine of them for a year, and four lost money in a crash. Teams that run
agents in production ask for durable runs, because a crash in the middle of a run loses what was paid for.
TEXT
cat >notes/runs.md <<'TEXT'
# Runs

A run survives the death of its process, because each step is recorded before it is shown. Another process goes on
with the run where the first one stopped, and nothing that was completed is done a second time.
TEXT
stepwright --version
stepwright check /digest.yaml >/dev/null
stepwright run /digest.yaml notes --run-id r-1 >digest.md
grep -q '^# Digest of `notes`' digest.md
grep -q '^## notes/runs.md' digest.md
stepwright show last >/dev/null
stepwright runs | grep 'r-1.*completed'
# A workflow that waits for a person, who answers in another process.
stepwright init first 2>/dev/null
cd first
stepwright check . >/dev/null
stepwright run workflow.yaml 'A town builds a bridge.' 2>/dev/null && exit 1 || [ $? -eq 3 ]
stepwright continue last --approve save >/dev/null
grep -q bridge article.md
END
    cp "$repository/examples/digest.yaml" "$1/digest.yaml"
}
# Runs a line in a bare system, with nothing of this machine's environment: in_bare ROOT PATH LINE
# /proc is there as in every system, and only for this line.
in_bare() {
    # shellcheck disable=SC2016 # the inner shell expands it
    unshare --mount sh -c 'mount --rbind /proc "$1/proc" && exec chroot "$1" env -i HOME=/srv PATH="$2:/usr/bin:/bin" sh -c "$3"' \
        in_bare "$1" "$2" "$3"
}

# bare FOLDER SUITE PACKAGES
bare() {
    stage "a bare Debian in $1"
    if [ ! -e "$1/installed" ]; then
        rm -rf "$1"
        debootstrap --variant=minbase --include="$2" bookworm "$1" >"$1.log" || give_up "see $1.log"
        touch "$1/installed"
    fi
    for program in cargo rustc cc gcc; do
        if in_bare "$1" /usr/sbin "command -v $program" >/dev/null; then give_up "the bare Debian has \`$program\`"; fi
    done
    rm -rf "$1/dist" "$1/srv/.local" "$1/srv/.cache" "$1/venv" "$1/opt/bin"
    mkdir "$1/dist"
    cp "$archive" "$wheel" "$dist/SHA256SUMS" "$repository/install.sh" "$1/dist/"
    job "$1"
}

root="$work/bare"
# A package that each Debian has, because the list must not be empty.
bare "$root" libc-bin
stage "the installer, from a folder"
in_bare "$root" /srv/.local/bin "sh /dist/install.sh --from /dist && sh /job.sh"

stage "the installer, from an address, without a program that loads"
if in_bare "$root" /none "sh /dist/install.sh --from http://127.0.0.1:9" 2>"$work/error"; then give_up "it succeeded"; fi
grep 'neither `curl` nor `wget`' "$work/error"

stage "an archive that was changed is refused"
printf 'x' >>"$root/dist/$(basename "$archive")"
if in_bare "$root" /none "sh /dist/install.sh --from /dist --to /srv/other" 2>"$work/error"; then give_up "it was installed"; fi
grep 'is not what was released' "$work/error"
[ ! -e "$root/srv/other" ] || give_up "the refused command was installed"

python="$work/bare-python"
bare "$python" python3,python3-venv,pipx,curl
stage "the installer, as the README loads it, from a local server"
python3 -u -m http.server --bind 127.0.0.1 --directory "$dist" 0 >"$work/server.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
until address="$(grep -o 'http://127[^/]*' "$work/server.log")"; do
    kill -0 "$server" || give_up "the server did not start: see $work/server.log"
    sleep 0.1
done
in_bare "$python" /srv/.local/bin "curl -LsSf $address/install.sh | sh -s -- --from $address && sh /job.sh"
if in_bare "$python" /none "sh /dist/install.sh --from $address/nowhere" 2>"$work/error"; then give_up "it succeeded"; fi
grep 'cannot be loaded' "$work/error"
rm -rf "$python/srv/.local"

stage "the wheel, with pip"
in_bare "$python" /none 'python3 -m venv /venv && /venv/bin/pip install --quiet --no-index /dist/*.whl'
in_bare "$python" /venv/bin "sh /job.sh"

stage "the wheel, with pipx"
# Without a network, pipx keeps the pip that it has, and complains about it.
in_bare "$python" /none 'PIP_NO_INDEX=1 PIP_RETRIES=0 pipx install --pip-args=--no-index /dist/*.whl' >"$work/pipx.log" 2>&1 ||
    give_up "see $work/pipx.log"
in_bare "$python" /srv/.local/bin "sh /job.sh"
rm -rf "$python/srv/.local"

stage "the wheel, with uvx"
tools="$work/uv"
[ -e "$tools/bin/uv" ] || { python3 -m venv "$tools" && "$tools/bin/pip" install --quiet uv==0.13.9; }
mkdir -p "$python/opt/bin"
cp "$tools/bin/uv" "$tools/bin/uvx" "$python/opt/bin/"
# As `uvx stepwright` finds it in an index: here the index is a folder.
in_bare "$python" /opt/bin "uvx --offline --no-index --find-links /dist stepwright --version"
printf '#!/bin/sh\nexec uvx --quiet --offline --no-index --find-links /dist stepwright "$@"\n' >"$python/opt/bin/stepwright"
chmod 755 "$python/opt/bin/stepwright"
in_bare "$python" /opt/bin "sh /job.sh"

stage "the container image"
size="$(stat -c %s "$image")"
echo "$size bytes packed"
[ "$size" -le 40000000 ] || give_up "the image is larger than 40 MB"
# Without an engine for containers, its files are run with `chroot`, as the user that it names.
unpacked="$work/image"
rm -rf "$unpacked"
mkdir -p "$unpacked/layout" "$unpacked/files"
tar -C "$unpacked/layout" -xf "$image"
for layer in "$unpacked"/layout/blobs/sha256/*; do
    if tar -tf "$layer" >"$work/names" 2>/dev/null && grep -q usr/bin/stepwright "$work/names"; then
        tar -C "$unpacked/files" -xf "$layer"
    fi
done
grep -q '"User":"65532:65532"' "$unpacked"/layout/blobs/sha256/* || give_up "the image runs as root"
size="$(du -sb "$unpacked/files" | cut -f1)"
echo "$size bytes unpacked"
[ "$size" -le 40000000 ] || give_up "the files of the image are larger than 40 MB"
mkdir "$unpacked/files/runs/notes"
cp "$repository"/docs/installing.md "$unpacked/files/runs/notes/"
cp "$repository/examples/digest.yaml" "$unpacked/files/runs/"
in_image() { env -i PATH="$PATH" XDG_STATE_HOME=/runs/.state chroot --userspec=65532:65532 "$unpacked/files" /usr/bin/stepwright "$@"; }
in_image --version
in_image run /runs/digest.yaml /runs/notes --base-dir /runs --run-id r-1 >"$work/digest.md"
grep '^# Digest of' "$work/digest.md"
in_image runs | grep 'r-1.*completed'

stage "each of them runs in a bare system"
