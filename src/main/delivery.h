// SPDX-License-Identifier: MIT
/* A bundle on its way through the channel: the text in one descriptor, then the descriptors that
 * belong to it, in as many messages as they need. */
#ifndef MAIN_DELIVERY_H
#define MAIN_DELIVERY_H

#include "config/bundle.h"
#include "main/channel.h"

enum { DELIVERY_FDS_MOST = 16384 };

/* What has come in so far. Owner: the receiver. */
struct delivery {
    uint32_t number, loop_count;
    uint32_t expected;                   /* descriptors */
    uint32_t received;
    int     *fds;
    int      text_fd;                    /* -1: nothing is on its way */
};

/* -EFBIG: more descriptors than we deliver. */
int delivery_send(int end, const struct bundle *bundle, int text_fd, uint32_t number,
                  unsigned loop_count) WARN_UNUSED;

void delivery_init(struct delivery *delivery);
void delivery_done(struct delivery *delivery);   /* closes what it holds */
/* Takes the descriptors of a BUNDLE or FDS message. -EPROTO: it does not fit what came before. */
int  delivery_add(struct delivery *delivery, struct message *message) WARN_UNUSED;
bool delivery_is_complete(const struct delivery *delivery);
/* Of a complete one, which is empty afterwards. -EINVAL: malformed. */
int  delivery_open(struct delivery *delivery, struct bundle **ret_bundle) WARN_UNUSED;

#endif
