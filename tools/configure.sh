#!/usr/bin/env bash
# configure.sh DIR COMPILER [MESON OPTION...]: makes sure that the build folder
# DIR is configured and up to date with the meson.build files. Quiet if all is
# well; else only what went wrong, without the list of what was found.
set -u
dir=$1
export CC=$2
shift 2

if [ -f "$dir/build.ninja" ]; then
    out=$(ninja -C "$dir" build.ninja 2>&1) && exit 0
else
    out=$(meson setup "$@" "$dir" 2>&1) && exit 0
fi
printf '%s\n' "$out" | grep -A 8 ERROR || printf '%s\n' "$out"
exit 1
