/* Loaded into gradent with LD_PRELOAD: counts every call that changes its home or talks to a service, and at one of
 * them does what a crash, a power cut or a bad disk would do. The programs that gradent starts are not hooked.
 *
 * FAULT_ROOT  the folder that counts
 * FAULT_LOG   a file that gets one line per call: its number, its name, what it is about
 * FAULT_AT    the number of the call (from 1) at which it happens; 0 or absent: it only counts
 * FAULT_MODE  kill: SIGKILL in place of the call
 *             torn: half of what the call would write, then SIGKILL
 *             cut:  SIGKILL, and what was not synced to disk is as it was: as after a power cut
 *             full: from this call on, nothing new fits on the disk (ENOSPC)
 *             eio:  this one call fails with EIO
 *
 * System calls are made directly, so that no call made here is counted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum mode { NOTHING, KILL, TORN, CUT, FULL, EIO_ONCE };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_length;
static int log_fd = -1;
static long at, count;
static enum mode mode;

/* What a power cut takes back, newest first: the bytes that a write replaced, or a file that was unlinked. */
struct undo {
    struct undo *next;
    char path[PATH_MAX];
    off_t offset, size;
    ssize_t length;
    int unlinked;
    char bytes[];
};
static struct undo *undone;

/* Called when it is loaded, and by a process that was forked after that and has another environment since. */
__attribute__((constructor)) void fault_begin(void) {
    const char *text = getenv("FAULT_MODE");
    unsetenv("LD_PRELOAD");
    if (!getenv("FAULT_ROOT")) return;
    snprintf(root, sizeof root, "%s/", getenv("FAULT_ROOT"));
    root_length = strlen(root);
    if (getenv("FAULT_AT")) at = atol(getenv("FAULT_AT"));
    if (text) mode = !strcmp(text, "kill") ? KILL : !strcmp(text, "torn") ? TORN : !strcmp(text, "cut") ? CUT
                   : !strcmp(text, "full") ? FULL : !strcmp(text, "eio") ? EIO_ONCE : NOTHING;
    if (getenv("FAULT_LOG"))
        log_fd = syscall(SYS_openat, AT_FDCWD, getenv("FAULT_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    unsetenv("FAULT_ROOT");
    unsetenv("FAULT_LOG");
    unsetenv("FAULT_AT");
    unsetenv("FAULT_MODE");
}

static int ours(const char *path) { return root_length && !strncmp(path, root, root_length); }

/* What a descriptor is: a file of ours, a connection, or neither (NULL). */
static const char *place(int fd, char *path) {
    char link[40];
    ssize_t length;
    int domain = 0;
    socklen_t size = sizeof domain;
    if (!root_length) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    if (ours(path)) return path;
    if (strncmp(path, "socket:", 7)) return NULL;
    if (syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) || domain != AF_INET) return NULL;
    return strcpy(path, "socket");
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static void take_back(void) {
    for (struct undo *u = undone; u; u = u->next) {
        int fd = syscall(SYS_openat, AT_FDCWD, u->path, O_WRONLY | (u->unlinked ? O_CREAT : 0), 0600);
        if (fd < 0) continue;
        if (u->length > 0) syscall(SYS_pwrite64, fd, u->bytes, (size_t)u->length, u->offset);
        syscall(SYS_ftruncate, fd, u->size);
        syscall(SYS_close, fd);
    }
}

static void remember(const char *path, off_t offset, size_t length, int unlinked) {
    struct stat now;
    struct undo *u;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    /* Closing it drops this process's record locks on the file, and SQLite has some: it stays open. */
    if (fd < 0) return;
    if (syscall(SYS_fstat, fd, &now)) return;
    if (unlinked) length = now.st_size;
    if (!(u = malloc(sizeof *u + length))) return;
    snprintf(u->path, sizeof u->path, "%s", path);
    u->offset = offset;
    u->size = now.st_size;
    u->unlinked = unlinked;
    u->length = syscall(SYS_pread64, fd, u->bytes, length, offset);
    u->next = undone;
    undone = u;
}

/* After a sync of this file; a file that was unlinked stays so after any sync, since directories are journalled. */
static void synced(const char *path) {
    for (struct undo **u = &undone; *u;)
        if ((*u)->unlinked || !strcmp((*u)->path, path)) *u = (*u)->next;
        else u = &(*u)->next;
}

/* One counted call. Returns 0 when it is to be made as it is; else -1 with errno set.
 * `half` is where half of the bytes get written, for calls that write. */
static int step(const char *name, const char *what, int grows, int fd, const void *bytes, size_t length, off_t offset) {
    char line[PATH_MAX + 64];
    long number;
    pthread_mutex_lock(&mutex);
    number = ++count;
    if (log_fd >= 0) {
        int size = snprintf(line, sizeof line, "%ld %s %s\n", number, name, ours(what) ? what + root_length : what);
        syscall(SYS_write, log_fd, line, (size_t)size);
    }
    if (at && number == at && mode <= CUT && mode != NOTHING) {
        if (mode == TORN && bytes && length > 1) {
            if (offset >= 0) syscall(SYS_pwrite64, fd, bytes, length / 2, offset);
            else syscall(SYS_write, fd, bytes, length / 2);
        }
        if (mode == CUT) take_back();
        die();
    }
    pthread_mutex_unlock(&mutex);
    if (at && mode == FULL && number >= at && grows && strcmp(what, "socket")) return errno = ENOSPC, -1;
    if (at && mode == EIO_ONCE && number == at) return errno = EIO, -1;
    return 0;
}

static void before(const char *what, off_t offset, size_t length, int unlinked) {
    if (mode != CUT || !strcmp(what, "socket")) return;
    pthread_mutex_lock(&mutex);
    remember(what, offset, length, unlinked);
    pthread_mutex_unlock(&mutex);
}

static int opened(int directory, const char *path, int flags, mode_t bits) {
    struct stat now;
    /* A file that is there already and is not emptied does not change by being opened. */
    if (flags & (O_CREAT | O_TRUNC) && ours(path) && (flags & O_TRUNC || stat(path, &now)) &&
        step("open", path, 1, -1, NULL, 0, -1))
        return -1;
    return syscall(SYS_openat, directory, path, flags, bits);
}

#define OPENED(directory) \
    va_list rest; \
    va_start(rest, flags); \
    mode_t bits = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    return opened(directory, path, flags, bits)

int open(const char *path, int flags, ...) { OPENED(AT_FDCWD); }
int open64(const char *path, int flags, ...) { OPENED(AT_FDCWD); }
int openat(int directory, const char *path, int flags, ...) { OPENED(directory); }
int openat64(int directory, const char *path, int flags, ...) { OPENED(directory); }

ssize_t write(int fd, const void *bytes, size_t length) {
    char path[PATH_MAX];
    const char *what = place(fd, path);
    if (what) {
        struct stat now = {0};
        if (step("write", what, 1, fd, bytes, length, -1)) return -1;
        syscall(SYS_fstat, fd, &now);
        before(what, now.st_size, 0, 0); /* ours only append with it */
    }
    return syscall(SYS_write, fd, bytes, length);
}

static ssize_t written_at(int fd, const void *bytes, size_t length, off_t offset) {
    char path[PATH_MAX];
    const char *what = place(fd, path);
    if (what) {
        if (step("pwrite", what, 1, fd, bytes, length, offset)) return -1;
        before(what, offset, length, 0);
    }
    return syscall(SYS_pwrite64, fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return written_at(fd, bytes, length, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) { return written_at(fd, bytes, length, offset); }

static int cut_to(int fd, off_t size) {
    char path[PATH_MAX];
    const char *what = place(fd, path);
    if (what) {
        if (step("ftruncate", what, 0, fd, NULL, 0, -1)) return -1;
        before(what, 0, 1 << 16, 0);
    }
    return syscall(SYS_ftruncate, fd, size);
}

int ftruncate(int fd, off_t size) { return cut_to(fd, size); }
int ftruncate64(int fd, off_t size) { return cut_to(fd, size); }

static int sync_with(long number, const char *name, int fd) {
    char path[PATH_MAX];
    const char *what = place(fd, path);
    int result;
    if (what && step(name, what, 0, fd, NULL, 0, -1)) return -1;
    result = syscall(number, fd);
    if (what && mode == CUT) {
        pthread_mutex_lock(&mutex);
        synced(what);
        pthread_mutex_unlock(&mutex);
    }
    return result;
}

int fsync(int fd) { return sync_with(SYS_fsync, "fsync", fd); }
int fdatasync(int fd) { return sync_with(SYS_fdatasync, "fdatasync", fd); }

int renameat(int a, const char *from, int b, const char *to) {
    if (ours(to) && step("rename", to, 0, -1, NULL, 0, -1)) return -1;
    return syscall(SYS_renameat2, a, from, b, to, 0);
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int unlinkat(int directory, const char *path, int flags) {
    struct stat now;
    if (ours(path) && !stat(path, &now)) {
        if (step(flags & AT_REMOVEDIR ? "rmdir" : "unlink", path, 0, -1, NULL, 0, -1)) return -1;
        if (!(flags & AT_REMOVEDIR)) before(path, 0, 0, 1);
    }
    return syscall(SYS_unlinkat, directory, path, flags);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int directory, const char *path, mode_t bits) {
    struct stat now;
    if (ours(path) && stat(path, &now) && step("mkdir", path, 1, -1, NULL, 0, -1)) return -1;
    return syscall(SYS_mkdirat, directory, path, bits);
}
int mkdir(const char *path, mode_t bits) { return mkdirat(AT_FDCWD, path, bits); }

int symlinkat(const char *to, int directory, const char *path) {
    if (ours(path) && step("symlink", path, 1, -1, NULL, 0, -1)) return -1;
    return syscall(SYS_symlinkat, to, directory, path);
}
int symlink(const char *to, const char *path) { return symlinkat(to, AT_FDCWD, path); }

int connect(int fd, const struct sockaddr *address, socklen_t length) {
    char path[PATH_MAX];
    const char *what = place(fd, path);
    if (what && step("connect", what, 0, fd, NULL, 0, -1)) return -1;
    return syscall(SYS_connect, fd, address, length);
}

ssize_t sendto(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
    char path[PATH_MAX];
    const char *what = place(fd, path);
    if (what && step("send", what, 0, fd, bytes, length, -1)) return -1;
    return syscall(SYS_sendto, fd, bytes, length, flags, to, size);
}
ssize_t send(int fd, const void *bytes, size_t length, int flags) { return sendto(fd, bytes, length, flags, NULL, 0); }

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    char path[PATH_MAX];
    const char *what = place(fd, path);
    if (what && step("send", what, 0, fd, NULL, 0, -1)) return -1;
    return syscall(SYS_sendmsg, fd, message, flags);
}
