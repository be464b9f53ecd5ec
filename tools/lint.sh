#!/usr/bin/env bash
# Every check of the code that is not a test: format, clang-tidy, floors,
# circles and sizes, headers, JSON schemas, shell scripts.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tools/step.sh
. tools/step.sh

mapfile -t c_files < <(find src include tests fuzz bench \
    -name '*.[ch]' 2>/dev/null | LC_ALL=C sort)
mapfile -t c_sources < <(printf '%s\n' "${c_files[@]}" | grep '\.c$')
mapfile -t scripts < <(grep -rlE '^#!.*(ba)?sh$|^# shellcheck shell=' \
    .ci tools tests bench --include='*.sh' --include=run 2>/dev/null |
    LC_ALL=C sort)

# clang-tidy wants the flags that each file is compiled with: Meson writes
# them down when it configures the clang build. A file that it does not know
# is compiled by nobody, and that is a finding of its own.
tidy() {
    local file status=0 built=()
    tools/configure.sh build-clang clang --werror || return 1
    for file in "${c_sources[@]}"; do
        if grep -qF "../$file\"" build-clang/compile_commands.json; then
            built+=("$file")
        else
            printf '%s: is in no meson.build\n' "$file"
            status=1
        fi
    done
    printf '%s\0' "${built[@]}" |
        xargs -0 -r -n 1 -P "$(nproc)" tools/tidy-one.sh build-clang || status=1
    return $status
}

format() {
    local file status=0
    for file in "${c_files[@]}"; do
        clang-format-14 --dry-run -Werror "$file" >/dev/null 2>&1 || {
            printf 'clang-format-14 -i %s\n' "$file"
            status=1
        }
    done
    return $status
}

[ ${#c_sources[@]} -gt 0 ] || {
    printf 'lint: no C files found\n' >&2
    exit 1
}
step 'format (clang-format 14)' format
step 'floors, circles, sizes' /usr/bin/python3 tools/layers.py
step 'JSON schemas' /usr/bin/python3 tools/schemas.py doc/schema
step 'shell scripts (shellcheck)' shellcheck -x "${scripts[@]}"
step 'clang-tidy 14' tidy

[ $failures -eq 0 ]
