#!/bin/sh
# serve.sh PROGRAM - the protocol of `attnzoo serve`: a line asks, a line of JSON answers, and a bad line changes nothing.
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
program=$(absolute "$1")
begin

# talk LINES [OPTION...]: answers in the file out, one a line; the exit code in $code.
talk() {
    lines=$1
    shift
    printf '%b' "$lines" >in
    "$program" serve --no-results "$@" <in >out 2>err
    code=$?
}

# line N WORD: answer N holds WORD (a basic regular expression).
line() {
    checks=$((checks + 1))
    sed -n "$1p" out | grep -q -- "$2" || fail "answer $1 to '$lines': no '$2'"
}

# answers N CODE: so many lines, nothing on stderr, this exit code.
answers() {
    checks=$((checks + 1))
    [ "$(wc -l <out)" -eq "$1" ] || fail "'$lines': $(wc -l <out) answers, expected $1"
    [ "$code" -eq "$2" ] || fail "'$lines': exit code $code, expected $2"
    [ ! -s err ] || fail "'$lines': says something on stderr"
}

# number N FIELD: the number of a field of answer N.
number() { sed -n "$1p" out | sed 's/.*"'"$2"'":\([-0-9.e+]*\).*/\1/'; }

# holds WHAT EXPRESSION: a comparison of numbers, in awk.
holds() {
    checks=$((checks + 1))
    awk "BEGIN { exit !($2) }" </dev/null || fail "$1: not $2"
}

# The end of stdin, quit, empty lines, an end without a newline
talk ''
answers 0 0
talk 'quit\nshapes gpt2/decode@1024\n'
answers 0 0
talk '\n\nshapes b1_h1_q{1,2}_k4_d8 bert-base/encoder@128'
answers 1 0
line 1 '^{"shapes":\["b1_h1_q1_k4_d8","b1_h1_q2_k4_d8","bert-base/encoder@128"\]}$'

talk 'kernels\nkernels x\nkernels\n'
answers 3 0
line 1 '^{"kernels":\["naive_f32",.*"flash_f32"'
line 2 'no argument'
checks=$((checks + 1))
! grep -q linear_ out || fail 'kernels: a kernel of products among those of attention'

# A case
talk 'open b2_h4g2_q3_k9_d16v8_causal_win4 naive_f32\ntime 3\ntime 2 1\njudge\npeak fma 5\npeak read 5\n'
answers 6 0
line 1 '"shape":"b2_h4g2_q3_k9_d16v8_causal_win4","name":null,"batch":2,"q_heads":4,"kv_heads":2,"q_len":3,"k_len":9,"d":16,"dv":8'
line 1 '"needs":\["band","gqa","dv"\],"causal":true,"offset":6,"window":\[4,-1\],"lengths":false'
line 1 '"kernel":"naive_f32","isa":"portable"'
line 2 '"calls":3,'
line 3 '"calls":2,'
line 4 '"status":"pass".*"rows":24'
line 5 '"name":"f32\.'
line 6 '"name":"bw\.'
for n in 2 3 5 6; do holds "answer $n" "$(number $n ns) > 0"; done
for n in 5 6; do holds "answer $n" "$(number $n units) > 0"; done
talk 'open bert-base/encoder@16\nopen b1_h1_q2_k2_d8\nopen b1_h1_q2_k2_d8_causal-tl\n' --threads 2
line 1 '"name":"bert-base/encoder@16","batch":1'
line 1 '"threads":2'
line 2 '"needs":\[\],"causal":false'
line 3 '"causal":true,"offset":0,'

# More calls take longer: each time answer is for all its calls, the untimed ones not among them.
# The least of five, since any one may be interrupted.
talk 'open b1_h2_q64_k64_d64 naive_f32\ntime 200\ntime 1\ntime 1\ntime 1\ntime 1\ntime 1\n'\
'time 1 200\ntime 1 200\ntime 1 200\ntime 1 200\ntime 1 200\n'
answers 12 0
least() { sed -n "$1,$2p" out | sed 's/.*"ns":\([0-9.e+]*\).*/\1/' | sort -g | head -n 1; }
holds '200 calls against 1' "$(number 2 ns) > 20 * $(least 3 7)"
holds 'untimed calls' "$(least 8 12) < $(number 2 ns) / 20"
# And the untimed ones are made: processor time of the children of this shell, in seconds.
times >zero
talk 'open b1_h2_q64_k64_d64 naive_f32\ntime 1000\n'
times >timed
talk 'open b1_h2_q64_k64_d64 naive_f32\ntime 1 1000\n'
times >untimed
spent() { sed -n '2s/^\([0-9]*\)m\([0-9.]*\)s .*/\1 \2/p' "$1" | awk '{ print 60 * $1 + $2 }'; }
holds '1000 untimed calls take time' "$(spent untimed) - $(spent timed) > ($(spent timed) - $(spent zero)) / 3"

# Tensors out and in
mkdir tensors
talk 'open b1_h2g1_q3_k5_d8 naive_f32\nwrite tensors\njudge tensors/o.npy\njudge tensors/q.npy\njudge tensors/k.npy\n'\
'judge nowhere.npy\njudge\n'
answers 7 0
line 2 '"written":4'
line 3 '"status":"pass"'
line 4 '"status":"fail".*"why":"o batch 0 head 0 row 0'
line 5 'not a float32 array of shape \[1, 2, 3, 8\]'
line 6 'nowhere.npy: cannot open'
line 7 '"status":"pass"'
for tensor in q:48 k:40 v:40 o:48; do
    checks=$((checks + 1))
    [ "$(wc -c <"tensors/${tensor%:*}.npy")" -eq $((128 + 4 * ${tensor#*:})) ] || fail "write: ${tensor%:*}.npy has the wrong size"
done
talk 'open b1_h1_q3_k5_d8 naive_f32\nwrite no/such/folder\nwrite\ntime 1\nopen b2_h1_q3_k5_d8_varlen\nwrite tensors\n'
answers 6 0
line 2 'error.*no/such/folder'
line 3 'name of a folder'
line 4 '"ns"'
line 6 'ragged sequences'

# Bad lines, each followed by one that is obeyed
talk 'time 1\njudge\nwrite .\npeak fma 1\nopen b1_h1_q2_k3_d8 naive_f32\ntime 0\ntime\ntime 1e3\ntime -1\ntime 1000000001\n'\
'time 1 x\npeak exp 1\npeak fma\ntime 1\n'
answers 14 0
for n in 1 2 3 4; do line $n 'needs an open shape'; done
line 6 "calls is '0'; allowed: a whole number from 1 to 1000000000"
line 7 "calls is ''"
line 8 "calls is '1e3'"
line 9 "calls is '-1'"
line 10 "calls is '1000000001'"
line 11 "untimed calls is 'x'; allowed: a whole number from 0"
line 12 "kind of peak is 'exp'; allowed: fma, read"
line 13 "rounds is ''"
line 14 '"ns"'
talk 'open\nopen b1_h1\nopen b1_h1_q{1,2}_k3_d8\nopen b1_h1_q2_k3_d8 flsh\nopen b1_h1_q2_k3_d8 naive_f32 x\n'\
'open mha:gpt2/prefill@12\nfoo\nTIME 1\n time 1\n\0377\0376 1\nshapes b1\nopen b1_h1_q1_k1_d8\n'
answers 12 0
line 1 'open takes a shape'
line 2 'expected _q'
line 3 'stands for 2 shapes'
line 4 'flsh.*no kernel known'
line 5 'open takes a shape'
line 6 'attention is wanted here'
line 7 "unknown verb 'foo'; known: kernels, shapes, open, time, peak"
line 8 "unknown verb 'TIME'"
line 9 "unknown verb ''"
line 10 "unknown verb '??'"
line 11 'error'
line 12 '"kernel":'
# A case that cannot be opened leaves none open: its time must not be that of the one before.
talk 'open b1_h1_q2_k3_d8\nopen b1_h1_q2_k3_d8 nope\ntime 1\n'
line 3 'needs an open shape'
talk 'open b1_h1_q2_k3_d8\nopen b1\ntime 1\n'
line 3 'needs an open shape'
# A byte 0, and a line of 2 MiB
printf 'shapes\000 b1_h1_q1_k1_d8\nshapes b1_h1_q1_k1_d8\n' >in
head -c 2097152 /dev/zero | tr '\000' x >>in
printf '\nshapes b1_h1_q1_k1_d8\n' >>in
"$program" serve <in >out 2>err
code=$?
lines='zero byte, long line'
answers 4 0
line 1 'zero byte'
line 2 'shapes'
line 3 'the line is too long; allowed: 1 MiB'
line 4 'shapes'

# Order statistics: b is twice a but in one of nine rounds, and one round is not whole.
# The interval at 0.99 of 9 pairs is from first to last.
talk 'summary [3,1,null,2,10]\nratio {"kernel":"a","a":[1,2,3,4,5,6,7,8,9,1],"b":[2,4,6,8,10,12,14,16,27,null],"alpha":0.01}\n'\
'ratio {"kernel":"a","a":[1,2],"b":[2,4],"alpha":0.01}\n'
answers 3 0
line 1 '^{"n":4,"med":2.5,"min":1.0,"mad":1.0,"p90":7.9}$'
line 2 '^{"kernel":"a","ratio":2.0,"lo":2.0,"hi":3.0,"conf":0.99,"n":9,"method":"paired-log-sign","known":"slower","control":"excludes 1","ok":false}$'
line 3 '"ratio":2.0,"lo":null,"hi":null,"conf":0.99,"n":2,.*"known":"few rounds","control":"too few rounds","ok":null}$'
talk 'summary\nsummary 1\nsummary []\nsummary [1,"2"]\nsummary [0]\nratio {}\nratio {"kernel":"a","alpha":2}\n'\
'ratio {"kernel":"a","alpha":0.1,"a":[1],"b":[1,2]}\nratio {"kernel":"a","alpha":0.1,"a":[1]}\n'\
'ratio {"kernel":"a","kernel":"b"}\nsummary [1]\n'
answers 11 0
line 1 'not JSON'
line 2 'not JSON'
line 3 'not a list'
line 4 'element 1 of .* is neither null nor a number above 0'
line 5 'element 0 of'
line 6 'field kernel is missing'
line 7 'alpha is 2; allowed: between 0 and 1'
line 8 'a has 1 elements and b 2'
line 9 "ratio's b is not a list"
line 10 'not JSON'
line 11 '"n":1,'

# Records
talk 'keep bench {}\nend 0\n'
answers 2 0
line 1 'keep needs an open file'
line 2 'end needs an open file'
talk 'host {"pinned":"core 7"}\nhost\nkeep foo {}\nkeep bench\nkeep bench []\nkeep bench {"case":"c1"}\nend x\nend 4\nend 0\n'
answers 9 0
line 1 '"path":""'
line 2 'open already'
line 3 "type of a record is 'foo'; allowed: case, verify, bench, control"
line 4 'not JSON'
line 5 'not an object'
line 6 '"kept":"bench"'
line 7 "exit code is 'x'"
line 8 '"path":""'
line 9 'end needs an open file'
# What a record is found by is the file's own; what the machine is, the program says.
talk 'host {"run":"x"}\nhost {"mkey":"x"}\nhost {"peaks":1}\nhost {"pinned":"core 7"}\nkeep bench {"case":"c1","t":"host"}\n'\
'keep case {"v":2}\nkeep verify {"run":"01M7ZHGMKS9803DX6DBGABWV8Z"}\nkeep control {"ratio":1,"\\u0074":"x"}\nkeep bench {"T":1}\nend 0\n'
answers 10 0
for n in 1:run 2:mkey 3:peaks; do line ${n%:*} "host: field '${n#*:}' is the program's own"; done
line 4 '"mkey"'
for n in 5:t 6:v 7:run 8:t; do line ${n%:*} "keep: field '${n#*:}' is the program's own"; done
line 9 '"kept":"bench"'
line 10 '"path"'
printf 'host {"pinned":"core 7"}\nkeep bench {"case":"c1"}\nend 4\n' >in
"$program" serve --results kept <in >out 2>err
lines='records'
code=$?
answers 3 0
cat kept/*/*.jsonl >out
line 1 '^{"t":"host","v":1,"run":"[0-9A-Z]*","mkey":".*"peaks":{"t1":.*"pinned":"core 7"}$'
line 2 '^{"t":"bench","v":1,"run":"[0-9A-Z]*","case":"c1"}$'
line 3 '^{"t":"end","v":1,.*"counts":{"host":1,"bench":1},"exit":4}$'
: >file
printf 'host\n' >in
"$program" serve --results file/below <in >out 2>err
code=$?
answers 1 0
line 1 'error.*cannot write file/below'

# The command itself
checks=$((checks + 2))
"$program" serve extra </dev/null >out 2>err
[ $? -eq 2 ] || fail 'serve extra: not exit code 2'
grep -q "unexpected argument 'extra'" err || fail 'serve extra: no reason'

finish
