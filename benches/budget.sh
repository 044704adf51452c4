#!/usr/bin/env bash
# Holds the instructions of the hot pieces to their budgets (budgets.txt): noise of the machine
# does not change them. Each piece is done N and 2 N times under callgrind; the difference is
# what N times cost, without the start of the program.
#
# Needs valgrind (Debian's package of that name) and builds examples/count: profile `dev`, as the
# tests, but for this crate, which is optimised (budget.toml).
# Exit code 0: all within; 1: one is not; 2: something is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v valgrind >/dev/null || { echo "benches/budget.sh: valgrind is missing: apt-get install valgrind" >&2; exit 2; }

# What is kept for the next change takes longer to build.
export CARGO_INCREMENTAL=0
cargo build --locked --config benches/budget.toml --example count
program=${CARGO_TARGET_DIR:-target}/debug/examples/count

# instructions PIECE TIMES
instructions() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
        sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

# What each piece costs, for the ratios behind them.
declare -A costs
failed=0
while read -r piece one each budget; do
    case $piece in '' | '#'*) continue ;; esac
    if [ "$piece" = ratio ]; then
        # Two pieces, and how much of the second the first may cost, in percent.
        ratio=$((100 * costs[$one] / costs[$each]))
        if [ $((100 * costs[$one])) -le $((budget * costs[$each])) ]; then verdict=within; else verdict="OVER" failed=1; fi
        printf '%-12s %6d %% of a %s, %s the limit of %d %%\n' "$one" "$ratio" "$each" "$verdict" "$budget"
        continue
    fi
    times=$((each > 1000 ? 50 : each > 1 ? 200 : 20000))
    once=$(instructions "$piece" "$times")
    twice=$(instructions "$piece" $((2 * times)))
    cost=$(((twice - once) / (times * each)))
    costs[$piece]=$cost
    if [ "$cost" -le "$budget" ]; then verdict=within; else verdict="OVER" failed=1; fi
    printf '%-12s %6d instructions for one %s, %s the budget of %d\n' "$piece" "$cost" "$one" "$verdict" "$budget"
done <benches/budgets.txt
exit "$failed"
