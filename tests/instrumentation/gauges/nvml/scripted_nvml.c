/* libnvidia-ml.so.1 for machines without a GPU: answers as a script says, with the structures of the real one (nvml.h).
 *
 *   cc -shared -fPIC -Wl,-soname,libnvidia-ml.so.1 -o FOLDER/libnvidia-ml.so.1 scripted_nvml.c [-DOLD_DRIVER]
 *   SCRIPTED_NVML=script.txt LD_LIBRARY_PATH=FOLDER python ...
 *
 * A script has a `name value` on each line, and is read again whenever it is replaced by another file:
 *
 *   driver 550.54.15              gpus 2
 *   generation 2                  handles of another generation are lost: GPUs were exchanged, or MIG was set up
 *   fail.nvmlInitWithFlags 9      a function's error, of all devices or of none
 *   gpu0.uuid GPU-...             gpu0.name Tesla T4          gpu0.serial 123
 *   gpu0.total 16106127360        gpu0.used 1000000000        gpu0.reserved 300000000    bytes
 *   gpu0.growth 50000000          bytes a second that `used` grows by, from the first look on
 *   gpu0.utilization 37           gpu0.encoder 5              gpu0.decoder 6             gpu0.fan 40
 *   gpu0.temperature 55           gpu0.critical 95            gpu0.throttled 90
 *   gpu0.field.186 41500          a field's value, in the field's unit; those that are not there are not supported
 *   gpu0.power 41500              mW, of nvmlDeviceGetPowerUsage
 *   gpu0.process 4242 734003200   `na` for bytes that are not told; several lines; of graphics: gpu0.graphics
 *   gpu0.lost 1                   every call says that the GPU is lost
 *   gpu0.fail.FUNCTION 3          gpu0.sleep_ms.FUNCTION 500
 *   gpu0.migs 2                   gpu0.mig0.uuid MIG-...      gpu0.mig0.total ...
 *
 * scripted_nvml_calls(name) tells how often a function was called, NULL: all of them. A call in a forked child aborts
 * it: no driver's state survives a fork.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    GPU_IS_LOST = 15,
    VERSION_MISMATCH = 25,
};

typedef unsigned int u32;
typedef unsigned long long u64;
typedef struct {
    int generation, gpu, mig; /* mig: -1 for the GPU itself */
} Device;
typedef struct {
    u64 total, free, used;
} Memory;
typedef struct {
    u32 version;
    u64 total, reserved, free, used;
} MemoryV2;
typedef struct {
    u32 gpu, memory;
} Utilization;
typedef struct {
    u32 pid;
    u64 used;
    u32 gpu_instance, compute_instance;
} Process;
typedef struct {
    u32 field, scope;
    long long timestamp, latency_us;
    u32 type, result;
    u64 value;
} FieldValue;
typedef struct {
    char legacy_id[16];
    u32 domain, bus, device, pci_id, subsystem_id;
    char id[32];
} Pci;

enum { LINES = 400, DEVICES = 256, FUNCTIONS = 128, UNSIGNED_LONG_LONG = 3 };
static struct {
    char name[80], value[160];
} lines[LINES];
static struct {
    const char *name;
    u64 count;
} calls[FUNCTIONS];
static int line_count, device_count, initialized;
static Device devices[DEVICES];
static pid_t owner;
static struct stat script;
static struct timespec began;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void read_script(void) {
    struct stat found;
    char line[256];
    const char *path = getenv("SCRIPTED_NVML");
    if (!path || stat(path, &found)) return;
    /* Two changes within a tick of the clock have the same time, and different files where one replaces the other. */
    if (line_count && script.st_ino == found.st_ino && !memcmp(&script.st_mtim, &found.st_mtim, sizeof found.st_mtim))
        return;
    FILE *file = fopen(path, "r");
    if (!file) return;
    if (!began.tv_sec) clock_gettime(CLOCK_MONOTONIC, &began);
    script = found;
    for (line_count = 0; line_count < LINES && fgets(line, sizeof line, file);)
        line_count += sscanf(line, "%79s %159[^\n]", lines[line_count].name, lines[line_count].value) == 2;
    fclose(file);
}

/* The value at `device.name`, or at `name` where there is no device; the one after `*from` lines. */
static const char *find(const Device *device, const char *name, int *from) {
    char wanted[160];
    if (!device) snprintf(wanted, sizeof wanted, "%s", name);
    else if (device->mig < 0) snprintf(wanted, sizeof wanted, "gpu%d.%s", device->gpu, name);
    else snprintf(wanted, sizeof wanted, "gpu%d.mig%d.%s", device->gpu, device->mig, name);
    for (int i = from ? *from : 0; i < line_count; i++)
        if (!strcmp(lines[i].name, wanted)) {
            if (from) *from = i + 1;
            return lines[i].value;
        }
    return NULL;
}

static double number(const Device *device, const char *name, double otherwise) {
    const char *value = find(device, name, NULL);
    return value ? atof(value) : otherwise;
}

static double number_of(const Device *device, const char *kind, const char *function) {
    char name[120];
    snprintf(name, sizeof name, "%s.%s", kind, function);
    return number(device, name, 0);
}

/* Counts a call, and gives the error that it shall end with. */
static int enter(const Device *device, const char *function) {
    int i = 0, error;
    if (owner && owner != getpid()) abort();
    pthread_mutex_lock(&mutex);
    read_script();
    while (calls[i].name && strcmp(calls[i].name, function)) i++;
    calls[i].name = function;
    calls[i].count++;
    error = (int)number_of(NULL, "fail", function);
    if (!error && !initialized && strncmp(function, "nvmlInit", 8)) error = UNINITIALIZED;
    if (!error && device) {
        Device gpu = {device->generation, device->gpu, -1};
        int is_gone = device->generation != (int)number(NULL, "generation", 0) || device->gpu >= number(NULL, "gpus", 0);
        error = is_gone || number(&gpu, "lost", 0) ? GPU_IS_LOST : (int)number_of(device, "fail", function);
    }
    useconds_t sleep_us = (useconds_t)(1000 * number_of(device, "sleep_ms", function));
    pthread_mutex_unlock(&mutex);
    if (sleep_us) usleep(sleep_us);
    return error;
}

u64 scripted_nvml_calls(const char *function) {
    u64 count = 0;
    for (int i = 0; i < FUNCTIONS && calls[i].name; i++)
        if (!function || !strcmp(calls[i].name, function)) count += calls[i].count;
    return count;
}

#define ENTER(device)                                                                                                  \
    int error = enter(device, __func__);                                                                               \
    if (error) return error

static int text(const Device *device, const char *name, char *into, u32 size) {
    const char *value = find(device, name, NULL);
    if (!value) return NOT_SUPPORTED;
    if (strlen(value) >= size) return INSUFFICIENT_SIZE;
    strcpy(into, value);
    return SUCCESS;
}

static int whole(const Device *device, const char *name, u32 *into) {
    if (!find(device, name, NULL)) return NOT_SUPPORTED;
    *into = (u32)number(device, name, 0);
    return SUCCESS;
}

static Device *device_of(int gpu, int mig) {
    int generation = (int)number(NULL, "generation", 0), i;
    for (i = 0; i < device_count; i++)
        if (devices[i].generation == generation && devices[i].gpu == gpu && devices[i].mig == mig) return &devices[i];
    if (device_count == DEVICES) abort();
    devices[i] = (Device){generation, gpu, mig};
    device_count++;
    return &devices[i];
}

/* The system */

int nvmlInitWithFlags(u32 flags) {
    (void)flags;
    owner = getpid();
    ENTER(NULL);
    initialized++;
    return SUCCESS;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) {
    ENTER(NULL);
    initialized--;
    return SUCCESS;
}

const char *nvmlErrorString(int error) { return error == 9 ? "Driver Not Loaded" : "scripted error"; }

int nvmlSystemGetDriverVersion(char *version, u32 size) {
    ENTER(NULL);
    return text(NULL, "driver", version, size);
}

int nvmlDeviceGetCount_v2(u32 *count) {
    ENTER(NULL);
    *count = (u32)number(NULL, "gpus", 0);
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(u32 index, Device **device) {
    ENTER(NULL);
    if (index >= number(NULL, "gpus", 0)) return INVALID_ARGUMENT;
    *device = device_of((int)index, -1);
    return number(*device, "lost", 0) ? GPU_IS_LOST : SUCCESS;
}

/* Facts of a device */

int nvmlDeviceGetName(Device *device, char *name, u32 size) {
    ENTER(device);
    return text(device, "name", name, size);
}

int nvmlDeviceGetUUID(Device *device, char *uuid, u32 size) {
    ENTER(device);
    return text(device, "uuid", uuid, size);
}

int nvmlDeviceGetSerial(Device *device, char *serial, u32 size) {
    ENTER(device);
    return text(device, "serial", serial, size);
}

int nvmlDeviceGetIndex(Device *device, u32 *index) {
    ENTER(device);
    *index = (u32)device->gpu;
    return SUCCESS;
}

int nvmlDeviceGetPciInfo_v3(Device *device, Pci *pci) {
    ENTER(device);
    memset(pci, 0, sizeof *pci);
    snprintf(pci->id, sizeof pci->id, "00000000:%02X:00.0", device->gpu + 1);
    return SUCCESS;
}

int nvmlDeviceGetTemperatureThreshold(Device *device, int threshold, u32 *celsius) {
    ENTER(device);
    if (threshold > 1) return NOT_SUPPORTED;
    return whole(device, threshold == 0 ? "critical" : "throttled", celsius);
}

/* What changes */

static u64 used_bytes(const Device *device) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double elapsed_s = (double)(now.tv_sec - began.tv_sec) + (double)(now.tv_nsec - began.tv_nsec) / 1e9;
    double used = number(device, "used", 0) + elapsed_s * number(device, "growth", 0);
    double most = number(device, "total", 0) - number(device, "reserved", 0);
    return (u64)(used < most ? used : most);
}

int nvmlDeviceGetMemoryInfo(Device *device, Memory *memory) {
    ENTER(device);
    if (!find(device, "total", NULL)) return NOT_SUPPORTED;
    memory->total = (u64)number(device, "total", 0);
    memory->used = used_bytes(device) + (u64)number(device, "reserved", 0); /* the first version does not tell it apart */
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(Device *device, Utilization *utilization) {
    ENTER(device);
    utilization->memory = (u32)number(device, "controller", 0);
    return whole(device, "utilization", &utilization->gpu);
}

static int sampled(const Device *device, const char *name, u32 *percent, u32 *period_us) {
    *period_us = 166667;
    return whole(device, name, percent);
}

int nvmlDeviceGetEncoderUtilization(Device *device, u32 *percent, u32 *period_us) {
    ENTER(device);
    return sampled(device, "encoder", percent, period_us);
}

int nvmlDeviceGetDecoderUtilization(Device *device, u32 *percent, u32 *period_us) {
    ENTER(device);
    return sampled(device, "decoder", percent, period_us);
}

int nvmlDeviceGetTemperature(Device *device, int sensor, u32 *celsius) {
    ENTER(device);
    return sensor ? INVALID_ARGUMENT : whole(device, "temperature", celsius);
}

int nvmlDeviceGetFanSpeed(Device *device, u32 *percent) {
    ENTER(device);
    return whole(device, "fan", percent);
}

int nvmlDeviceGetPowerUsage(Device *device, u32 *milliwatts) {
    ENTER(device);
    return whole(device, "power", milliwatts);
}

int nvmlDeviceGetEnforcedPowerLimit(Device *device, u32 *milliwatts) {
    ENTER(device);
    return whole(device, "power_limit", milliwatts);
}

int nvmlDeviceGetTotalEnergyConsumption(Device *device, u64 *millijoules) {
    ENTER(device);
    if (!find(device, "field.83", NULL)) return NOT_SUPPORTED;
    *millijoules = (u64)number(device, "field.83", 0);
    return SUCCESS;
}

int nvmlDeviceGetFieldValues(Device *device, int count, FieldValue *values) {
    ENTER(device);
    for (int i = 0; i < count; i++) {
        char name[40];
        snprintf(name, sizeof name, "field.%u", values[i].field);
        values[i].type = UNSIGNED_LONG_LONG;
        values[i].result = find(device, name, NULL) ? SUCCESS : NOT_SUPPORTED;
        values[i].value = (u64)number(device, name, 0);
#ifdef OLD_DRIVER
        if (values[i].field > 170) values[i].result = INVALID_ARGUMENT;
#endif
    }
    return SUCCESS;
}

/* Fills `processes`, or tells how many there are. */
static inline int list_processes(const Device *device, const char *name, u32 *count, Process *processes) {
    u32 found = 0, room = *count;
    const char *value;
    for (int from = 0; (value = find(device, name, &from)); found++) {
        char bytes[40];
        u32 pid;
        if (found < room && processes && sscanf(value, "%u %39s", &pid, bytes) == 2)
            processes[found] = (Process){pid, strcmp(bytes, "na") ? strtoull(bytes, NULL, 10) : ~0ULL, ~0U, ~0U};
    }
    *count = found;
    return found > (processes ? room : 0) ? INSUFFICIENT_SIZE : SUCCESS;
}

#ifndef OLD_DRIVER

int nvmlDeviceGetComputeRunningProcesses_v3(Device *device, u32 *count, Process *processes) {
    ENTER(device);
    return list_processes(device, "process", count, processes);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(Device *device, u32 *count, Process *processes) {
    ENTER(device);
    return list_processes(device, "graphics", count, processes);
}

int nvmlDeviceGetMemoryInfo_v2(Device *device, MemoryV2 *memory) {
    ENTER(device);
    if (memory->version != (sizeof *memory | 2 << 24)) return VERSION_MISMATCH;
    if (!find(device, "total", NULL)) return NOT_SUPPORTED;
    memory->total = (u64)number(device, "total", 0);
    memory->reserved = (u64)number(device, "reserved", 0);
    memory->used = used_bytes(device);
    memory->free = memory->total - memory->reserved - memory->used;
    return SUCCESS;
}

int nvmlDeviceGetMigMode(Device *device, u32 *current, u32 *pending) {
    ENTER(device);
    if (!find(device, "migs", NULL)) return NOT_SUPPORTED;
    *current = *pending = number(device, "migs", 0) > 0;
    return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(Device *device, u32 *count) {
    ENTER(device);
    *count = 7;
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(Device *device, u32 index, Device **mig) {
    ENTER(device);
    if (index >= number(device, "migs", 0)) return NOT_FOUND;
    *mig = device_of(device->gpu, (int)index);
    return SUCCESS;
}

#endif
