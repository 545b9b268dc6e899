// SPDX-License-Identifier: MIT
/* A caller is a connection with its one command. What a command says is gathered and written when the
 * caller's task runs, so a command never waits for who reads. While one takes long, a line of progress
 * every few seconds tells the caller that we live, and tells us when the caller does not. */
#include "main/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "main/control_table.h"

enum {
    ACCEPT_PAUSE_MS = 1000,
    ANSWER_FIRST_BYTES = 1024,
    SAY_BYTES = CONTROL_LINE_MOST + 1024,
    ANSWER_BUT_LAST_MOST = CONTROL_ANSWER_MOST - SAY_BYTES   /* without its last line */
};

enum stage {
    STAGE_READING = 0,                   /* the line */
    STAGE_RUNNING,                       /* the command */
    STAGE_ENDING,                        /* what is left to write */
    STAGE_OVER                           /* buried */
};

struct caller {
    struct link            link;
    struct control        *control;
    struct task            task;
    struct watch           watch;        /* fd -1: has left */
    struct timer           timer;
    int64_t                deadline_ms;
    struct corpse          corpse;
    enum stage             stage;
    struct control_request request;
    char                   line[CONTROL_LINE_MOST];
    size_t                 line_len;
    char                  *answer;
    size_t                 answer_len, answer_capacity, sent;
    bool                   is_too_long;
};

struct control {
    struct loop                  *loop;
    const struct control_command *commands;
    void                         *asked_of;
    struct watch                  watch;     /* fd -1: does not listen */
    struct task                   task;
    struct timer                  timer;     /* of a pause */
    bool                          is_paused;
    uid_t                         owner;     /* of the socket */
    struct link                   callers;
    unsigned                      count;
};

static struct caller *caller_of(const struct control_request *request)
{
    return container_of(request, struct caller, request);
}

/* ---- the end of a caller ---- */

static void caller_release(struct corpse *corpse)
{
    struct caller *caller = container_of(corpse, struct caller, corpse);

    arena_free(&caller->request.arena);
    mem_free(caller->answer);
    mem_free(caller);
}

static void caller_hang_up(struct caller *caller)
{
    if (caller->watch.fd < 0)
        return;
    loop_unwatch(caller->control->loop, &caller->watch);
    (void)close(caller->watch.fd);
    caller->watch.fd = -1;
}

static void caller_unlink(struct caller *caller)
{
    caller_hang_up(caller);
    timer_remove(loop_timers(caller->control->loop), &caller->timer);
    task_cancel(&caller->task);
    list_remove(&caller->link);
    caller->control->count--;
}

static void caller_end(struct caller *caller)
{
    caller_unlink(caller);
    caller->stage = STAGE_OVER;
    loop_bury(caller->control->loop, &caller->corpse);
}

/* A command that runs has to end before its caller does. */
static void caller_lose(struct caller *caller)
{
    if (caller->stage == STAGE_RUNNING)
        caller_hang_up(caller);
    else
        caller_end(caller);
}

/* ---- answering ---- */

static void answer_add(struct caller *caller, struct text bytes, size_t most)
{
    size_t needed = caller->answer_len + bytes.len;

    if (caller->watch.fd < 0)
        return;
    if (needed > most) {
        caller->is_too_long = true;
        return;
    }
    if (needed > caller->answer_capacity) {
        size_t doubled = 2 * caller->answer_capacity;

        caller->answer_capacity = needed > doubled ? needed + ANSWER_FIRST_BYTES : doubled;
        caller->answer = mem_resize(caller->answer, caller->answer_capacity);
    }
    memcpy(caller->answer + caller->answer_len, bytes.ptr, bytes.len);
    caller->answer_len = needed;
    task_wake(&caller->task, WAKE_WRITABLE);
}

static void line_add(struct caller *caller, const char *prefix, size_t most, const char *format,
                     va_list values) PRINTF_LIKE(4, 0);

/* Whole lines only, whatever is in them. */
static void line_add(struct caller *caller, const char *prefix, size_t most, const char *format,
                     va_list values)
{
    char line[SAY_BYTES];
    int  start = snprintf(line, sizeof(line), "%s", prefix);
    int  room = (int)sizeof(line) - start - 1;
    int  len = vsnprintf(line + start, (size_t)room, format, values);

    if (len < 0)
        return;
    len = start + (len < room ? len : room - 1);
    for (int i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    line[len++] = '\n';
    answer_add(caller, text_of(line, (size_t)len), most);
}

void control_say(struct control_request *request, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    line_add(caller_of(request), "", ANSWER_BUT_LAST_MOST, format, values);
    va_end(values);
}

void control_say_progress(struct control_request *request, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    line_add(caller_of(request), "progress: ", ANSWER_BUT_LAST_MOST, format, values);
    va_end(values);
}

bool control_has_left(const struct control_request *request)
{
    return caller_of(request)->watch.fd < 0;
}

static void deadline_set(struct caller *caller)
{
    struct loop *loop = caller->control->loop;

    caller->deadline_ms = loop_now_ms(loop) + CONTROL_IDLE_MS;
    timer_set(loop_timers(loop), &caller->timer, caller->deadline_ms);
}

/* The last line was said. */
static void request_over(struct caller *caller)
{
    caller->stage = STAGE_ENDING;
    deadline_set(caller);
    task_wake(&caller->task, WAKE_WRITABLE);
}

void control_end(struct control_request *request)
{
    struct caller *caller = caller_of(request);

    if (caller->is_too_long) {
        control_fail(request, "the answer is too long");
        return;
    }
    answer_add(caller, TEXT("ok\n"), CONTROL_ANSWER_MOST);
    request_over(caller);
}

void control_fail(struct control_request *request, const char *format, ...)
{
    struct caller *caller = caller_of(request);
    va_list        values;

    va_start(values, format);
    line_add(caller, "error: ", CONTROL_ANSWER_MOST, format, values);
    va_end(values);
    request_over(caller);
}

/* ---- running a command ---- */

static void help_run(struct control_request *request)
{
    const struct control *control = caller_of(request)->control;

    for (const struct control_command *at = control->commands; at->name != NULL; at++)
        control_say(request, "%s%s%s", at->name, at->words[0] == '\0' ? "" : " ", at->words);
    control_end(request);
}

static const struct control_command help = { "help", "", help_run };

static void unknown_say(struct control_request *request, const struct control_command *commands,
                        const struct control_line *line)
{
    const struct control_command *nearest = control_table_nearest(commands, line);

    if (nearest != NULL)
        control_fail(request, "unknown command \"%.*s\"; did you mean \"%s\"?",
                     TEXT_ARGS(line->words[0]), nearest->name);
    else
        control_fail(request, "unknown command \"%.*s\"; \"help\" lists what there is",
                     TEXT_ARGS(line->words[0]));
}

static void line_run(struct caller *caller, struct text text)
{
    struct control_request       *request = &caller->request;
    const struct control_command *commands = caller->control->commands;
    struct control_line          *line = ARENA_NEW(request->arena, struct control_line);
    const char                   *why;
    unsigned                      name_words = 1;

    caller->stage = STAGE_RUNNING;
    deadline_set(caller);
    if (control_line_read(text, request->arena, line, &why) < 0) {
        control_fail(request, "%s", why);
        return;
    }
    request->command = text_is_equal(line->words[0], TEXT("help"))
                           ? &help
                           : control_table_find(commands, line, &name_words);
    if (request->command == NULL) {
        unknown_say(request, commands, line);
        return;
    }
    log_at(LOG_INFO, NULL, "control: %.*s", TEXT_ARGS(text));
    request->words = line->words + name_words;
    request->word_count = line->count - name_words;
    request->command->run(request);
}

/* ---- reading and writing ---- */

static void line_take(struct caller *caller)
{
    char *end = memchr(caller->line, '\n', caller->line_len);

    if (end == NULL && caller->line_len < sizeof(caller->line))
        return;
    if (end != NULL && end + 1 == caller->line + caller->line_len) {
        line_run(caller, text_of(caller->line, caller->line_len - 1));
        return;
    }
    caller->stage = STAGE_RUNNING;
    control_fail(&caller->request,
                 end == NULL ? "the command is too long" : "one connection takes one command");
}

static void caller_read(struct caller *caller)
{
    while (caller->stage == STAGE_READING) {
        ssize_t len = read(caller->watch.fd, caller->line + caller->line_len,
                           sizeof(caller->line) - caller->line_len);

        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && errno == EAGAIN)
            return;
        if (len <= 0) {
            caller_end(caller);
            return;
        }
        caller->line_len += (size_t)len;
        line_take(caller);
    }
}

/* What was not asked for is read before the close, which would be a reset otherwise. */
static void rest_drop(int fd)
{
    char    bytes[4096];
    ssize_t len;

    for (int i = 0; i < 16; i++) {
        len = read(fd, bytes, sizeof(bytes));
        if (len <= 0)
            return;
    }
}

static void caller_write(struct caller *caller)
{
    while (caller->sent < caller->answer_len) {
        ssize_t len = send(caller->watch.fd, caller->answer + caller->sent,
                           caller->answer_len - caller->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && errno == EAGAIN)
            return;
        if (len < 0) {
            caller_lose(caller);
            return;
        }
        caller->sent += (size_t)len;
        deadline_set(caller);
    }
    caller->sent = caller->answer_len = 0;
    if (caller->stage == STAGE_ENDING) {
        rest_drop(caller->watch.fd);
        caller_end(caller);
    }
}

static void caller_late(struct caller *caller)
{
    bool is_stuck = caller->sent < caller->answer_len;

    if (caller->stage == STAGE_READING) {
        caller->stage = STAGE_RUNNING;
        control_fail(&caller->request, "no command has come");
    } else if (caller->stage == STAGE_ENDING || is_stuck) {
        caller_lose(caller);
    } else {
        control_say_progress(&caller->request, "at work");
        deadline_set(caller);
    }
}

static void caller_run(struct task *task, unsigned wakes)
{
    struct caller *caller = container_of(task, struct caller, task);

    (void)wakes;
    if (caller->watch.fd < 0) {
        /* Left before; when its command is over nothing holds it. */
        if (caller->stage == STAGE_ENDING)
            caller_end(caller);
        return;
    }
    caller_read(caller);
    if (caller->stage == STAGE_OVER)
        return;
    if (loop_now_ms(caller->control->loop) >= caller->deadline_ms)
        caller_late(caller);
    else
        caller_write(caller);
}

/* ---- accepting ---- */

/* There is no memory or time to spend on it: one try. */
static void refuse(int fd, const char *line)
{
    (void)!send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
    rest_drop(fd);
    (void)close(fd);
}

static bool may_ask(int fd, uid_t owner)
{
    struct ucred caller;
    socklen_t    len = sizeof(caller);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &caller, &len) < 0)
        return false;
    if (caller.uid == 0 || caller.uid == owner)
        return true;
    log_at(LOG_WARN, NULL, "control: user %u (process %d) may not give commands",
           (unsigned)caller.uid, (int)caller.pid);
    return false;
}

void control_accept(struct control *control, int fd, uid_t owner)
{
    struct caller *caller;

    if (!may_ask(fd, owner)) {
        refuse(fd, "error: permission denied\n");
        return;
    }
    if (control->count >= CONTROL_CONNS_MOST) {
        refuse(fd, "error: too many commands at a time\n");
        return;
    }
    caller = mem_new(sizeof(*caller));
    caller->control = control;
    caller->corpse.release = caller_release;
    caller->request.arena = arena_new();
    caller->request.asked_of = control->asked_of;
    task_init(&caller->task, caller_run);
    timer_init(&caller->timer, &caller->task);
    list_append(&control->callers, &caller->link);
    control->count++;
    caller->watch = (struct watch){ .fd = fd, .task = &caller->task };
    deadline_set(caller);
    if (loop_watch(control->loop, &caller->watch, false) < 0)
        caller_end(caller);
}

/* The poller would tell of the one who waits for ever. */
static void pause_begin(struct control *control)
{
    loop_unwatch(control->loop, &control->watch);
    control->is_paused = true;
    timer_set(loop_timers(control->loop), &control->timer,
              loop_now_ms(control->loop) + ACCEPT_PAUSE_MS);
}

static void pause_end(struct control *control)
{
    if (control->is_paused && loop_watch(control->loop, &control->watch, true) == 0)
        control->is_paused = false;
}

static void control_run(struct task *task, unsigned wakes)
{
    struct control *control = container_of(task, struct control, task);
    int             fd;

    if (wakes & WAKE_DEADLINE)
        pause_end(control);
    /* One a turn: the poller tells again. */
    if (control->watch.fd < 0 || control->is_paused)
        return;
    fd = accept4(control->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        control_accept(control, fd, control->owner);
    else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        pause_begin(control);
}

static void listening_end(struct control *control)
{
    if (control->watch.fd < 0)
        return;
    if (!control->is_paused)
        loop_unwatch(control->loop, &control->watch);
    timer_remove(loop_timers(control->loop), &control->timer);
    control->is_paused = false;
    (void)close(control->watch.fd);
    control->watch.fd = -1;
}

/* A listening unix socket has the credentials of who called listen(). */
static uid_t owner_of(int fd)
{
    struct ucred maker;
    socklen_t    len = sizeof(maker);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &maker, &len) == 0 ? maker.uid : 0;
}

void control_listen(struct control *control, int fd)
{
    listening_end(control);
    if (fd < 0)
        return;
    control->watch = (struct watch){ .fd = fd, .task = &control->task };
    control->owner = owner_of(fd);
    if (loop_watch(control->loop, &control->watch, true) < 0) {
        (void)close(fd);
        control->watch.fd = -1;
    }
}

/* ---- life ---- */

struct control *control_new(struct loop *loop, const struct control_command *commands,
                            void *asked_of)
{
    struct control *control = mem_new(sizeof(*control));

    control->loop = loop;
    control->commands = commands;
    control->asked_of = asked_of;
    control->watch.fd = -1;
    list_init(&control->callers);
    task_init(&control->task, control_run);
    timer_init(&control->timer, &control->task);
    return control;
}

void control_free(struct control **control)
{
    struct control *dead = *control;

    listening_end(dead);
    task_cancel(&dead->task);
    LIST_EACH_SAFE(&dead->callers, at, after)
    {
        struct caller *caller = container_of(at, struct caller, link);

        caller_unlink(caller);
        caller_release(&caller->corpse);
    }
    MEM_FREE(control);
}
