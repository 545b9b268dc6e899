// SPDX-License-Identifier: MIT
#include "proxy/nobody.h"

#include "proxy/client.h"

struct absence {
    struct stream stream;
    struct conn   conn;                  /* never opened: for those who look whether it is closed */
};

static void run(struct task *task, unsigned wakes)
{
    (void)task;                          /* nothing is ever read or written */
    (void)wakes;
}

static void send_interim(struct stream *stream, const struct head *head)
{
    (void)stream;
    (void)head;
}

static void do_nothing(struct stream *stream)
{
    (void)stream;
}

static void use(struct stream *stream, const struct conn_timeouts *timeouts)
{
    (void)stream;
    (void)timeouts;
}

static void reset(struct stream *stream, int fault)
{
    if (stream->fault == FAULT_NONE)
        stream->fault = fault;
}

static const struct stream_ops nobody_stream = { .use = use,
                                                 .send = do_nothing,
                                                 .send_interim = send_interim,
                                                 .want_body = do_nothing,
                                                 .tunnel = do_nothing,
                                                 .reset = reset,
                                                 .release = do_nothing };

void nobody_take_over(struct exchange *x, struct client *client)
{
    struct absence *absence = ARENA_NEW(x->arena, struct absence);

    absence->conn.transport.fd = -1;
    absence->stream.ops = &nobody_stream;
    absence->stream.owner = &x->task;
    absence->stream.conn = &absence->conn;
    absence->stream.number = (x->client != NULL ? x : x->parent)->client->number;
    absence->stream.arena = x->arena;
    absence->stream.rx_head = x->request;
    absence->stream.rx_body = &x->request_body;
    absence->stream.tx_budget = absence->stream.rx_budget = BUDGET_NONE;
    absence->stream.started_us = loop_now_us(x->loop);
    absence->stream.is_rx_done = true;
    absence->stream.is_tx_done = true;    /* it wants nothing */
    task_init(&absence->stream.task, run);
    x->client = &absence->stream;
    x->client_conn = client_stand_in(client, x);
    x->is_unattended = true;
    x->noted_fault = FAULT_NONE;          /* who was there before may have had one */
}

void nobody_leaves(struct exchange *x)
{
    x->client->conn->is_closed = true;
    reset(x->client, FAULT_CLIENT_GONE);
    task_wake(&x->task, WAKE_FAULT);
}
