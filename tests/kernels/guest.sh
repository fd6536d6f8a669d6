#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# guest.sh TREE BUILD RESULT: what is run on each kernel, the running one included. RESULT gets one line for each step,
# as it ends; everything else is output.
set -u
tree=$1 build=$2 result=$3
cd "$tree" || exit 1

tell() { printf '%s\n' "$*" >> "$result"; }

step() { # NAME COMMAND...
	name=$1
	shift
	tell "begin $name"
	started=$(date +%s)
	# Seen as it comes: what hangs is found in the log.
	{ "$@" 2>&1; echo $? > "$status"; } | tee "$output"
	if [ "$(cat "$status")" = 0 ]; then verdict=ok; else verdict=FAILED; fi
	# The last line that counts something: pytest's and cmocka's summaries.
	summary=$(grep -E '[0-9]+ (passed|failed)|test\(s\)' "$output" | tail -n 1 | sed 's/^[^0-9]*//; s/ *=*$//')
	tell "end $name $verdict $(($(date +%s) - started)) $summary"
}

export OAITAP_BUILD="$build" OAITAP_REPEAT=1 OAITAP_WAIT=120 OAITAP_PATIENCE=280 PYTHONDONTWRITEBYTECODE=1
python=$build/venv/bin/python

# On the running kernel other sessions may be at work: one at a time. (pytest takes the lock itself.)
locked() {
	PYTHONPATH=tests/support "$python" -c 'import subprocess, sys, sandbox
held = sandbox.lock()
sys.exit(subprocess.run(sys.argv[1:]).returncode)' "$@"
}

subset() {
	set --
	while IFS= read -r line; do
		case $line in '#'* | '') ;; *) set -- "$@" "$line" ;; esac
	done < tests/kernels/subset.txt
	"$python" -m pytest -c tests/e2e/pytest.ini --rootdir tests/e2e -o timeout=600 --durations=10 "$@"
}

output=$(mktemp) status=$(mktemp)
trap 'rm -f "$output" "$status"' EXIT
tell "kernel $(uname -r)"
tell "doctor $("$build/oaitap" doctor --json | tr -d '\n')"
step bpf-test locked "$build/tests/bpf/records_test" "$build/tests/bpf/ssl_calls"
step block-test locked "$build/tests/bpf/block_test"
step subset subset
tell finished
