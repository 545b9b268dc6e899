// SPDX-License-Identifier: MIT
/* A probe's life: wait, connect, ask, judge, note; then wait again. */
#include "balance/probe.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "balance/grpc_health.h"
#include "http/h1_codec.h"
#include "http/h2_codec.h"
#include "net/socket.h"
#include "tls/info.h"

enum { FIELDS_MOST = 1000, FIRST_STEP_MS = 2, PIPE_BYTES = 64 * 1024, WORDS_MOST = 200 };

static const struct h2_settings settings = {
    .max_streams = 1, .window = PIPE_BYTES, .chunk_size = 16 * 1024, .recv_buffer_size = PIPE_BYTES
};

enum probe_state { PROBE_CHECKING = 0, PROBE_HEALTHY, PROBE_UNHEALTHY };

/* A connection of a probe: it buries itself when it has ended. */
struct line {
    struct conn  *conn;
    struct codec *codec;
    struct loop  *loop;
    struct probe *probe;                 /* NULL: given up */
    struct task   task;                  /* told that it stands, or has ended */
    struct corpse corpse;
    int64_t       made_ms;
    struct tls_host host;
    char          words[WORDS_MOST];     /* why TLS failed, or "" */
    int           error;                 /* -errno that ended it */
    bool          is_securing;           /* its handshake has begun */
    bool          is_up;
};

/* One request and its answer: buried when it is over. */
struct attempt {
    struct corpse  corpse;
    struct arena  *arena;
    struct stream *stream;               /* NULL: not sent yet */
    struct pipe    body, request;
    char          *bytes;                /* of the body, in the arena */
    size_t         len;
    int            error;                /* -errno that ended its connection, */
    bool           is_of_tls;            /* in its handshake, */
    char           words[WORDS_MOST];    /* of which this is said, or "" */
};

struct probe {
    struct probe       *next;
    struct group       *group;
    struct peer        *peer;            /* referenced */
    const struct check *check;
    struct text         key;             /* owned: check->key of a configuration that may be gone */
    struct loop        *loop;
    struct task         task;
    struct timer        timer;           /* of the next check, or the deadline of this one */
    struct corpse       corpse;
    struct line        *line;            /* in use, or kept for the next one */
    struct attempt     *attempt;         /* NULL: it waits */
    enum probe_state    state;
    unsigned            fails, passes;   /* in a row */
};

static void attempt_begin(struct probe *probe, bool must_be_new);

/* ---- what was found ---- */

static void peer_count_bad(struct probe *probe, int change)
{
    struct group *group = probe->group;
    int64_t       now_ms = loop_now_ms(probe->loop);

    pthread_mutex_lock(&group->lock);
    probe->peer->bad_checks += (unsigned)change;
    if (change < 0 && probe->peer->bad_checks == 0)
        health_recovered(probe->peer, now_ms);
    group_unlock_serving(group, now_ms, SERVE_ALL);
}

static void state_set(struct probe *probe, enum probe_state state)
{
    bool was_good = probe->state == PROBE_HEALTHY, is_good = state == PROBE_HEALTHY;

    probe->state = state;
    if (was_good != is_good)
        peer_count_bad(probe, is_good ? -1 : 1);
}

static void say(const struct probe *probe, enum log_level level, const char *what, struct text why)
{
    log_at(level, NULL,
           "peer is %s%s%.*s, health check \"%.*s\" of peer %.*s in upstream \"%.*s\"", what,
           why.len > 0 ? ": " : "", TEXT_ARGS(why), TEXT_ARGS(check_name(probe->check)),
           TEXT_ARGS(probe->peer->name), TEXT_ARGS(probe->group->name));
}

static void note_pass(struct probe *probe)
{
    probe->fails = 0;
    if (probe->state == PROBE_HEALTHY || ++probe->passes < probe->check->passes)
        return;
    say(probe, LOG_NOTICE, "healthy", TEXT(""));
    state_set(probe, PROBE_HEALTHY);
}

static void note_fail(struct probe *probe, struct text why)
{
    probe->passes = 0;
    if (probe->state == PROBE_UNHEALTHY || ++probe->fails < probe->check->fails)
        return;
    say(probe, LOG_WARN, "unhealthy", why);
    state_set(probe, PROBE_UNHEALTHY);
}

/* ---- the connection ---- */

static void line_release(struct corpse *corpse)
{
    struct line *line = container_of(corpse, struct line, corpse);

    task_cancel(&line->task);
    mem_free(line);
}

/* proxy_send_proxy_protocol: the connection is nobody's but ours (LOCAL, UNKNOWN). */
static void introduce(struct line *line, const struct check *check)
{
    static const struct address none;
    char                        bytes[PROXY_PROTOCOL_WRITE_MOST];
    struct writer               writer = writer_fixed(bytes, sizeof(bytes));

    if (check->proxy_protocol == PROXY_PROTOCOL_OFF)
        return;
    proxy_protocol_write(&writer, check->proxy_protocol, &none, &none);
    conn_say_first(line->conn, writer_done(&writer));
}

static struct line *line_of_host(struct tls_host *host)
{
    return container_of(host, struct line, host);
}

/* Paths with variables mean nothing without a request: no certificate is shown. */
static bool evaluate(struct tls_host *host, const struct tls_pair *pair, struct text name,
                     struct text *ret_certificate, struct text *ret_key)
{
    (void)host;
    (void)pair;
    (void)name;
    *ret_certificate = *ret_key = TEXT("");
    return true;
}

static void handshake_failed(struct tls_host *host, enum log_level level, const char *words)
{
    struct line  *line = line_of_host(host);
    struct writer writer = writer_fixed(line->words, sizeof(line->words) - 1);

    (void)level;
    writer_text(&writer, text_part(text_from(words), 0, sizeof(line->words) - 1));
    line->words[writer_done(&writer).len] = '\0';
}

static void line_secure(struct line *line, const struct check *check)
{
    struct transport transport = tls_connect(line->conn->transport.fd, check->tls, check->tls_name,
                                             peer_sessions(line->probe->peer), &line->host);

    line->is_securing = true;
    if (transport.ops == NULL)
        conn_close(line->conn, LOSS_MEMORY);
    else
        conn_secure(line->conn, transport, loop_now_ms(line->loop) + check->connect_timeout_ms);
}

static void line_speak(struct line *line, const struct check *check)
{
    const struct transport *transport = &line->conn->transport;
    bool                    is_h2 = check->is_http2;

    tls_forget_host(&line->conn->transport, &line->host);
    if (is_h2 && tls_is_tls(transport))
        is_h2 = text_is_equal(tls_alpn(transport), TEXT("h2"));
    if (check->must_be_http2 && !is_h2) {
        handshake_failed(&line->host, LOG_ERROR, "upstream chose no \"h2\" by ALPN");
        conn_close(line->conn, LOSS_CLOSED);
        return;
    }
    line->is_securing = false;
    line->is_up = true;
    if (!is_h2)
        return;
    line->codec = h2_client_new(&settings);
    conn_become(line->conn, &line->codec->protocol);
    line->codec->ops->attach(line->codec, line->conn);
}

static void line_go_on(struct line *line, const struct check *check)
{
    const struct conn *conn = line->conn;

    if (conn->is_closed || conn->is_connecting || conn->is_securing)
        return;
    if (check->tls != NULL && check->type != CHECK_TCP && !line->is_securing)
        line_secure(line, check);
    else
        line_speak(line, check);
}

static void line_run(struct task *task, unsigned wakes)
{
    struct line  *line = container_of(task, struct line, task);
    struct probe *probe = line->probe;

    if (probe != NULL && !line->is_up && !(wakes & WAKE_END))
        line_go_on(line, probe->check);
    if (wakes & WAKE_END)
        loop_bury(line->loop, &line->corpse);
    if (probe == NULL)
        return;
    if (wakes & WAKE_END) {
        probe->line = NULL;
        line->probe = NULL;
    }
    if (probe->attempt == NULL)
        return;
    probe->attempt->error = line->error;
    probe->attempt->is_of_tls = line->is_securing;
    memcpy(probe->attempt->words, line->words, sizeof(line->words));
    task_wake(&probe->task, WAKE_LETTER);
}

static void line_close(struct probe *probe)
{
    struct line *line = probe->line;

    probe->line = NULL;
    if (line == NULL)
        return;
    line->probe = NULL;
    conn_close(line->conn, LOSS_CLOSED);
}

static struct conn_timeouts timeouts_of(const struct check *check)
{
    return (struct conn_timeouts){ .waits_ms = { [CONN_WAIT_HEAD] = check->read_timeout_ms,
                                                 [CONN_WAIT_BODY] = check->read_timeout_ms },
                                   .send_ms = check->send_timeout_ms };
}

/* -errno when the system refuses at once. */
static int line_open(struct probe *probe)
{
    const struct check  *check = probe->check;
    struct conn_timeouts timeouts = timeouts_of(check);
    struct address       address = probe->peer->address;
    struct line         *line;
    bool                 is_in_progress;
    int                  fd, error;

    if (check->port > 0 && address_family(&address) != AF_UNIX)
        address_set_port(&address, check->port);
    error = socket_connect(&address, check->has_bind ? &check->bind : NULL, &fd, &is_in_progress);
    if (error < 0)
        return error;
    line = mem_new(sizeof(*line));
    line->loop = probe->loop;
    line->made_ms = loop_now_ms(probe->loop);
    task_init(&line->task, line_run);
    line->corpse.release = line_release;
    line->host = (struct tls_host){ .evaluate = evaluate, .failed = handshake_failed };
    line->codec = h1_client_new();
    line->conn = conn_open(probe->loop, fd, &line->codec->protocol, &timeouts, &line->task,
                           line->made_ms + check->connect_timeout_ms);
    if (line->conn == NULL) {
        loop_bury(probe->loop, &line->corpse);
        return -ENOMEM;
    }
    line->conn->error_to = &line->error;
    line->codec->ops->attach(line->codec, line->conn);
    introduce(line, check);
    line->probe = probe;
    probe->line = line;
    return 0;
}

static bool line_may_be_kept(const struct probe *probe)
{
    const struct line *line = probe->line;

    return line != NULL && probe->check->keepalive_time_ms > 0 && !line->conn->is_closed &&
           line->codec->ops->is_idle(line->codec) &&
           loop_now_ms(probe->loop) - line->made_ms < probe->check->keepalive_time_ms;
}

/* ---- the end of an attempt ---- */

static void attempt_release(struct corpse *corpse)
{
    struct attempt *attempt = container_of(corpse, struct attempt, corpse);

    pipe_done(&attempt->body);
    pipe_done(&attempt->request);
    arena_free(&attempt->arena);
    mem_free(attempt);
}

static void attempt_end(struct probe *probe)
{
    struct attempt *attempt = probe->attempt;

    probe->attempt = NULL;
    if (attempt->stream != NULL) {
        pipe_set_writer(&attempt->body, NULL);
        pipe_set_reader(&attempt->request, NULL);
        attempt->stream->ops->release(attempt->stream);
    }
    loop_bury(probe->loop, &attempt->corpse);
}

static void wait_for(struct probe *probe, int64_t wait_ms)
{
    timer_set(loop_timers(probe->loop), &probe->timer, loop_now_ms(probe->loop) + wait_ms);
}

static void wait_for_next(struct probe *probe)
{
    uint32_t jitter_ms = probe->check->jitter_ms;

    wait_for(probe, (int64_t)probe->check->interval_ms +
                        (jitter_ms > 0 ? (int64_t)random_below(jitter_ms + 1ull) : 0));
}

static void pass(struct probe *probe)
{
    attempt_end(probe);
    if (!line_may_be_kept(probe))
        line_close(probe);
    note_pass(probe);
    wait_for_next(probe);
}

static void fail(struct probe *probe, struct text why)
{
    if (probe->attempt != NULL)
        attempt_end(probe);
    line_close(probe);
    note_fail(probe, why);
    wait_for_next(probe);
}

static void fail_connect(struct probe *probe, int error)
{
    const struct attempt *attempt = probe->attempt;
    char                  bytes[WORDS_MOST + 64];
    struct writer         writer = writer_fixed(bytes, sizeof(bytes));

    if (attempt->words[0] != '\0')
        writer_format(&writer, "%s while SSL handshaking to upstream", attempt->words);
    else if (attempt->is_of_tls)
        writer_string(&writer, fault_row(FAULT_TLS_TIMEOUT)->words);
    else if (error == -ETIMEDOUT || error == 0)
        writer_string(&writer, fault_row(FAULT_CONNECT_TIMEOUT)->words);
    else
        writer_format(&writer, "connect() failed %s while connecting to upstream",
                      log_errno(-error).text);
    fail(probe, writer_done(&writer));
}

/* Our own want of descriptors or memory says nothing of the server. */
static bool is_our_doing(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOBUFS;
}

/* ---- the request ---- */

static struct head *head_build(const struct check *check, unsigned version, struct arena *arena)
{
    struct head *head = ARENA_NEW(arena, struct head);

    bool         is_grpc = check->type == CHECK_GRPC;

    head->method = is_grpc ? METHOD_POST : METHOD_GET;
    head->method_name = is_grpc ? TEXT("POST") : TEXT("GET");
    head->target = is_grpc ? TEXT(GRPC_HEALTH_PATH) : check->uri;
    head->version = version;
    head->may_persist = check->keepalive_time_ms > 0;
    fields_init(&head->fields, arena, 8);
    fields_add_id(&head->fields, FIELD_HOST, check->host);
    for (const struct check_field *at = check->fields; at != NULL; at = at->next)
        fields_add(&head->fields, at->name, at->value);
    if (is_grpc) {
        fields_add_id(&head->fields, FIELD_TE, TEXT("trailers"));
        fields_add_id(&head->fields, FIELD_CONTENT_TYPE, TEXT("application/grpc"));
    }
    return head;
}

static void body_send(struct probe *probe)
{
    struct attempt *attempt = probe->attempt;
    struct stream  *stream = attempt->stream;
    struct text     text = grpc_health_request(attempt->arena, probe->check->grpc_service);

    stream->tx_head->body = BODY_SIZED;
    stream->tx_head->length = text.len;
    pipe_put(&attempt->request, slice_copy(text));
    pipe_end(&attempt->request);
    stream->tx_body = &attempt->request;
    pipe_set_reader(&attempt->request, &stream->task);
}

static void request_send(struct probe *probe)
{
    const struct check *check = probe->check;
    struct attempt     *attempt = probe->attempt;
    struct codec       *codec = probe->line->codec;
    unsigned            version = codec->ops->is_multiplexed ? 20 : 11;
    struct head_limits  limits = { .line_bytes = check->head_bytes, .field_bytes = check->head_bytes,
                                  .head_bytes = check->head_bytes, .fields = FIELDS_MOST };
    struct stream      *stream;

    codec->ops->set_limits(codec, &limits);
    stream = codec->ops->open(codec);
    attempt->stream = stream;
    stream->owner = &probe->task;
    stream->arena = attempt->arena;
    stream->tx_head = head_build(check, version, attempt->arena);
    stream->is_last = check->keepalive_time_ms == 0;
    stream->rx_body = &attempt->body;
    pipe_set_writer(&attempt->body, &stream->task);
    pipe_set_reader(&attempt->body, &probe->task);
    if (check->type == CHECK_GRPC)
        body_send(probe);
    stream->ops->send(stream);
}

/* ---- the answer ---- */

/* What came of the body; beyond CHECK_BODY_MOST nothing is looked at. True: that is all. */
static bool body_read(struct attempt *attempt)
{
    struct iovec piece;

    while (attempt->len < CHECK_BODY_MOST && pipe_peek(&attempt->body, &piece, 1) == 1) {
        size_t room = CHECK_BODY_MOST - attempt->len;
        size_t len = piece.iov_len < room ? piece.iov_len : room;

        attempt->bytes = attempt->bytes == NULL ? arena_bytes(attempt->arena, len)
                                                : arena_grow(attempt->arena, attempt->bytes,
                                                             attempt->len, attempt->len + len);
        memcpy(attempt->bytes + attempt->len, piece.iov_base, len);
        attempt->len += len;
        pipe_drop(&attempt->body, len);
    }
    return attempt->len == CHECK_BODY_MOST || attempt->stream->is_rx_done;
}

static bool is_passed(const struct check *check, const struct stream *stream, struct text body,
                      const char **reterr_why)
{
    if (check->type == CHECK_GRPC)
        return grpc_health_is_passed(check->grpc_status, stream->rx_head, stream->rx_trailers, body,
                                     reterr_why);
    return check_is_passed(check, stream->rx_head, body, reterr_why);
}

static void judge(struct probe *probe)
{
    struct attempt    *attempt = probe->attempt;
    const struct head *head = attempt->stream->rx_head;
    const char        *why = "";
    char               bytes[64];
    struct writer      writer = writer_fixed(bytes, sizeof(bytes));

    if (is_passed(probe->check, attempt->stream, text_of(attempt->bytes, attempt->len), &why)) {
        pass(probe);
        return;
    }
    writer_format(&writer, "%u came while checking %s", head->status, why);
    fail(probe, writer_done(&writer));
}

/* A kept connection that was closed as it was to be used says nothing of the server. */
static void answer_failed(struct probe *probe, int fault)
{
    if (fault == FAULT_REUSED_CLOSED) {
        attempt_end(probe);
        line_close(probe);
        attempt_begin(probe, true);
    } else {
        fail(probe, text_from(fault_row(fault)->words));
    }
}

static void answer_look(struct probe *probe)
{
    struct attempt *attempt = probe->attempt;
    struct stream  *stream = attempt->stream;
    bool needs_body = check_wants_body(probe->check) || probe->check->keepalive_time_ms > 0;

    if (stream->rx_interim != NULL) {
        stream->rx_interim = NULL;
        task_wake(&stream->task, WAKE_ROOM);
    }
    if (stream->rx_head != NULL && (!needs_body || body_read(attempt)))
        judge(probe);
    else if (stream->fault != FAULT_NONE)
        answer_failed(probe, stream->fault);
}

/* ---- its task ---- */

static void attempt_go_on(struct probe *probe)
{
    if (probe->attempt->stream != NULL)
        answer_look(probe);
    else if (probe->line == NULL)
        fail_connect(probe, probe->attempt->error);
    else if (!probe->line->is_up)
        return;
    else if (probe->check->type == CHECK_TCP)
        pass(probe);
    else
        request_send(probe);
}

static void attempt_begin(struct probe *probe, bool must_be_new)
{
    const struct check *check = probe->check;
    struct attempt     *attempt = mem_new(sizeof(*attempt));
    int64_t             connect_ms = check->connect_timeout_ms * (check->tls != NULL ? 2 : 1);
    int64_t             deadline_ms = connect_ms + check->read_timeout_ms;
    int                 error = 0;

    attempt->corpse.release = attempt_release;
    attempt->arena = arena_new();
    pipe_init(&attempt->body, PIPE_BYTES);
    pipe_init(&attempt->request, PIPE_BYTES);
    probe->attempt = attempt;
    if (probe->line != NULL &&
        (must_be_new || !line_may_be_kept(probe) || !conn_is_quiet(probe->line->conn)))
        line_close(probe);
    if (probe->line == NULL)
        error = line_open(probe);
    if (error == 0) {
        wait_for(probe, deadline_ms);
        attempt_go_on(probe);
    } else if (is_our_doing(error)) {
        attempt_end(probe);
        wait_for_next(probe);
    } else {
        fail_connect(probe, error);
    }
}

static void probe_run(struct task *task, unsigned wakes)
{
    struct probe *probe = container_of(task, struct probe, task);

    if (probe->attempt == NULL) {
        if (wakes & WAKE_DEADLINE)
            attempt_begin(probe, false);
    } else if (wakes & WAKE_DEADLINE) {
        fail(probe, TEXT("the check took too long"));
    } else {
        attempt_go_on(probe);
    }
}

/* ---- life ---- */

static void probe_release(struct corpse *corpse)
{
    struct probe *probe = container_of(corpse, struct probe, corpse);

    task_cancel(&probe->task);
    peer_unref(&probe->peer);
    mem_free((void *)probe->key.ptr);
    mem_free(probe);
}

/* What it had found is no reason any more to spare the peer. */
static void probe_drop(struct probe *probe)
{
    if (probe->attempt != NULL)
        attempt_end(probe);
    line_close(probe);
    timer_remove(loop_timers(probe->loop), &probe->timer);
    state_set(probe, PROBE_HEALTHY);
    loop_bury(probe->loop, &probe->corpse);
}

static void list_drop(struct probe *probes)
{
    while (probes != NULL) {
        struct probe *probe = probes;

        probes = probe->next;
        probe_drop(probe);
    }
}

static struct probe *probe_new(struct group *group, struct peer *peer, const struct check *check,
                               unsigned number)
{
    struct probe *probe = mem_new(sizeof(*probe));

    probe->group = group;
    probe->peer = peer_ref(peer);
    probe->check = check;
    probe->key = text_from(mem_string(check->key.ptr, check->key.len));
    probe->loop = group->control;
    probe->corpse.release = probe_release;
    probe->state = PROBE_HEALTHY;
    task_init(&probe->task, probe_run);
    timer_init(&probe->timer, &probe->task);
    if (check->is_mandatory)
        state_set(probe, PROBE_CHECKING);
    wait_for(probe, (int64_t)number * FIRST_STEP_MS % check->interval_ms);   /* not all at once */
    return probe;
}

static struct probe *probe_take(struct probe **from, const struct peer *peer,
                                const struct check *check)
{
    for (struct probe **at = from; *at != NULL; at = &(*at)->next)
        if ((*at)->peer == peer && text_is_equal((*at)->key, check->key)) {
            struct probe *probe = *at;

            *at = probe->next;
            probe->next = NULL;
            probe->check = check;
            return probe;
        }
    return NULL;
}

void probes_arrange(struct group *group)
{
    struct probe *old = group->probes, **end = &group->probes;
    unsigned      number = 0;

    group->probes = NULL;
    for (struct peer *peer = group->peers; peer != NULL; peer = peer->next)
        for (const struct check *check = group->checks; check != NULL && !peer->is_down;
             check = check->next) {
            struct probe *probe = probe_take(&old, peer, check);

            *end = probe != NULL ? probe : probe_new(group, peer, check, number++);
            end = &(*end)->next;
        }
    list_drop(old);
}

static const struct check *check_find(const struct check *checks, struct text key)
{
    while (checks != NULL && !text_is_equal(checks->key, key))
        checks = checks->next;
    return checks;
}

/* A reload that asks more often does not wait for the former time. */
static void check_sooner(struct probe *probe)
{
    const struct check *check = probe->check;
    int64_t latest_ms = loop_now_ms(probe->loop) + check->interval_ms + check->jitter_ms;

    if (probe->attempt == NULL && probe->timer.deadline_ms > latest_ms)
        wait_for_next(probe);
}

/* A mandatory check begins anew with a configuration, unless it is persistent. */
static void check_anew(struct probe *probe)
{
    probe->fails = probe->passes = 0;
    state_set(probe, PROBE_CHECKING);
    if (probe->attempt == NULL)
        wait_for(probe, 0);
}

void probes_configure(struct group *group, const struct upstream *upstream)
{
    group->checked_for = upstream;
    group->checks = upstream->checks;
    for (struct probe *probe = group->probes; probe != NULL; probe = probe->next) {
        const struct check *check = check_find(group->checks, probe->key);

        if (check == NULL)
            continue;
        probe->check = check;
        if (check->is_mandatory && !check->is_persistent)
            check_anew(probe);
        else
            check_sooner(probe);
    }
}

void probes_drop(struct group *group)
{
    struct probe *probes = group->probes;

    group->probes = NULL;
    group->checks = NULL;
    group->checked_for = NULL;
    list_drop(probes);
}
