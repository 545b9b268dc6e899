// SPDX-License-Identifier: MIT
/* Intrusive doubly linked list: a ring through a head. A link that is not in a list points to
 * itself, so removing twice is harmless and list_is_linked() can tell. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>

struct link {
    struct link *next, *prev;
};

static inline void list_init(struct link *link)
{
    link->next = link->prev = link;
}

static inline bool list_is_linked(const struct link *link)
{
    return link->next != link;
}

static inline bool list_is_empty(const struct link *head)
{
    return head->next == head;
}

static inline void list_insert_after(struct link *where, struct link *link)
{
    link->prev = where;
    link->next = where->next;
    where->next->prev = link;
    where->next = link;
}

/* At the end of the list that `head` heads. */
static inline void list_append(struct link *head, struct link *link)
{
    list_insert_after(head->prev, link);
}

static inline void list_prepend(struct link *head, struct link *link)
{
    list_insert_after(head, link);
}

static inline void list_remove(struct link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

#define LIST_EACH(head, at) for (struct link *at = (head)->next; at != (head); at = at->next)
/* The body may remove and free `at`. */
#define LIST_EACH_SAFE(head, at, after) \
    for (struct link *at = (head)->next, *after = at->next; at != (head); at = after, after = at->next)

#endif
