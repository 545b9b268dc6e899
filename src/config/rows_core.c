// SPDX-License-Identifier: MIT
/* The main level and `events`. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "config/lists.h"
#include "config/values.h"

static void apply_worker_processes(struct compiler *compiler, const struct node *node, void *field)
{
    unsigned *count = field;
    uint64_t  number;

    if (text_is_equal(node->args[0].text, TEXT("auto"))) {
        *count = 0;
        return;
    }
    if (value_number(node->args[0].text, 4096, &number) < 0 || number == 0) {
        complain_value(compiler, &node->args[0]);
        return;
    }
    *count = (unsigned)number;
}

static void apply_worker_connections(struct compiler *compiler, const struct node *node,
                                     void *field)
{
    uint64_t number;

    if (value_number(node->args[0].text, INT32_MAX, &number) < 0 || number == 0) {
        complain(compiler, &node->args[0], "invalid number \"%.*s\"",
                 TEXT_ARGS(node->args[0].text));
        return;
    }
    *(unsigned *)field = (unsigned)number;
}

static void apply_rlimit(struct compiler *compiler, const struct node *node, void *field)
{
    if (value_number(node->args[0].text, INT64_MAX, field) < 0)
        complain_number(compiler, &node->args[0]);
}

static void apply_worker_memory(struct compiler *compiler, const struct node *node, void *field)
{
    enum { LEAST_BYTES = 1024 * 1024 };
    struct core *core = compiler->level->core;
    struct text  text = node->args[0].text;
    uint64_t     bytes = 0, percent = 0;
    bool         is_off = text_is_equal(text, TEXT("off")), is_right;

    (void)field;
    if (text.len > 0 && text.ptr[text.len - 1] == '%')
        is_right =
            value_number(text_part(text, 0, text.len - 1), 100, &percent) == 0 && percent > 0;
    else
        is_right = is_off || (value_size(text, &bytes) == 0 && bytes >= LEAST_BYTES);
    if (!is_right) {
        complain_value(compiler, &node->args[0]);
        return;
    }
    core->memory_bytes = bytes;
    core->memory_percent = (uint32_t)percent;
}

/* "close=200ms" or "stop=1s" */
static bool lag_word(struct compiler *compiler, const struct word *word)
{
    struct core *core = compiler->level->core;
    bool         is_close = text_has_prefix(word->text, TEXT("close="));
    size_t       name_len = is_close ? sizeof("close=") - 1 : sizeof("stop=") - 1;
    uint32_t     ms;

    if (!is_close && !text_has_prefix(word->text, TEXT("stop="))) {
        complain_parameter(compiler, word);
        return false;
    }
    if (value_msec(text_from_offset(word->text, name_len), &ms) < 0 || ms == 0) {
        complain_value(compiler, word);
        return false;
    }
    *(is_close ? &core->lag_close_ms : &core->lag_stop_ms) = ms;
    return true;
}

static void apply_worker_lag(struct compiler *compiler, const struct node *node, void *field)
{
    struct core *core = compiler->level->core;

    (void)field;
    if (node->arg_count == 1 && text_is_equal(node->args[0].text, TEXT("off"))) {
        core->lag_close_ms = core->lag_stop_ms = 0;
        return;
    }
    for (unsigned i = 0; i < node->arg_count; i++)
        if (!lag_word(compiler, &node->args[i]))
            return;
    if (core->lag_stop_ms < core->lag_close_ms)
        complain(compiler, &node->args[0], "\"stop\" must not be less than \"close\"")->hint =
            arena_format(compiler->diagnoses->arena, "close=%ums stop=%ums", core->lag_close_ms,
                         core->lag_stop_ms);
}

/* The path is checked when the sockets are opened: a directory that is missing may be made by then. */
static void apply_control_socket(struct compiler *compiler, const struct node *node, void *field)
{
    struct core *core = compiler->level->core;

    core->is_control_said = true;
    if (text_is_equal(node->args[0].text, TEXT("off"))) {
        core->control_path = TEXT("");
        return;
    }
    if (word_path(compiler, &node->args[0], field) && core->control_path.len > CONTROL_PATH_MOST)
        complain(compiler, &node->args[0],
                 "the path of the control socket is too long: %zu bytes, %d are possible",
                 core->control_path.len, CONTROL_PATH_MOST);
}

static void apply_user(struct compiler *compiler, const struct node *node, void *field)
{
    struct core *core = compiler->level->core;

    (void)field;
    core->user = arena_copy(compiler->arena, node->args[0].text);
    core->group = node->arg_count > 1 ? arena_copy(compiler->arena, node->args[1].text) : TEXT_NONE;
}

static void apply_priority(struct compiler *compiler, const struct node *node, void *field)
{
    struct text text = node->args[0].text;
    bool        is_negative = text_has_prefix(text, TEXT("-"));
    uint64_t    number;

    if (is_negative || text_has_prefix(text, TEXT("+")))
        text = text_from_offset(text, 1);
    if (value_number(text, 20, &number) < 0) {
        complain_number(compiler, &node->args[0]);
        return;
    }
    *(int *)field = is_negative ? -(int)number : (int)number;
}

static void apply_env(struct compiler *compiler, const struct node *node, void *field)
{
    struct core *core = compiler->level->core;

    (void)field;
    texts_append(compiler->arena, &core->keep_env, &core->keep_env_count, node->args[0].text);
}

static void apply_events(struct compiler *compiler, const struct node *node, void *field)
{
    struct level level;

    (void)field;
    level_enter(compiler, &level, IN_EVENTS, node);
    block_compile(compiler, node->children);
    level_leave(compiler);
}

void texts_append(struct arena *arena, struct text **array, unsigned *count, struct text text)
{
    /* Room doubles whenever the count is a power of two. */
    if ((*count & (*count - 1)) == 0) {
        struct text *grown = ARENA_ARRAY(arena, struct text, *count == 0 ? 1 : 2 * *count);

        if (*count > 0)
            memcpy(grown, *array, *count * sizeof(*grown));
        *array = grown;
    }
    (*array)[(*count)++] = arena_copy(arena, text);
}

static const struct directive rows[] = {
    { "daemon", IN_MAIN, 1, 1, 0, apply_flag, FIELD_CORE(is_daemon), "on | off", "on",
      "Go to the background after start." },
    { "master_process", IN_MAIN, 1, 1, 0, apply_flag, FIELD_CORE(has_master), "on | off", "on",
      "Off: one process for everything, for debugging." },
    { "pid", IN_MAIN, 1, 1, 0, apply_path, FIELD_CORE(pid_path), "file", FRONTDESK_PID,
      "File that holds the process id of the supervisor." },
    { "control_socket", IN_MAIN, 1, 1, 0, apply_control_socket, FIELD_CORE(control_path),
      "path | off", "beside the pid file",
      "Unix socket for commands as `frontdesk cache purge` ([control](control.md)). (Not "
      "nginx's.)" },
    { "user", IN_MAIN, 1, 2, 0, apply_user, FIELD_CORE(user), "user [group]", "nobody",
      "Whom the worker runs as when the supervisor is root." },
    { "worker_processes", IN_MAIN, 1, 1, 0, apply_worker_processes, FIELD_CORE(worker_processes),
      "number | auto", "1", "Number of event loops; they are threads of one worker process." },
    { "worker_rlimit_nofile", IN_MAIN, 1, 1, 0, apply_rlimit, FIELD_CORE(nofile), "number", "",
      "Limit of open files of the worker." },
    { "worker_memory", IN_MAIN, 1, 1, 0, apply_worker_memory, FIELD_CORE(memory_bytes),
      "size | percent% | off", "25%",
      "Most memory that requests and connections may hold, percent of the machine's or of the "
      "cgroup's that caches leave; beyond it new requests are answered 503." },
    { "worker_lag", IN_MAIN, 1, 2, 0, apply_worker_lag, FIELD_CORE(lag_close_ms),
      "[close=time] [stop=time] | off", "close=200ms stop=1s",
      "How late an event loop may be on average: from `close` on its answers end keep-alive, from "
      "`stop` on it accepts nobody until it is better. (Not nginx's.)" },
    { "worker_shutdown_timeout", IN_MAIN, 1, 1, 0, apply_msec, FIELD_CORE(shutdown_timeout_ms),
      "time", "", "Longest time that a graceful end waits for connections." },
    { "worker_priority", IN_MAIN, 1, 1, 0, apply_priority, FIELD_CORE(priority), "number", "0",
      "The worker's priority, as of `nice`." },
    { "working_directory", IN_MAIN, 1, 1, 0, apply_path, FIELD_CORE(working_directory),
      "directory", "", "The worker's current directory, where it leaves core files." },
    { "env", IN_MAIN, 1, 1, IS_LIST, apply_env, FIELD_CORE(keep_env), "name[=value]", "TZ",
      "Keeps a variable of the environment, or sets it." },
    { "events", IN_MAIN, 0, 0, IS_BLOCK | IS_CHILD, apply_events, FIELD_NONE, "{ ... }", "",
      "Directives of connection processing." },
    { "worker_connections", IN_EVENTS, 1, 1, 0, apply_worker_connections,
      FIELD_CORE(worker_connections), "number", "512",
      "Most connections of one event loop, clients and upstreams together. From nine tenths on a "
      "new client is let in only for one that rests and is closed." },
};

const struct directive_rows rows_core = DIRECTIVE_ROWS("Process", rows);
