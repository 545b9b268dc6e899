// SPDX-License-Identifier: MIT
/* The only way to touch another loop: a letter, opened there. A lock-free stack per loop, reversed
 * when it is emptied, so letters of one sender are opened in the order they were posted. */
#ifndef NET_MAILBOX_H
#define NET_MAILBOX_H

struct loop;

struct letter {
    struct letter *next;
    void         (*open)(struct loop *loop, struct letter *letter);
};

void mailbox_post(struct loop *to, struct letter *letter);        /* any thread */

#endif
