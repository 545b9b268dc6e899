// SPDX-License-Identifier: MIT
/* Both sides count: the text says how many descriptors there are and what each is for. */
#include "main/delivery.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static uint32_t fds_count(const struct bundle *bundle)
{
    uint32_t count = 0;

    for (const struct bundle_fd *at = bundle->fds; at != NULL; at = at->next)
        count++;
    return count;
}

static int fds_send(int end, const struct bundle *bundle, uint32_t number)
{
    struct message message = { .kind = MESSAGE_FDS, .number = number };
    int            error = 0;

    for (const struct bundle_fd *at = bundle->fds; at != NULL && error == 0; at = at->next) {
        message.fds[message.fd_count++] = at->fd;
        if (message.fd_count == MESSAGE_FDS_MOST || at->next == NULL) {
            error = channel_send(end, &message);
            message.fd_count = 0;
        }
    }
    return error;
}

int delivery_send(int end, const struct bundle *bundle, int text_fd, uint32_t number,
                  unsigned loop_count)
{
    struct message message = { .kind = MESSAGE_BUNDLE, .number = number, .loop_count = loop_count,
                               .count = fds_count(bundle), .fd_count = 1, .fds = { text_fd } };
    int            error;

    if (message.count > DELIVERY_FDS_MOST)
        return -EFBIG;
    error = channel_send(end, &message);
    return error < 0 ? error : fds_send(end, bundle, number);
}

/* ---- receiving ---- */

void delivery_init(struct delivery *delivery)
{
    *delivery = (struct delivery){ .text_fd = -1 };
}

void delivery_done(struct delivery *delivery)
{
    for (uint32_t i = 0; i < delivery->received; i++)
        (void)close(delivery->fds[i]);
    if (delivery->text_fd >= 0)
        (void)close(delivery->text_fd);
    mem_free(delivery->fds);
    delivery_init(delivery);
}

static int delivery_begin(struct delivery *delivery, struct message *message)
{
    if (message->fd_count != 1 || message->count > DELIVERY_FDS_MOST || message->loop_count == 0)
        return -EPROTO;
    delivery_done(delivery);
    delivery->number = message->number;
    delivery->loop_count = message->loop_count;
    delivery->expected = message->count;
    delivery->fds = mem_new(sizeof(int) * (message->count + 1));
    delivery->text_fd = message->fds[0];
    message->fd_count = 0;
    return 0;
}

int delivery_add(struct delivery *delivery, struct message *message)
{
    if (message->kind == MESSAGE_BUNDLE)
        return delivery_begin(delivery, message);
    if (delivery->text_fd < 0 || message->number != delivery->number ||
        message->fd_count > delivery->expected - delivery->received)
        return -EPROTO;
    memcpy(delivery->fds + delivery->received, message->fds, sizeof(int) * message->fd_count);
    delivery->received += message->fd_count;
    message->fd_count = 0;
    return 0;
}

bool delivery_is_complete(const struct delivery *delivery)
{
    return delivery->text_fd >= 0 && delivery->received == delivery->expected;
}

/* The text named them in the order in which they came. */
static int fds_assign(struct delivery *delivery, struct bundle *bundle)
{
    uint32_t place = 0;

    if (fds_count(bundle) != delivery->received)
        return -EINVAL;
    for (struct bundle_fd *at = bundle->fds; at != NULL; at = at->next)
        at->fd = delivery->fds[place++];
    delivery->received = 0;
    return 0;
}

int delivery_open(struct delivery *delivery, struct bundle **ret_bundle)
{
    struct bundle *bundle = NULL;
    struct text    text;
    int            error = text_from_fd(delivery->text_fd, &text);

    if (error == 0) {
        error = bundle_decode(text, &bundle);
        explicit_bzero((void *)(uintptr_t)text.ptr, text.len);
        mem_free((void *)(uintptr_t)text.ptr);
    }
    if (error == 0)
        error = fds_assign(delivery, bundle);
    delivery_done(delivery);
    if (error < 0) {
        bundle_free(&bundle);
        return error;
    }
    *ret_bundle = bundle;
    return 0;
}
