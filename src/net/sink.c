// SPDX-License-Identifier: MIT
/* One writer thread for all sinks. Callers append to a sink's buffer under its lock; the thread
 * takes whole buffers away and writes them without holding any lock. What is not a regular file is
 * asked before each write whether it would block: flags are left alone, since they belong to
 * everybody who shares the descriptor. Messages of a sender stand in the buffer with their length
 * before them. */
#include "net/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    WAKE_BYTES = 64 * 1024,
    FIRST_BYTES = 16 * 1024,
    REPORT_EVERY_MS = 60000,
    PIPE_BYTES = 4096,           /* a pipe that is writable takes so many without blocking */
    BLOCKED_MOST_MS = 320,       /* between two looks at one that is not */
    LEAVING_MOST_MS = 5000,      /* then what a blocked one has not taken is given up */
    PATIENCE_MS = 8 * SINK_PACE_MS   /* a server that is still gone then holds up no end */
};

struct buffer {
    char  *bytes;
    size_t len, capacity;
};

struct sink {
    struct sink    *next;
    struct text     path;
    unsigned        refs;                /* the control thread's */
    uint32_t        pace_ms;
    size_t          wake_bytes;
    pthread_mutex_t lock;                /* of what follows */
    struct buffer   waiting;
    struct buffer   parting;             /* what waited when new_fd came: still for the old one */
    int64_t         due_ms;              /* when waiting lines are written; 0: nothing waits */
    int             new_fd;              /* -1, or to be used once `parting` is written */
    uint64_t        dropped;
    int64_t         leaving_ms;          /* since when nobody holds it; 0: somebody does */
    struct sink_sender *sender;          /* or NULL: a stream */
    /* the writer thread's */
    struct buffer   writing;
    size_t          written;
    int             fd;
    bool            is_file;
    uint32_t        blocked_ms;          /* until the next look; 0: it takes what it gets */
    int64_t         retry_ms;            /* a sender's next try */
    int64_t         trouble_said_ms;     /* when its last trouble was reported; 0: never */
    uint64_t        reported;
    int64_t         reported_ms;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t  work, done;
    pthread_t       thread;
    struct sink    *sinks;
    bool            is_running, has_news;
    int64_t         stop_ms;             /* 0, or when the thread ends at the latest */
    struct sink    *report_to;           /* the main error log's, or NULL */
    /* the writer thread's */
    struct sink    *reporting;           /* report_to in this round */
    struct sink    *subject;             /* whom a report is about */
} writer = { .lock = PTHREAD_MUTEX_INITIALIZER };

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void writer_thread_start(void);

/* ---- descriptors ---- */

/* A stopped terminal takes less than it promises and then blocks, so it is opened a second time:
 * the flags of that are ours alone. */
static int own_terminal(int fd)
{
    char path[32];
    int  own;

    if (!isatty(fd))
        return fd;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own < 0)
        return fd;
    (void)close(fd);
    return own;
}

static void use_fd(struct sink *sink, int fd)
{
    struct stat stat;

    sink->fd = own_terminal(fd);
    sink->is_file = fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode);
    sink->blocked_ms = 0;
}

/* ---- life ---- */

static void conditions_init(void)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&writer.work, &monotonic);
    pthread_cond_init(&writer.done, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void ring(void)
{
    pthread_mutex_lock(&writer.lock);
    writer_thread_start();
    writer.has_news = true;
    pthread_cond_signal(&writer.work);
    pthread_mutex_unlock(&writer.lock);
}

static struct sink *sink_make(struct text path)
{
    struct sink *sink = mem_new(sizeof(*sink));

    pthread_once(&once, conditions_init);
    sink->path = text_of(mem_string(path.ptr, path.len), path.len);
    sink->refs = 1;
    sink->pace_ms = SINK_PACE_MS;
    sink->wake_bytes = WAKE_BYTES;
    sink->fd = sink->new_fd = -1;
    pthread_mutex_init(&sink->lock, NULL);
    return sink;
}

static struct sink *sink_join(struct sink *sink)
{
    pthread_mutex_lock(&writer.lock);
    sink->next = writer.sinks;
    writer.sinks = sink;
    writer.stop_ms = 0;
    pthread_mutex_unlock(&writer.lock);
    return sink;
}

struct sink *sink_new(struct text path, int fd, uint32_t pace_ms, size_t buffer_bytes)
{
    struct sink *sink = sink_make(path);

    if (pace_ms > 0)
        sink->pace_ms = pace_ms;
    if (buffer_bytes > 0 && buffer_bytes < WAKE_BYTES)
        sink->wake_bytes = buffer_bytes;
    use_fd(sink, fd);
    return sink_join(sink);
}

struct sink *sink_new_sender(struct text path, struct sink_sender *sender)
{
    struct sink *sink = sink_make(path);

    sink->sender = sender;
    return sink_join(sink);
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
    done->leaving_ms = clock_mono_ms();
    pthread_mutex_unlock(&done->lock);
    ring();
}

static void sink_free(struct sink *sink)
{
    if (sink->sender != NULL)
        sink->sender->free(sink->sender);
    if (sink->fd >= 0)
        (void)close(sink->fd);
    if (sink->new_fd >= 0)
        (void)close(sink->new_fd);
    pthread_mutex_destroy(&sink->lock);
    mem_free((void *)sink->path.ptr);
    mem_free(sink->waiting.bytes);
    mem_free(sink->parting.bytes);
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

/* `parts` are the pieces of one line, or the only piece of several. */
static void put(struct sink *sink, const struct text *parts, unsigned count)
{
    size_t len = 0, before;
    bool   must_wake;

    for (unsigned i = 0; i < count; i++)
        len += parts[i].len;
    pthread_mutex_lock(&sink->lock);
    before = sink->waiting.len;
    if (before + len > SINK_MOST_BYTES) {
        sink->dropped += parts[count - 1].len;
        pthread_mutex_unlock(&sink->lock);
        return;
    }
    must_wake =
        sink->due_ms == 0 || (before < sink->wake_bytes && before + len >= sink->wake_bytes);
    if (sink->due_ms == 0)
        sink->due_ms = clock_mono_ms() + sink->pace_ms;
    for (unsigned i = 0; i < count; i++)
        append(&sink->waiting, parts[i]);
    pthread_mutex_unlock(&sink->lock);
    if (must_wake)
        ring();
}

void sink_write_to(struct sink *sink, struct text head, struct text line)
{
    const uint32_t len = (uint32_t)(head.len + line.len);
    struct text    parts[3] = { text_of((const char *)&len, sizeof(len)), head, line };

    put(sink, parts, 3);
}

static void send_line(struct sink *sink, int level, struct text line)
{
    char   head[SINK_HEAD_BYTES];
    size_t head_len = 0;

    if (sink->sender->head != NULL)
        head_len = sink->sender->head(sink->sender, level, head);
    if (line.len > 0 && line.ptr[line.len - 1] == '\n')
        line.len--;
    sink_write_to(sink, text_of(head, head_len), line);
}

void sink_write(struct sink *sink, struct text lines)
{
    if (sink->sender != NULL)
        send_line(sink, -1, lines);
    else
        put(sink, &lines, 1);
}

void sink_write_log(void *target, enum log_level level, struct text line)
{
    struct sink *sink = target;

    if (sink->sender != NULL)
        send_line(sink, (int)level, line);
    else
        put(sink, &line, 1);
}

/* Lines that wait already belong to the old file: whoever rotates logs may be packing it. */
void sink_reopen(struct sink *sink, int fd)
{
    int unused;

    pthread_mutex_lock(&sink->lock);
    unused = sink->new_fd;
    sink->new_fd = fd;
    if (sink->parting.len == 0) {
        struct buffer empty = sink->parting;

        sink->parting = sink->waiting;
        sink->waiting = empty;
        sink->due_ms = 0;
    }
    pthread_mutex_unlock(&sink->lock);
    if (unused >= 0)
        (void)close(unused);
    ring();
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

/* ---- the writer thread: descriptors ---- */

/* The new descriptor's turn has come when all that is for the old one is written, or cannot be. */
static void switch_fd(struct sink *sink)
{
    int fd = -1;

    pthread_mutex_lock(&sink->lock);
    if (sink->blocked_ms > 0 || (sink->parting.len == 0 && sink->writing.len == 0)) {
        fd = sink->new_fd;
        sink->new_fd = -1;
    }
    pthread_mutex_unlock(&sink->lock);
    if (fd < 0)
        return;
    (void)close(sink->fd);
    use_fd(sink, fd);
}

/* ---- the writer thread: bytes ---- */

/* Under the lock. */
static struct buffer *next_buffer(struct sink *sink, int64_t now_ms, bool is_last_time)
{
    if (sink->parting.len > 0)
        return &sink->parting;
    if (sink->waiting.len == 0)
        return NULL;
    if (now_ms < sink->due_ms && sink->waiting.len < sink->wake_bytes && !is_last_time &&
        sink->leaving_ms == 0)
        return NULL;
    sink->due_ms = 0;
    return &sink->waiting;
}

/* Takes a buffer when the last one is written. False: nothing to do yet. */
static bool take(struct sink *sink, int64_t now_ms, bool is_last_time)
{
    struct buffer *next, empty = sink->writing;

    if (sink->writing.len > 0)
        return true;
    pthread_mutex_lock(&sink->lock);
    next = next_buffer(sink, now_ms, is_last_time);
    if (next != NULL) {
        sink->writing = *next;
        *next = empty;
        sink->written = 0;
    }
    pthread_mutex_unlock(&sink->lock);
    return next != NULL;
}

static void count_dropped(struct sink *sink, size_t bytes)
{
    pthread_mutex_lock(&sink->lock);
    sink->dropped += bytes;
    pthread_mutex_unlock(&sink->lock);
}

static void drop_writing(struct sink *sink)
{
    count_dropped(sink, sink->writing.len - sink->written);
    sink->writing.len = sink->written = 0;
}

/* A reader that keeps up is waited for, but only so long that other sinks do not notice. */
static bool has_room(const struct sink *sink, int64_t patient_until_ms)
{
    struct pollfd pollfd = { .fd = sink->fd, .events = POLLOUT };

    if (poll(&pollfd, 1, 0) > 0)
        return true;
    if (sink->blocked_ms > SINK_PACE_MS || clock_mono_ms() >= patient_until_ms)
        return false;
    return poll(&pollfd, 1, 1) > 0;
}

/* Pipes may block; they are asked first, and given little at a time. */
static size_t may_write(const struct sink *sink, size_t len, int64_t patient_until_ms)
{
    if (sink->is_file)
        return len;
    if (!has_room(sink, patient_until_ms))
        return 0;
    return len < PIPE_BYTES ? len : PIPE_BYTES;
}

static void note_blocked(struct sink *sink)
{
    sink->blocked_ms = sink->blocked_ms == 0 ? SINK_PACE_MS : sink->blocked_ms * 2;
    if (sink->blocked_ms > BLOCKED_MOST_MS)
        sink->blocked_ms = BLOCKED_MOST_MS;
}

static void write_out(struct sink *sink, int64_t now_ms)
{
    while (sink->written < sink->writing.len) {
        size_t  len = may_write(sink, sink->writing.len - sink->written, now_ms + SINK_PACE_MS);
        ssize_t n = len > 0 ? write(sink->fd, sink->writing.bytes + sink->written, len) : 0;

        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0 || (n < 0 && errno == EAGAIN)) {
            note_blocked(sink);
            return;
        }
        if (n < 0) {
            drop_writing(sink);
            return;
        }
        sink->written += (size_t)n;
        sink->blocked_ms = 0;
    }
    sink->writing.len = sink->written = 0;
}

/* ---- the writer thread: messages ---- */

static void note_trouble(struct sink *sink, int error, int64_t now_ms);

/* Sends the next message; false: not now. */
static bool send_next(struct sink *sink, int64_t now_ms)
{
    struct sink_sender *sender = sink->sender;
    const char         *at = sink->writing.bytes + sink->written;
    enum sink_sent      sent;
    uint32_t            len;
    int                 error = 0;

    memcpy(&len, at, sizeof(len));
    sent = sender->send(sender, text_of(at + sizeof(len), len), &error);
    if (error < 0)
        note_trouble(sink, error, now_ms);
    if (sent == SINK_LOST)
        sender->lost_bytes += len;
    if (sender->lost_bytes > 0)
        count_dropped(sink, sender->lost_bytes);
    sender->lost_bytes = 0;
    if (sent != SINK_LATER)
        sink->written += sizeof(len) + len;
    return sent != SINK_LATER;
}

static void send_out(struct sink *sink, int64_t now_ms)
{
    if (now_ms < sink->retry_ms)
        return;
    while (sink->written < sink->writing.len && send_next(sink, now_ms))
        sink->blocked_ms = 0;
    if (sink->written < sink->writing.len) {
        note_blocked(sink);
        sink->retry_ms = now_ms + sink->blocked_ms;
    } else {
        sink->writing.len = sink->written = 0;
    }
    if (sink->sender->rest != NULL)
        sink->sender->rest(sink->sender);
}

/* ---- the writer thread: one sink's turn ---- */

static void serve(struct sink *sink, int64_t now_ms, bool is_last_time)
{
    switch_fd(sink);
    while (take(sink, now_ms, is_last_time)) {
        int fd = sink->fd;

        if (sink->sender != NULL)
            send_out(sink, now_ms);
        else
            write_out(sink, now_ms);
        switch_fd(sink);
        if (sink->writing.len > 0 && sink->fd == fd)
            return;
    }
}

/* ---- the writer thread: what it says ---- */

/* Standard error may be the very pipe that is blocked; a report is worth less than the thread. */
static void write_stderr(struct text line)
{
    struct pollfd pollfd = { .fd = STDERR_FILENO, .events = POLLOUT };

    if (poll(&pollfd, 1, 0) > 0)
        (void)!write(STDERR_FILENO, line.ptr, line.len);
}

/* To the error log; about that one, to standard error as well. */
static void report_write(void *target, enum log_level level, struct text line)
{
    (void)target;
    if (writer.reporting != NULL)
        sink_write_log(writer.reporting, level, line);
    if (writer.reporting == NULL || writer.reporting == writer.subject)
        write_stderr(line);
}

static const struct log reports = { .level = LOG_NOTICE, .write = report_write };

/* Returns when there is more to report, or 0. */
static int64_t report_drops(struct sink *sink, int64_t now_ms)
{
    uint64_t dropped = sink_dropped(sink);

    if (dropped == sink->reported)
        return 0;
    if (sink->reported > 0 && now_ms < sink->reported_ms + REPORT_EVERY_MS)
        return sink->reported_ms + REPORT_EVERY_MS;
    writer.subject = sink;
    log_at(LOG_ERROR, NULL, "%llu bytes of log lines could not be written to \"%.*s\"",
           (unsigned long long)(dropped - sink->reported), TEXT_ARGS(sink->path));
    sink->reported = dropped;
    sink->reported_ms = now_ms;
    return 0;
}

static void note_trouble(struct sink *sink, int error, int64_t now_ms)
{
    if (sink->trouble_said_ms > 0 && now_ms < sink->trouble_said_ms + REPORT_EVERY_MS)
        return;
    writer.subject = sink;
    log_at(LOG_ERROR, NULL, "logging to \"%.*s\" failed %s", TEXT_ARGS(sink->path),
           log_errno(-error).text);
    sink->trouble_said_ms = now_ms;
}

/* ---- the writer thread: rounds ---- */

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms == 0 || (b_ms > 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static int64_t next_look(struct sink *sink, int64_t now_ms)
{
    int64_t next_ms;

    pthread_mutex_lock(&sink->lock);
    next_ms = sink->writing.len > 0 ? now_ms + sink->blocked_ms : sink->due_ms;
    pthread_mutex_unlock(&sink->lock);
    return next_ms;
}

/* One round over all sinks; returns when to look again, or 0. */
static int64_t round_once(struct sink *sinks, bool is_last_time)
{
    int64_t now_ms = clock_mono_ms(), next_ms = 0;

    for (struct sink *sink = sinks; sink != NULL; sink = sink->next) {
        serve(sink, now_ms, is_last_time);
        next_ms = earlier(next_ms, report_drops(sink, now_ms));
        next_ms = earlier(next_ms, next_look(sink, now_ms));
    }
    return next_ms;
}

static bool is_written(struct sink *sink)
{
    bool result;

    pthread_mutex_lock(&sink->lock);
    result = sink->waiting.len == 0 && sink->parting.len == 0 && sink->writing.len == 0;
    pthread_mutex_unlock(&sink->lock);
    return result || (sink->sender != NULL && sink->blocked_ms >= PATIENCE_MS);
}

static bool is_gone(struct sink *sink, int64_t now_ms)
{
    int64_t leaving_ms;

    pthread_mutex_lock(&sink->lock);
    leaving_ms = sink->leaving_ms;
    pthread_mutex_unlock(&sink->lock);
    return leaving_ms > 0 && (is_written(sink) || now_ms > leaving_ms + LEAVING_MOST_MS);
}

/* Under the writer's lock. */
static void bury_gone(void)
{
    int64_t now_ms = clock_mono_ms();

    for (struct sink **at = &writer.sinks; *at != NULL;) {
        struct sink *sink = *at;

        if (!is_gone(sink, now_ms)) {
            at = &sink->next;
            continue;
        }
        *at = sink->next;
        if (writer.report_to == sink)
            writer.report_to = NULL;
        sink_free(sink);
    }
}

static void wait_until(pthread_cond_t *condition, int64_t until_ms)
{
    struct timespec until = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };

    if (until_ms == 0)
        pthread_cond_wait(condition, &writer.lock);
    else
        (void)pthread_cond_timedwait(condition, &writer.lock, &until);
}

/* Under the writer's lock: asked to stop, and everything is written or the time is over. */
static bool may_stop(void)
{
    if (writer.stop_ms == 0)
        return false;
    if (clock_mono_ms() >= writer.stop_ms)
        return true;
    for (struct sink *sink = writer.sinks; sink != NULL; sink = sink->next)
        if (!is_written(sink))
            return false;
    return true;
}

static void turn(void)
{
    struct sink *sinks = writer.sinks;
    int64_t      next_ms;
    bool         is_last_time = writer.stop_ms > 0;

    writer.has_news = false;
    writer.reporting = writer.report_to;
    pthread_mutex_unlock(&writer.lock);   /* new sinks come in front: `sinks` stays valid */
    next_ms = round_once(sinks, is_last_time);
    pthread_mutex_lock(&writer.lock);
    bury_gone();
    if (!writer.has_news && !may_stop())
        wait_until(&writer.work, earlier(next_ms, writer.stop_ms));
}

static void *writer_run(void *arg)
{
    sigset_t all;

    (void)arg;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    log_use(&reports);
    pthread_mutex_lock(&writer.lock);
    do
        turn();
    while (!may_stop());
    writer.is_running = false;
    pthread_cond_signal(&writer.done);
    pthread_mutex_unlock(&writer.lock);
    return NULL;
}

/* Under the writer's lock. When the system has no thread for us, the next line tries again. */
static void writer_thread_start(void)
{
    if (!writer.is_running && writer.stop_ms == 0)
        writer.is_running = pthread_create(&writer.thread, NULL, writer_run, NULL) == 0;
}

void sinks_report_to(struct sink *sink)
{
    pthread_mutex_lock(&writer.lock);
    writer.report_to = sink;
    pthread_mutex_unlock(&writer.lock);
}

void sinks_stop(uint32_t most_ms)
{
    int64_t until_ms = clock_mono_ms() + most_ms;
    bool    was_running;

    pthread_mutex_lock(&writer.lock);
    was_running = writer.is_running;
    writer.stop_ms = until_ms;
    writer.has_news = true;
    if (was_running)
        pthread_cond_signal(&writer.work);
    while (writer.is_running && clock_mono_ms() < until_ms + SINK_PACE_MS)
        wait_until(&writer.done, until_ms + SINK_PACE_MS);
    was_running = was_running && !writer.is_running;
    pthread_mutex_unlock(&writer.lock);
    /* A thread that hangs in a dead disk's write() is left behind. */
    if (was_running)
        pthread_join(writer.thread, NULL);
}
