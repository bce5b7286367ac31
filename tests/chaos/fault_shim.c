/*
 * Put before libc by LD_PRELOAD: makes calls on chosen paths fail or wait, and shifts the wall clock.
 *
 * What it does is read, at every call, from a file that the test maps as well (EIHA_SHIM_CONTROL); its layout is that of
 * `struct control`, told to Python in fault_shim.py. Without a rule for a call, the call costs one comparison.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAGIC 0x6d69687361686965ULL
#define RULES 8
#define PREFIX_BYTES 256

enum call { CALL_OPEN = 1, CALL_READ = 2, CALL_WRITE = 4, CALL_FSYNC = 8, CALL_RENAME = 16, CALL_TRUNCATE = 32,
            CALL_UNLINK = 64 };

struct rule {
    uint32_t calls;       /* 0: no rule */
    int32_t error;        /* errno to fail with; 0: only wait */
    uint64_t delay_ns;    /* waited before the call goes on or fails */
    uint32_t every;       /* each n-th matching call is hit */
    int32_t left;         /* how many hits are left; negative: no end */
    uint64_t matched;
    uint64_t hits;
    char prefix[PREFIX_BYTES]; /* of the path */
};

struct control {
    uint64_t magic;
    int64_t clock_offset_ns;
    int64_t clock_rate_ppb;   /* drift since clock_base_ns of the real monotonic clock */
    int64_t clock_base_ns;
    uint32_t all_calls;       /* of all rules together */
    uint32_t unused;
    struct rule rules[RULES];
};

static struct control *control;

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        fprintf(stderr, "fault shim: libc has no %s\n", name);
        abort();
    }
    return found;
}

/* Resolved lazily, since other constructors may run before ours. A race resolves twice, to the same address. */
#define REAL(name)                                                                   \
    (*({                                                                             \
        if (real_##name == NULL) real_##name = (__typeof__(real_##name))real(#name); \
        real_##name;                                                                 \
    }))

static int (*real_open)(const char *, int, ...);
static int (*real_open64)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_openat64)(int, const char *, int, ...);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_pread64)(int, void *, size_t, off64_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_ftruncate64)(int, off64_t);
static int (*real_unlink)(const char *);
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_gettimeofday)(struct timeval *restrict, void *restrict);

__attribute__((constructor)) static void map_control(void) {
    const char *path = getenv("EIHA_SHIM_CONTROL");
    if (path == NULL) return;
    int descriptor = REAL(open)(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) {
        fprintf(stderr, "fault shim: cannot open %s: %s\n", path, strerror(errno));
        abort();
    }
    struct control *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (mapped == MAP_FAILED || mapped->magic != MAGIC) {
        fprintf(stderr, "fault shim: %s is not a control file\n", path);
        abort();
    }
    control = mapped;
}

static void wait_ns(uint64_t nanoseconds) {
    struct timespec left = {(time_t)(nanoseconds / 1000000000ULL), (long)(nanoseconds % 1000000000ULL)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

/* The errno that this call is to fail with, after its delay; 0: let it through. */
static int verdict(enum call call, const char *path) {
    int error = 0;
    for (int index = 0; index < RULES; index++) {
        struct rule *rule = &control->rules[index];
        if (!(__atomic_load_n(&rule->calls, __ATOMIC_ACQUIRE) & call)) continue;
        if (strncmp(path, rule->prefix, strnlen(rule->prefix, PREFIX_BYTES)) != 0) continue;
        uint64_t number = __atomic_add_fetch(&rule->matched, 1, __ATOMIC_RELAXED);
        if (rule->every > 1 && number % rule->every != 0) continue;
        int32_t left = __atomic_load_n(&rule->left, __ATOMIC_RELAXED);
        if (left == 0) continue;
        if (left > 0 && __atomic_fetch_sub(&rule->left, 1, __ATOMIC_RELAXED) <= 0) continue;
        __atomic_add_fetch(&rule->hits, 1, __ATOMIC_RELAXED);
        if (rule->delay_ns) wait_ns(rule->delay_ns);
        if (rule->error) error = rule->error;
    }
    return error;
}

static int is_concerned(enum call call) {
    return control != NULL && (__atomic_load_n(&control->all_calls, __ATOMIC_ACQUIRE) & call);
}

static int verdict_at(enum call call, int directory, const char *path) {
    if (!is_concerned(call)) return 0;
    if (path[0] == '/' || directory != AT_FDCWD) return verdict(call, path);
    char whole[PATH_MAX];
    if (getcwd(whole, sizeof whole) == NULL) return 0;
    size_t length = strlen(whole);
    snprintf(whole + length, sizeof whole - length, "/%s", path);
    return verdict(call, whole);
}

static int verdict_of(enum call call, int descriptor) {
    if (!is_concerned(call)) return 0;
    int before = errno;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length <= 0) return 0;
    path[length] = '\0';
    return verdict(call, path);
}

#define REFUSE(error) do { int refused = (error); if (refused) { errno = refused; return -1; } } while (0)

static mode_t mode_of(int flags, va_list arguments) {
    return (flags & (O_CREAT | __O_TMPFILE)) ? (mode_t)va_arg(arguments, int) : 0;
}

#define OPEN(name)                                                   \
    int name(const char *path, int flags, ...) {                     \
        va_list arguments;                                           \
        va_start(arguments, flags);                                  \
        mode_t mode = mode_of(flags, arguments);                     \
        va_end(arguments);                                           \
        REFUSE(verdict_at(CALL_OPEN, AT_FDCWD, path));               \
        return REAL(name)(path, flags, mode);                        \
    }

#define OPEN_AT(name)                                                \
    int name(int directory, const char *path, int flags, ...) {      \
        va_list arguments;                                           \
        va_start(arguments, flags);                                  \
        mode_t mode = mode_of(flags, arguments);                     \
        va_end(arguments);                                           \
        REFUSE(verdict_at(CALL_OPEN, directory, path));              \
        return REAL(name)(directory, path, flags, mode);             \
    }

OPEN(open)
OPEN(open64)
OPEN_AT(openat)
OPEN_AT(openat64)

ssize_t read(int descriptor, void *buffer, size_t count) {
    REFUSE(verdict_of(CALL_READ, descriptor));
    return REAL(read)(descriptor, buffer, count);
}

ssize_t pread64(int descriptor, void *buffer, size_t count, off64_t offset) {
    REFUSE(verdict_of(CALL_READ, descriptor));
    return REAL(pread64)(descriptor, buffer, count, offset);
}

ssize_t pread(int descriptor, void *buffer, size_t count, off_t offset) {
    return pread64(descriptor, buffer, count, offset);
}

ssize_t write(int descriptor, const void *buffer, size_t count) {
    REFUSE(verdict_of(CALL_WRITE, descriptor));
    return REAL(write)(descriptor, buffer, count);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    REFUSE(verdict_of(CALL_WRITE, descriptor));
    return REAL(writev)(descriptor, parts, count);
}

ssize_t pwrite64(int descriptor, const void *buffer, size_t count, off64_t offset) {
    REFUSE(verdict_of(CALL_WRITE, descriptor));
    return REAL(pwrite64)(descriptor, buffer, count, offset);
}

ssize_t pwrite(int descriptor, const void *buffer, size_t count, off_t offset) {
    return pwrite64(descriptor, buffer, count, offset);
}

int fsync(int descriptor) {
    REFUSE(verdict_of(CALL_FSYNC, descriptor));
    return REAL(fsync)(descriptor);
}

int fdatasync(int descriptor) {
    REFUSE(verdict_of(CALL_FSYNC, descriptor));
    return REAL(fdatasync)(descriptor);
}

int rename(const char *from, const char *to) {
    REFUSE(verdict_at(CALL_RENAME, AT_FDCWD, to));
    return REAL(rename)(from, to);
}

int ftruncate64(int descriptor, off64_t size) {
    REFUSE(verdict_of(CALL_TRUNCATE, descriptor));
    return REAL(ftruncate64)(descriptor, size);
}

int ftruncate(int descriptor, off_t size) {
    return ftruncate64(descriptor, size);
}

int unlink(const char *path) {
    REFUSE(verdict_at(CALL_UNLINK, AT_FDCWD, path));
    return REAL(unlink)(path);
}

/* -- the wall clock; monotonic clocks are left alone, as they are on a machine whose time is set */

static int64_t shift_ns(void) {
    if (control == NULL) return 0;
    int64_t shift = __atomic_load_n(&control->clock_offset_ns, __ATOMIC_RELAXED);
    int64_t rate = __atomic_load_n(&control->clock_rate_ppb, __ATOMIC_RELAXED);
    if (rate) {
        struct timespec now;
        REAL(clock_gettime)(CLOCK_MONOTONIC, &now);
        int64_t since = now.tv_sec * 1000000000LL + now.tv_nsec - __atomic_load_n(&control->clock_base_ns, __ATOMIC_RELAXED);
        shift += (int64_t)((__int128)since * rate / 1000000000LL);
    }
    return shift;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = REAL(clock_gettime)(clock, time);
    if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
    int64_t shift = shift_ns();
    if (shift) {
        int64_t shown = time->tv_sec * 1000000000LL + time->tv_nsec + shift;
        time->tv_sec = shown / 1000000000LL;
        time->tv_nsec = shown % 1000000000LL;
    }
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    int result = REAL(gettimeofday)(time, zone);
    int64_t shift = shift_ns();
    if (result == 0 && shift) {
        int64_t shown = time->tv_sec * 1000000LL + time->tv_usec + shift / 1000;
        time->tv_sec = shown / 1000000LL;
        time->tv_usec = shown % 1000000LL;
    }
    return result;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result != NULL) *result = now.tv_sec;
    return now.tv_sec;
}
