// SPDX-License-Identifier: MIT
/* From a task to its exchange: the exchange's own, a conn's or a stream's. No printf here: it may be
 * what crashed. */
#include "proxy/crumb.h"

#include "http/h1_codec.h"
#include "http/h2_codec.h"
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/opening.h"

enum { LINE_MOST = 1024 };               /* of a request line: others want room too */

/* Who waits for what a conn carries: of one that is still opening, nobody. */
static const struct task *codec_owner(const struct conn *conn)
{
    const struct codec *codec;

    if (opening_is(conn->protocol))
        return NULL;
    codec = codec_of_protocol(conn->protocol);
    return codec->ops->owner(codec);
}

static const struct exchange *exchange_behind(const struct task *task)
{
    const struct conn     *conn;
    const struct exchange *x;

    if (task == NULL)
        return NULL;
    x = exchange_of_task(task);
    if (x != NULL)
        return x;
    conn = conn_of_task(task);
    if (conn != NULL)
        task = codec_owner(conn);
    else if (h1_owner_of_task(task) != NULL)
        task = h1_owner_of_task(task);
    else
        task = h2_owner_of_task(task);
    return task == NULL ? NULL : exchange_of_task(task);
}

static const struct client *client_behind(const struct task *task)
{
    const struct exchange *x = exchange_behind(task);
    const struct conn     *conn;

    if (x != NULL || task == NULL)
        return x == NULL ? NULL : x->client_conn;
    conn = conn_of_task(task);
    return client_of_task(conn == NULL || conn->owner == NULL ? task : conn->owner);
}

uint64_t crumb_connection(const struct task *task)
{
    const struct client *client = client_behind(task);

    return client == NULL ? 0 : client->serial;
}

static void write_part(struct writer *writer, const char *key, struct text value)
{
    if (value.len == 0)
        return;
    writer_string(writer, ", ");
    writer_string(writer, key);
    writer_string(writer, ": \"");
    writer_text(writer, text_part(value, 0, value.len < LINE_MOST ? value.len : LINE_MOST));
    writer_char(writer, '"');
}

static void write_request(struct writer *writer, const struct exchange *x)
{
    writer_string(writer, ", server: ");
    writer_text(writer, x->server->first_name);
    write_part(writer, "request id", x->request_id);
    write_part(writer, "upstream", x->last_attempt == NULL ? TEXT_NONE : x->last_attempt->address);
    write_part(writer, "host", x->request->authority);
    write_part(writer, "request", x->request->line);
}

void crumb_write(struct writer *writer, const struct task *task)
{
    const struct exchange *x = exchange_behind(task);
    const struct client   *client = client_behind(task);
    struct address         remote;

    if (x != NULL) {
        writer_string(writer, "in step \"");
        writer_string(writer, x->step->name);
        writer_char(writer, '"');
    } else {
        writer_string(writer, client != NULL ? "between two requests"
                              : task != NULL ? "in no request"
                                             : "at rest");
    }
    if (client != NULL) {
        remote = x != NULL && x->remote != NULL ? *x->remote : client_remote(client);
        writer_string(writer, ", client: ");
        address_write_ip(writer, &remote);
    }
    if (x != NULL)
        write_request(writer, x);
}
