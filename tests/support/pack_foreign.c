/* pack_foreign.c - a pack of another time: FUTURE, with an ABI that this program does not know; else with fewer functions than ABI 1. */
#include "harness/regress/pack_abi.h"

AttnPackEntry attn_pack_v1;

const AttnPackV1 *attn_pack_v1(void)
{
#ifdef FUTURE
    static const AttnPackV1 pack = {.abi = ATTN_PACK_ABI + 1, .size = sizeof pack, .commit = "later", .count = 1};
#else
    static const AttnPackV1 pack = {.abi = ATTN_PACK_ABI, .size = 16, .commit = "broken", .count = 1};
#endif
    return &pack;
}
