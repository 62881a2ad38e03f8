#!/usr/bin/env bash
# Restores, builds with warnings as errors, checks formatting, runs every suite, and closes with one line:
#   tests: N passed, N failed, N skipped
# --nightly runs the suites with their full numbers (hours, not minutes).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    echo "usage: ./test.sh [--nightly]" >&2
    exit 2
}

nightly=0
for argument in "$@"; do
    case "$argument" in
        --nightly) nightly=1 ;;
        *) usage ;;
    esac
done

if ! command -v dotnet >/dev/null; then
    echo "test.sh: dotnet is not installed. Install the .NET 10 SDK and run this again." >&2
    exit 5
fi

# PostgreSQL for its suites: one cluster for the whole run, ended with it.
tests/postgres.sh install

# Clients that are not ours: curl for HTTP, Node.js for gRPC.
missing=()
command -v curl >/dev/null || missing+=(curl)
{ command -v node && command -v npm; } >/dev/null || missing+=(nodejs npm)
if [ "${#missing[@]}" != 0 ]; then
    if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
    $sudo apt-get update -q >&2
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
fi

# Build servers that outlive the script would keep a CI job open: none but a compiler of its own, which it ends.
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0
if [ "$nightly" = 1 ]; then
    export LEDGER_NIGHTLY=1
fi

results=$(mktemp -d)
cluster=$(mktemp -d)
compiler=ledger-test-$$
end_compiler() {
    pkill -f -- "-pipename:$compiler( |\$)" || true
}
simulation=
end() {
    end_compiler
    if [ -n "$simulation" ]; then
        pkill -P "$simulation" || true
    fi
    tests/postgres.sh stop "$cluster" || true
    rm -rf "$results" "$cluster"
}
trap end EXIT

started=$SECONDS
step() { # name, command...: runs it and prints its time; a failure ends the script
    local name=$1 begin=$SECONDS
    shift
    "$@" </dev/null
    echo "== $name: $((SECONDS - begin)) s"
}

passed=0 failed=0 skipped=0
counter() { # file, attribute: one number of a result file
    sed -n "s/.*<Counters .*\b$2=\"\([0-9]*\)\".*/\1/p" "$1" | head -n 1
}

run() { # project directory, name[, filter]: runs its tests
    dotnet test "$1" -c Release --no-build ${3:+--filter "$3"} --logger "trx;LogFileName=$results/$2.trx" \
        --logger "console;verbosity=minimal" </dev/null
}

tally() { # name, exit code, when it began: adds up what the result file says
    local name=$1 status=$2 begin=$3 file=$results/$1.trx total
    if [ -f "$file" ]; then
        total=$(counter "$file" total)
        passed=$((passed + $(counter "$file" passed)))
        failed=$((failed + $(counter "$file" failed)))
        skipped=$((skipped + total - $(counter "$file" executed)))
    fi
    # A suite that died or ran nothing has no failed test to count, and must fail all the same.
    if [ ! -f "$file" ] || [ "$total" = 0 ] || { [ "$status" -ne 0 ] && [ "$(counter "$file" failed)" = 0 ]; }; then
        echo "$name ended with exit code $status and without the result of every test." >&2
        failed=$((failed + 1))
    fi
    echo "== $name: $((SECONDS - begin)) s"
}

suite() { # project directory[, name, filter]: runs its tests and counts them
    local name=${2:-$(basename "$1")} begin=$SECONDS status=0
    run "$1" "$name" ${3:+"$3"} || status=$?
    tally "$name" "$status" "$begin"
}

LEDGER_POSTGRES=$(tests/postgres.sh start "$cluster")
export LEDGER_POSTGRES

step restore dotnet restore Ledger.slnx --locked-mode -v quiet
step build dotnet build Ledger.slnx -c Release --no-restore -v quiet -p:UseSharedCompilation=true -p:SharedCompilationId="$compiler"
end_compiler
# Simulation needs a processor and no clock: it takes what everything else leaves.
simulated=$SECONDS status=0 last=(nice -n 19)
if command -v chrt >/dev/null; then
    last=(chrt -i 0)
fi
"${last[@]}" "$BASH" -c "$(declare -f run); results=$results; run tests/Ledger.Simulation Ledger.Simulation" \
    >"$results/simulation.log" 2>&1 &
simulation=$!
# Style is checked by the build, which makes a fault of it an error; this looks at spaces and line ends.
step format dotnet format whitespace Ledger.slnx --no-restore --verify-no-changes
suite tests/Ledger.Tests
# Once more on the system's own SQLite, where it is newer than the one that comes with the package.
# Not through a pipe: grep ends at the first match, and what ldconfig then cannot write would count as a failure.
libraries=$(ldconfig -p 2>/dev/null || true)
if [[ $libraries == *libsqlite3.so.0* ]]; then
    LEDGER_SQLITE_LIBRARY=system suite tests/Ledger.Tests SystemSqlite 'FullyQualifiedName~Sqlite'
elif [ -n "${CI:-}" ]; then
    echo "libsqlite3 is not installed: the suite on the system's SQLite cannot run." >&2
    failed=$((failed + 1))
else
    echo "libsqlite3 is not installed: the suite on the system's SQLite is left out."
fi
suite tests/Ledger.EndToEnd
wait "$simulation" || status=$?
simulation=
cat "$results/simulation.log"
tally Ledger.Simulation "$status" "$simulated"

echo "== all: $((SECONDS - started)) s"
echo "tests: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
