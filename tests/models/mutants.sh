#!/usr/bin/env bash
# Breaks a copy of the library with each of mutants/*.patch, and sees that the model which the patch names fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
copy=$root/target/mutants
rm -rf "$copy"
mkdir -p "$copy"
# Cargo takes the copy for the same package, and by the time of day what was built of it for newer than the sources in the tree:
# the next run of the models would run the last mutant.
clean() {
    rm -rf "$copy"
    cd "$root"
    for checker in loom shuttle; do
        cargo clean --quiet --release -p netpoller-core --target-dir "target/$checker"
    done
}
trap clean EXIT
cp -r Cargo.toml Cargo.lock rustfmt.toml poller proto inspector tests "$copy"
cd "$copy"

export CARGO_INCREMENTAL=0 LOOM_MAX_PREEMPTIONS=2 SHUTTLE_SILENCE_WARNINGS=1

# model CHECKER FILTER: runs these models on the copy.
model() {
    local flags="--cfg loom"
    [ "$1" = loom ] || flags+=" --cfg shuttle"
    RUSTFLAGS="$flags" cargo test -p netpoller-core --lib --release --target-dir "$root/target/$1" "$2"
}

for checker in loom shuttle; do
    model "$checker" "${checker}_" >"$copy/log" 2>&1 || { tail -n 40 "$copy/log"; exit 1; }
    echo "unbroken: $checker holds"
done

failed=0
for patch in "$root"/tests/models/mutants/*.patch; do
    name=$(basename "$patch" .patch)
    read -r checker filter < <(sed -n 's/^Found-by: //p' "$patch")
    patch -p1 -s <"$patch"
    # A deadlock that loom does not see, as a spin, would run for ever: too many branches end it.
    if model "$checker" "$filter" >"$copy/log" 2>&1; then
        echo "$name: NOT CAUGHT by $checker $filter"
        failed=1
    elif grep -q '^test result: FAILED\|^running [1-9]' "$copy/log"; then
        echo "$name: caught by $(sed -n 's/^test \([^ ]*\) \.\.\. FAILED/\1/p' "$copy/log" | sed 's/.*:://' | sort | tr '\n' ' ')"
    else
        echo "$name: does not compile"
        tail -n 40 "$copy/log"
        failed=1
    fi
    patch -p1 -s -R <"$patch"
done
exit $failed
