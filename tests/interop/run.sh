#!/usr/bin/env bash
# Runs every interop case: an executable file in this folder whose name begins
# with a digit, such as 10-validator.sh. A case holds Keepsay against another
# program's own code; exit 0 is a pass, 77 is "not possible here", anything
# else a failure.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tools/step.sh
. tools/step.sh

ran=0
for case in tests/interop/[0-9]*; do
    [ -x "$case" ] || continue
    ran=$((ran + 1))
    step "$(basename "$case")" "$case"
done
[ $ran -gt 0 ] ||
    printf 'interop: no cases yet, so there is nothing to run\n'

[ $failures -eq 0 ]
