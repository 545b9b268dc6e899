// SPDX-License-Identifier: MIT
/* Which keys a purge of a URL is about: those that any method's answer is stored under, as if it came by
 * that method; one that ends in "*" means all that begin so. Tags, a host and everything are labels of
 * the location's cache (cache/purges.h). */
#include "proxy/purging.h"

#include "base/mem.h"
#include "cache/disk_format.h"
#include "cache/purge_ask.h"
#include "proxy/cache_key.h"

enum { KEYS_MOST = 3, DISKS_MOST = GROUPS_MAX };

/* Whose answers may be stored (proxy_cache_methods). */
static const struct {
    enum method method;
    struct text name;
} methods[KEYS_MOST] = {
    { METHOD_GET, TEXT("GET") }, { METHOD_HEAD, TEXT("HEAD") }, { METHOD_POST, TEXT("POST") },
};

struct purging {
    struct disk_purge *disks[DISKS_MOST];    /* NULL: done */
    unsigned           disk_count;
    bool               has_failed;
    bool               is_soft;
    unsigned           status;               /* to refuse it with; 0: none */
    struct text        why;
};

bool purging_is_asked(struct exchange *x)
{
    const struct template_list *purge = x->location->proxy.cache.purge;

    return purge != NULL && !x->is_internal && !x->is_unattended &&
           template_is_any_true(purge, &x->scope);
}

static void refuse(struct purging *purging, unsigned status, struct text why)
{
    purging->status = status;
    purging->why = why;
}

/* ---- into the book ---- */

static void add(struct exchange *x, struct cache_purge purge, const char *what, struct text value)
{
    struct purging    *purging = x->caching->purging;
    struct disk_purge *disk;

    purge.is_soft = purging->is_soft;
    if (!cache_purge(x->caching->cache, &purge, &x->task, &disk)) {
        refuse(purging, 500, TEXT("no memory to purge"));
        return;
    }
    if (disk != NULL)
        purging->disks[purging->disk_count++] = disk;
    exchange_log(x, LOG_NOTICE, "cache \"%.*s\": %s %s%s%.*s",
                 TEXT_ARGS(cache_name(x->caching->cache)),
                 purge.is_soft ? "stale from now on:" : "purged", what, value.len > 0 ? " " : "",
                 TEXT_ARGS(value));
}

static void add_label(struct exchange *x, enum cache_label kind, const char *what,
                      struct text value)
{
    struct cache_purge purge = { .kind = PURGE_LABEL,
                                 .label = cache_label(x->caching->cache, kind, value) };

    add(x, purge, what, value);
}

static void add_all(struct exchange *x)
{
    add(x, (struct cache_purge){ .kind = PURGE_ALL }, "everything", TEXT(""));
}

static void add_prefix(struct exchange *x, struct text prefix)
{
    if (prefix.len == 0)
        add_all(x);
    else if (prefix.len > RECORD_PREFIX_MOST)
        refuse(x->caching->purging, 400, TEXT("too long a key"));
    else {
        add(x, (struct cache_purge){ .kind = PURGE_PREFIX, .prefix = prefix },
            "keys that begin with", prefix);
        (void)cache_sweep_start(x->caching->cache, NULL);
    }
}

/* ---- keys ---- */

/* The request as if it had come by that method. In x->arena. */
static struct head *asked_by(struct exchange *x, unsigned i)
{
    struct head *head = ARENA_NEW(x->arena, struct head);

    *head = *x->request;
    head->method = methods[i].method;
    head->method_name = methods[i].name;
    head->line = arena_format(x->arena, "%.*s %.*s HTTP/%u.%u", TEXT_ARGS(methods[i].name),
                              TEXT_ARGS(head->target), head->version / 10, head->version % 10);
    return head;
}

/* Whole; or the beginning of all that are meant. */
struct purged_key {
    struct text text;
    bool        is_prefix;
};

/* x->request is the one to ask. */
static struct purged_key key_of(struct exchange *x)
{
    struct text key = cache_key_text(x), slices;

    if (text_has_suffix(key, TEXT("*")))
        return (struct purged_key){ text_part(key, 0, key.len - 1), true };
    if (text_has_suffix(x->request->path, TEXT("*")))
        refuse(x->caching->purging, 400,
               TEXT("proxy_cache_key does not end with the path: no prefix of it is one of keys"));
    else if (cache_key_of_slices(x, &slices))
        return (struct purged_key){ slices, true };
    return (struct purged_key){ key, false };
}

static void purge_key(struct exchange *x, struct purged_key key)
{
    if (x->caching->purging->status != 0)
        return;
    if (key.is_prefix)
        add_prefix(x, key.text);
    else
        add_label(x, LABEL_KEY, "key", key.text);
}

static bool is_new(const struct purged_key *keys, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (text_is_equal(keys[i].text, keys[count].text))
            return false;
    return true;
}

static void purge_keys(struct exchange *x)
{
    struct caching   *caching = x->caching;
    struct head      *request = x->request;
    struct purged_key keys[KEYS_MOST];
    unsigned          count = 0;

    for (unsigned i = 0; i < KEYS_MOST; i++) {
        if (!(caching->policy->methods >> methods[i].method & 1))
            continue;
        x->request = asked_by(x, i);
        keys[count] = key_of(x);
        x->request = request;
        if (is_new(keys, count))
            purge_key(x, keys[count++]);
    }
}

/* ---- all together ---- */

static void purge(struct exchange *x, const struct purge_ask *ask)
{
    switch (ask->target) {
    case PURGE_OF_KEY:
        purge_keys(x);
        break;
    case PURGE_OF_TAGS:
        for (unsigned i = 0; i < ask->tags.count; i++)
            add_label(x, LABEL_TAG, "tag", ask->tags.names[i]);
        break;
    case PURGE_OF_HOST:
        add_label(x, LABEL_HOST, "host", ask->host);
        break;
    case PURGE_OF_ALL:
        add_all(x);
        break;
    }
}

/* By GET, so that nothing of the key is evaluated, and kept in a map, for another method. */
static struct caching *caching_for_purge(struct exchange *x)
{
    struct head    *request = x->request;
    struct caching *caching;

    x->request = asked_by(x, 0);
    caching = caching_begin(x);
    x->request = request;
    x->cache_outcome = CACHE_UNASKED;
    return caching;
}

unsigned purging_begin(struct exchange *x, struct text *ret_why)
{
    struct purge_ask *ask = ARENA_NEW(x->arena, struct purge_ask);
    struct caching   *caching;

    if (purge_ask_read(&x->request->fields, x->location->proxy.cache.tag_field, x->arena, ask,
                       ret_why) < 0)
        return 400;
    caching = caching_for_purge(x);
    if (caching == NULL) {
        *ret_why = TEXT("no cache here");
        return 404;
    }
    caching->purging = ARENA_NEW(x->arena, struct purging);
    caching->purging->is_soft = ask->is_soft;
    purge(x, ask);
    *ret_why = caching->purging->why;
    return caching->purging->status;
}

enum purging_state purging_state(struct purging *purging)
{
    bool is_waiting = false;

    for (unsigned i = 0; i < purging->disk_count; i++) {
        struct disk_purge **disk = &purging->disks[i];

        if (*disk != NULL && (*disk)->is_done) {
            purging->has_failed |= (*disk)->has_failed;
            MEM_FREE(disk);
        }
        is_waiting |= *disk != NULL;
    }
    if (is_waiting)
        return PURGING_WAITS;
    return purging->has_failed ? PURGING_FAILED : PURGING_DONE;
}

void purging_leave(struct purging **purging)
{
    struct purging *left = *purging;

    *purging = NULL;
    if (left == NULL)
        return;
    for (unsigned i = 0; i < left->disk_count; i++) {
        struct disk_purge **disk = &left->disks[i];

        if (*disk != NULL && (*disk)->is_done)
            MEM_FREE(disk);
        else if (*disk != NULL)
            (*disk)->waiter = NULL;
    }
}
