/* cpu_state.h - the machine state that a kernel must leave as it found it. */
#ifndef HARNESS_MACHINE_CPU_STATE_H
#define HARNESS_MACHINE_CPU_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct MachineState {
    uint64_t control; /* MXCSR without its sticky flags and the x87 control word; FPCR                      */
    uint64_t upper;   /* XGETBV(1): live upper halves of vector registers and AMX tiles; 0 where not readable */
} MachineState;

MachineState state_read(void);

/* Did the code between the two readings change the control, or leave upper halves or tiles live that were not live before? why[] says
 * what. */
bool state_changed(const MachineState *before, const MachineState *after, char *why, size_t size);

/* Clear the upper register halves, so that live ones found later are the kernel's doing. */
void state_clear_upper(void);

/* Unusual floating-point control that a caller may have set, numbered from 0; NULL name past the last. Between set and restore the
 * harness does no arithmetic: exceptions may be unmasked. */
const char *state_unusual_name(size_t index);
uint64_t state_unusual_set(size_t index); /* returns what to restore */
void state_restore(uint64_t control);

#endif
