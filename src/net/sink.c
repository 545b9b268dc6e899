// SPDX-License-Identifier: MIT
/* One writer thread for all sinks. Callers append to a sink's buffer under its lock; the thread
 * takes whole buffers away and writes them without holding any lock. */
#include "net/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { WAKE_BYTES = 64 * 1024, FIRST_BYTES = 16 * 1024, REPORT_EVERY_MS = 60000,
       PIPE_BUF_BYTES = 4096 };

struct buffer {
    char  *bytes;
    size_t len, capacity;
};

struct sink {
    struct sink    *next;
    struct text     path;
    unsigned        refs;
    uint32_t        pace_ms;
    size_t          wake_bytes;
    int64_t         due_ms;              /* when waiting lines are written; 0: nothing waits */
    pthread_mutex_t lock;                /* of what follows */
    struct buffer   waiting;
    int             fd, new_fd;          /* new_fd: -1, or to be used from the next write on */
    uint64_t        dropped;
    bool            is_leaving;
    /* the writer thread's */
    struct buffer   writing;
    size_t          written;
    bool            is_file;
    uint64_t        reported;
    int64_t         reported_ms;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t  work;
    pthread_t       thread;
    struct sink    *sinks;
    bool            is_running, is_stopping, has_news;
} writer = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void writer_thread_start(void);

/* ---- life ---- */

static void ring(void)
{
    pthread_mutex_lock(&writer.lock);
    writer.has_news = true;
    pthread_cond_signal(&writer.work);
    pthread_mutex_unlock(&writer.lock);
}

struct sink *sink_new(struct text path, int fd, uint32_t pace_ms, size_t buffer_bytes)
{
    struct sink *sink = mem_new(sizeof(*sink));

    sink->path = text_of(mem_string(path.ptr, path.len), path.len);
    sink->refs = 1;
    sink->pace_ms = pace_ms > 0 ? pace_ms : SINK_PACE_MS;
    sink->wake_bytes = buffer_bytes > 0 && buffer_bytes < WAKE_BYTES ? buffer_bytes : WAKE_BYTES;
    sink->fd = -1;
    sink->new_fd = fd;
    pthread_mutex_init(&sink->lock, NULL);
    pthread_mutex_lock(&writer.lock);
    sink->next = writer.sinks;
    writer.sinks = sink;
    writer.has_news = true;
    writer_thread_start();
    pthread_mutex_unlock(&writer.lock);
    return sink;
}

struct sink *sink_ref(struct sink *sink)
{
    sink->refs++;
    return sink;
}

void sink_unref(struct sink **sink)
{
    struct sink *done = *sink;

    *sink = NULL;
    if (done == NULL || --done->refs > 0)
        return;
    pthread_mutex_lock(&done->lock);
    done->is_leaving = true;
    pthread_mutex_unlock(&done->lock);
    ring();
}

struct text sink_path(const struct sink *sink)
{
    return sink->path;
}

static void sink_free(struct sink *sink)
{
    if (sink->fd >= 0)
        (void)close(sink->fd);
    if (sink->new_fd >= 0)
        (void)close(sink->new_fd);
    pthread_mutex_destroy(&sink->lock);
    mem_free((void *)sink->path.ptr);
    mem_free(sink->waiting.bytes);
    mem_free(sink->writing.bytes);
    mem_free(sink);
}

/* ---- callers ---- */

static void append(struct buffer *buffer, struct text lines)
{
    if (buffer->capacity - buffer->len < lines.len) {
        size_t capacity = buffer->capacity > 0 ? buffer->capacity * 2 : FIRST_BYTES;

        while (capacity - buffer->len < lines.len)
            capacity *= 2;
        buffer->bytes = mem_resize(buffer->bytes, capacity);
        buffer->capacity = capacity;
    }
    memcpy(buffer->bytes + buffer->len, lines.ptr, lines.len);
    buffer->len += lines.len;
}

void sink_write(struct sink *sink, struct text lines)
{
    bool must_wake;

    pthread_mutex_lock(&sink->lock);
    if (sink->waiting.len + lines.len > SINK_MOST_BYTES) {
        sink->dropped += lines.len;
        pthread_mutex_unlock(&sink->lock);
        return;
    }
    must_wake = sink->due_ms == 0 || (sink->waiting.len < sink->wake_bytes &&
                                      sink->waiting.len + lines.len >= sink->wake_bytes);
    if (sink->due_ms == 0)
        sink->due_ms = clock_mono_ms() + sink->pace_ms;
    append(&sink->waiting, lines);
    pthread_mutex_unlock(&sink->lock);
    if (must_wake)
        ring();
}

void sink_write_log(void *sink, struct text line)
{
    sink_write(sink, line);
}

void sink_reopen(struct sink *sink, int fd)
{
    int unused;

    pthread_mutex_lock(&sink->lock);
    unused = sink->new_fd;
    sink->new_fd = fd;
    pthread_mutex_unlock(&sink->lock);
    if (unused >= 0)
        (void)close(unused);
}

uint64_t sink_dropped(const struct sink *sink)
{
    struct sink *any = (struct sink *)sink;
    uint64_t     dropped;

    pthread_mutex_lock(&any->lock);
    dropped = any->dropped;
    pthread_mutex_unlock(&any->lock);
    return dropped;
}

/* ---- the writer thread ---- */

static void use_fd(struct sink *sink, int fd)
{
    struct stat stat;

    if (sink->fd >= 0)
        (void)close(sink->fd);
    sink->fd = fd;
    sink->is_file = fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode);
}

/* Takes the waiting buffer when the last one is written. False: nothing to do yet. */
static bool take(struct sink *sink, int64_t now_ms, bool is_last_time)
{
    struct buffer empty;
    bool          has_work;
    int           fd;

    pthread_mutex_lock(&sink->lock);
    fd = sink->new_fd;
    sink->new_fd = -1;
    has_work = sink->writing.len > 0;
    if (!has_work && sink->waiting.len > 0 &&
        (now_ms >= sink->due_ms || sink->waiting.len >= sink->wake_bytes || is_last_time ||
         sink->is_leaving)) {
        empty = sink->writing;
        sink->writing = sink->waiting;
        sink->waiting = empty;
        sink->written = 0;
        sink->due_ms = 0;
        has_work = true;
    }
    pthread_mutex_unlock(&sink->lock);
    if (fd >= 0)
        use_fd(sink, fd);
    return has_work;
}

static void drop_writing(struct sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    sink->dropped += sink->writing.len - sink->written;
    pthread_mutex_unlock(&sink->lock);
    sink->writing.len = sink->written = 0;
}

/* Pipes and terminals may block; they are asked first, and given little at a time. */
static size_t may_write(const struct sink *sink, size_t len)
{
    struct pollfd pollfd = { .fd = sink->fd, .events = POLLOUT };

    if (sink->is_file)
        return len;
    if (poll(&pollfd, 1, 0) <= 0 || !(pollfd.revents & (POLLOUT | POLLERR)))
        return 0;
    return len < PIPE_BUF_BYTES ? len : PIPE_BUF_BYTES;
}

static void write_out(struct sink *sink)
{
    while (sink->written < sink->writing.len) {
        size_t  len = may_write(sink, sink->writing.len - sink->written);
        ssize_t n = len > 0 ? write(sink->fd, sink->writing.bytes + sink->written, len) : 0;

        if (n == 0)
            return;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            drop_writing(sink);
            return;
        }
        sink->written += (size_t)n;
    }
    sink->writing.len = sink->written = 0;
}

static void report_drops(struct sink *sink, int64_t now_ms)
{
    uint64_t dropped = sink_dropped(sink);

    if (dropped == sink->reported || now_ms - sink->reported_ms < REPORT_EVERY_MS)
        return;
    log_plain(LOG_WARN, "%llu bytes of log lines could not be written to \"%.*s\"",
              (unsigned long long)(dropped - sink->reported), TEXT_ARGS(sink->path));
    sink->reported = dropped;
    sink->reported_ms = now_ms;
}

/* One round over all sinks; returns when to look again, or -1. */
static int64_t round_once(struct sink *sinks, bool is_last_time)
{
    int64_t now_ms = clock_mono_ms(), next_ms = -1;

    for (struct sink *sink = sinks; sink != NULL; sink = sink->next) {
        int64_t due_ms;

        if (take(sink, now_ms, is_last_time) && sink->fd >= 0)
            write_out(sink);
        report_drops(sink, now_ms);
        pthread_mutex_lock(&sink->lock);
        due_ms = sink->writing.len > 0 ? now_ms + SINK_PACE_MS : sink->due_ms;
        pthread_mutex_unlock(&sink->lock);
        if (due_ms > 0 && (next_ms < 0 || due_ms < next_ms))
            next_ms = due_ms;
    }
    return next_ms;
}

static bool is_written(struct sink *sink)
{
    bool result;

    pthread_mutex_lock(&sink->lock);
    result = sink->waiting.len == 0 && sink->writing.len == 0;
    pthread_mutex_unlock(&sink->lock);
    return result;
}

static bool is_gone(struct sink *sink)
{
    bool is_leaving;

    pthread_mutex_lock(&sink->lock);
    is_leaving = sink->is_leaving;
    pthread_mutex_unlock(&sink->lock);
    return is_leaving && is_written(sink);
}

static void bury_gone(void)
{
    for (struct sink **at = &writer.sinks; *at != NULL;) {
        struct sink *sink = *at;

        if (!is_gone(sink)) {
            at = &sink->next;
            continue;
        }
        *at = sink->next;
        sink_free(sink);
    }
}

static void wait_until(int64_t next_ms)
{
    struct timespec until;

    if (next_ms < 0) {
        pthread_cond_wait(&writer.work, &writer.lock);
        return;
    }
    until = (struct timespec){ .tv_sec = next_ms / 1000, .tv_nsec = next_ms % 1000 * 1000000 };
    (void)pthread_cond_timedwait(&writer.work, &writer.lock, &until);
}

static void *writer_run(void *arg)
{
    sigset_t all;

    (void)arg;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_mutex_lock(&writer.lock);
    while (!writer.is_stopping) {
        struct sink *sinks = writer.sinks;
        int64_t      next_ms;

        writer.has_news = false;
        pthread_mutex_unlock(&writer.lock);   /* new sinks come in front: `sinks` stays valid */
        next_ms = round_once(sinks, false);
        pthread_mutex_lock(&writer.lock);
        bury_gone();
        if (!writer.is_stopping && !writer.has_news)
            wait_until(next_ms);
    }
    pthread_mutex_unlock(&writer.lock);
    return NULL;
}

static void writer_thread_start(void)
{
    pthread_condattr_t monotonic;

    if (writer.is_running)
        return;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&writer.work, &monotonic);
    pthread_condattr_destroy(&monotonic);
    writer.is_stopping = false;
    writer.is_running = pthread_create(&writer.thread, NULL, writer_run, NULL) == 0;
}

void sinks_stop(uint32_t most_ms)
{
    int64_t until_ms = clock_mono_ms() + most_ms;

    if (!writer.is_running)
        return;
    pthread_mutex_lock(&writer.lock);
    writer.is_stopping = true;
    pthread_cond_signal(&writer.work);
    pthread_mutex_unlock(&writer.lock);
    pthread_join(writer.thread, NULL);
    writer.is_running = false;
    for (;;) {
        bool is_all = true;

        (void)round_once(writer.sinks, true);
        for (struct sink *sink = writer.sinks; sink != NULL; sink = sink->next)
            is_all = is_all && is_written(sink);
        if (is_all || clock_mono_ms() >= until_ms)
            return;
        (void)poll(NULL, 0, SINK_PACE_MS);
    }
}
