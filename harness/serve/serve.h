/* serve.h - what the parts of `attnzoo serve` share: the state of a worker and its verbs (cmd/serve.c has the protocol). */
#ifndef HARNESS_SERVE_SERVE_H
#define HARNESS_SERVE_SERVE_H

#include <jansson.h>

#include "harness/cli/cli.h"
#include "harness/conform/operands.h"
#include "harness/machine/machine.h"
#include "harness/ops/sdpa/agree.h"
#include "harness/records/records.h"

enum { SERVE_PEAKS = 2 }; /* multiply-adds, reads */

typedef struct Server {
    const Cli *cli;
    size_t threads;
    Machine machine;
    Operands operands;
    AttnPlan *plan;          /* NULL: nothing is open                   */
    const AttnKernel *kernel;
    void *workspace;
    size_t workspace_size;
    Agree agree;
    bool expected;           /* agree is filled                         */
    Peak peaks[SERVE_PEAKS]; /* made on first use                       */
    bool has_peak[SERVE_PEAKS];
    Records *records;        /* NULL: no file of records is open        */
    char error[2048];        /* the sentence of an error answer         */
} Server;

/* Verbs: `argument` is what follows the verb and a space, or ""; it may be modified. They return the answer, or NULL with a sentence in
 * server->error. case.c: */
json_t *serve_kernels(Server *s, char *argument);
json_t *serve_shapes(Server *s, char *argument);
json_t *serve_open(Server *s, char *argument);
json_t *serve_time(Server *s, char *argument);
json_t *serve_peak(Server *s, char *argument);
json_t *serve_write(Server *s, char *argument);
json_t *serve_judge(Server *s, char *argument);
void serve_close(Server *s); /* closes whatever is open */

/* records.c: */
json_t *serve_summary(Server *s, char *argument);
json_t *serve_ratio(Server *s, char *argument);
json_t *serve_host(Server *s, char *argument);
json_t *serve_keep(Server *s, char *argument);
json_t *serve_end(Server *s, char *argument);

/* server.c. Set the error sentence. Returns NULL, for the verb to return. */
json_t *serve_refuse(Server *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Read all of `text` as a count in [low, 1e9]. false after refusing. */
bool serve_count(Server *s, const char *what, const char *text, uint64_t low, uint64_t *count);

#endif
