// SPDX-License-Identifier: MIT
/* A probe's life: wait, connect, ask, judge, note; then wait again. */
#include "balance/probe.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "balance/grpc_health.h"
#include "balance/line.h"

enum { FIELDS_MOST = 1000, FIRST_STEP_MS = 2, PIPE_BYTES = 64 * 1024, WORDS_MOST = 500 };

static const struct h2_settings settings = {
    .max_streams = 1, .window = PIPE_BYTES, .chunk_size = 16 * 1024, .recv_buffer_size = PIPE_BYTES
};

enum probe_state { PROBE_CHECKING = 0, PROBE_HEALTHY, PROBE_UNHEALTHY };

/* A line of a probe: it buries itself when its conn has ended. */
struct probe_conn {
    struct line   line;
    struct loop  *loop;
    struct probe *probe;                 /* NULL: given up */
    struct task   task;                  /* told that it stands, or has ended */
    struct corpse corpse;
    int64_t       made_ms;
};

/* One request and its answer: buried when it is over. */
struct attempt {
    struct corpse  corpse;
    struct arena  *arena;
    struct stream *stream;               /* NULL: not sent yet */
    struct pipe    body, request;
    char          *bytes;                /* of the body, in the arena */
    size_t         len;
    enum fault     fault;                /* why there is no connection, */
    int            error;                /* -errno behind it, or 0, */
    struct text    words;                /* and what TLS says of it, or empty; in the arena */
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
    struct probe_conn  *conn;            /* in use, or kept for the next one */
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

static void probe_conn_release(struct corpse *corpse)
{
    struct probe_conn *conn = container_of(corpse, struct probe_conn, corpse);

    task_cancel(&conn->task);
    line_done(&conn->line);
    mem_free(conn);
}

/* A mere connection is all that a check of TCP wants. Paths of certificates with variables mean nothing without a
 * request: none is shown. */
static struct line_ask ask_of(const struct check *check)
{
    struct line_ask ask = {
        .bind_to = check->has_bind ? &check->bind : NULL,
        .timeouts = { .waits_ms = { [CONN_WAIT_HEAD] = check->read_timeout_ms,
                                    [CONN_WAIT_BODY] = check->read_timeout_ms },
                      .send_ms = check->send_timeout_ms },
        .connect_timeout_ms = check->connect_timeout_ms,
    };

    if (check->type != CHECK_TCP) {
        ask.tls = check->tls;
        ask.tls_name = check->tls_name;
        ask.is_http2 = check->is_http2;
        ask.must_be_http2 = check->must_be_http2;
    }
    return ask;
}

static void note_end(struct attempt *attempt, const struct line *line)
{
    attempt->fault = line_fault(line);
    attempt->error = line->error;
    if (line->words != NULL)
        attempt->words = arena_copy(attempt->arena, text_from(line->words));
}

static void probe_conn_ended(struct probe_conn *conn)
{
    struct probe *probe = conn->probe;

    loop_bury(conn->loop, &conn->corpse);
    if (probe == NULL)
        return;
    conn->probe = NULL;
    probe->conn = NULL;
    if (probe->attempt == NULL)
        return;
    note_end(probe->attempt, &conn->line);
    task_wake(&probe->task, WAKE_LETTER);
}

static void probe_conn_run(struct task *task, unsigned wakes)
{
    struct probe_conn *conn = container_of(task, struct probe_conn, task);
    struct line_ask    ask;

    if (wakes & WAKE_END) {
        probe_conn_ended(conn);
    } else if (conn->probe != NULL) {
        ask = ask_of(conn->probe->check);
        line_go_on(&conn->line, &ask, conn->probe->peer);
        task_wake(&conn->probe->task, WAKE_LETTER);
    }
}

static void probe_conn_close(struct probe *probe)
{
    struct probe_conn *conn = probe->conn;

    probe->conn = NULL;
    if (conn == NULL)
        return;
    conn->probe = NULL;
    conn_close(conn->line.conn, LOSS_CLOSED);
}

/* proxy_send_proxy_protocol: the connection is nobody's but ours (LOCAL, UNKNOWN). */
static struct text introduction(const struct check *check, struct writer *writer)
{
    static const struct address none;

    if (check->proxy_protocol != PROXY_PROTOCOL_OFF)
        proxy_protocol_write(writer, check->proxy_protocol, &none, &none);
    return writer_done(writer);
}

/* What the system refuses at once has ended. */
static void probe_conn_open(struct probe *probe)
{
    const struct check *check = probe->check;
    struct probe_conn  *conn = mem_new(sizeof(*conn));
    struct line_ask     ask = ask_of(check);
    struct address      address = probe->peer->address;
    char                bytes[PROXY_PROTOCOL_WRITE_MOST];
    struct writer       writer = writer_fixed(bytes, sizeof(bytes));

    conn->loop = probe->loop;
    conn->made_ms = loop_now_ms(probe->loop);
    conn->line.settings = &settings;
    task_init(&conn->task, probe_conn_run);
    conn->corpse.release = probe_conn_release;
    conn->probe = probe;
    probe->conn = conn;
    if (check->port > 0 && address_family(&address) != AF_UNIX)
        address_set_port(&address, check->port);
    ask.introduction = introduction(check, &writer);
    if (line_open(&conn->line, &address, &ask, probe->loop, &conn->task) < 0)
        probe_conn_ended(conn);
}

static bool probe_conn_may_be_kept(const struct probe *probe)
{
    const struct probe_conn *conn = probe->conn;

    return conn != NULL && probe->check->keepalive_time_ms > 0 && !conn->line.conn->is_closed &&
           conn->line.codec->ops->is_idle(conn->line.codec) &&
           loop_now_ms(probe->loop) - conn->made_ms < probe->check->keepalive_time_ms;
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
    if (!probe_conn_may_be_kept(probe))
        probe_conn_close(probe);
    note_pass(probe);
    wait_for_next(probe);
}

static void fail(struct probe *probe, struct text why)
{
    if (probe->attempt != NULL)
        attempt_end(probe);
    probe_conn_close(probe);
    note_fail(probe, why);
    wait_for_next(probe);
}

static void fail_connect(struct probe *probe)
{
    const struct attempt *attempt = probe->attempt;
    char                  bytes[WORDS_MOST];
    struct writer         writer = writer_fixed(bytes, sizeof(bytes));

    if (attempt->fault == FAULT_TLS_HANDSHAKE && attempt->words.len > 0)
        writer_format(&writer, "%.*s while SSL handshaking to upstream", TEXT_ARGS(attempt->words));
    else if (attempt->fault == FAULT_CONNECT_FAILED && attempt->error < 0)
        writer_format(&writer, "connect() failed %s while connecting to upstream",
                      log_errno(-attempt->error).text);
    else
        writer_string(&writer, fault_row(attempt->fault)->words);
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
    struct codec       *codec = probe->conn->line.codec;
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
        probe_conn_close(probe);
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
    else if (probe->conn == NULL)
        fail_connect(probe);
    else if (!probe->conn->line.is_open)
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

    attempt->corpse.release = attempt_release;
    attempt->arena = arena_new();
    pipe_init(&attempt->body, PIPE_BYTES);
    pipe_init(&attempt->request, PIPE_BYTES);
    probe->attempt = attempt;
    if (probe->conn != NULL &&
        (must_be_new || !probe_conn_may_be_kept(probe) || !conn_is_quiet(probe->conn->line.conn)))
        probe_conn_close(probe);
    if (probe->conn == NULL)
        probe_conn_open(probe);
    if (is_our_doing(attempt->error)) {
        attempt_end(probe);
        wait_for_next(probe);
    } else {
        wait_for(probe, deadline_ms);
        attempt_go_on(probe);
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
    probe_conn_close(probe);
    timer_remove(loop_timers(probe->loop), &probe->timer);
    task_cancel(&probe->task);   /* its time may have come in the turn that drops it */
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
