/* pack_old.c - a pack as they were before they told what dispatch takes: the functions up to `choice`, and a size that says so. */
#define attn_pack_v1 whole_pack
#include "harness/pack_export.c"
#undef attn_pack_v1

#include <stddef.h>
#include <string.h>

ATTN_API AttnPackEntry attn_pack_v1;

const AttnPackV1 *attn_pack_v1(void)
{
    static AttnPackV1 old;
    memcpy(&old, whole_pack(), offsetof(AttnPackV1, choice));
    old.size = offsetof(AttnPackV1, choice);
    return &old;
}
