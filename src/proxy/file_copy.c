// SPDX-License-Identifier: MIT
#include "proxy/file_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "net/jobs.h"

enum { WAITING_BYTES = 1024 * 1024, WAITING_SLICES = 64, MODE_READS = 0444 };

struct queue {
    struct slice slices[WAITING_SLICES];
    unsigned     count;
};

struct file_copy {
    struct job   job;
    struct task *waiter;                 /* NULL: it is on its own */
    char        *path, *temporary;
    unsigned     mode;
    int64_t      modified_s;
    struct queue waiting;                /* the loop's */
    uint64_t     waiting_bytes;
    bool         is_whole, is_abandoned;
    bool         is_at_work;             /* the job is, and owns what follows */
    struct queue writing;
    bool         may_commit, must_remove;
    int          fd;                     /* -1: not open */
    int          error;                  /* the first; negative */
    const char  *failed;                 /* what failed, as a call */
    bool         is_over;                /* committed, removed or failed */
};

/* ---- names ---- */

bool file_copy_may_be(struct text path)
{
    struct text rest = text_from_offset(path, 1), segment = TEXT("");

    if (path.len == 0 || path.ptr[0] != '/' || path.len >= PATH_MAX - NAME_MAX ||
        text_find(path, '\0') < path.len || path.ptr[path.len - 1] == '/')
        return false;
    while (text_split(&rest, '/', &segment))
        if (text_is_equal(segment, TEXT("..")))
            return false;
    return segment.len > 0 && !text_is_equal(segment, TEXT("."));
}

/* Beside the target, so that it can be renamed; no request's path can name it by chance. */
static char *temporary_of(struct text path)
{
    static atomic_uint number;
    size_t             name = text_find_last(path, '/') + 1, size = name + 64;
    char              *string = mem_new(size);

    (void)snprintf(string, size, "%.*s.frontdesk-%ld-%u.part", (int)name, path.ptr, (long)getpid(),
                   atomic_fetch_add(&number, 1));
    return string;
}

/* ---- on a thread of its own ---- */

static void fail(struct file_copy *copy, const char *call)
{
    copy->error = -errno;
    copy->failed = call;
    if (copy->fd >= 0) {
        (void)close(copy->fd);
        (void)unlink(copy->temporary);
    }
    copy->fd = -1;
    copy->is_over = true;
}

/* All directories above the file. */
static int make_directories(struct file_copy *copy)
{
    mode_t mode = copy->mode | (copy->mode & MODE_READS) >> 2;

    for (char *at = strchr(copy->temporary + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        int r;

        *at = '\0';
        r = mkdir(copy->temporary, mode | S_IWUSR | S_IXUSR) < 0 ? -errno : 0;
        if (r == 0)
            (void)chmod(copy->temporary, mode);   /* whatever the umask */
        *at = '/';
        if (r < 0 && r != -EEXIST && r != -EACCES && r != -EROFS)
            return r;
    }
    return 0;
}

static int open_temporary(const struct file_copy *copy)
{
    return open(copy->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static void begin_file(struct file_copy *copy)
{
    copy->fd = open_temporary(copy);
    if (copy->fd < 0 && errno == ENOENT) {
        int r = make_directories(copy);

        if (r < 0) {
            errno = -r;
            fail(copy, "mkdir()");
            return;
        }
        copy->fd = open_temporary(copy);
    }
    if (copy->fd < 0)
        fail(copy, "open()");
}

static bool write_all(struct file_copy *copy, struct slice slice)
{
    const unsigned char *at = (const unsigned char *)slice_ptr(slice);
    size_t               left = slice.len;

    while (left > 0) {
        ssize_t n = write(copy->fd, at, left);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? EIO : errno;
            fail(copy, "write()");
            return false;
        }
        at += n;
        left -= (size_t)n;
    }
    return true;
}

static int commit_as(struct file_copy *copy, const char **ret_call)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = copy->modified_s } };

    *ret_call = "fchmod()";
    if (fchmod(copy->fd, copy->mode) < 0)
        return -1;
    *ret_call = "futimens()";
    if (copy->modified_s >= 0 && futimens(copy->fd, times) < 0)
        return -1;
    *ret_call = "rename()";
    return rename(copy->temporary, copy->path);
}

static void commit(struct file_copy *copy)
{
    const char *call;

    if (commit_as(copy, &call) < 0) {
        fail(copy, call);
        return;
    }
    if (close(copy->fd) < 0) {
        copy->error = -errno;
        copy->failed = "close()";
    }
    copy->fd = -1;
    copy->is_over = true;
}

static void work(struct job *job)
{
    struct file_copy *copy = container_of(job, struct file_copy, job);

    if (copy->must_remove) {
        errno = 0;
        fail(copy, NULL);
        return;
    }
    if (copy->fd < 0)
        begin_file(copy);
    for (unsigned i = 0; i < copy->writing.count && !copy->is_over; i++)
        if (!write_all(copy, copy->writing.slices[i]))
            return;
    if (copy->may_commit && !copy->is_over)
        commit(copy);
}

/* ---- on the loop ---- */

static void empty(struct queue *queue)
{
    for (unsigned i = 0; i < queue->count; i++)
        slice_unref(queue->slices[i]);
    queue->count = 0;
}

static void copy_free(struct file_copy *copy)
{
    empty(&copy->waiting);
    mem_free(copy->path);
    mem_free(copy->temporary);
    mem_free(copy);
}

/* Gives the job what there is to do, if it rests. A copy that is over and on its own goes. */
static void proceed(struct file_copy *copy)
{
    bool is_alone = copy->is_whole || copy->is_abandoned;

    if (copy->is_at_work)
        return;
    if (is_alone && (copy->is_over || (copy->is_abandoned && copy->fd < 0))) {
        copy_free(copy);
        return;
    }
    if (copy->is_over || (copy->waiting.count == 0 && !is_alone))
        return;
    copy->writing = copy->waiting;
    copy->waiting.count = 0;
    copy->waiting_bytes = 0;
    copy->may_commit = copy->is_whole;
    copy->must_remove = copy->is_abandoned;
    copy->is_at_work = true;
    jobs_post(&copy->job);
}

static void worked(struct loop *loop, struct letter *letter)
{
    struct job       *job = container_of(letter, struct job, letter);
    struct file_copy *copy = container_of(job, struct file_copy, job);

    (void)loop;
    copy->is_at_work = false;
    empty(&copy->writing);
    if (copy->error < 0)
        log_at(LOG_CRIT, NULL, "%s of a copy for \"%s\" failed %s", copy->failed, copy->path,
               log_errno(-copy->error).text);
    copy->error = 0;                     /* once */
    if (copy->is_over) {
        empty(&copy->waiting);
        copy->waiting_bytes = 0;
    }
    if (copy->waiter != NULL)
        task_wake(copy->waiter, WAKE_LETTER);
    proceed(copy);
}

struct file_copy *file_copy_begin(struct loop *loop, struct task *waiter, struct text path,
                                  unsigned mode, int64_t modified_s)
{
    struct file_copy *copy = mem_new(sizeof(*copy));

    memset(copy, 0, sizeof(*copy));
    copy->waiter = waiter;
    copy->path = mem_string(path.ptr, path.len);
    copy->temporary = temporary_of(path);
    copy->mode = mode;
    copy->modified_s = modified_s;
    copy->fd = -1;
    copy->job.loop = loop;
    copy->job.run = work;
    copy->job.letter.open = worked;
    return copy;
}

bool file_copy_has_room(const struct file_copy *copy)
{
    return copy->waiting_bytes < WAITING_BYTES && copy->waiting.count < WAITING_SLICES;
}

void file_copy_append(struct file_copy *copy, struct slice slice)
{
    if (!copy->is_at_work && copy->is_over) {   /* it has failed */
        slice_unref(slice);
        return;
    }
    must(copy->waiting.count < WAITING_SLICES);
    copy->waiting.slices[copy->waiting.count++] = slice;
    copy->waiting_bytes += slice.len;
    proceed(copy);
}

static void let_go(struct file_copy **copy)
{
    struct file_copy *left = *copy;

    *copy = NULL;
    left->waiter = NULL;
    proceed(left);
}

void file_copy_finish(struct file_copy **copy)
{
    (*copy)->is_whole = true;
    let_go(copy);
}

void file_copy_abandon(struct file_copy **copy)
{
    (*copy)->is_abandoned = true;
    empty(&(*copy)->waiting);
    let_go(copy);
}
