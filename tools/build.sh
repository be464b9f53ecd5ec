#!/usr/bin/env bash
# The release build: leaves build/keepsay. Asserts stay on, tests are left out.
# The hardening stands here and not in meson.build, because fortified calls go
# by other names, which the fault sweeps of the tests would not see.
set -u
cd "$(dirname "$0")/.." || exit 1

for tool in meson ninja; do
    command -v $tool >/dev/null || {
        printf 'build: %s is missing; tools/deps.sh installs it\n' $tool >&2
        exit 1
    }
done

tools/configure.sh build "${CC:-gcc}" --buildtype=release -Db_pie=true \
    -Dc_args=-D_FORTIFY_SOURCE=2 -Dc_link_args=-Wl,-z,relro,-z,now \
    -Dtests=false || {
    printf 'build: if a library is missing, tools/deps.sh installs it\n' >&2
    exit 1
}
printf 'Building keepsay\n'
ninja --quiet -C build || exit 1
ln -sf src/cli/keepsay build/keepsay
printf 'Built build/keepsay\n'
