#!/usr/bin/env bash
# Builds with gcc and clang, warnings being errors; runs every test as built by
# gcc, and once more under the address and undefined-behaviour sanitizers.
#
# Each build keeps its folder, so a second run builds only what changed.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tools/step.sh
. tools/step.sh

# build DIR COMPILER [MESON OPTION...]
build() {
    tools/configure.sh "$@" --werror && ninja --quiet -C "$1"
}

# run_tests NAME DIR [MESON TEST OPTION...]: Meson prints a line a test, and
# what a failed test printed.
run_tests() {
    local name=$1 dir=$2
    shift 2
    printf '\nTests, %s:\n' "$name"
    if ! meson test -C "$dir" --no-rebuild --print-errorlogs "$@"; then
        failures=$((failures + 1))
    fi
}

# An allocation that is too large answers NULL, as it does without ASan.
stop=halt_on_error=1:abort_on_error=1
export ASAN_OPTIONS=$stop:allocator_may_return_null=1
ASAN_OPTIONS+=:detect_stack_use_after_return=1
export UBSAN_OPTIONS=$stop:print_stacktrace=1

before=$failures
step 'build with gcc' build build-gcc gcc
[ $failures -ne $before ] || run_tests gcc build-gcc \
    --timeout-multiplier 2

printf '\n'
step 'build with clang' build build-clang clang

before=$failures
step 'build with sanitizers' build build-san clang \
    -Db_sanitize=address,undefined -Db_lundef=false
[ $failures -ne $before ] || run_tests sanitizers build-san --no-suite tools \
    --timeout-multiplier 4

[ $failures -eq 0 ]
