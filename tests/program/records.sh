# records.sh - records whose answers are known, for the tests that read records; sourced.
#
# Times are whole multiples, and the clock drifts by half within each run, so only pairs know the ratios exactly.
# shellcheck shell=sh

# run ID MACHINE ISA COMMIT FACTOR KERNEL=NS...: one run with shapes of 64 and 128 rows, the second of which takes ten times as long. ISA: JSON
# texts. THREADS, if set, are its threads; a kernel with a dot is a peer.
run() {
    id=$1 machine=$2 isa=$3 commit=$4 factor=$5
    shift 5
    awk -v threads="${THREADS:-1}" -v id="$id" -v machine="$machine" -v isa="$isa" -v commit="$commit" -v factor="$factor" -v kernels="$*" 'BEGIN {
        head = "\"v\":1,\"run\":\"" id "\""
        printf "{\"t\":\"host\",%s,\"mkey\":\"%s\",\"cpu\":{\"brand\":\"CPU of %s\"},\"isa\":[%s],\"build\":{\"commit\":\"%s\",\"dirty\":false,\"cc\":\"gcc 12.2.0\",\"cflags\":\"-O3\",\"version\":\"0.1.0\"},\"peaks\":{\"t%d\":{\"f32.avx2\":1e12,\"f32.avx512\":2e12,\"exp.f32.avx2.poly\":1e10,\"bw.l1\":1e12,\"bw.dram\":1e11}}%s}\n", head, machine, machine, isa, commit, threads, kernels ~ /[.]/ ? ",\"peers\":[\"other.sdpa\"]" : ""
        count = split(kernels, list, " ")
        for (c = 1; c <= 2; c++) {
            printf "{\"t\":\"case\",%s,\"case\":\"c%d\",\"op\":\"sdpa\",\"shape\":\"b1_h1_q%d_k%d_d64\",\"name\":null,\"dtype\":\"f32\",\"threads\":%d,\"cache\":\"hot\",\"dist\":\"normal\",\"seed\":1,\"flop\":1e6,\"exp\":1e4,\"bytes\":1e5}\n", head, c, 64 * c, 64 * c, threads
            for (k = 1; k <= count; k++) {
                split(list[k], pair, "=")
                time = pair[2] * factor * (c == 2 ? 10 : 1)
                samples = ""
                for (i = 0; i < 40; i++)
                    samples = samples (i ? "," : "") time * (100 + i % 7) * (i < 20 ? 2 : 3)
                peer = pair[1] ~ /[.]/ ? ",\"peer\":{\"name\":\"Other\",\"version\":\"1.2\",\"what\":\"a library\"}" : ""
                label = peer ? "library" : pair[1] ~ /512/ ? "avx512" : pair[1] ~ /naive/ ? "portable" : "avx2"
                printf "{\"t\":\"verify\",%s,\"case\":\"c%d\",\"kernel\":\"%s\",\"isa\":\"%s\",\"status\":\"pass\",\"eta\":0.1,\"z\":2%s}\n", head, c, pair[1], label, peer
                split(list[1], first, "=")
                best = ""
                for (j = 1; j <= count; j++) {
                    split(list[j], other, "=")
                    if (best == "" || other[2] + 0 < best + 0) { best = other[2]; name = other[1] }
                }
                printf "{\"t\":\"bench\",%s,\"case\":\"c%d\",\"kernel\":\"%s\",\"isa\":\"%s\",\"iters\":4,\"rounds\":40,\"med\":%.9g,\"min\":%.9g,\"mad\":%.9g,\"p90\":%.9g,\"ns\":[%s],\"vs\":{\"kernel\":\"%s\",\"ratio\":%.9g,\"lo\":%.9g,\"hi\":%.9g},\"best\":{\"kernel\":\"%s\",\"ratio\":%.9g,\"lo\":1,\"hi\":1.1},\"peak\":{\"frac\":%.9g,\"lo\":0.1,\"hi\":0.9},\"roof\":{\"frac\":%.9g,\"lo\":0.1,\"hi\":0.9,\"bound\":\"fma\"},\"flops\":%.9g%s%s}\n", head, c, pair[1], label, time * 250e-9, time * 200e-9, time * 1e-9, time * 300e-9, samples, first[1], pair[2] / first[2], pair[2] / first[2], pair[2] / first[2], name, pair[2] / best, 10 / pair[2], 20 / pair[2], 1e6 / (time * 250e-9), c == 2 ? ",\"ctr\":{\"cycles\":4321,\"insn\":null},\"energy\":{\"J\":0.125,\"src\":\"powercap\"}" : "", peer
            }
            printf "{\"t\":\"control\",%s,\"case\":\"c%d\",\"kernel\":\"%s\",\"ratio\":1.0,\"lo\":0.99,\"hi\":1.01,\"ok\":true}\n", head, c, name
        }
        printf "{\"t\":\"end\",%s,\"counts\":{\"bench\":%d},\"exit\":0}\n", head, 2 * count
    }'
}
