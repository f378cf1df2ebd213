/* test_npy.c - NPY files: what is read, what is refused and why, what is written; float16 over all of its values. */
#include "harness/conform/npy.h"
#include "tests/support/npy_write.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_npy.XXXXXX", path[64], error[600];

static void enter(void)
{
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.npy", folder);
}

static void leave(void)
{
    unlink(path);
    rmdir(folder);
}

TestSuite(npy, .init = enter, .fini = leave);

/* A file with this header text, version and body. */
static void put(unsigned major, const char *header, const void *body, size_t size)
{
    FILE *file = fopen(path, "wb");
    const size_t length = strlen(header);
    unsigned char start[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', (unsigned char)major, 0};
    cr_assert(file);
    for (size_t i = 0; i < 4; i++)
        start[8 + i] = (unsigned char)(length >> (8 * i) & 255);
    fwrite(start, 1, major == 2 ? 12 : 10, file);
    fwrite(header, 1, length, file);
    fwrite(body, 1, size, file);
    cr_assert(fclose(file) == 0);
}

static void refused(const char *word)
{
    Npy npy;
    error[0] = '\0';
    cr_assert(!npy_read(path, &npy, error, sizeof error), "accepted; expected '%s'", word);
    cr_assert(strstr(error, word) && strstr(error, path), "message '%s' lacks '%s' or the file", error, word);
    cr_assert(!npy.data);
}

static void header_refused(const char *header, const char *word)
{
    static const char body[24];
    put(1, header, body, sizeof body);
    refused(word);
}

Test(npy, reads_every_type)
{
    static const struct { const char *header; NpyType type; size_t size; } cases[] = {
        {"{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3), }   \n", NPY_F2, 2},
        {"{\"shape\":(2,3),\"descr\":\"<f4\",\"fortran_order\":False}", NPY_F4, 4},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)}\n", NPY_F8, 8},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (2, 3,)}\n", NPY_I8, 8},
        {"{'descr': '|b1', 'fortran_order': False, 'shape': (2, 3)}\n", NPY_B1, 1},
    };
    static const uint16_t f2[6] = {0, 0x3C00, 0x4000, 0x4200, 0x4400, 0x4500};
    static const float f4[6] = {0, 1, 2, 3, 4, 5};
    static const double f8[6] = {0, 1, 2, 3, 4, 5};
    static const int64_t i8[6] = {0, 1, 2, 3, 4, 5};
    static const unsigned char b1[6] = {0, 1, 255, 0, 1, 1};
    static const void *const bodies[] = {f2, f4, f8, i8, b1};
    for (size_t c = 0; c < 5; c++)
        for (unsigned major = 1; major <= 2; major++) {
            Npy npy;
            put(major, cases[c].header, bodies[c], 6 * cases[c].size);
            cr_assert(npy_read(path, &npy, error, sizeof error), "%s", error);
            cr_assert(npy.type == cases[c].type && npy.rank == 2 && npy.shape[0] == 2 && npy.shape[1] == 3 && npy.count == 6);
            for (size_t i = 0; i < 6; i++)
                cr_assert_eq(npy_at(&npy, i), c == 4 ? (double)(b1[i] != 0) : (double)i);
            npy_free(&npy);
        }
}

Test(npy, reads_scalars_and_empty_tensors)
{
    Npy npy;
    const float one = 1.5f;
    put(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", &one, sizeof one);
    cr_assert(npy_read(path, &npy, error, sizeof error) && npy.rank == 0 && npy.count == 1 && npy_at(&npy, 0) == 1.5, "%s", error);
    npy_free(&npy);
    put(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0, 9223372036854775807), }", "", 0);
    cr_assert(npy_read(path, &npy, error, sizeof error) && npy.rank == 3 && npy.count == 0, "%s", error);
    npy_free(&npy);
}

Test(npy, refuses_bad_headers)
{
    header_refused("", "dictionary");
    header_refused("{", "dictionary");
    header_refused("{}", "lacks");
    header_refused("garbage", "dictionary");
    header_refused("{'descr': '<f4', 'shape': (6,)}", "lacks");
    header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} x", "dictionary");
    header_refused("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", "twice");
    header_refused("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}", "fortran_order is True");
    header_refused("{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}", "dictionary");
    header_refused("{'descr': '>f4', 'fortran_order': False, 'shape': (6,)}", "big endian");
    header_refused("{'descr': '<i4', 'fortran_order': False, 'shape': (6,)}", "descr");
    header_refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}", "descr");
    header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (6)}", "tuple");
    header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-6,)}", "not a size");
    header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}", "");
    header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "not a size");
    header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 6)}", "overflows");
    header_refused("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,)}", "8");
    header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 6)}", "8 axes");
    header_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'x': 1}", "none of");
}

Test(npy, refuses_bad_files)
{
    static const char header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }";
    static const char body[28];
    put(1, header, body, 23);
    refused("truncated");
    put(1, header, body, 25);
    refused("followed");
    put(3, header, body, 24);
    refused("version is 3.0");
    FILE *file = fopen(path, "wb");
    cr_assert(file);
    fputs("\x93NUMP", file);
    cr_assert(fclose(file) == 0);
    refused("not an NPY file");
    file = fopen(path, "wb");
    cr_assert(file);
    fwrite("\x93NUMPY\x02\x00\xff\xff\xff\xff{", 1, 13, file);
    cr_assert(fclose(file) == 0);
    refused("4294967295");
    unlink(path);
    refused("cannot open");
    cr_assert(mkdir(path, 0700) == 0);
    refused("is a folder, not a regular file");
    rmdir(path);
    cr_assert(mkfifo(path, 0600) == 0);
    refused("is a FIFO, not a regular file"); /* and it does not wait for a writer */
    unlink(path);
}

Test(npy, writes_what_it_reads)
{
    static const size_t shapes[][3] = {{7, 0, 0}, {2, 3, 0}, {2, 3, 4}};
    float data[24];
    for (size_t i = 0; i < 24; i++)
        data[i] = (float)i / 7 - 1;
    data[3] = -INFINITY;
    for (size_t rank = 1; rank <= 3; rank++) {
        Npy npy;
        struct stat status;
        cr_assert(npy_write_f32(path, data, rank, shapes[rank - 1], error, sizeof error), "%s", error);
        cr_assert(stat(path, &status) == 0);
        cr_assert(npy_read(path, &npy, error, sizeof error), "%s", error);
        cr_assert(npy.type == NPY_F4 && npy.rank == rank && memcmp(npy.shape, shapes[rank - 1], rank * sizeof(size_t)) == 0);
        cr_assert(memcmp(npy.data, data, npy.count * sizeof(float)) == 0);
        cr_assert_eq(((size_t)status.st_size - 4 * npy.count) % 64, 0);
        npy_free(&npy);
    }
}

Test(npy, a_failed_write_leaves_nothing)
{
    static const float data[100000];
    const size_t shape[] = {100000};
    cr_assert(!npy_write_f32("/no/such/folder/a.npy", data, 1, shape, error, sizeof error));
    cr_assert(strstr(error, "cannot write") && strstr(error, "/no/such/folder/a.npy"));
    if (access("/dev/full", W_OK) == 0) {
        cr_assert(!npy_write_f32("/dev/full", data, 1, shape, error, sizeof error));
        cr_assert(strstr(error, "No space"), "%s", error);
        glob_t left;
        cr_assert_eq(glob("/dev/full?*", 0, NULL, &left), GLOB_NOMATCH);
    }
}

/* Every half widens to its value and narrows back; every tie and both sides of it round to even. */
Test(half, all_values)
{
    for (unsigned bits = 0; bits < 65536; bits++) {
        const uint16_t half = (uint16_t)bits;
        const double value = npy_half_to_double(half);
        if ((bits & 0x7C00) == 0x7C00 && bits & 0x3FF) {
            cr_assert(isnan(value) && isnan(npy_half_to_double(half_from_double(value))));
            continue;
        }
        cr_assert_eq(half_from_double(value), half, "%04x", bits);
        if ((bits & 0x7FFF) >= 0x7BFF)
            continue;
        const double next = npy_half_to_double((uint16_t)(half + 1)), middle = value + (next - value) / 2;
        const uint16_t even = bits & 1 ? (uint16_t)(half + 1) : half;
        cr_assert_eq(half_from_double(middle), even, "tie above %04x", bits);
        cr_assert_eq(half_from_double(nextafter(middle, value)), half, "below the tie above %04x", bits);
        cr_assert_eq(half_from_double(nextafter(middle, next)), half + 1, "beyond the tie above %04x", bits);
    }
    cr_assert_eq(half_from_double(nextafter(65520, 0)), 0x7BFF);
    cr_assert_eq(half_from_double(65520), 0x7C00);
    cr_assert_eq(half_from_double(-1e300), 0xFC00);
    cr_assert_eq(half_from_double(5e-324), 0);
    cr_assert_eq(npy_half_to_double(1), 0x1p-24);
    cr_assert_eq(npy_half_to_double(0x03FF), 1023 * 0x1p-24);
    cr_assert_eq(npy_half_to_double(0xC000), -2.0);
}

Test(half, to_f32_says_what_does_not_fit)
{
    double values[3] = {1, -1e300, INFINITY};
    Npy npy = {.type = NPY_F8, .rank = 1, .shape = {3}, .count = 3, .data = values};
    cr_assert(!npy_to_f32(&npy, error, sizeof error) && strstr(error, "element 1") && strstr(error, "-1e+300"));
    values[1] = 0.1;
    float *out = npy_to_f32(&npy, error, sizeof error);
    cr_assert(out && out[0] == 1 && out[1] == 0.1f && isinf(out[2]));
    free(out);
}
