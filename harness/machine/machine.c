/* machine.c - facts from CPUID, /proc and /sys; what cannot be read is recorded as null, never guessed. */
#include "dispatch/fnv.h"
#include "harness/machine/machine.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include "dispatch/isa.h"
#include "harness/base/whole.h"
#include "harness/base/json.h"
#include "harness/base/build.h"

/* First line of a file, without its newline; "" if it cannot be read. */
static void read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    const bool read = file && fgets(text, (int)size, file);
    if (file)
        fclose(file);
    text[read ? strcspn(text, "\n") : 0] = '\0';
}

static int read_number(const char *path)
{
    char text[32];
    read_text(path, text, sizeof text);
    return text[0] ? atoi(text) : -1;
}

static void read_hypervisor(const AttnCpu *cpu, char *name, size_t size)
{
    snprintf(name, size, "%s", cpu->hypervisor ? "vm" : "");
#if defined(__x86_64__)
    static const struct { const char *signature, *name; } known[] = {{"KVMKVMKVM", "kvm"}, {"Microsoft Hv", "hyperv"},
        {"VMwareVMware", "vmware"}, {"XenVMMXenVMM", "xen"}, {"TCGTCGTCGTCG", "qemu"}, {"bhyve bhyve ", "bhyve"}};
    unsigned a, b, c, d;
    if (cpu->hypervisor) {
        __cpuid(0x40000000, a, b, c, d);
        const unsigned words[3] = {b, c, d};
        char signature[13] = "";
        memcpy(signature, words, 12);
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (strcmp(signature, known[i].signature) == 0)
                snprintf(name, size, "%s", known[i].name);
    }
#endif
}

/* The line "name : value" of /proc/cpuinfo's first CPU. */
static void read_cpuinfo(const char *name, char *value, size_t size)
{
    value[0] = '\0';
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[4096];
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0 && strchr(line, ':')) {
            const char *text = strchr(line, ':') + 1 + strspn(strchr(line, ':') + 1, " \t");
            snprintf(value, size, "%.*s", (int)strcspn(text, "\n"), text);
            break;
        }
    if (file)
        fclose(file);
}

/* "always [madvise] never" -> "madvise" */
static void read_thp(char *mode, size_t size)
{
    char text[64];
    read_text("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text);
    const char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;
    snprintf(mode, size, "%.*s", close ? (int)(close - open - 1) : 0, close ? open + 1 : "");
}

/* The vendor's usual name, in lower-case letters that any file system accepts. */
static void short_vendor(const AttnCpu *cpu, char *out, size_t size)
{
    static const struct { const char *vendor, *name; } known[] = {
        {"GenuineIntel", "intel"}, {"AuthenticAMD", "amd"}, {"HygonGenuine", "hygon"}, {"CentaurHauls", "centaur"}, {"  Shanghai  ", "zhaoxin"}};
    snprintf(out, size, "%s", cpu->vendor[0] ? cpu->vendor : cpu->arch);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(cpu->vendor, known[i].vendor) == 0)
            snprintf(out, size, "%s", known[i].name);
    for (char *c = out; *c; c++)
        *c = isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '_';
}

static void make_key(Machine *machine)
{
    char names[1024], facts[1400], vendor[24];
    const Topology *t = &machine->topology;
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t cores = t->cores > 0 ? t->cores : online > 0 ? (size_t)online : 0;
    attn_cpu_feature_names(machine->cpu->features, names, sizeof names);
    short_vendor(machine->cpu, vendor, sizeof vendor);
    snprintf(facts, sizeof facts, "%s|%s|%zu %zu %zu %zu|%zu %zu|%s", vendor, names, t->l1d, t->l2, t->llc, t->line, cores, t->sockets,
             machine->hypervisor);
    snprintf(machine->key, sizeof machine->key, "%s-%s-%zuc-%s-%08x", vendor, attn_isa_label(machine->cpu->features), cores,
             machine->hypervisor[0] ? machine->hypervisor : "metal", attn_fnv32(ATTN_FNV32, facts, strlen(facts)));
}

void machine_read(Machine *machine)
{
    memset(machine, 0, sizeof *machine);
    machine->cpu = attn_cpu_this();
    topology_read(&machine->topology);
    read_hypervisor(machine->cpu, machine->hypervisor, sizeof machine->hypervisor);
    read_cpuinfo("microcode", machine->microcode, sizeof machine->microcode);
    struct utsname name;
    if (uname(&name) == 0)
        snprintf(machine->kernel, sizeof machine->kernel, "%.20s %.55s", name.sysname, name.release);
    read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", machine->governor, sizeof machine->governor);
    read_thp(machine->thp, sizeof machine->thp);
    machine->page = (size_t)sysconf(_SC_PAGESIZE);
    const long pages = sysconf(_SC_PHYS_PAGES);
    machine->memory = pages > 0 ? (double)pages * (double)machine->page : NAN;
    machine->aslr = read_number("/proc/sys/kernel/randomize_va_space");
    const int no_turbo = read_number("/sys/devices/system/cpu/intel_pstate/no_turbo"),
              boost = read_number("/sys/devices/system/cpu/cpufreq/boost");
    machine->turbo = no_turbo >= 0 ? !no_turbo : boost;
    if (getloadavg(&machine->loadavg, 1) != 1)
        machine->loadavg = NAN;
    make_key(machine);
}

static json_t *text_or_null(const char *text)
{
    return text[0] ? json_string(text) : json_null();
}

static json_t *number_or_null(int value)
{
    return value >= 0 ? json_integer(value) : json_null();
}

static json_t *size_or_null(size_t value)
{
    return value > 0 ? json_integer((json_int_t)value) : json_null();
}

static json_t *feature_list(uint64_t features)
{
    json_t *list = json_array();
    for (unsigned bit = 0; bit < ATTN_CPU_BITS; bit++)
        if (features >> bit & 1)
            json_array_append_new(list, json_string(attn_cpu_feature_name(bit)));
    return list;
}

json_t *machine_json(const Machine *m)
{
    const AttnCpu *cpu = m->cpu;
    const Topology *t = &m->topology;
    json_t *host = json_object();
    json_object_set_new(host, "mkey", json_string(m->key));
    json_object_set_new(host, "cpu",
                        json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:o, s:o}", "arch", cpu->arch, "vendor", cpu->vendor, "brand", cpu->brand,
                                  "family", (int)cpu->family, "model", (int)cpu->model, "stepping", (int)cpu->stepping,
                                  "microcode", text_or_null(m->microcode), "hyp", text_or_null(m->hypervisor)));
    json_object_set_new(host, "isa", feature_list(cpu->features));
    json_object_set_new(host, "topo",
                        json_pack("{s:s, s:o, s:o, s:o, s:o}", "source", t->source, "sockets", size_or_null(t->sockets),
                                  "numa", size_or_null(t->numa), "cores", size_or_null(t->cores), "cpus", size_or_null(t->cpus)));
    json_object_set_new(host, "cache",
                        json_pack("{s:o, s:o, s:o, s:o}", "l1d", size_or_null(t->l1d), "l2", size_or_null(t->l2),
                                  "llc", size_or_null(t->llc), "line", size_or_null(t->line)));
    json_object_set_new(host, "mem",
                        json_pack("{s:o, s:o, s:o}", "B", isnan(m->memory) ? json_null() : json_integer((json_int_t)m->memory),
                                  "page", size_or_null(m->page), "thp", text_or_null(m->thp)));
    json_object_set_new(host, "env",
                        json_pack("{s:o, s:o, s:o, s:o, s:o}", "kernel", text_or_null(m->kernel), "governor", text_or_null(m->governor),
                                  "turbo", number_or_null(m->turbo), "aslr", number_or_null(m->aslr),
                                  "loadavg1", json_number_or_null(m->loadavg)));
    const size_t length = strlen(build_commit());
    const bool dirty = length > 6 && strcmp(build_commit() + length - 6, "-dirty") == 0;
    json_object_set_new(host, "build",
                        json_pack("{s:s%, s:b, s:s, s:s, s:s}", "commit", build_commit(), dirty ? length - 6 : length, "dirty", dirty,
                                  "cc", build_compiler(), "cflags", build_flags(), "version", attn_version()));
    return host;
}

bool machine_write_once(const Machine *machine, const char *directory, char *error, size_t error_size)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s/machine.json", directory, machine->key);
    if (access(path, F_OK) == 0)
        return true;
    Whole whole;
    if (!whole_open(&whole, path, error, error_size))
        return false;
    json_t *object = machine_json(machine);
    json_object_del(object, "build");
    json_object_set_new(object, "label", json_string(""));
    json_object_set_new(object, "notes", json_string(""));
    const bool written = json_dumpf(object, whole.file, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0 && fputc('\n', whole.file) != EOF;
    json_decref(object);
    return whole_close(&whole, written, error, error_size) && written;
}
