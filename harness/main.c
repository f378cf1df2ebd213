/* main.c - attnzoo: finds the subcommand and hands over. */
#include "harness/base/render.h"
#include "harness/cmd/commands.h"

#include <getopt.h>

static void print_help(void)
{
    printf("attnzoo %s - interchangeable attention kernels for CPUs: verified, measured, ranked\n"
           "\n"
           "  attnzoo bench                                   every kernel that runs here, on shapes of models\n"
           "  attnzoo bench -k 'flash_*' -s llama3-8b/prefill@512\n"
           "  attnzoo verify --suite full                     is every kernel right?\n"
           "  attnzoo list --why b1_h32g8_q1_k4096_d128       which kernel runs this shape, and why\n"
           "  attnzoo help SUBCOMMAND                         examples and options of a subcommand\n"
           "\n"
           "Subcommands\n", attn_version());
    for (size_t i = 0; i < command_count; i++)
        cli_print_row(10, commands[i].name, commands[i].summary);
    cli_print_global_options();
    printf("\n"
           "Exit codes: 0 success; 1 a kernel is wrong or became slower; 2 bad arguments or files; 3 too noisy\n"
           "to decide; 4 nothing to run; 5 a kernel crashed. Stopped by a signal: 130 Ctrl-C, 143 SIGTERM,\n"
           "129 SIGHUP\n");
}

static int run_command(const Cli *cli, int argc, char **argv)
{
    const char *known[CLI_COMMANDS_MOST];
    if (argc < 2) {
        print_help();
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 && argc > 2) { /* help bench: bench --help */
        char help[] = "--help";
        if (argc == 3 && argv[2][0] != '-' && strcmp(argv[2], "help") != 0)
            return run_command(cli, 3, (char *[]){argv[0], argv[2], help, NULL});
        render_error("help is given '%s'; allowed: nothing, or one subcommand", argv[argc - 1]);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help();
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--list-options") == 0) {
        for (size_t i = 0; i < cli_grammar.global_count; i++)
            cli_list_option(NULL, &cli_grammar.globals[i]);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--list-subcommands") == 0) {
        for (size_t i = 0; i < command_count; i++)
            printf("%s\t%s\n", commands[i].name, commands[i].summary);
        return EXIT_OK;
    }
    for (size_t i = 0; i < command_count; i++) {
        known[i] = commands[i].name;
        if (strcmp(argv[1], commands[i].name) == 0) {
            optind = 1;
            if (!cli_writes(cli, argv[1], commands[i].formats ? commands[i].formats : CLI_FORMATS))
                return EXIT_USAGE;
            if (!outputs_open(cli->outputs))
                return EXIT_USAGE;
            return commands[i].run(cli, argc - 1, argv + 1);
        }
    }
    if (argv[1][0] == '-')
        cli_unknown_option(argv[1], NULL, 0);
    else
        cli_unknown("subcommand", argv[1], known, command_count);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    Cli cli;
    cli_start(commands, command_count);
    const bool zoo = argc > 2 && strcmp(argv[1], "--complete-zoo") == 0;
    if (zoo || (argc > 2 && strcmp(argv[1], "--complete") == 0))
        return cli_finish(completion_answer(argc - 2, argv + 2, zoo));
    const int code = cli_read(&cli, &argc, argv);
    return cli_finish(code >= 0 ? code : run_command(&cli, argc, argv));
}
