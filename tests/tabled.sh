#!/usr/bin/env bash
# Runs commands (each argument is one) and prints the table of what tests were put through by them:
#     tests/tabled.sh 'cargo test … faults::' 'tests/with_postgres.sh cargo test … faults::'
# Each test adds a line when it holds (tests/suite/forms.rs). Fails if one of the commands fails; all are run.
set -uo pipefail
SLUICE_TEST_TABLE=$(mktemp)
export SLUICE_TEST_TABLE
trap 'rm -f "$SLUICE_TEST_TABLE"' EXIT
failed=0
for command in "$@"; do
    bash -c "$command" || failed=1
done
echo
printf '| fault | database | how much | what held |\n|---|---|---|---|\n'
sort -s -t "$(printf '\t')" -k 1,1 "$SLUICE_TEST_TABLE" | sed 's/|/\\|/g; s/\t/ | /g; s/^/| /; s/$/ |/'
echo
if [ $failed = 0 ]; then
    echo "all held"
else
    echo "SOMETHING DID NOT HOLD: see above; it has no line in the table"
fi
exit $failed
