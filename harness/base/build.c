/* build.c - see build.h. */
#include "harness/base/build.h"

#include "build_info.h"

const char *build_commit(void)
{
    return BUILD_COMMIT;
}

const char *build_compiler(void)
{
    return BUILD_COMPILER;
}

const char *build_flags(void)
{
    return BUILD_FLAGS;
}
