// SPDX-License-Identifier: MIT
/* Directives that only tune what nginx does and we do differently: checked for form, no effect. And
 * directives of which we have one value, mostly "off". Anything else whose absence would change an
 * answer is an error, not a row here. */
#include <stddef.h>

#include "config/lists.h"
#include "config/values.h"

static void check_flag(struct compiler *compiler, const struct node *node, void *field)
{
    bool flag;

    (void)field;
    (void)word_flag(compiler, &node->args[0], &flag);
}

static void check_number(struct compiler *compiler, const struct node *node, void *field)
{
    uint64_t number;

    (void)field;
    if (value_number(node->args[0].text, INT32_MAX, &number) < 0)
        complain_number(compiler, &node->args[0]);
}

static void check_size(struct compiler *compiler, const struct node *node, void *field)
{
    uint64_t bytes;

    (void)field;
    if (value_size(node->args[0].text, &bytes) < 0)
        complain_value(compiler, &node->args[0]);
}

static void check_msec(struct compiler *compiler, const struct node *node, void *field)
{
    uint32_t ms;

    (void)field;
    if (value_msec(node->args[0].text, &ms) < 0)
        complain_value(compiler, &node->args[0]);
}

static void check_buffers(struct compiler *compiler, const struct node *node, void *field)
{
    uint64_t number;

    (void)field;
    if (value_number(node->args[0].text, INT32_MAX, &number) < 0 || number == 0)
        complain_value(compiler, &node->args[0]);
    else if (value_size(node->args[1].text, &number) < 0 || number == 0)
        complain_value(compiler, &node->args[1]);
}

static void check_nothing(struct compiler *compiler, const struct node *node, void *field)
{
    (void)compiler, (void)node, (void)field;
}

static void check_use(struct compiler *compiler, const struct node *node, void *field)
{
    static const char *const methods[] = { "epoll", "poll", "select", "kqueue", "eventport",
                                           "/dev/poll", "rtsig" };

    (void)field;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (text_is_equal(node->args[0].text, text_from(methods[i])))
            return;
    complain(compiler, &node->args[0], "invalid event type \"%.*s\"",
             TEXT_ARGS(node->args[0].text));
}

static void check_keepalive_disable(struct compiler *compiler, const struct node *node, void *field)
{
    static const struct choice choices[] = { { "none", 0 }, { "msie6", 1 }, { "safari", 2 } };
    unsigned                   value;

    (void)field;
    for (unsigned i = 0; i < node->arg_count; i++)
        if (!WORD_CHOICE(compiler, &node->args[i], choices, &value))
            return;
}

/* "off" is what we do anyway. */
static void check_off(struct compiler *compiler, const struct node *node, void *field)
{
    (void)field;
    if (!text_is_equal_nocase(node->args[0].text, TEXT("off")))
        complain(compiler, &node->name, "directive \"%s\" is not supported by frontdesk yet",
                 compiler->row->name)
            ->hint = TEXT("so far it can only be off");
}

/* Directories are made at start; the numbers are levels of folders. */
static void apply_temp_path(struct compiler *compiler, const struct node *node, void *field)
{
    struct core *core = &compiler->config->core;
    struct text  path;
    uint64_t     level;

    (void)field;
    if (!word_path(compiler, &node->args[0], &path))
        return;
    for (unsigned i = 1; i < node->arg_count; i++)
        if (value_number(node->args[i].text, 1000, &level) < 0 || level == 0) {
            complain_value(compiler, &node->args[i]);
            return;
        }
    for (unsigned i = 0; i < core->temp_path_count; i++)
        if (text_is_equal(core->temp_paths[i], path))
            return;
    texts_append(compiler->arena, &core->temp_paths, &core->temp_path_count, path);
}

#define IGNORED(name, where, min, max, apply, syntax, help) \
    { name, where, min, max, HAS_NO_EFFECT, apply, FIELD_NONE, syntax, "", help }

#define ONE_COPY "Bodies are never written to files."
#define SOCKETS "The event loop has its own way."
#define TABLES "Tables size themselves."
#define NO_FILES "No files are served yet."
#define MEMORY "Memory is managed otherwise."

static const struct directive rows[] = {
    IGNORED("use", IN_EVENTS, 1, 1, check_use, "method", SOCKETS),
    IGNORED("multi_accept", IN_EVENTS, 1, 1, check_flag, "on | off", SOCKETS),
    IGNORED("accept_mutex", IN_EVENTS, 1, 1, check_flag, "on | off", SOCKETS),
    IGNORED("accept_mutex_delay", IN_EVENTS, 1, 1, check_msec, "time", SOCKETS),
    IGNORED("worker_aio_requests", IN_EVENTS, 1, 1, check_number, "number", SOCKETS),
    IGNORED("epoll_events", IN_EVENTS, 1, 1, check_number, "number", SOCKETS),
    IGNORED("lock_file", IN_MAIN, 1, 1, check_nothing, "file", SOCKETS),
    IGNORED("timer_resolution", IN_MAIN, 1, 1, check_msec, "time", SOCKETS),
    IGNORED("worker_cpu_affinity", IN_MAIN, 1, ARGS_MANY, check_nothing, "auto [mask] | mask ...",
            "Loops are threads; the kernel places them."),
    IGNORED("worker_rlimit_core", IN_MAIN, 1, 1, check_size, "size",
            "Set it where we are started."),
    IGNORED("pcre_jit", IN_MAIN, 1, 1, check_flag, "on | off",
            "Regular expressions are always compiled to machine code."),
    IGNORED("thread_pool", IN_MAIN, 2, 3, check_nothing, "name threads=number [max_queue=number]",
            "What blocks has a pool of its own."),
    IGNORED("ssl_engine", IN_MAIN, 1, 1, check_nothing, "device",
            "OpenSSL takes the fastest way that the machine has."),
    IGNORED("ssl_certificate_cache", IN_HTTP | IN_SERVER, 1, 3, check_nothing,
            "off | max=number [inactive=time] [valid=time]",
            "Certificates are read when the configuration is."),
    IGNORED("ssl_certificate_compression", IN_HTTP | IN_SERVER, 1, 1, check_flag, "on | off",
            "Certificates are sent as they are."),
    IGNORED("ssl_ocsp", IN_HTTP | IN_SERVER, 1, 1, check_off, "off",
            "Clients' certificates are checked by `ssl_crl` only."),
    IGNORED("sendfile", EVERYWHERE, 1, 1, check_flag, "on | off", NO_FILES),
    IGNORED("tcp_nopush", EVERYWHERE, 1, 1, check_flag, "on | off",
            "Head and body always leave in one gathered write."),
    IGNORED("sendfile_max_chunk", EVERYWHERE, 1, 1, check_size, "size", NO_FILES),
    IGNORED("aio", EVERYWHERE, 1, 1, check_nothing, "on | off | threads[=pool]", NO_FILES),
    IGNORED("aio_write", EVERYWHERE, 1, 1, check_flag, "on | off", NO_FILES),
    IGNORED("directio", EVERYWHERE, 1, 1, check_nothing, "size | off", NO_FILES),
    IGNORED("directio_alignment", EVERYWHERE, 1, 1, check_size, "size", NO_FILES),
    IGNORED("read_ahead", EVERYWHERE, 1, 1, check_size, "size", NO_FILES),
    IGNORED("output_buffers", EVERYWHERE, 2, 2, check_buffers, "number size", NO_FILES),
    IGNORED("postpone_output", EVERYWHERE, 1, 1, check_size, "size",
            "Whatever a turn of the loop has is sent at its end."),
    IGNORED("open_file_cache", EVERYWHERE, 1, 2, check_nothing, "off | max=number [inactive=time]",
            NO_FILES),
    IGNORED("open_file_cache_valid", EVERYWHERE, 1, 1, check_msec, "time", NO_FILES),
    IGNORED("open_file_cache_min_uses", EVERYWHERE, 1, 1, check_number, "number", NO_FILES),
    IGNORED("open_file_cache_errors", EVERYWHERE, 1, 1, check_flag, "on | off", NO_FILES),
    IGNORED("open_log_file_cache", EVERYWHERE, 1, 4, check_nothing,
            "off | max=number [inactive=time] [min_uses=number] [valid=time]",
            "Log files stay open."),
    IGNORED("log_not_found", EVERYWHERE, 1, 1, check_flag, "on | off", NO_FILES),
    IGNORED("log_subrequest", EVERYWHERE, 1, 1, check_flag, "on | off",
            "There are no subrequests."),
    IGNORED("etag", EVERYWHERE, 1, 1, check_flag, "on | off", NO_FILES),
    IGNORED("if_modified_since", EVERYWHERE, 1, 1, check_nothing, "off | exact | before", NO_FILES),
    IGNORED("max_ranges", EVERYWHERE, 1, 1, check_number, "number", NO_FILES),
    IGNORED("types_hash_max_size", EVERYWHERE, 1, 1, check_number, "size", TABLES),
    IGNORED("types_hash_bucket_size", EVERYWHERE, 1, 1, check_number, "size", TABLES),
    IGNORED("server_names_hash_max_size", IN_HTTP, 1, 1, check_number, "size", TABLES),
    IGNORED("server_names_hash_bucket_size", IN_HTTP, 1, 1, check_number, "size", TABLES),
    IGNORED("variables_hash_max_size", IN_HTTP, 1, 1, check_number, "size", TABLES),
    IGNORED("variables_hash_bucket_size", IN_HTTP, 1, 1, check_number, "size", TABLES),
    IGNORED("map_hash_max_size", IN_HTTP, 1, 1, check_number, "size", TABLES),
    IGNORED("map_hash_bucket_size", IN_HTTP, 1, 1, check_number, "size", TABLES),
    IGNORED("proxy_headers_hash_max_size", EVERYWHERE, 1, 1, check_number, "size", TABLES),
    IGNORED("proxy_headers_hash_bucket_size", EVERYWHERE, 1, 1, check_number, "size", TABLES),
    IGNORED("connection_pool_size", IN_HTTP | IN_SERVER, 1, 1, check_size, "size", MEMORY),
    IGNORED("request_pool_size", IN_HTTP | IN_SERVER, 1, 1, check_size, "size", MEMORY),
    IGNORED("client_body_in_single_buffer", EVERYWHERE, 1, 1, check_flag, "on | off", MEMORY),
    IGNORED("client_body_in_file_only", EVERYWHERE, 1, 1, check_off, "off", ONE_COPY),
    IGNORED("proxy_max_temp_file_size", EVERYWHERE, 1, 1, check_size, "size", ONE_COPY),
    IGNORED("proxy_temp_file_write_size", EVERYWHERE, 1, 1, check_size, "size", ONE_COPY),
    IGNORED("subrequest_output_buffer_size", EVERYWHERE, 1, 1, check_size, "size",
            "There are no subrequests."),
    IGNORED("send_lowat", EVERYWHERE, 1, 1, check_size, "size", SOCKETS),
    IGNORED("proxy_send_lowat", EVERYWHERE, 1, 1, check_size, "size", SOCKETS),
    IGNORED("keepalive_disable", EVERYWHERE, 1, 2, check_keepalive_disable, "none | msie6 | safari",
            "Browsers that need it are gone."),
    IGNORED("msie_padding", EVERYWHERE, 1, 1, check_flag, "on | off",
            "Browsers that need it are gone."),
    IGNORED("uninitialized_variable_warn", EVERYWHERE, 1, 1, check_flag, "on | off",
            "Such variables are empty, without a warning."),
    IGNORED("rewrite_log", EVERYWHERE, 1, 1, check_flag, "on | off", "There is no `rewrite` yet."),
    IGNORED("gzip", EVERYWHERE, 1, 1, check_off, "off", "Answers are not compressed yet."),
    IGNORED("gzip_static", EVERYWHERE, 1, 1, check_off, "off", NO_FILES),
    IGNORED("gunzip", EVERYWHERE, 1, 1, check_off, "off", "Answers are not decompressed yet."),
    IGNORED("charset", EVERYWHERE, 1, 1, check_off, "off", "Types are not changed."),
    IGNORED("autoindex", EVERYWHERE, 1, 1, check_off, "off", NO_FILES),
    IGNORED("auth_basic", EVERYWHERE, 1, 1, check_off, "off", "There are no passwords yet."),
    IGNORED("auth_request", EVERYWHERE, 1, 1, check_off, "off", "There are no subrequests."),
    IGNORED("mirror", EVERYWHERE, 1, 1, check_off, "off", "There are no subrequests."),
    IGNORED("ssi", EVERYWHERE, 1, 1, check_off, "off", "Bodies are not changed."),
    IGNORED("http3", IN_HTTP | IN_SERVER, 1, 1, check_off, "off", "There is no HTTP/3 yet."),
    IGNORED("client_body_temp_path", EVERYWHERE, 1, 4, apply_temp_path, "path [level ...]",
            "The directory is made at start. " ONE_COPY),
    IGNORED("proxy_temp_path", EVERYWHERE, 1, 4, apply_temp_path, "path [level ...]",
            "The directory is made at start. " ONE_COPY),
    IGNORED("fastcgi_temp_path", EVERYWHERE, 1, 4, apply_temp_path, "path [level ...]",
            "The directory is made at start. " ONE_COPY),
    IGNORED("uwsgi_temp_path", EVERYWHERE, 1, 4, apply_temp_path, "path [level ...]",
            "The directory is made at start. " ONE_COPY),
    IGNORED("scgi_temp_path", EVERYWHERE, 1, 4, apply_temp_path, "path [level ...]",
            "The directory is made at start. " ONE_COPY),
};

const struct directive_rows rows_ignored = DIRECTIVE_ROWS("Accepted without effect", rows);
