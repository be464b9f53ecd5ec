#!/usr/bin/env bash
# tidy-one.sh BUILD FILE: clang-tidy on one file, silent when it is clean.
# Of all it prints only findings stay; "N warnings generated" is not one.
set -u
out=$(clang-tidy-14 --quiet -p "$1" "$2" 2>&1) && exit 0
printf '%s\n' "$out" |
    grep -vE -e '^[0-9]+ warnings?.*(generated|treated as errors?)\.?$' \
        -e '^Error while processing'
exit 1
