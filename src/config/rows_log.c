// SPDX-License-Identifier: MIT
/* error_log, access_log, log_format.
 *
 * The default access log is a file only when some server really inherits it: until logs_end() it is
 * a stand-in without a file. */
#include "config/logs.h"

#include <errno.h>
#include <stddef.h>

#include "base/map.h"
#include "config/values.h"

static const char combined_line[] =
    "$remote_addr - $remote_user [$time_local] \"$request\" "
    "$status $body_bytes_sent \"$http_referer\" \"$http_user_agent\"";

struct log_file *log_file_of(struct compiler *compiler, struct text path)
{
    struct log_file *file = map_get(compiler->log_files, path), **end;

    if (file != NULL)
        return file;
    file = ARENA_NEW(compiler->arena, struct log_file);
    file->path = arena_copy(compiler->arena, path);
    must(map_add(compiler->log_files, file->path, file));
    for (end = &compiler->config->site.log_files; *end != NULL; end = &(*end)->next)
        ;
    *end = file;
    return file;
}

struct error_log *error_log_new(struct compiler *compiler, struct log_file *file,
                                enum log_level level)
{
    struct error_log *log = ARENA_NEW(compiler->arena, struct error_log);

    log->file = file;
    log->level = level;
    return log;
}

/* ---- error_log ---- */

static struct log_file *syslog_of(struct compiler *compiler, const struct word *word)
{
    struct log_file *file;
    struct syslog    syslog;

    if (!syslog_word(compiler, word, &syslog))
        return NULL;
    file = log_file_of(compiler, word->text);
    file->kind = LOG_TO_SYSLOG;
    file->syslog = syslog;
    return file;
}

/* The file or server that a word names; NULL: complained. */
static struct log_file *log_word(struct compiler *compiler, const struct word *word)
{
    struct text path;

    if (text_has_prefix(word->text, TEXT(SYSLOG_PREFIX)))
        return syslog_of(compiler, word);
    if (text_has_prefix(word->text, TEXT("memory:"))) {
        complain_unsupported(compiler, word, "log", word->text);
        return NULL;
    }
    return word_path(compiler, word, &path) ? log_file_of(compiler, path) : NULL;
}

static bool log_level_word(struct compiler *compiler, const struct word *word,
                           enum log_level *ret_level)
{
    /* debug_core and the like are nginx's names for parts of debug. */
    if (text_has_prefix(word->text, TEXT("debug_"))) {
        *ret_level = LOG_DEBUG;
        return true;
    }
    if (log_level_parse(word->text, ret_level) == 0)
        return true;
    complain(compiler, word, "invalid log level \"%.*s\"", TEXT_ARGS(word->text))->hint =
        TEXT("one of debug info notice warn error crit alert emerg");
    return false;
}

static void apply_error_log(struct compiler *compiler, const struct node *node, void *field)
{
    bool               is_stderr = text_is_equal(node->args[0].text, TEXT("stderr"));
    struct log_file   *file = is_stderr ? log_file_of(compiler, TEXT("stderr"))
                                        : log_word(compiler, &node->args[0]);
    enum log_level     level = LOG_ERROR;
    struct error_log **end = field;

    if (file == NULL)
        return;
    for (unsigned i = 1; i < node->arg_count; i++)
        if (!log_level_word(compiler, &node->args[i], &level))
            return;
    if (compiler->is_first)
        *end = NULL;
    while (*end != NULL)
        end = &(*end)->next;
    *end = error_log_new(compiler, file, level);
}

/* ---- log_format ---- */

static const struct choice escapes[] = {
    { "default", LOG_ESCAPE_DEFAULT }, { "json", LOG_ESCAPE_JSON }, { "none", LOG_ESCAPE_NONE },
};

static void format_add(struct compiler *compiler, const struct word *place, struct text name,
                       enum log_escape escape, struct text line)
{
    struct log_format *format = ARENA_NEW(compiler->arena, struct log_format);

    format->name = arena_copy(compiler->arena, name);
    format->escape = escape;
    format->line = text_template(compiler, place, line);
    (void)map_add(compiler->formats, format->name, format);
}

static bool take_escape(struct compiler *compiler, const struct word *word,
                        enum log_escape *ret_escape)
{
    struct word value = *word;
    unsigned    escape;

    value.text = text_from_offset(word->text, sizeof("escape=") - 1);
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
        if (text_is_equal(value.text, text_from(escapes[i].name))) {
            escape = escapes[i].value;
            *ret_escape = (enum log_escape)escape;
            return true;
        }
    complain(compiler, word, "unknown log format escaping \"%.*s\"", TEXT_ARGS(value.text));
    return false;
}

static void apply_log_format(struct compiler *compiler, const struct node *node, void *field)
{
    struct writer   line = writer_arena(compiler->arena, 256);
    enum log_escape escape = LOG_ESCAPE_DEFAULT;
    unsigned        i = 1, errors = compiler->diagnoses->errors;

    (void)field;
    if (map_get(compiler->formats, node->args[0].text) != NULL) {
        complain(compiler, &node->args[0], "duplicate \"log_format\" name \"%.*s\"",
                 TEXT_ARGS(node->args[0].text));
        return;
    }
    if (text_has_prefix(node->args[1].text, TEXT("escape=")) &&
        !take_escape(compiler, &node->args[i++], &escape))
        return;
    for (; i < node->arg_count; i++) {
        (void)word_template(compiler, &node->args[i]);   /* what is wrong with it stands here */
        writer_text(&line, node->args[i].text);
    }
    if (compiler->diagnoses->errors > errors)
        line.len = 0;
    format_add(compiler, &node->args[1], node->args[0].text, escape, writer_done(&line));
}

/* ---- access_log ---- */

void logs_begin(struct compiler *compiler, struct location *location)
{
    struct access_log *log = ARENA_NEW(compiler->arena, struct access_log);

    if (map_get(compiler->formats, TEXT("combined")) == NULL)
        format_add(compiler, NULL, TEXT("combined"), LOG_ESCAPE_DEFAULT, text_from(combined_line));
    log->format = map_get(compiler->formats, TEXT("combined"));
    compiler->default_log = log;
    location->access_logs = log;
}

static bool is_default_used(const struct compiler *compiler, const struct location *location)
{
    if (location->access_logs == compiler->default_log)
        return true;
    for (const struct location *at = location->children; at != NULL; at = at->next)
        if (is_default_used(compiler, at))
            return true;
    return false;
}

void logs_end(struct compiler *compiler)
{
    struct site *site = &compiler->config->site;
    bool         is_used = false;

    for (const struct server *server = site->servers; server != NULL; server = server->next)
        is_used = is_used || is_default_used(compiler, &server->level);
    if (is_used)
        compiler->default_log->file =
            log_file_of(compiler, arena_format(compiler->arena, "%.*slogs/access.log",
                                               TEXT_ARGS(compiler->options->prefix)));
    else if (compiler->http->level.access_logs == compiler->default_log)
        compiler->http->level.access_logs = NULL;
}

static struct text after(const struct word *word, const char *prefix)
{
    return text_from_offset(word->text, text_from(prefix).len);
}

static bool access_log_option(struct compiler *compiler, const struct word *word,
                              struct access_log *log, bool *has_pace)
{
    uint64_t bytes;

    if (text_has_prefix(word->text, TEXT("buffer="))) {
        *has_pace = true;
        if (value_size(after(word, "buffer="), &bytes) < 0 || bytes == 0 || bytes > BUFFER_MOST) {
            complain(compiler, word, "invalid buffer size \"%.*s\"",
                     TEXT_ARGS(after(word, "buffer=")));
            return false;
        }
        log->buffer_bytes = (uint32_t)bytes;
        return true;
    }
    if (text_has_prefix(word->text, TEXT("flush="))) {
        if (value_msec(after(word, "flush="), &log->flush_ms) == 0 && log->flush_ms > 0)
            return true;
        complain(compiler, word, "invalid flush time \"%.*s\"", TEXT_ARGS(after(word, "flush=")));
        return false;
    }
    if (text_has_prefix(word->text, TEXT("if="))) {
        log->condition = text_template(compiler, word, after(word, "if="));
        return true;
    }
    if (text_has_prefix(word->text, TEXT("gzip")))
        complain_unsupported(compiler, word, "parameter", word->text);
    else
        complain_parameter(compiler, word);
    return false;
}

static bool access_log_options(struct compiler *compiler, const struct node *node,
                               struct access_log *log)
{
    struct text name = node->arg_count > 1 ? node->args[1].text : TEXT("combined");
    bool        has_buffer = false, is_good = true;

    log->format = map_get(compiler->formats, name);
    if (log->format == NULL) {
        complain(compiler, &node->args[1], "unknown log format \"%.*s\"", TEXT_ARGS(name));
        return false;
    }
    for (unsigned i = 2; i < node->arg_count; i++)
        is_good = access_log_option(compiler, &node->args[i], log, &has_buffer) && is_good;
    if (is_good && log->flush_ms > 0 && !has_buffer) {
        complain(compiler, &node->args[0], "no buffer is defined for access_log \"%.*s\"",
                 TEXT_ARGS(node->args[0].text));
        return false;
    }
    return is_good;
}

/* A path that each request makes: the worker's log writer opens it. */
static struct log_file *named_of(struct compiler *compiler, const struct word *word,
                                 const struct template **ret_path)
{
    struct log_file *file;
    struct text      path;

    if (!word_path(compiler, word, &path))
        return NULL;
    *ret_path = text_template(compiler, word, path);
    file = log_file_of(compiler, path);
    file->kind = LOG_TO_NAMED;
    return file;
}

static bool has_path_variables(const struct word *word)
{
    return text_has_variables(word->text) && !text_has_prefix(word->text, TEXT(SYSLOG_PREFIX));
}

static bool may_be_paced(struct compiler *compiler, const struct word *word,
                         const struct access_log *log)
{
    const char *wrong = log->file->kind == LOG_TO_SYSLOG ? "logs to syslog cannot be buffered"
                        : log->file->kind == LOG_TO_NAMED
                            ? "buffered logs cannot have variables in name"
                            : NULL;

    if (log->buffer_bytes > 0 && wrong != NULL)
        complain(compiler, word, "%s", wrong);
    return log->buffer_bytes == 0 || wrong == NULL;
}

/* What two lines say about one file must be the same. */
static bool is_consistent(struct compiler *compiler, const struct word *word,
                          const struct access_log *log)
{
    struct log_file *file = log->file;

    if (log->buffer_bytes == 0)
        return true;
    if (file->buffer_bytes > 0 &&
        (file->buffer_bytes != log->buffer_bytes || file->flush_ms != log->flush_ms)) {
        complain(compiler, word, "access_log \"%.*s\" already defined with conflicting parameters",
                 TEXT_ARGS(file->path));
        return false;
    }
    file->buffer_bytes = log->buffer_bytes;
    file->flush_ms = log->flush_ms;
    return true;
}

static void access_log_off(struct compiler *compiler, const struct node *node,
                           struct access_log **logs)
{
    compiler->level->is_log_off = true;
    *logs = NULL;
    if (node->arg_count > 1)
        complain_parameter(compiler, &node->args[1]);
}

static void apply_access_log(struct compiler *compiler, const struct node *node, void *field)
{
    const struct word *word = &node->args[0];
    struct access_log *log = ARENA_NEW(compiler->arena, struct access_log), **end = field;

    if (compiler->is_first)
        *end = NULL;
    if (text_is_equal(word->text, TEXT("off"))) {
        access_log_off(compiler, node, end);
        return;
    }
    log->file =
        has_path_variables(word) ? named_of(compiler, word, &log->path) : log_word(compiler, word);
    if (log->file == NULL || !access_log_options(compiler, node, log) ||
        !may_be_paced(compiler, word, log) || !is_consistent(compiler, word, log) ||
        compiler->level->is_log_off)
        return;
    while (*end != NULL)
        end = &(*end)->next;
    *end = log;
}

static const struct directive rows[] = {
    { "error_log", IN_MAIN, 1, 2, IS_LIST, apply_error_log, FIELD_CORE(error_log),
      "file | syslog:parameters [level]", "logs/error.log error",
      "Where errors are written, and from which level on. Several may be given." },
    { "error_log", EVERYWHERE, 1, 2, IS_LIST, apply_error_log, FIELD_LOCATION(error_log),
      "file | syslog:parameters [level]", "logs/error.log error",
      "The same for what concerns requests of this block." },
    { "log_format", IN_HTTP, 2, ARGS_MANY, IS_EARLY | IS_LIST, apply_log_format, FIELD_NONE,
      "name [escape=default|json|none] string ...", "combined \"...\"",
      "Names a form of access log lines." },
    { "access_log", EVERYWHERE, 1, ARGS_MANY, IS_LIST, apply_access_log,
      FIELD_LOCATION(access_logs),
      "off | file | syslog:parameters [format [buffer=size] [flush=time] [if=condition]]",
      "logs/access.log combined",
      "Where a line is written for each request. Several may be given. A path may have variables: "
      "the "
      "worker opens it, with its own rights. Parameters of syslog: `server=address[:port]` or "
      "`server=unix:path`, `facility=`, `severity=`, `tag=`, `nohostname`." },
};

const struct directive_rows rows_log = DIRECTIVE_ROWS("Logs", rows);
