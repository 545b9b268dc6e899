// SPDX-License-Identifier: MIT
/* Compiling a bundle again can only give what the supervisor got, since a configuration is a pure
 * function of it; so a failure here is answered, but never expected. */
#include "main/edition.h"

#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "main/last_words.h"
#include "main/listeners.h"
#include "net/log_senders.h"
#include "net/sink.h"

/* ---- compiling ---- */

static void reason_take(char *reason, const struct diagnoses *diagnoses)
{
    struct arena *arena = arena_new();
    struct text   line = TEXT("it does not compile");

    for (const struct diagnosis *at = diagnoses->first; at != NULL; at = at->next)
        if (at->level >= LOG_EMERG)
            line = diagnosis_line(arena, at);
    (void)snprintf(reason, MESSAGE_REASON_BYTES, "%.*s", TEXT_ARGS(line));
    arena_free(&arena);
}

static struct config *bundle_compile(struct bundle *bundle, char *reason)
{
    struct arena    *arena = arena_new();
    struct diagnoses diagnoses;
    struct config   *config;

    diagnoses_init(&diagnoses, arena);
    config = config_load(&bundle->source, &bundle->options, &diagnoses);
    if (config == NULL)
        reason_take(reason, &diagnoses);
    arena_free(&arena);
    return config;
}

/* ---- logs ---- */

static bool is_same_log(const struct log_file *a, const struct log_file *b)
{
    return a->kind == b->kind && text_is_equal(a->path, b->path) &&
           (a->kind != LOG_TO_SYSLOG || address_is_equal(&a->syslog.server, &b->syslog.server));
}

static struct sink *former_sink(const struct edition *former, const struct log_file *wanted)
{
    const struct log_file *file = former == NULL ? NULL : former->config->site.log_files;

    while (file != NULL && !is_same_log(file, wanted))
        file = file->next;
    return file == NULL ? NULL : file->sink;
}

/* The file that the process's last words go to: they are written, not sent. */
static bool is_main_log(const struct edition *edition, const struct log_file *file)
{
    return file == edition->config->core.error_log->file && file->kind == LOG_TO_FILE;
}

static struct sink *sink_make(const struct log_file *file, int fd)
{
    switch (file->kind) {
    case LOG_TO_SYSLOG:
        return sink_new_sender(file->path, sender_to_syslog(&file->syslog, fd));
    case LOG_TO_NAMED:
        return sink_new_sender(file->path, sender_to_named());
    case LOG_TO_FILE:
        break;
    }
    return sink_new(file->path, fd, file->flush_ms, file->buffer_bytes);
}

static void sink_attach(struct edition *edition, const struct edition *former,
                        struct log_file *file)
{
    struct sink *sink = former_sink(former, file);
    int          fd = bundle_take_fd(edition->bundle, "log", file->path);

    if (fd >= 0 && is_main_log(edition, file))
        last_words_turn_to(fd);
    if (sink == NULL) {
        file->sink = sink_make(file, fd);
        return;
    }
    file->sink = sink_ref(sink);
    if (fd >= 0 && file->kind == LOG_TO_FILE)
        sink_reopen(sink, fd);
    else if (fd >= 0)
        (void)close(fd);
}

/* A chain is shared by every level that inherits it; filling it in again is harmless. */
static void chain_fill(struct error_log *first)
{
    for (struct error_log *at = first; at != NULL; at = at->next)
        at->log = (struct log){ .next = at->next == NULL ? NULL : &at->next->log,
                                .level = at->level, .write = sink_write_log,
                                .target = at->file->sink };
}

static void chains_fill_below(struct location *location)
{
    chain_fill(location->error_log);
    for (struct location *child = location->children; child != NULL; child = child->next)
        chains_fill_below(child);
}

static void logs_attach(struct edition *edition, const struct edition *former)
{
    struct site *site = &edition->config->site;

    for (struct log_file *file = site->log_files; file != NULL; file = file->next)
        sink_attach(edition, former, file);
    chain_fill(edition->config->core.error_log);
    chains_fill_below(&site->defaults);
    for (struct server *server = site->servers; server != NULL; server = server->next)
        chains_fill_below(&server->level);
}

const struct log *edition_log(const struct edition *edition)
{
    return &edition->config->core.error_log->log;
}

void edition_report_lost_lines(const struct edition *edition)
{
    sinks_report_to(edition->config->core.error_log->file->sink);
}

void edition_reopen_logs(struct edition *edition, struct message *message)
{
    for (unsigned i = 0; i < message->fd_count; i++) {
        struct log_file *file = edition->config->site.log_files;

        for (uint32_t skip = message->places[i]; skip > 0 && file != NULL; skip--)
            file = file->next;
        if (file == NULL) {
            (void)close(message->fds[i]);
            continue;
        }
        if (is_main_log(edition, file))
            last_words_turn_to(message->fds[i]);
        sink_reopen(file->sink, message->fds[i]);
    }
    message->fd_count = 0;
}

/* ---- life ---- */

struct edition *edition_new(struct bundle *bundle, uint32_t number, const struct edition *former,
                            unsigned *alive, char reterr_reason[MESSAGE_REASON_BYTES])
{
    struct config  *config = bundle_compile(bundle, reterr_reason);
    struct edition *edition;

    if (config == NULL) {
        bundle_free(&bundle);
        return NULL;
    }
    config_forget_keys(config);
    edition = mem_new(sizeof(*edition));
    *edition = (struct edition){ .number = number, .bundle = bundle, .config = config,
                                 .alive = alive };
    ++*alive;
    logs_attach(edition, former);
    return edition;
}

void edition_free(struct edition **edition)
{
    struct edition *dead = *edition;

    if (dead == NULL)
        return;
    *edition = NULL;
    for (struct log_file *file = dead->config->site.log_files; file != NULL; file = file->next)
        if (file->sink != NULL)
            sink_unref(&file->sink);
    --*dead->alive;
    mem_free(dead->fds);
    config_free(&dead->config);
    bundle_free(&dead->bundle);
    mem_free(dead);
}

static void owner_release(void *owner)
{
    struct edition *edition = owner;

    edition_free(&edition);
}

static bool listen_tie(struct edition *edition, const struct listen *listen, unsigned place,
                       const struct sockets *sockets, unsigned loop_count, char *reason)
{
    char buffer[LISTENER_NAME_BYTES];

    for (unsigned loop = 0; loop < loop_count; loop++) {
        int         fd = sockets_find(sockets, listener_own_name(buffer, listen, loop));
        struct text name = listener_name(buffer, listen, loop);

        if (fd < 0)
            fd = sockets_find(sockets, name);
        if (fd < 0) {
            (void)snprintf(reason, MESSAGE_REASON_BYTES, "no socket for %.*s", TEXT_ARGS(name));
            return false;
        }
        edition->fds[loop * edition->listen_count + place] = fd;
    }
    return true;
}

bool edition_prepare(struct edition *edition, const struct sockets *sockets, unsigned loop_count,
                     struct loop *control, char reterr_reason[MESSAGE_REASON_BYTES])
{
    struct site *site = &edition->config->site;
    unsigned     place = 0;

    for (const struct listen *listen = site->listens; listen != NULL; listen = listen->next)
        edition->listen_count++;
    edition->fds = mem_new(sizeof(int) * (loop_count * edition->listen_count + 1));
    for (const struct listen *listen = site->listens; listen != NULL; listen = listen->next)
        if (!listen_tie(edition, listen, place++, sockets, loop_count, reterr_reason))
            return false;
    edition->snapshot = snapshot_new(site, edition, owner_release, control);
    return true;
}
