#!/bin/sh
# schema.sh PROGRAM SOURCE - results/schema.json against the committed records, against what the program writes now, and against records that
# are wrong on purpose.
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
program=$(absolute "$1")
results=$(absolute "$2")/results
here=$(cd "$(dirname "$0")" && pwd -P)
begin
command -v python3 >/dev/null || { echo 'skipped: no python3 here'; exit 77; }
sound() { python3 "$here/schema.py" "$results/schema.json" "$results/README.md" "$@"; }
sound "$results" || exit

for shape in b1_h2_q64_k64_d32 linear:32x64x64 mha:b1_h2_q9_d8_e16; do
    "$program" bench -s "$shape" --budget 50ms --results fresh >out 2>&1 || { cat out; exit 1; }
done
for variants in --scaling=1,2 --dist=ragged,large; do
    "$program" bench "$variants" -k flash_f32 -s b2_h1_q9_k9_d8 --budget 20ms --results fresh >out 2>&1 || { cat out; exit 1; }
done
"$program" bench --micro pack,run,plan,merge --budget 20ms --results fresh >out 2>&1 || { cat out; exit 1; }
"$program" verify -s b1_h1_q3_k5_d8 -k naive_f32 -o jsonl:fresh/verify.jsonl --no-results >out 2>&1 || { cat out; exit 1; }
"$program" bench --micro exp --budget 20ms --results fresh >out 2>&1 || { cat out; exit 1; }
sound fresh || exit 1

# wrong EDIT PATTERN: a sound file with one edit must be refused, with these words.
file=$(find "$results" -name '*.jsonl' -exec grep -l '"t":"bench"' {} + | sort | tail -n 1)
wrong() {
    sed "$1" "$file" >wrong.jsonl
    if cmp -s "$file" wrong.jsonl; then
        fail "$1 changes nothing"
    elif sound wrong.jsonl >out; then
        fail "$1 is taken for sound"
    elif ! grep -q -- "$2" out; then
        fail "$1: no '$2'"
    fi
}
wrong 's/"v":1/"v":2/' '1 was expected'
wrong 's/"t":"bench"/"t":"bunch"/' "'bunch' is not one of"
wrong 's/"med":[0-9.e-]*/"med":-1/' 'bench\|med'
wrong 's/"unit":"s"/"unit":"ms"/' "'s' was expected"
wrong 's/"iters":/"itres":/' 'itres\|iters'
wrong 's/"run":"01/"run":"xx/' 'does not match'
wrong 's/"threads":1/"threads":1.5/' '1.5 is not'
[ "$failures" -eq 0 ]
