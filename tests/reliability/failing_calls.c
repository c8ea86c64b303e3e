/* Counts the system calls of a process below one directory, and lets the N-th one go wrong.

   Loaded by LD_PRELOAD. Nothing happens until `failing_calls_arm` is called (by ctypes). */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum action { COUNT, FAIL, FAIL_FROM_THERE, HALF_A_WRITE, SIGNAL };
enum kind { READS, CHANGES }; /* what a call does; a full disk refuses only changes */

static char directory[PATH_MAX];
static size_t length;
static long at, calls;
static enum action action;
static int code; /* an errno, or the number of a signal */
static char below[65536]; /* whether a descriptor is of a file below the directory */
static char names[1 << 20];
static size_t names_end;

/* From now on count the calls below `path`; `what` happens at call `n`, the first being 1. */
void failing_calls_arm(const char *path, long n, int what, int number) {
    snprintf(directory, sizeof directory, "%s", path);
    at = n, action = what, code = number;
    calls = 0, names_end = 0, names[0] = 0;
    length = strlen(directory);
}

/* The names of the calls so far, one a line. */
const char *failing_calls_names(void) { return names; }

static int is_below(const char *path) {
    if (!length || !path) return 0;
    char full[PATH_MAX * 2];
    if (path[0] != '/') {
        char here[PATH_MAX];
        if (!getcwd(here, sizeof here)) return 0;
        snprintf(full, sizeof full, "%s/%s", here, path);
        path = full;
    }
    return !strncmp(path, directory, length) && (path[length] == 0 || path[length] == '/');
}

static int is_tracked(int fd) { return length && fd >= 0 && fd < (int)sizeof below && below[fd]; }

static void track(int fd, int yes) {
    if (fd >= 0 && fd < (int)sizeof below) below[fd] = yes;
}

/* 1 if this call must fail (errno is set), 2 if a write must be cut, 0 if it goes on. */
static int goes_wrong(const char *name, enum kind kind) {
    calls++;
    if (names_end + strlen(name) + 2 < sizeof names)
        names_end += snprintf(names + names_end, sizeof names - names_end, "%s\n", name);
    if (action == COUNT || calls < at) return 0;
    if (action == FAIL_FROM_THERE && kind == CHANGES) return errno = code, 1;
    if (calls > at) return 0;
    switch (action) {
        case FAIL: return errno = code, 1;
        case HALF_A_WRITE: return 2;
        case SIGNAL: kill(getpid(), code); return 0;
        default: return 0;
    }
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static mode_t mode_of(int flags, va_list rest) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

#define OPEN(symbol) \
    int symbol(const char *path, int flags, ...) { \
        REAL(int, #symbol, const char *, int, mode_t); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = mode_of(flags, rest); \
        va_end(rest); \
        int ours = is_below(path); \
        if (ours && goes_wrong("open", flags & O_CREAT ? CHANGES : READS) == 1) return -1; \
        int fd = real(path, flags, mode); \
        track(fd, ours); \
        return fd; \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(symbol) \
    int symbol(int at_fd, const char *path, int flags, ...) { \
        REAL(int, #symbol, int, const char *, int, mode_t); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = mode_of(flags, rest); \
        va_end(rest); \
        int ours = path[0] != '/' && at_fd != AT_FDCWD ? is_tracked(at_fd) : is_below(path); \
        if (ours && goes_wrong("openat", flags & O_CREAT ? CHANGES : READS) == 1) return -1; \
        int fd = real(at_fd, path, flags, mode); \
        track(fd, ours); \
        return fd; \
    }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *data, size_t n) {
    REAL(ssize_t, "write", int, const void *, size_t);
    int wrong = is_tracked(fd) ? goes_wrong("write", CHANGES) : 0;
    if (wrong == 1) return -1;
    return real(fd, data, wrong == 2 && n > 1 ? n / 2 : n);
}

ssize_t writev(int fd, const struct iovec *parts, int n) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (is_tracked(fd) && goes_wrong("writev", CHANGES) == 1) return -1;
    return real(fd, parts, n);
}

#define PWRITE(symbol, offset_type) \
    ssize_t symbol(int fd, const void *data, size_t n, offset_type where) { \
        REAL(ssize_t, #symbol, int, const void *, size_t, offset_type); \
        if (is_tracked(fd) && goes_wrong("pwrite", CHANGES) == 1) return -1; \
        return real(fd, data, n, where); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t read(int fd, void *data, size_t n) {
    REAL(ssize_t, "read", int, void *, size_t);
    if (is_tracked(fd) && goes_wrong("read", READS) == 1) return -1;
    return real(fd, data, n);
}

#define OF_DESCRIPTOR(symbol, kind) \
    int symbol(int fd) { \
        REAL(int, #symbol, int); \
        if (is_tracked(fd) && goes_wrong(#symbol, kind) == 1) return -1; \
        return real(fd); \
    }
OF_DESCRIPTOR(fsync, CHANGES)
OF_DESCRIPTOR(fdatasync, CHANGES)

/* A close that fails has closed the descriptor all the same, as on Linux. */
int close(int fd) {
    REAL(int, "close", int);
    int ours = is_tracked(fd);
    int wrong = ours ? goes_wrong("close", CHANGES) : 0, error = errno;
    if (ours) track(fd, 0);
    int result = real(fd);
    return wrong == 1 ? (errno = error, -1) : result;
}

int flock(int fd, int operation) {
    REAL(int, "flock", int, int);
    if (is_tracked(fd) && goes_wrong("flock", READS) == 1) return -1;
    return real(fd, operation);
}

#define TRUNCATE(symbol, offset_type) \
    int symbol(int fd, offset_type size) { \
        REAL(int, #symbol, int, offset_type); \
        if (is_tracked(fd) && goes_wrong("ftruncate", CHANGES) == 1) return -1; \
        return real(fd, size); \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define OF_PATH(symbol) \
    int symbol(const char *path) { \
        REAL(int, #symbol, const char *); \
        if (is_below(path) && goes_wrong(#symbol, CHANGES) == 1) return -1; \
        return real(path); \
    }
OF_PATH(unlink)
OF_PATH(rmdir)

#define OF_PATH_AND_MODE(symbol) \
    int symbol(const char *path, mode_t mode) { \
        REAL(int, #symbol, const char *, mode_t); \
        if (is_below(path) && goes_wrong(#symbol, CHANGES) == 1) return -1; \
        return real(path, mode); \
    }
OF_PATH_AND_MODE(mkdir)
OF_PATH_AND_MODE(chmod)

int unlinkat(int at_fd, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    if ((is_tracked(at_fd) || is_below(path)) && goes_wrong("unlinkat", CHANGES) == 1) return -1;
    return real(at_fd, path, flags);
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    if (is_below(to) && goes_wrong("rename", CHANGES) == 1) return -1;
    return real(from, to);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to) {
    REAL(int, "renameat", int, const char *, int, const char *);
    if ((is_tracked(to_fd) || is_below(to)) && goes_wrong("renameat", CHANGES) == 1) return -1;
    return real(from_fd, from, to_fd, to);
}

DIR *opendir(const char *path) {
    REAL(DIR *, "opendir", const char *);
    if (is_below(path) && goes_wrong("opendir", READS) == 1) return NULL;
    return real(path);
}

#define STAT(symbol, name, type) \
    int symbol(const char *path, struct type *found) { \
        REAL(int, #symbol, const char *, struct type *); \
        if (is_below(path) && goes_wrong(name, READS) == 1) return -1; \
        return real(path, found); \
    }
STAT(stat, "stat", stat)
STAT(stat64, "stat", stat64)
STAT(lstat, "lstat", stat)
STAT(lstat64, "lstat", stat64)

#define FSTAT(symbol, type) \
    int symbol(int fd, struct type *found) { \
        REAL(int, #symbol, int, struct type *); \
        if (is_tracked(fd) && goes_wrong("fstat", READS) == 1) return -1; \
        return real(fd, found); \
    }
FSTAT(fstat, stat)
FSTAT(fstat64, stat64)
