/*
 * Stands between a process and its files (LD_PRELOAD): records every operation that changes something, or lets the n-th
 * call of a kind fail. Knows what Node (libuv, with UV_USE_IO_URING=0) and LevelDB (stdio) call. shim.ts compiles it,
 * starts processes under it, and reads what it wrote.
 *
 * Environment; the variables are removed when they are read, so that no grandchild is under the shim:
 *
 *   TIDEMARK_SHIM_ROOT    absolute real path: only this directory and what is below is looked at
 *   TIDEMARK_SHIM_MARKS   absolute path of no file: what the process writes to it is a mark, among the operations in order
 *   TIDEMARK_SHIM_LOG     record: where the operations are appended to
 *   TIDEMARK_SHIM_FAIL    fail: "<kinds> <n> <errno> <once|on> <long|short> <names>", kinds with commas between:
 *                         open write sync rename unlink mkdir rmdir link truncate
 *                         n counts from 1; "on": every matching call from the n-th; "short": the n-th writes half (a
 *                         write(2) says so and succeeds, as the system does; stdio then fails, as it does)
 *                         names: parts of base names with commas between: only files that have one count; "*": all
 *   TIDEMARK_SHIM_COUNT   fail: a file of 16 bytes: how many calls matched, how many failed (two 64-bit numbers);
 *                         mapped into memory, so that it is right even after SIGKILL
 *   TIDEMARK_SHIM_ARMED   fail: 0: begins to count when the mark "arm" is written; "disarm" ends it. "arm " and what FAIL
 *                         is: from now on that plan, from 1 on
 *
 * The log: a line for each operation, then as many bytes as the length says where there is one.
 *
 *   root <inode> 0 0 <path>            create <inode> 0 0 <path>          mkdir <inode> 0 0 <path>
 *   write <inode> <offset> <length> <path>, bytes                         truncate <inode> <length> 0 <path>
 *   rename <inode> 0 0 <path> TAB <path>                                  link <inode> 0 0 <path> TAB <path>
 *   unlink <inode> 0 0 <path>          rmdir <inode> 0 0 <path>           mark 0 0 <length> -, bytes
 *   begin <inode> <n> 0 <path>         end <inode> <n> 0 <path>           the n-th sync, of a file or a directory
 *
 * - One lock is held over an operation and its line: the log is the order in which things happened. Only a sync is not
 *   waited for: it covers what stands before its "begin", and is promised from its "end" on.
 * - A failing stdio call fails as glibc's own does: the descriptor is /dev/full for the moment, and the buffer is lost.
 * - mmap, copy_file_range, sendfile and io_uring are not seen: neither Tidemark nor LevelDB writes by them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#undef fwrite_unlocked
#undef fflush_unlocked

/* The function that would be called without the shim. */
#define REAL(name)                                              \
  ({                                                            \
    static __typeof__(&name) real;                              \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
    real;                                                       \
  })

enum kind { OPEN, WRITE, SYNC, RENAME, UNLINK, MKDIR, RMDIR, LINK, TRUNCATE, KINDS };
static const char *const KIND_NAMES[KINDS] = {"open",  "write", "sync", "rename",  "unlink",
                                              "mkdir", "rmdir", "link", "truncate"};

/* What is known of an open descriptor below the root; path is NULL for all others. */
struct descriptor {
  char *path;
  ino_t inode;
  int reader;     /* of a stdio stream: another descriptor, to read what was written; else -1 */
  off_t recorded; /* of a stdio stream: how far its content is in the log */
};

enum { MAX_DESCRIPTORS = 65536 };
static struct descriptor descriptors[MAX_DESCRIPTORS];
static char is_marks[MAX_DESCRIPTORS];

static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static char *root, *marks, *names;
static size_t root_length;
static int log_fd = -1, full_fd = -1;
static uint64_t syncs;

static struct { unsigned kinds; uint64_t nth; int error, is_lasting, is_short, is_armed; } plan;
static struct { uint64_t matched, failed; } own_counts, *counts = &own_counts;

static int lock(void) { return pthread_mutex_lock(&mutex); }
static void unlock(void) { int error = errno; pthread_mutex_unlock(&mutex); errno = error; }

static int is_below(const char *path) {
  return root && path && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static struct descriptor *of(int fd) {
  return fd >= 0 && fd < MAX_DESCRIPTORS && descriptors[fd].path ? &descriptors[fd] : NULL;
}

/* ---- record ---- */

static void record(const char *operation, ino_t inode, uint64_t first, uint64_t length, const char *path,
                   const char *to, const void *bytes) {
  if (log_fd < 0) return;
  int error = errno;
  char line[9000];
  int size = snprintf(line, sizeof line, "%s %llu %llu %llu %s%s%s\n", operation, (unsigned long long)inode,
                      (unsigned long long)first, (unsigned long long)length, path, to ? "\t" : "", to ? to : "");
  struct iovec parts[2] = {{line, size}, {(void *)bytes, bytes ? length : 0}};
  if (REAL(writev)(log_fd, parts, 2) != size + (ssize_t)parts[1].iov_len) abort();
  errno = error;
}

static ino_t inode_of(const char *path) {
  struct stat found;
  return lstat(path, &found) ? 0 : found.st_ino;
}

/* What stdio has written since the last time, read back from the file. */
static void record_stream(FILE *stream) {
  struct descriptor *file = of(fileno(stream));
  if (log_fd < 0 || !file || file->reader < 0) return;
  off_t end = lseek(fileno(stream), 0, SEEK_CUR);
  while (file->recorded < end) {
    char bytes[65536];
    size_t left = end - file->recorded, wanted = left < sizeof bytes ? left : sizeof bytes;
    ssize_t length = pread(file->reader, bytes, wanted, file->recorded);
    if (length <= 0) abort();
    record("write", file->inode, file->recorded, length, file->path, NULL, bytes);
    file->recorded += length;
  }
}

/* ---- fail ---- */

enum verdict { PASS, FAIL, SHORT };

static int has_wanted_name(const char *path) {
  if (!names) return 1;
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
  for (const char *name = names; *name;) {
    size_t length = strcspn(name, ",");
    if (length && memmem(base, strlen(base), name, length)) return 1;
    name += length + (name[length] == ',');
  }
  return 0;
}

/* Counts a call; where it is its turn, sets errno and says how it fails. */
static enum verdict judge_both(enum kind kind, const char *path, const char *to) {
  if (!plan.is_armed || !(plan.kinds & 1u << kind)) return PASS;
  if (!has_wanted_name(path) && !(to && has_wanted_name(to))) return PASS;
  uint64_t count = ++counts->matched;
  if (count < plan.nth || (count > plan.nth && !plan.is_lasting)) return PASS;
  counts->failed++;
  errno = plan.error;
  return plan.is_short && count == plan.nth && kind == WRITE ? SHORT : FAIL;
}

static enum verdict judge(enum kind kind, const char *path) { return judge_both(kind, path, NULL); }


/* ---- set up ---- */

static char *take(const char *name) {
  char *value = getenv(name);
  value = value ? strdup(value) : NULL;
  unsetenv(name);
  return value;
}

static void read_plan(const char *text) {
  char kinds[200], often[10] = "", how[10] = "", wanted[200] = "";
  unsigned long long nth;
  plan.kinds = 0;
  if (sscanf(text, "%199s %llu %d %9s %9s %199s", kinds, &nth, &plan.error, often, how, wanted) < 6) abort();
  for (char *rest, *kind = strtok_r(kinds, ",", &rest); kind; kind = strtok_r(NULL, ",", &rest)) {
    int i = 0;
    while (i < KINDS && strcmp(kind, KIND_NAMES[i])) i++;
    if (i == KINDS) abort();
    plan.kinds |= 1u << i;
  }
  plan.nth = nth;
  plan.is_lasting = !strcmp(often, "on");
  plan.is_short = !strcmp(how, "short");
  free(names);
  names = strcmp(wanted, "*") ? strdup(wanted) : NULL;
}

static void mark(const void *bytes, size_t length) {
  record("mark", 0, 0, length, "-", NULL, bytes);
  char text[500];
  snprintf(text, sizeof text, "%.*s", (int)length, (const char *)bytes);
  if (!strncmp(text, "arm ", 4)) {
    read_plan(text + 4);
    counts->matched = counts->failed = 0;
  }
  if (!strcmp(text, "arm") || !strncmp(text, "arm ", 4)) plan.is_armed = 1;
  if (!strcmp(text, "disarm")) plan.is_armed = 0;
}

__attribute__((constructor)) static void begin(void) {
  unsetenv("LD_PRELOAD");
  root = take("TIDEMARK_SHIM_ROOT");
  root_length = root ? strlen(root) : 0;
  marks = take("TIDEMARK_SHIM_MARKS");
  char *log = take("TIDEMARK_SHIM_LOG"), *fail = take("TIDEMARK_SHIM_FAIL");
  char *count = take("TIDEMARK_SHIM_COUNT"), *armed = take("TIDEMARK_SHIM_ARMED");
  if (fail) {
    read_plan(fail);
    plan.is_armed = !armed || strcmp(armed, "0");
    full_fd = REAL(open)("/dev/full", O_WRONLY | O_CLOEXEC);
  }
  if (count) {
    int fd = REAL(open)(count, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || REAL(ftruncate)(fd, sizeof *counts)) abort();
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (counts == MAP_FAILED) abort();
    REAL(close)(fd);
  }
  if (!log) return;
  log_fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0) abort();
  record("root", inode_of(root), 0, 0, root, NULL, NULL);
}

/* ---- opening and closing ---- */

static int is_watched(int fd) {
  return fd >= 0 && fd < MAX_DESCRIPTORS && (descriptors[fd].path || is_marks[fd]);
}

static void forget(int fd) {
  if (fd < 0 || fd >= MAX_DESCRIPTORS) return;
  is_marks[fd] = 0;
  struct descriptor *file = of(fd);
  if (!file) return;
  if (file->reader >= 0) REAL(close)(file->reader);
  free(file->path);
  file->path = NULL;
}

/* After an opening that worked: what is known of the descriptor, and what the opening changed. */
static void opened(int fd, const char *path, const struct stat *before) {
  if (fd < 0 || fd >= MAX_DESCRIPTORS) return;
  forget(fd);
  struct stat now;
  fstat(fd, &now);
  descriptors[fd] = (struct descriptor){strdup(path), now.st_ino, -1, 0};
  int is_emptied = before && S_ISREG(now.st_mode) && now.st_size < before->st_size;
  if (!before || is_emptied) record(before ? "truncate" : "create", now.st_ino, 0, 0, path, NULL, NULL);
}

/* A descriptor of something else may have the number of one that was closed unseen. */
static int unwatched(int fd) {
  if (!is_watched(fd)) return fd;
  lock();
  forget(fd);
  unlock();
  return fd;
}

static int open_shimmed(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
  if (marks && !strcmp(path, marks)) {
    int fd = real("/dev/null", O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && fd < MAX_DESCRIPTORS) is_marks[fd] = 1;
    return fd;
  }
  if (!is_below(path)) return unwatched(real(path, flags, mode));
  lock();
  struct stat before;
  int existed = !stat(path, &before), fd = -1;
  if (judge(OPEN, path) == PASS) {
    fd = real(path, flags, mode);
    opened(fd, path, existed ? &before : NULL);
  }
  unlock();
  return fd;
}

#define MODE(last) ({ va_list rest; va_start(rest, last); mode_t given = va_arg(rest, mode_t); va_end(rest); given; })

int open(const char *path, int flags, ...) {
  return open_shimmed(REAL(open), path, flags, flags & (O_CREAT | __O_TMPFILE) ? MODE(flags) : 0);
}

int open64(const char *path, int flags, ...) {
  return open_shimmed(REAL(open64), path, flags, flags & (O_CREAT | __O_TMPFILE) ? MODE(flags) : 0);
}

static FILE *fopen_shimmed(FILE *(*real)(const char *, const char *), const char *path, const char *mode) {
  if (!is_below(path)) return real(path, mode);
  lock();
  struct stat before;
  int existed = !stat(path, &before);
  FILE *stream = judge(OPEN, path) == PASS ? real(path, mode) : NULL;
  if (stream) {
    int fd = fileno(stream);
    opened(fd, path, existed ? &before : NULL);
    if (*mode != 'r' && of(fd)) {
      of(fd)->reader = REAL(open)(path, O_RDONLY | O_CLOEXEC);
      of(fd)->recorded = *mode == 'a' && existed ? before.st_size : 0;
    }
  }
  unlock();
  return stream;
}

FILE *fopen(const char *path, const char *mode) { return fopen_shimmed(REAL(fopen), path, mode); }
FILE *fopen64(const char *path, const char *mode) { return fopen_shimmed(REAL(fopen64), path, mode); }

int close(int fd) {
  if (!is_watched(fd)) return REAL(close)(fd);
  lock();
  forget(fd);
  int result = REAL(close)(fd);
  unlock();
  return result;
}

/* libuv closes what JavaScript opened by number of system call. */
long syscall(long number, ...) {
  va_list rest;
  va_start(rest, number);
  long a[6];
  for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_close) return close(a[0]);
  return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- writing ---- */

static size_t length_of(const struct iovec *parts, int count) {
  size_t length = 0;
  for (int i = 0; i < count; i++) length += parts[i].iov_len;
  return length;
}

/* Every write by a descriptor: at an offset, or where it stands (-1). */
static ssize_t write_parts(int fd, const struct iovec *parts, int count, off_t offset) {
  if (fd >= 0 && fd < MAX_DESCRIPTORS && is_marks[fd]) {
    lock();
    for (int i = 0; i < count; i++) mark(parts[i].iov_base, parts[i].iov_len);
    unlock();
    return length_of(parts, count);
  }
  struct descriptor *file = of(fd);
  if (!file) return offset < 0 ? REAL(writev)(fd, parts, count) : REAL(pwritev64)(fd, parts, count, offset);
  lock();
  size_t length = length_of(parts, count);
  char *bytes = malloc(length + 1), *end = bytes;
  for (int i = 0; i < count; i++) end = mempcpy(end, parts[i].iov_base, parts[i].iov_len);
  enum verdict verdict = judge(WRITE, file->path);
  ssize_t written = -1;
  if (verdict != FAIL) {
    if (verdict == SHORT && length > 1) length /= 2;
    int is_appending = fcntl(fd, F_GETFL) & O_APPEND;
    off_t at = offset >= 0 ? offset : lseek(fd, 0, is_appending ? SEEK_END : SEEK_CUR);
    written = offset >= 0 ? REAL(pwrite64)(fd, bytes, length, offset) : REAL(write)(fd, bytes, length);
    if (written > 0) record("write", file->inode, at, written, file->path, NULL, bytes);
  }
  int error = errno;
  free(bytes);
  errno = error;
  unlock();
  return written;
}

ssize_t write(int fd, const void *bytes, size_t length) {
  if (!is_watched(fd)) return REAL(write)(fd, bytes, length);
  return write_parts(fd, &(struct iovec){(void *)bytes, length}, 1, -1);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  if (!is_watched(fd)) return REAL(pwrite64)(fd, bytes, length, offset);
  return write_parts(fd, &(struct iovec){(void *)bytes, length}, 1, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }
ssize_t writev(int fd, const struct iovec *parts, int count) { return write_parts(fd, parts, count, -1); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return write_parts(fd, parts, count, at); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return write_parts(fd, parts, count, at); }

static int truncate_shimmed(int fd, off64_t length) {
  struct descriptor *file = of(fd);
  if (!file) return REAL(ftruncate64)(fd, length);
  lock();
  int result = judge(TRUNCATE, file->path) == PASS ? REAL(ftruncate64)(fd, length) : -1;
  if (!result) record("truncate", file->inode, length, 0, file->path, NULL, NULL);
  unlock();
  return result;
}

int ftruncate(int fd, off_t length) { return truncate_shimmed(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncate_shimmed(fd, length); }

/* ---- stdio ---- */

/* Runs a stdio call as if the disk were full, after half of what waits was written when `is_short`. */
#define ON_FULL_DISK(stream, is_short, call)                                             \
  ({                                                                                     \
    int fd = fileno(stream), error = errno, saved = fcntl(fd, F_DUPFD_CLOEXEC, 0);       \
    size_t half = (is_short) ? (size_t)((stream)->_IO_write_ptr - (stream)->_IO_write_base) / 2 : 0; \
    if (half && REAL(write)(fd, (stream)->_IO_write_base, half) < 0) abort();            \
    dup2(full_fd, fd);                                                                   \
    __typeof__(call) result = call;                                                      \
    dup2(saved, fd);                                                                     \
    REAL(close)(saved);                                                                  \
    errno = error;                                                                       \
    result;                                                                              \
  })

/* A stdio call: `reaches_file` says whether it writes to the file, and not to memory only. */
#define STDIO(stream, reaches_file, call)                                      \
  ({                                                                           \
    struct descriptor *file = of(fileno(stream));                              \
    if (!file) return call;                                                    \
    lock();                                                                    \
    enum verdict verdict = (reaches_file) ? judge(WRITE, file->path) : PASS;   \
    __typeof__(call) done = verdict == PASS ? call : ON_FULL_DISK(stream, verdict == SHORT, call); \
    record_stream(stream);                                                     \
    unlock();                                                                  \
    done;                                                                      \
  })

static int overflows(FILE *stream, size_t length) {
  size_t size = __fbufsize(stream);
  return __fpending(stream) + length >= (size ? size : 4096);
}

size_t fwrite(const void *bytes, size_t size, size_t count, FILE *stream) {
  return STDIO(stream, overflows(stream, size * count), REAL(fwrite)(bytes, size, count, stream));
}

size_t fwrite_unlocked(const void *bytes, size_t size, size_t count, FILE *stream) {
  return STDIO(stream, overflows(stream, size * count), REAL(fwrite_unlocked)(bytes, size, count, stream));
}

int fflush(FILE *stream) {
  if (!stream) return REAL(fflush)(stream);
  return STDIO(stream, __fpending(stream) > 0, REAL(fflush)(stream));
}

int fflush_unlocked(FILE *stream) {
  if (!stream) return REAL(fflush_unlocked)(stream);
  return STDIO(stream, __fpending(stream) > 0, REAL(fflush_unlocked)(stream));
}

int fclose(FILE *stream) {
  if (!of(fileno(stream))) return REAL(fclose)(stream);
  lock();
  int flushed = fflush(stream), error = errno;
  forget(fileno(stream));
  int closed = REAL(fclose)(stream);
  if (flushed) errno = error;
  unlock();
  return flushed ? flushed : closed;
}

/* ---- syncing ---- */

static int sync_shimmed(int (*real)(int), int fd) {
  struct descriptor *file = of(fd);
  if (!file) return real(fd);
  lock();
  struct descriptor known = *file; /* the path is kept: nobody closes a descriptor that is being synced */
  uint64_t number = ++syncs;
  int result = judge(SYNC, known.path) == PASS ? 0 : -1;
  if (!result) record("begin", known.inode, number, 0, known.path, NULL, NULL);
  unlock();
  if (result) return result;
  result = real(fd);
  lock();
  if (!result) record("end", known.inode, number, 0, known.path, NULL, NULL);
  unlock();
  return result;
}

int fsync(int fd) { return sync_shimmed(REAL(fsync), fd); }
int fdatasync(int fd) { return sync_shimmed(REAL(fdatasync), fd); }

/* ---- names ---- */

/* A call that changes what a name stands for; its inode is looked up before (of what goes) or after (of what comes). */
#define NAMES(kind, path, to, call)                                             \
  ({                                                                            \
    if (!is_below(path)) return call;                                           \
    lock();                                                                     \
    ino_t before = inode_of(path);                                              \
    int done = judge_both(kind, path, to) == PASS ? call : -1;                           \
    if (!done) record(KIND_NAMES[kind], before ? before : inode_of(path), 0, 0, path, to, NULL); \
    unlock();                                                                   \
    done;                                                                       \
  })

int rename(const char *from, const char *to) { return NAMES(RENAME, from, to, REAL(rename)(from, to)); }
int link(const char *from, const char *to) { return NAMES(LINK, from, to, REAL(link)(from, to)); }
int unlink(const char *path) { return NAMES(UNLINK, path, NULL, REAL(unlink)(path)); }
int rmdir(const char *path) { return NAMES(RMDIR, path, NULL, REAL(rmdir)(path)); }
int mkdir(const char *path, mode_t mode) { return NAMES(MKDIR, path, NULL, REAL(mkdir)(path, mode)); }
