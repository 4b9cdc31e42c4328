/* Stops a process, or fills its disk, at a chosen write.
 *
 * Loaded by LD_PRELOAD. Every call that changes a file below the folder given to crash_arm is counted, SQLite's own
 * calls among them, and at the chosen one the process is killed or the call fails. Without crash_arm all calls go
 * through. What SQLite writes into the mapped -shm file is memory, not a call, and is left to kills at random moments.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { COUNT = 0, KILL_BEFORE = 1, KILL_WITHIN = 2, DISK_FULL = 3, FAIL_ONCE = 4 };
enum verdict { GO, CUT, REFUSE };

#define MOST 1000000
static char root[PATH_MAX];
static size_t root_length;
static long chosen = -1, count;
static int mode, armed, refused, trace_to = -1;
static char kinds[MOST + 1];

long crash_count(void) { return count; }
const char *crash_kinds(void) { return kinds; }
long crash_refused(void) { return refused; }
void crash_disarm(void) { armed = 0; }

void crash_arm(const char *folder, long at, int how, int trace) {
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
    chosen = at, mode = how, count = 0, refused = 0, trace_to = trace;
    memset(kinds, 0, sizeof kinds);
    armed = 1;
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int inside(const char *path) {
    return !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static int path_of(int handle, char *path) {
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0 && inside(path);
}

static int path_at(int folder, const char *name, char *path) {
    if (name[0] == '/') snprintf(path, PATH_MAX, "%s", name);
    else {
        char base[PATH_MAX];
        if (folder == AT_FDCWD) { if (!getcwd(base, sizeof base)) return 0; }
        else {
            char link[40];
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t length = readlink(link, base, sizeof base - 1);
            if (length <= 0) return 0;
            base[length] = 0;
        }
        if (snprintf(path, PATH_MAX, "%s/%s", base, name) >= PATH_MAX) return 0;
    }
    return inside(path);
}

static void put(const void *data, size_t length) {
    static ssize_t (*raw)(int, const void *, size_t);
    if (!raw) raw = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    for (const char *at = data; length;) {
        ssize_t done = raw(trace_to, at, length);
        if (done <= 0) _exit(97);
        at += done, length -= done;
    }
}

/* One record: kind, lengths of path, other path and data, offset or size; then the three. */
static void record(char kind, const char *path, const char *other, off_t offset, const void *data, size_t length) {
    if (trace_to < 0) return;
    struct { int64_t kind, path, other, data, offset; } head =
        {kind, strlen(path), strlen(other), length, offset};
    put(&head, sizeof head), put(path, head.path), put(other, head.other), put(data, length);
}

void crash_mark(long step) { if (armed) record('=', "", "", step, "", 0); }

/* Kinds: c create, w write, t truncate, s sync, d sync of a folder, r rename, u unlink, m make or remove a folder. */
static enum verdict point(char kind) {
    long here = count++;
    if (here < MOST) kinds[here] = kind;
    if (chosen < 0 || here < chosen) return GO;
    if (mode == KILL_BEFORE) raise(SIGKILL);
    if (mode == KILL_WITHIN) return CUT;
    if (mode == FAIL_ONCE && here == chosen) { refused++; return REFUSE; }
    if (mode == DISK_FULL && strchr("cwrm", kind)) { refused++; return here == chosen ? CUT : REFUSE; }
    return GO;
}

static int fault(void) { errno = mode == DISK_FULL ? ENOSPC : EIO; return -1; }

static ssize_t written(ssize_t result) { if (mode == KILL_WITHIN) raise(SIGKILL); return result; }

#define AFTER(call) do { int result = (call); if (verdict == CUT && mode == KILL_WITHIN) raise(SIGKILL); \
    return result; } while (0)
#define STOPS(verdict) ((verdict) == REFUSE || ((verdict) == CUT && mode == DISK_FULL))

#define POSITIONED(name, type)                                                                       \
    ssize_t name(int handle, const void *data, size_t length, type offset) {                         \
        REAL(name);                                                                                  \
        char path[PATH_MAX];                                                                         \
        if (!armed || !path_of(handle, path)) return real(handle, data, length, offset);             \
        enum verdict verdict = point('w');                                                           \
        if (verdict == REFUSE || (verdict == CUT && length < 2 && mode == DISK_FULL)) return fault(); \
        if (verdict == CUT) return written(real(handle, data, (length + 1) / 2, offset));            \
        record('w', path, "", offset, data, length);                                                 \
        return real(handle, data, length, offset);                                                   \
    }
POSITIONED(pwrite, off_t)
POSITIONED(pwrite64, off64_t)

ssize_t write(int handle, const void *data, size_t length) {
    REAL(write);
    char path[PATH_MAX];
    if (!armed || !path_of(handle, path)) return real(handle, data, length);
    enum verdict verdict = point('w');
    if (verdict == REFUSE || (verdict == CUT && length < 2 && mode == DISK_FULL)) return fault();
    if (verdict == CUT) return written(real(handle, data, (length + 1) / 2));
    off_t offset = lseek(handle, 0, fcntl(handle, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
    record('w', path, "", offset, data, length);
    return real(handle, data, length);
}

#define TRUNCATE(name, type)                                                      \
    int name(int handle, type size) {                                             \
        REAL(name);                                                               \
        char path[PATH_MAX];                                                      \
        if (!armed || !path_of(handle, path)) return real(handle, size);          \
        enum verdict verdict = point('t');                                        \
        if (STOPS(verdict)) return fault();                                       \
        record('t', path, "", size, "", 0);                                       \
        AFTER(real(handle, size));                                                \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name)                                                                \
    int name(int handle) {                                                        \
        REAL(name);                                                               \
        char path[PATH_MAX];                                                      \
        struct stat found;                                                        \
        if (!armed || !path_of(handle, path)) return real(handle);                \
        char kind = !fstat(handle, &found) && S_ISDIR(found.st_mode) ? 'd' : 's'; \
        enum verdict verdict = point(kind);                                       \
        if (STOPS(verdict)) return fault();                                       \
        record(kind, path, "", 0, "", 0);                                         \
        AFTER(real(handle));                                                      \
    }
SYNC(fsync)
SYNC(fdatasync)

int rename(const char *from, const char *to) {
    REAL(rename);
    char old[PATH_MAX], new[PATH_MAX];
    if (!armed || !path_at(AT_FDCWD, from, old) || !path_at(AT_FDCWD, to, new)) return real(from, to);
    enum verdict verdict = point('r');
    if (STOPS(verdict)) return fault();
    record('r', old, new, 0, "", 0);
    AFTER(real(from, to));
}

int unlinkat(int folder, const char *name, int flags) {
    REAL(unlinkat);
    char path[PATH_MAX];
    if (!armed || !path_at(folder, name, path) || faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW))
        return real(folder, name, flags);
    char kind = flags & AT_REMOVEDIR ? 'm' : 'u';
    enum verdict verdict = point(kind);
    if (STOPS(verdict)) return fault();
    record(kind == 'm' ? 'x' : 'u', path, "", 0, "", 0);
    AFTER(real(folder, name, flags));
}

int unlink(const char *name) {
    REAL(unlink);
    char path[PATH_MAX];
    if (!armed || !path_at(AT_FDCWD, name, path) || faccessat(AT_FDCWD, name, F_OK, AT_SYMLINK_NOFOLLOW))
        return real(name);
    enum verdict verdict = point('u');
    if (STOPS(verdict)) return fault();
    record('u', path, "", 0, "", 0);
    AFTER(real(name));
}

int rmdir(const char *name) {
    REAL(rmdir);
    char path[PATH_MAX];
    if (!armed || !path_at(AT_FDCWD, name, path)) return real(name);
    enum verdict verdict = point('m');
    if (STOPS(verdict)) return fault();
    record('x', path, "", 0, "", 0);
    AFTER(real(name));
}

int mkdir(const char *name, mode_t rights) {
    REAL(mkdir);
    char path[PATH_MAX];
    if (!armed || !path_at(AT_FDCWD, name, path) || !faccessat(AT_FDCWD, name, F_OK, 0)) return real(name, rights);
    enum verdict verdict = point('m');
    if (STOPS(verdict)) return fault();
    record('m', path, "", 0, "", 0);
    AFTER(real(name, rights));
}

#define OPEN(name)                                                                                          \
    int name(const char *file, int flags, ...) {                                                            \
        REAL(name);                                                                                         \
        va_list rest;                                                                                       \
        va_start(rest, flags);                                                                              \
        mode_t rights = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                           \
        va_end(rest);                                                                                       \
        char path[PATH_MAX];                                                                                \
        if (!armed || !(flags & (O_CREAT | O_TRUNC)) || !path_at(AT_FDCWD, file, path)) return real(file, flags, rights); \
        int there = !faccessat(AT_FDCWD, file, F_OK, 0);                                                    \
        if (there && !(flags & O_TRUNC)) return real(file, flags, rights);                                  \
        char kind = there ? 't' : 'c';                                                                      \
        enum verdict verdict = point(kind);                                                                 \
        if (STOPS(verdict)) return fault();                                                                 \
        record(kind, path, "", 0, "", 0);                                                                   \
        AFTER(real(file, flags, rights));                                                                   \
    }
OPEN(open)
OPEN(open64)
