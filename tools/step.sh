# shellcheck shell=bash
# Sourced by the scripts that `make` calls.
#
# step NAME COMMAND...  runs the command and prints one line about it; what the
#                       command printed is shown only if it failed.
# record ok|failed NAME counts something that another program reported.
#
# With KEEPSAY_RESULTS set, each result is also a line "ok<TAB>name" or
# "failed<TAB>name" in that file, which is how .ci/run counts.

failures=0

record() {
    [ "$1" = ok ] || failures=$((failures + 1))
    [ -z "${KEEPSAY_RESULTS-}" ] ||
        printf '%s\t%s\n' "$1" "$2" >>"$KEEPSAY_RESULTS"
}

step() {
    local name=$1 log begin=$SECONDS
    shift
    log=$(mktemp) || exit 1
    if "$@" >"$log" 2>&1 </dev/null; then
        printf '  ok    %-34s %4d s\n' "$name" $((SECONDS - begin))
        # One closing line of the check's own, if it has something to say.
        sed -n 's/^summary: /          /p' "$log"
        record ok "$name"
    else
        printf '  FAIL  %-34s %4d s\n' "$name" $((SECONDS - begin))
        sed 's/^/        /' "$log"
        record failed "$name"
    fi
    rm -f "$log"
}
