// SPDX-License-Identifier: MIT
/* c-ares expects level triggered sockets: it reads a little of a TCP stream, or begins to want to write
 * when the socket has long been writable. So a wire, once woken, asks the kernel what holds now, and
 * wakes itself again until nothing does. */
#include "net/dns_channel.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>

#include "base/mem.h"
#include "net/dns_answer.h"

enum { TRY_MS = 1000, TRIES = 5, CLASS_IN = 1 };

/* A socket of c-ares. Owner: the channel; from c-ares's opening to its closing it. */
struct wire {
    struct link         link;
    struct watch        watch;
    struct task         task;
    struct corpse       corpse;
    struct dns_channel *channel;
    short               wanted;          /* of poll() */
};

struct dns_channel {
    struct loop *loop;
    ares_channel ares;
    struct link  wires;
    struct task  task;
    struct timer timer;
    bool         is_searching;           /* by the search list of resolv.conf */
};

/* ---- deadlines ---- */

static void timer_renew(struct dns_channel *channel)
{
    struct timeval wait;

    if (ares_timeout(channel->ares, NULL, &wait) == NULL) {
        timer_stop(&channel->timer);
        return;
    }
    timer_set(loop_timers(channel->loop), &channel->timer,
              loop_now_ms(channel->loop) + wait.tv_sec * 1000 + wait.tv_usec / 1000 + 1);
}

static void channel_run(struct task *task, unsigned wakes)
{
    struct dns_channel *channel = container_of(task, struct dns_channel, task);

    (void)wakes;
    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    timer_renew(channel);
}

/* ---- sockets ---- */

static void wire_run(struct task *task, unsigned wakes)
{
    struct wire        *wire = container_of(task, struct wire, task);
    struct dns_channel *channel = wire->channel;
    struct pollfd       now = { .fd = wire->watch.fd, .events = wire->wanted };

    (void)wakes;
    if (poll(&now, 1, 0) <= 0)
        return;
    task_wake_last(&wire->task, WAKE_READABLE);
    ares_process_fd(channel->ares,
                    now.revents & (POLLIN | POLLERR | POLLHUP) ? now.fd : ARES_SOCKET_BAD,
                    now.revents & POLLOUT ? now.fd : ARES_SOCKET_BAD);
    timer_renew(channel);
}

static void wire_release(struct corpse *corpse)
{
    mem_free(container_of(corpse, struct wire, corpse));
}

static struct wire *wire_find(struct dns_channel *channel, int fd)
{
    LIST_EACH(&channel->wires, at)
        if (container_of(at, struct wire, link)->watch.fd == fd)
            return container_of(at, struct wire, link);
    return NULL;
}

static struct wire *wire_new(struct dns_channel *channel, int fd)
{
    struct wire *wire = mem_new(sizeof(*wire));

    wire->channel = channel;
    wire->watch = (struct watch){ .fd = fd, .task = &wire->task };
    wire->corpse.release = wire_release;
    task_init(&wire->task, wire_run);
    list_append(&channel->wires, &wire->link);
    /* Unwatched it has c-ares's deadlines. */
    (void)!loop_watch(channel->loop, &wire->watch, false);
    return wire;
}

static void wire_close(struct wire *wire)
{
    loop_unwatch(wire->channel->loop, &wire->watch);
    task_cancel(&wire->task);
    list_remove(&wire->link);
    loop_bury(wire->channel->loop, &wire->corpse);
}

/* c-ares says what it wants of a socket; nothing: it will be closed now. */
static void socket_wants(void *arg, ares_socket_t fd, int is_reading, int is_writing)
{
    struct dns_channel *channel = arg;
    struct wire        *wire = wire_find(channel, fd);

    if (!is_reading && !is_writing) {
        if (wire != NULL)
            wire_close(wire);
        return;
    }
    if (wire == NULL)
        wire = wire_new(channel, fd);
    wire->wanted = (short)((is_reading ? POLLIN : 0) | (is_writing ? POLLOUT : 0));
    task_wake(&wire->task, WAKE_WRITABLE);
}

/* ---- life ---- */

static int servers_set(struct dns_channel *channel, const struct address *servers, unsigned count)
{
    struct ares_addr_port_node nodes[DNS_SERVERS_MOST] = { { .next = NULL } };

    must(count <= DNS_SERVERS_MOST);
    for (unsigned i = 0; i < count; i++) {
        struct ares_addr_port_node *node = &nodes[i];
        unsigned                    len;
        const unsigned char        *bytes = address_bytes(&servers[i], &len);

        must(bytes != NULL && len <= sizeof(node->addr));
        node->next = i + 1 < count ? node + 1 : NULL;
        node->family = address_family(&servers[i]);
        node->udp_port = node->tcp_port = (int)address_port(&servers[i]);
        memcpy(&node->addr, bytes, len);
    }
    return ares_set_servers_ports(channel->ares, nodes);
}

static int ares_begin(struct dns_channel *channel, const struct address *servers, unsigned count)
{
    struct ares_options options = { .timeout = TRY_MS, .tries = TRIES, .lookups = (char *)"b",
                                    .sock_state_cb = socket_wants, .sock_state_cb_data = channel };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB |
               (count > 0 ? ARES_OPT_ROTATE : 0);
    int status = ares_library_init(ARES_LIB_INIT_ALL);

    if (status != ARES_SUCCESS)
        return status;
    status = ares_init_options(&channel->ares, &options, mask);
    if (status != ARES_SUCCESS || count == 0)
        return status;
    status = servers_set(channel, servers, count);
    if (status != ARES_SUCCESS)
        ares_destroy(channel->ares);
    return status;
}

struct dns_channel *dns_channel_new(struct loop *loop, const struct address *servers,
                                    unsigned server_count)
{
    struct dns_channel *channel = mem_new(sizeof(*channel));

    channel->loop = loop;
    channel->is_searching = server_count == 0;
    list_init(&channel->wires);
    task_init(&channel->task, channel_run);
    timer_init(&channel->timer, &channel->task);
    if (ares_begin(channel, servers, server_count) != ARES_SUCCESS)
        MEM_FREE(&channel);
    return channel;
}

void dns_channel_free(struct dns_channel **channel)
{
    struct dns_channel *dead = *channel;

    if (dead == NULL)
        return;
    *channel = NULL;
    ares_destroy(dead->ares);
    LIST_EACH_SAFE(&dead->wires, at, after)
        wire_close(container_of(at, struct wire, link));
    timer_remove(loop_timers(dead->loop), &dead->timer);
    task_cancel(&dead->task);
    mem_free(dead);
}

/* ---- questions ---- */

static int error_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_EBADNAME:
        return -ENOENT;
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
        return -ECANCELED;
    default:
        return -EAGAIN;
    }
}

static void answered(void *arg, int status, int timeouts, unsigned char *bytes, int len)
{
    struct dns_query *query = arg;

    (void)timeouts;
    query->answered(query, error_of(status), bytes, len > 0 ? (size_t)len : 0);
}

void dns_channel_ask(struct dns_channel *channel, struct dns_query *query)
{
    if (channel->is_searching)
        ares_search(channel->ares, query->name, CLASS_IN, (int)query->type, answered, query);
    else
        ares_query(channel->ares, query->name, CLASS_IN, (int)query->type, answered, query);
    timer_renew(channel);
}
