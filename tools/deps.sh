#!/usr/bin/env bash
# Installs the Debian 12 packages that building, testing, checking and the
# demo need; `tools/deps.sh bench` also those that the benchmark compares with.
#
# Does nothing at all when everything is there. Needs root or sudo otherwise.
set -u

build=(
    gcc libc6-dev meson ninja-build pkg-config
    libssl-dev libsodium-dev libzstd-dev libxxhash-dev libjansson-dev
)
tests=(
    clang libclang-rt-14-dev llvm libcmocka-dev
    python3 python3-jsonschema strace
)
lint=(clang-format-14 clang-tidy-14 universal-ctags shellcheck)
bench=(restic borgbackup time)
node_major_min=18 # the generator of sample files, tests/peers/signal

say() { printf 'deps: %s\n' "$*"; }
fail() {
    printf 'deps: %s\n' "$*" >&2
    exit 1
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

node_is_new_enough() {
    local version
    version=$(node --version 2>/dev/null) || return 1
    version=${version#v}
    [ "${version%%.*}" -ge "$node_major_min" ] 2>/dev/null
}

wanted=("${build[@]}" "${tests[@]}" "${lint[@]}")
case ${1-} in
'') ;;
bench) wanted+=("${bench[@]}") ;;
*) fail "usage: tools/deps.sh [bench]" ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    fail "this is not Debian. Needed here by their Debian 12 names:" \
        "${wanted[*]} nodejs"
fi

missing=()
for package in "${wanted[@]}"; do
    installed "$package" || missing+=("$package")
done
node_is_new_enough || missing+=(nodejs)
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
        fail "as root, please: apt-get install ${missing[*]}"
    as_root=(sudo)
fi

say "installing ${missing[*]}"
log=$(mktemp) || fail "no temporary file could be made"
trap 'rm -f "$log"' EXIT
# --no-install-recommends: a backup tool has no use for a mail server.
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$log" 2>&1
}
apt update || say "the package lists could not be refreshed; going on with" \
    "those that are here"
if ! apt install -y --no-install-recommends "${missing[@]}"; then
    cat "$log" >&2
    fail "these could not be installed: ${missing[*]}"
fi
say "done"
