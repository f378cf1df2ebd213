/* cmd_regress.c - `attnzoo regress`: open, run, show, and the code to leave with. Its children are this same command (launch.h, insn.h). */
#include <stdio.h>

#include "harness/regress.h"
#include "harness/render.h"
#include "harness/whole.h"

static bool write_records(const Regress *r, const char *path, int code, char *error, size_t error_size)
{
    Whole whole;
    if (!whole_open(&whole, path, error, error_size))
        return false;
    const bool kept = regress_write_records(r, whole.file, code, error, error_size);
    char unused[300];
    return whole_close(&whole, kept, kept ? error : unused, kept ? error_size : sizeof unused) && kept;
}

/* Everything that was asked for; the code, or EXIT_USAGE where something could not be written. */
static int write_all(const Regress *r, const Cli *cli, int code)
{
    const RegressOptions *o = r->options;
    const bool jsonl = strcmp(cli->format, "jsonl") == 0;
    char error[600];
    bool ok = true;
    if (!jsonl)
        regress_print(r, cli);
    else if (cli->format_file)
        ok = write_records(r, cli->format_file, code, error, sizeof error);
    else
        ok = regress_write_records(r, stdout, code, error, sizeof error);
    ok = ok && (!o->jsonl || write_records(r, o->jsonl, code, error, sizeof error));
    ok = ok && (!o->md || regress_write_markdown(r, o->md, error, sizeof error));
    ok = ok && (!o->junit || regress_write_junit(r, o->junit, error, sizeof error));
    if (!ok)
        render_error("%s", error);
    return ok ? code : EXIT_USAGE;
}

int cmd_regress(const Cli *cli, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--launch") == 0)
        return launch_child();
    if (argc == 2 && strcmp(argv[1], "--count") == 0)
        return insn_child();
    RegressOptions options = {.time = true, .insn = true, .confirm = true, .alpha = 0.01, .min_trial = 300e-6, .launches = 5, .rounds = 100,
                              .threads = cli->threads ? cli->threads : 1, .seed = cli->seed};
    Regress regress;
    int code = regress_options_read(&options, argc, argv);
    if (code != EXIT_OK)
        return code == -1 ? EXIT_OK : code;
    code = regress_open(&regress, &options, cli);
    if (code == EXIT_OK)
        code = regress_run(&regress, cli);
    if (code == EXIT_OK)
        code = write_all(&regress, cli, regress_code(&regress));
    regress_close(&regress);
    return code;
}
