/* suites.c - see suites.h. */
#include "harness/bench/suites.h"

/* The first is sized so that all of it, verification included, takes less than two minutes on two cores. Real models, real head counts. */
const CliSuite bench_suites[] = {
    {"default",
     "bert-base/encoder@128 vit-b16/encoder gpt2/prefill@512 llama3-8b/prefill@512 whisper-large/cross llama3-8b/decode@4096",
     "real models at everyday sizes"},
    {"speed", "b1_h8_q512_k512_d{64,128} b1_h8_q2048_k2048_d{64,128}", "four shapes that show whether a change made the kernels slower"},
    {"prefill",
     "b1_h8_q512_k512_d{64,80,96,128} b1_h4_q1024_k1024_d{64,80,96,128} b1_h2_q2048_k2048_d{64,80,96,128} b1_h1_q4096_k4096_d{64,128} "
     "b1_h1_q8192_k8192_d{64,128} b1_h8_q512_k512_d{64,128}_causal b1_h2_q2048_k2048_d{64,128}_causal b1_h1_q4096_k4096_d{64,128}_causal "
     "b{1,8}_h12_q128_k128_d64 b1_h12_q{197,77}_k{197,77}_d64 b1_h8_q512_k512_d{40,72,160,256}",
     "the speed targets of prefill: lengths, widths, causal, odd sizes"},
    {"small", "b1_h12_q16_k16_d{16,32,64} b1_h12_q32_k32_d{16,32,64} b1_h12_q64_k64_d{16,32,64} b1_h8_q512_k512_d{16,32}",
     "short and narrow shapes, which show the fixed costs"},
    {"decode",
     "b8_h{8,32g8,64g8}_q1_k4096_d64 b4_h{8,32g8,64g8}_q1_k4096_d128 b2_h{8,32g8,64g8}_q1_k4096_d256 b1_h{8,32g8,64g8}_q1_k32768_d64 "
     "b1_h{8,32g8,64g8}_q1_k32768_d128 b1_h{4,16g4,32g4}_q1_k32768_d256 b4_h8_q{2,4,8,16}_k4096_d128",
     "the speed targets of decode: 134 MB of keys and values or more, 1, 4 and 8 heads per group, few rows"},
};
const size_t bench_suite_count = sizeof bench_suites / sizeof *bench_suites;
_Static_assert((int)(sizeof bench_suites / sizeof *bench_suites) <= (int)CLI_SUITES_MOST, "cli_suite has room for all");

const char *bench_default_shapes(void)
{
    return bench_suites[0].shapes;
}
