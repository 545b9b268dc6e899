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

struct error_log *error_log_new(struct compiler *compiler, const struct log_level_place *place)
{
    struct error_log *log = ARENA_NEW(compiler->arena, struct error_log);

    log->file = log_file_of(compiler, place->path);
    log->level = place->level;
    return log;
}

/* ---- error_log ---- */

static bool log_path(struct compiler *compiler, const struct word *word, struct text *ret_path)
{
    if (text_has_prefix(word->text, TEXT("syslog:")) || text_has_prefix(word->text, TEXT("memory:"))) {
        complain_unsupported(compiler, word, "log", word->text);
        return false;
    }
    return word_path(compiler, word, ret_path);
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
    struct log_level_place place = { .path = TEXT("stderr"), .level = LOG_ERROR };
    struct error_log     **end = field;

    if (!text_is_equal(node->args[0].text, TEXT("stderr")) &&
        !log_path(compiler, &node->args[0], &place.path))
        return;
    for (unsigned i = 1; i < node->arg_count; i++)
        if (!log_level_word(compiler, &node->args[i], &place.level))
            return;
    if (compiler->is_first)
        *end = NULL;
    while (*end != NULL)
        end = &(*end)->next;
    *end = error_log_new(compiler, &place);
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
    unsigned        i = 1;

    (void)field;
    if (map_get(compiler->formats, node->args[0].text) != NULL) {
        complain(compiler, &node->args[0], "duplicate \"log_format\" name \"%.*s\"",
                 TEXT_ARGS(node->args[0].text));
        return;
    }
    if (text_has_prefix(node->args[1].text, TEXT("escape=")) &&
        !take_escape(compiler, &node->args[i++], &escape))
        return;
    for (; i < node->arg_count; i++)
        writer_text(&line, node->args[i].text);
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

static void apply_access_log(struct compiler *compiler, const struct node *node, void *field)
{
    struct access_log *log = ARENA_NEW(compiler->arena, struct access_log), **end = field;
    struct text        path;

    if (compiler->is_first)
        *end = NULL;
    if (text_is_equal(node->args[0].text, TEXT("off")) && node->arg_count == 1) {
        compiler->level->is_log_off = true;
        *end = NULL;
        return;
    }
    if (text_has_variables(node->args[0].text)) {
        complain_unsupported(compiler, &node->args[0], "log path with variables",
                             node->args[0].text);
        return;
    }
    if (!log_path(compiler, &node->args[0], &path) || !access_log_options(compiler, node, log) ||
        compiler->level->is_log_off)
        return;
    log->file = log_file_of(compiler, path);
    while (*end != NULL)
        end = &(*end)->next;
    *end = log;
}

static const struct directive rows[] = {
    { "error_log", IN_MAIN, 1, 2, IS_LIST, apply_error_log, FIELD_CORE(error_log),
      "file [level]", "logs/error.log error",
      "Where errors are written, and from which level on. Several may be given." },
    { "error_log", EVERYWHERE, 1, 2, IS_LIST, apply_error_log, FIELD_LOCATION(error_log),
      "file [level]", "logs/error.log error",
      "The same for what concerns requests of this block." },
    { "log_format", IN_HTTP, 2, ARGS_MANY, IS_EARLY | IS_LIST, apply_log_format, FIELD_NONE,
      "name [escape=default|json|none] string ...", "combined \"...\"",
      "Names a form of access log lines." },
    { "access_log", EVERYWHERE, 1, ARGS_MANY, IS_LIST, apply_access_log,
      FIELD_LOCATION(access_logs),
      "off | file [format [buffer=size] [flush=time] [if=condition]]", "logs/access.log combined",
      "Where a line is written for each request. Several may be given." },
};

const struct directive_rows rows_log = DIRECTIVE_ROWS("Logs", rows);
