#!/bin/sh
# Runs each fuzz target for FUZZ_SECONDS and prints what came of it. What crashes is kept in target/fuzz-artifacts,
# and what is found on the way in target/fuzz-corpus; the committed corpus stays as it is.
#
# Usage: fuzz/run.sh [TARGET...]
set -u
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}
fuzz=$PWD/target/tools/bin/cargo-fuzz
# The instrumentation is behind flags of nightly, which the stable compiler takes when it is told so. Sluice is safe
# Rust: what a sanitizer of memory finds in C does not occur, and without it three times as much is run.
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$PWD/target/fuzz" CARGO_INCREMENTAL=0
if [ $# -eq 0 ]; then
    set -- $(ls fuzz/fuzz_targets | sed 's/\.rs$//')
fi
nice -n 19 "$fuzz" build --sanitizer none || exit 1
# Run as they were built: sources may change in the hours that follow.
built=$CARGO_TARGET_DIR/$(rustc -vV | sed -n 's/^host: //p')/release
logs=target/fuzz-logs
mkdir -p "$logs"
failed=0
summary=""
for target in "$@"; do
    corpus=target/fuzz-corpus/$target
    artifacts=target/fuzz-artifacts/$target
    mkdir -p "$corpus" "$artifacts"
    nice -n 19 "$built/$target" "$corpus" "fuzz/corpus/$target" \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="$artifacts/" >"$logs/$target.log" 2>&1
    status=$?
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/$target.log")
    covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$logs/$target.log" | tail -n 1)
    result=clean
    if [ $status -ne 0 ]; then
        result="FAILED, see $logs/$target.log and $artifacts"
        failed=1
    fi
    summary="$summary$(printf '%-12s %12s %10s  %s' "$target" "${executed:-?}" "${covered:-?}" "$result")
"
done
printf '%-12s %12s %10s  %s\n%s' target executions covered result "$summary"
exit $failed
