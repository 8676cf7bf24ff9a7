#!/bin/sh
# Installs the `stepwright` command for this user, without Rust and without root.
#
#   curl -LsSf https://github.com/stepwright/stepwright/releases/latest/download/install.sh | sh
#   sh install.sh [--version 0.1.0] [--to DIR] [--from DIR-OR-ADDRESS]
#
# It takes the archive for this machine and its checksum, compares them, and puts one file into
# ~/.local/bin. To remove it, delete that file.
set -eu

repository=https://github.com/stepwright/stepwright
version=latest
to="${HOME:?}/.local/bin"
from=

# Without a file to read: the script may come from a pipe.
help() {
    cat <<'END'
Installs the `stepwright` command for this user, without Rust and without root.

  sh install.sh [--version 0.1.0] [--to DIR] [--from DIR-OR-ADDRESS]

  --version  this release instead of the newest
  --to       the folder of the command; by default ~/.local/bin
  --from     the folder or the address that has the archive and SHA256SUMS

To remove the command, delete the file.
END
}

say() { printf '%s\n' "$1"; }
give_up() {
    printf 'error: %s\n' "$1" >&2
    [ -z "${2:-}" ] || printf 'help: %s\n' "$2" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case "$1" in
    --version | --to | --from)
        [ $# -ge 2 ] || give_up "\`$1\` needs a value" "see \`sh install.sh --help\`"
        case "$1" in
        --version) version="$2" ;;
        --to) to="$2" ;;
        --from) from="$2" ;;
        esac
        shift 2
        ;;
    -h | --help)
        help
        exit 0
        ;;
    *) give_up "unknown argument \`$1\`" "see \`sh install.sh --help\`" ;;
    esac
done

case "$(uname -m)" in
x86_64 | amd64) architecture=x86_64 ;;
aarch64 | arm64) architecture=aarch64 ;;
*) give_up "there is no binary for the processor \`$(uname -m)\`" "build it with Rust: cargo install --git $repository stepwright-cli" ;;
esac
case "$(uname -s)" in
Linux)
    # A system without glibc, such as Alpine, takes the static binary.
    if ldd --version 2>&1 | grep -qi musl; then target="$architecture-unknown-linux-musl"; else target="$architecture-unknown-linux-gnu"; fi
    ;;
Darwin) target="$architecture-apple-darwin" ;;
*) give_up "there is no binary for \`$(uname -s)\`" "build it with Rust: cargo install --git $repository stepwright-cli" ;;
esac

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Puts one file of the release into the work folder.
take() {
    case "$from" in
    "" | http://* | https://*)
        if command -v curl >/dev/null 2>&1; then
            curl --proto '=https,http' -LsSf "$from/$1" -o "$work/$1" || give_up "$from/$1 cannot be loaded"
        elif command -v wget >/dev/null 2>&1; then
            wget -q "$from/$1" -O "$work/$1" || give_up "$from/$1 cannot be loaded"
        else
            give_up "neither \`curl\` nor \`wget\` is installed" "install one of them"
        fi
        ;;
    *) cp "$from/$1" "$work/$1" 2>/dev/null || give_up "$from has no file $1" "name the folder of the release, with SHA256SUMS" ;;
    esac
}

if [ -z "$from" ]; then
    if [ "$version" = latest ]; then from="$repository/releases/latest/download"; else from="$repository/releases/download/v$version"; fi
fi
take SHA256SUMS
if [ "$version" = latest ]; then
    version="$(sed -n "s/.* stepwright-\(.*\)-$target\.tar\.gz\$/\1/p" "$work/SHA256SUMS")"
    [ -n "$version" ] || give_up "the release has no archive for $target" "build it with Rust: cargo install --git $repository stepwright-cli"
fi
name="stepwright-$version-$target"
take "$name.tar.gz"

wanted="$(sed -n "s/ .*$name\.tar\.gz\$//p" "$work/SHA256SUMS")"
if command -v sha256sum >/dev/null 2>&1; then
    found="$(sha256sum "$work/$name.tar.gz" | cut -d' ' -f1)"
else
    found="$(shasum -a 256 "$work/$name.tar.gz" | cut -d' ' -f1)"
fi
[ -n "$wanted" ] || give_up "SHA256SUMS has no line for $name.tar.gz"
[ "$wanted" = "$found" ] || give_up "$name.tar.gz is not what was released: its checksum is $found, not $wanted" "load it again"

tar -C "$work" -xzf "$work/$name.tar.gz"
mkdir -p "$to"
# A running command keeps its old file.
cp "$work/$name/stepwright" "$to/.stepwright.new"
chmod 755 "$to/.stepwright.new"
mv -f "$to/.stepwright.new" "$to/stepwright"
installed="$("$to/stepwright" --version)" || give_up "$to/stepwright does not run on this machine" "build it with Rust: cargo install --git $repository stepwright-cli"
say "installed $installed as $to/stepwright"
case ":$PATH:" in
*":$to:"*) ;;
*) say "help: $to is not in PATH; add it, for example with: export PATH=\"$to:\$PATH\"" ;;
esac
