// SPDX-License-Identifier: MIT
/* The body so far lies in blocks of OBJECT_SLICE_BYTES. While it is to be kept in memory, all of them
 * stay. One that goes to a file leaves memory as it is written, and whoever is behind reads the file; the
 * leader waits while PENDING_BYTES are to be written. Of one that is not kept, what every follower
 * has read goes, and the leader waits while WINDOW_BYTES are unread by the slowest. */
#include "cache/fill.h"

#include <pthread.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/must.h"
#include "cache/large_body.h"

enum {
    SHARDS = 64,
    CHAINS = 64,
    MARKS = 256,
    WINDOW_BYTES = 1024 * 1024,
    PENDING_BYTES = 4 * 1024 * 1024
};

struct follower {
    struct letter  letter;
    struct link    link;                 /* of the fill's followers; under its lock */
    struct loop   *loop;
    struct task   *waiter;               /* NULL: has left while its letter was under way */
    uint64_t       at;                   /* how far it has read; under the fill's lock */
    bool           is_posted;            /* under the fill's lock */
    struct fill   *fill;                 /* held while a letter is under way */
};

struct fill {
    atomic_uint       refs;
    struct cache_hash hash;
    struct fills     *fills;             /* of which it was claimed; NULL: of none. Never changes */
    struct fill      *next;              /* of its chain */
    int64_t           claimed_ms;
    atomic_uint_least64_t serial;        /* 0: nobody was asked yet */

    pthread_mutex_t   lock;              /* of what follows */
    enum fill_state   state;
    unsigned          status;
    struct object    *object;            /* skeleton, then whole */
    struct slice     *slices;
    uint32_t          slice_count, slice_room;
    uint32_t          first;             /* slices before this one are gone */
    uint64_t          filled, length, most;
    struct disk      *disk;              /* NULL: nowhere for large bodies */
    struct large_body *large;            /* a reference; NULL: the body is in memory */
    uint32_t          given;             /* slices that were given to the file */
    bool              is_kept, is_leader_waiting;
    struct link       followers;
    struct follower  *leader;            /* told of room; NULL: nobody */
};

/* A key whose answers were private of late. */
struct mark {
    struct cache_hash hash;
    int64_t           until_ms;
};

struct shard {
    pthread_mutex_t lock;
    struct fill    *chains[CHAINS];
    struct mark    *marks;               /* MARKS; NULL: none so far */
};

struct fills {
    struct shard shards[SHARDS];
};

/* ---- the table ---- */

struct fills *fills_new(void)
{
    struct fills *fills = mem_new(sizeof(*fills));

    for (unsigned i = 0; i < SHARDS; i++)
        pthread_mutex_init(&fills->shards[i].lock, NULL);
    return fills;
}

void fills_free(struct fills **fills)
{
    for (unsigned i = 0; i < SHARDS; i++) {
        mem_free((*fills)->shards[i].marks);
        pthread_mutex_destroy(&(*fills)->shards[i].lock);
    }
    mem_free(*fills);
    *fills = NULL;
}

size_t fills_bytes(struct fills *fills)
{
    size_t bytes = object_allocated(sizeof(*fills));

    for (unsigned i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&fills->shards[i].lock);
        if (fills->shards[i].marks != NULL)
            bytes += object_allocated(MARKS * sizeof(struct mark));
        pthread_mutex_unlock(&fills->shards[i].lock);
    }
    return bytes;
}

static struct shard *shard_of(struct fills *fills, struct cache_hash hash)
{
    return &fills->shards[hash.high % SHARDS];
}

static struct fill **find(struct shard *shard, struct cache_hash hash)
{
    struct fill **at = &shard->chains[hash.low % CHAINS];

    while (*at != NULL && !cache_hash_is_equal((*at)->hash, hash))
        at = &(*at)->next;
    return at;
}

/* With the shard locked. */
static void unlist_at(struct fill **at)
{
    *at = (*at)->next;
}

static void unlist(struct fill *fill)
{
    struct fills *fills = fill->fills;
    struct shard *shard;
    struct fill **at;

    if (fills == NULL)
        return;
    shard = shard_of(fills, fill->hash);
    pthread_mutex_lock(&shard->lock);
    at = find(shard, fill->hash);
    if (*at == fill)
        unlist_at(at);
    pthread_mutex_unlock(&shard->lock);
}

struct fill *fill_new_alone(void)
{
    struct fill *fill = mem_new(sizeof(*fill));

    atomic_init(&fill->refs, 1);
    atomic_init(&fill->serial, 0);
    pthread_mutex_init(&fill->lock, NULL);
    list_init(&fill->followers);
    fill->length = FILL_LENGTH_UNKNOWN;
    fill->is_kept = true;
    return fill;
}

static bool is_marked(const struct shard *shard, struct cache_hash hash, int64_t now_ms)
{
    unsigned i = (unsigned)(hash.low / CHAINS % MARKS);

    return shard->marks != NULL && cache_hash_is_equal(shard->marks[i].hash, hash) &&
           shard->marks[i].until_ms > now_ms;
}

static struct fill *claim_new(struct fills *fills, struct shard *shard, struct cache_hash hash,
                              int64_t now_ms)
{
    struct fill  *fill = fill_new_alone();
    struct fill **at = &shard->chains[hash.low % CHAINS];

    fill->hash = hash;
    fill->claimed_ms = now_ms;
    fill->fills = fills;
    fill->next = *at;
    *at = fill;
    return fill;
}

struct fill *fills_claim(struct fills *fills, struct cache_hash hash, int64_t now_ms,
                         int64_t age_ms, enum claim *ret_claim)
{
    struct shard *shard = shard_of(fills, hash);
    struct fill **at, *fill = NULL;

    pthread_mutex_lock(&shard->lock);
    at = find(shard, hash);
    if (*at != NULL && now_ms - (*at)->claimed_ms > age_ms && fill_state(*at) == FILL_ASKED)
        unlist_at(at);
    at = find(shard, hash);
    if (*at != NULL) {
        fill = fill_ref(*at);
        *ret_claim = CLAIM_FOLLOW;
    } else if (is_marked(shard, hash, now_ms)) {
        *ret_claim = CLAIM_ALONE;
    } else {
        fill = claim_new(fills, shard, hash, now_ms);
        *ret_claim = CLAIM_LEAD;
    }
    pthread_mutex_unlock(&shard->lock);
    if (fill == NULL) {
        fill = fill_new_alone();
        fill->hash = hash;
    }
    return fill;
}

static void mark(struct fills *fills, struct cache_hash hash, int64_t until_ms)
{
    struct shard *shard = shard_of(fills, hash);
    unsigned      i = (unsigned)(hash.low / CHAINS % MARKS);

    pthread_mutex_lock(&shard->lock);
    if (shard->marks == NULL)
        shard->marks = mem_new(MARKS * sizeof(struct mark));
    shard->marks[i] = (struct mark){ .hash = hash, .until_ms = until_ms };
    pthread_mutex_unlock(&shard->lock);
}

/* ---- life ---- */

struct fill *fill_ref(struct fill *fill)
{
    atomic_fetch_add_explicit(&fill->refs, 1, memory_order_relaxed);
    return fill;
}

static void drop_slices(struct fill *fill)
{
    for (uint32_t i = fill->first; i < fill->slice_count; i++)
        slice_unref(fill->slices[i]);
    fill->first = fill->slice_count;
}

void fill_unref(struct fill *fill)
{
    if (atomic_fetch_sub_explicit(&fill->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (fill->large != NULL) {
        large_body_unwatch(fill->large); /* first: has_written() lets slices go */
        large_body_unref(fill->large);
    }
    drop_slices(fill);
    mem_free(fill->slices);
    if (fill->object != NULL)
        object_unref(fill->object);
    pthread_mutex_destroy(&fill->lock);
    mem_free(fill);
}

/* ---- news ---- */

static void open_letter(struct loop *loop, struct letter *letter)
{
    struct follower *follower = container_of(letter, struct follower, letter);
    struct fill     *fill = follower->fill;
    struct task     *waiter;

    (void)loop;
    pthread_mutex_lock(&fill->lock);
    follower->is_posted = false;
    waiter = follower->waiter;
    pthread_mutex_unlock(&fill->lock);
    if (waiter != NULL)
        task_wake(waiter, WAKE_LETTER);
    else
        mem_free(follower);
    fill_unref(fill);
}

/* With the lock held. Those of the calling loop are woken at once. */
static void tell(struct follower *follower)
{
    if (follower->loop == loop_self()) {
        task_wake(follower->waiter, WAKE_LETTER);
    } else if (!follower->is_posted) {
        follower->is_posted = true;
        fill_ref(follower->fill);
        mailbox_post(follower->loop, &follower->letter);
    }
}

static void tell_all(struct fill *fill)
{
    LIST_EACH(&fill->followers, at)
        tell(container_of(at, struct follower, link));
}

static struct follower *follower_new(struct fill *fill, struct loop *loop, struct task *waiter)
{
    struct follower *follower = mem_new(sizeof(*follower));

    list_init(&follower->link);
    follower->letter.open = open_letter;
    follower->loop = loop;
    follower->waiter = waiter;
    follower->fill = fill;
    return follower;
}

/* Neither in memory any more nor, of a body that the disk did not take to its end, in the file. */
static bool is_beginning_gone(const struct fill *fill)
{
    uint64_t written = fill->large != NULL ? large_body_written(fill->large) : 0;

    return !fill->is_kept && fill->first > written / OBJECT_SLICE_BYTES;
}

struct follower *fill_follow(struct fill *fill, struct loop *loop, struct task *waiter)
{
    struct follower *follower = follower_new(fill, loop, waiter);
    bool             is_late;

    pthread_mutex_lock(&fill->lock);
    is_late = is_beginning_gone(fill);
    if (!is_late)
        list_append(&fill->followers, &follower->link);
    pthread_mutex_unlock(&fill->lock);
    if (is_late)
        MEM_FREE(&follower);
    return follower;
}

void fill_set_serial(struct fill *fill, uint64_t serial)
{
    atomic_store_explicit(&fill->serial, serial, memory_order_relaxed);
}

uint64_t fill_serial(const struct fill *fill)
{
    return atomic_load_explicit(&fill->serial, memory_order_relaxed);
}

void fill_lead(struct fill *fill, struct loop *loop, struct task *leader)
{
    struct follower *follower = follower_new(fill, loop, leader);

    pthread_mutex_lock(&fill->lock);
    must(fill->leader == NULL);
    fill->leader = follower;
    pthread_mutex_unlock(&fill->lock);
}

/* With the lock held. */
static void forget_leader(struct fill *fill)
{
    struct follower *leader = fill->leader;

    if (leader == NULL)
        return;
    fill->leader = NULL;
    leader->waiter = NULL;
    if (!leader->is_posted)
        mem_free(leader);
}

static uint64_t slowest(const struct fill *fill)
{
    uint64_t at = fill->filled;

    LIST_EACH(&fill->followers, link) {
        const struct follower *follower = container_of(link, struct follower, link);

        if (follower->at < at)
            at = follower->at;
    }
    return at;
}

static void let_go_before(struct fill *fill, uint64_t at)
{
    while (fill->first < at / OBJECT_SLICE_BYTES && fill->first < fill->slice_count)
        slice_unref(fill->slices[fill->first++]);
}

/* Bytes that may be appended now. */
static size_t room_of(const struct fill *fill)
{
    uint64_t behind = 0, most = WINDOW_BYTES;

    if (!fill->is_kept) {
        behind = fill->filled - slowest(fill);
    } else if (fill->large != NULL) {
        behind = large_body_pending(fill->large);
        most = PENDING_BYTES;
    }
    return behind < most ? (size_t)(most - behind) : 0;
}

/* What is in the file, or all have read of a mere stream, goes; the leader may go on. */
static void let_go(struct fill *fill)
{
    if (fill->large != NULL)
        let_go_before(fill, large_body_written(fill->large));
    if (!fill->is_kept && fill->state == FILL_FLOWING)
        let_go_before(fill, slowest(fill));
    if (fill->is_leader_waiting && room_of(fill) >= WINDOW_BYTES / 2) {
        fill->is_leader_waiting = false;
        if (fill->leader != NULL)
            tell(fill->leader);
    }
}

/* On the thread that writes. */
static void has_written(void *arg)
{
    struct fill *fill = arg;

    pthread_mutex_lock(&fill->lock);
    let_go(fill);
    if (fill->leader != NULL &&
        (large_body_is_whole(fill->large) || large_body_has_failed(fill->large)))
        tell(fill->leader);
    pthread_mutex_unlock(&fill->lock);
}

void fill_leave(struct fill *fill, struct follower **follower)
{
    struct follower *dead = *follower;
    bool             is_posted;

    *follower = NULL;
    pthread_mutex_lock(&fill->lock);
    list_remove(&dead->link);
    is_posted = dead->is_posted;
    dead->waiter = NULL;
    let_go(fill);
    pthread_mutex_unlock(&fill->lock);
    if (!is_posted)
        mem_free(dead);
}

/* ---- the leader ---- */

void fill_head(struct fill *fill, struct object *skeleton, uint64_t length, uint64_t most,
               struct disk *disk)
{
    pthread_mutex_lock(&fill->lock);
    must(fill->state == FILL_ASKED);
    fill->object = skeleton;
    fill->length = length;
    fill->most = most;
    fill->disk = disk;
    fill->state = FILL_FLOWING;
    tell_all(fill);
    pthread_mutex_unlock(&fill->lock);
}

size_t fill_room(struct fill *fill)
{
    size_t room;

    pthread_mutex_lock(&fill->lock);
    room = room_of(fill);
    fill->is_leader_waiting = room == 0;
    pthread_mutex_unlock(&fill->lock);
    return room;
}

/* A block for what comes next: no larger than what is expected. */
static bool add_slice(struct fill *fill)
{
    uint64_t      left = fill->length - fill->filled;
    uint32_t      size = left < OBJECT_SLICE_BYTES ? (uint32_t)left : OBJECT_SLICE_BYTES;
    struct block *block = block_try_sized(size > 0 ? size : OBJECT_SLICE_BYTES);

    if (block == NULL)
        return false;
    if (fill->slice_count == fill->slice_room) {
        fill->slice_room = fill->slice_room == 0 ? 4 : fill->slice_room * 2;
        fill->slices = mem_resize(fill->slices, fill->slice_room * sizeof(struct slice));
    }
    fill->slices[fill->slice_count++] = (struct slice){ .block = block, .start = 0, .len = 0 };
    return true;
}

/* What fits into the last block; 0: there is no memory for another one. */
static size_t append_some(struct fill *fill, struct text bytes)
{
    struct slice *last;
    size_t        n;

    if (fill->slice_count == 0 || fill->slices[fill->slice_count - 1].len == OBJECT_SLICE_BYTES ||
        fill->slices[fill->slice_count - 1].len == fill->slices[fill->slice_count - 1].block->size)
        if (!add_slice(fill))
            return 0;
    last = &fill->slices[fill->slice_count - 1];
    n = last->block->size - last->len;
    if (n > bytes.len)
        n = bytes.len;
    memcpy(last->block->bytes + last->len, bytes.ptr, n);
    last->len += (uint32_t)n;
    fill->filled += n;
    return n;
}

/* Slices that are complete go to the file; with `all`, the last one as well. */
static bool give_to_file(struct fill *fill, bool all)
{
    while (fill->given < fill->slice_count) {
        struct slice slice = fill->slices[fill->given];

        if (slice.len < OBJECT_SLICE_BYTES && !all)
            break;
        if (!large_body_append(fill->large, slice_ref(slice)))
            return false;
        fill->given++;
    }
    return true;
}

/* False: too large for memory, and there is no file for it. */
static bool is_to_be_kept(struct fill *fill)
{
    /* A small one goes to the disk with its record, even if memory shall not keep it. */
    uint64_t most = fill->disk != NULL && fill->most < OBJECT_INLINE_MOST ? OBJECT_INLINE_MOST
                                                                          : fill->most;
    bool     is_large = fill->filled > most ||
                    (fill->length != FILL_LENGTH_UNKNOWN && fill->length > most);

    if (!is_large)
        return true;
    if (fill->large == NULL && fill->disk != NULL && fill->first == 0) {
        fill->large = large_body_new(fill->disk);
        if (fill->large != NULL)
            large_body_watch(fill->large, has_written, fill);
    }
    if (fill->large == NULL)
        return fill->disk == NULL && fill->filled <= fill->most;
    return give_to_file(fill, false);
}

bool fill_append(struct fill *fill, struct text bytes)
{
    bool has_memory = true, was_kept;

    pthread_mutex_lock(&fill->lock);
    while (bytes.len > 0 && has_memory) {
        size_t n = append_some(fill, bytes);

        has_memory = n > 0;
        bytes = text_from_offset(bytes, n);
    }
    was_kept = fill->is_kept;
    fill->is_kept = fill->is_kept && has_memory && is_to_be_kept(fill);
    was_kept = was_kept && !fill->is_kept;
    tell_all(fill);
    pthread_mutex_unlock(&fill->lock);
    if (was_kept)
        unlist(fill);   /* whoever comes now finds its beginning gone */
    return has_memory;
}

/* One block of the very size; a last block that is mostly empty is made smaller. */
static bool trim_last(struct fill *fill)
{
    struct slice *last = &fill->slices[fill->slice_count - 1];
    struct slice  smaller;

    if (last->block->size - last->len <= last->block->size / 8)
        return true;
    smaller.block = block_try_sized(last->len);
    if (smaller.block == NULL)
        return false;
    smaller.start = 0;
    smaller.len = last->len;
    memcpy(smaller.block->bytes, slice_ptr(*last), last->len);
    slice_unref(*last);
    *last = smaller;
    return true;
}

static struct object *finished(struct fill *fill)
{
    struct object      *skeleton = fill->object, *object;
    struct object_parts parts = { .facts = skeleton->facts,
                                  .key = { .text = object_key(skeleton), .hash = skeleton->hash },
                                  .vary = object_vary(skeleton),
                                  .variant = object_variant(skeleton),
                                  .head = object_head(skeleton),
                                  .labels = object_labels(skeleton),
                                  .label_count = skeleton->label_count };
    bool                is_inline = fill->filled <= OBJECT_INLINE_MOST && fill->large == NULL;

    object = object_try_new(&parts, is_inline ? fill->filled : 0);
    if (object == NULL)
        return NULL;
    object->born_ms = skeleton->born_ms;
    if (fill->large != NULL) {
        object_set_large(object, fill->large, fill->filled);
    } else if (is_inline && fill->filled > 0) {
        memcpy(object_inline_body(object), slice_ptr(fill->slices[0]), fill->slices[0].len);
    } else if (!is_inline &&
               (!trim_last(fill) ||
                !object_try_set_body(object, fill->slices, fill->slice_count, fill->filled))) {
        object_unref(object);
        return NULL;
    }
    return object;
}

void fill_end(struct fill *fill)
{
    pthread_mutex_lock(&fill->lock);
    must(fill->state == FILL_FLOWING);
    fill->length = fill->filled;
    fill->state = FILL_WHOLE;
    if (fill->large != NULL && fill->is_kept) {
        fill->is_kept = give_to_file(fill, true);
        large_body_finish(fill->large);
    }
    tell_all(fill);
    pthread_mutex_unlock(&fill->lock);
}

static bool is_being_written(const struct fill *fill)
{
    return fill->is_kept && fill->large != NULL && !large_body_is_whole(fill->large) &&
           !large_body_has_failed(fill->large);
}

/* From here on it is read like any other. */
static struct object *commit(struct fill *fill)
{
    struct object *object = NULL;

    if (fill->is_kept && (fill->large == NULL || !large_body_has_failed(fill->large)))
        object = finished(fill);
    if (object != NULL && fill->large == NULL) {
        object_unref(fill->object);
        fill->object = object_ref(object);
        drop_slices(fill);
    }
    fill->is_kept = object != NULL;
    forget_leader(fill);
    return object;
}

bool fill_commit(struct fill *fill, struct object **ret_object)
{
    bool is_over;

    pthread_mutex_lock(&fill->lock);
    must(fill->state == FILL_WHOLE);
    is_over = !is_being_written(fill);
    if (is_over)
        *ret_object = commit(fill);
    pthread_mutex_unlock(&fill->lock);
    return is_over;
}

void fill_finish_with(struct fill *fill, struct object *object)
{
    pthread_mutex_lock(&fill->lock);
    must(fill->state == FILL_ASKED);
    fill->object = object_ref(object);
    fill->length = fill->filled = object->body_len;
    fill->state = FILL_WHOLE;
    forget_leader(fill);
    tell_all(fill);
    pthread_mutex_unlock(&fill->lock);
}

void fill_give_up(struct fill *fill, enum fill_state state, unsigned status, int64_t until_ms)
{
    struct fills *fills = fill->fills;

    if (state == FILL_PRIVATE && fills != NULL)
        mark(fills, fill->hash, until_ms);
    unlist(fill);
    pthread_mutex_lock(&fill->lock);
    fill->state = state;
    fill->status = status;
    fill->is_kept = false;
    forget_leader(fill);
    tell_all(fill);
    pthread_mutex_unlock(&fill->lock);
}

void fill_unlist(struct fill *fill)
{
    unlist(fill);
}

/* ---- everybody ---- */

enum fill_state fill_state(struct fill *fill)
{
    enum fill_state state;

    pthread_mutex_lock(&fill->lock);
    state = fill->state;
    pthread_mutex_unlock(&fill->lock);
    return state;
}

int64_t fill_claimed_ms(const struct fill *fill)
{
    return fill->claimed_ms;
}

unsigned fill_status(struct fill *fill)
{
    return fill->status;                 /* does not change once the state tells of it */
}

bool fill_is_kept(struct fill *fill)
{
    bool is_kept;

    pthread_mutex_lock(&fill->lock);
    is_kept = fill->is_kept;
    pthread_mutex_unlock(&fill->lock);
    return is_kept;
}

bool fill_has_followers(struct fill *fill)
{
    bool has_some;

    pthread_mutex_lock(&fill->lock);
    has_some = !list_is_empty(&fill->followers);
    pthread_mutex_unlock(&fill->lock);
    return has_some;
}

struct object *fill_object(struct fill *fill)
{
    struct object *object = NULL;

    pthread_mutex_lock(&fill->lock);
    if (fill->state == FILL_FLOWING || fill->state == FILL_WHOLE)
        object = object_ref(fill->object);
    pthread_mutex_unlock(&fill->lock);
    return object;
}

uint64_t fill_length(struct fill *fill)
{
    uint64_t length;

    pthread_mutex_lock(&fill->lock);
    length = fill->length;
    pthread_mutex_unlock(&fill->lock);
    return length;
}

/* With the lock held. */
static struct slice slice_at(struct fill *fill, uint64_t from, uint32_t most,
                             struct large_body **ret_large)
{
    struct slice slice;
    uint32_t     at, len;

    if (from >= fill->filled)
        return SLICE_NONE;
    if (fill->large != NULL && from / OBJECT_SLICE_BYTES < fill->first) {
        *ret_large = large_body_ref(fill->large);
        return SLICE_NONE;
    }
    if (fill->first == fill->slice_count)
        return object_slice(fill->object, from, most);   /* whole, and its own */
    must(from / OBJECT_SLICE_BYTES >= fill->first);
    slice = fill->slices[from / OBJECT_SLICE_BYTES];
    at = (uint32_t)(from % OBJECT_SLICE_BYTES);
    len = slice.len - at;
    return slice_part(slice, at, len < most ? len : most);
}

struct slice fill_slice(struct fill *fill, struct follower *follower, uint64_t from, uint32_t most,
                        struct large_body **ret_large)
{
    struct slice slice;

    pthread_mutex_lock(&fill->lock);
    *ret_large = NULL;
    slice = slice_at(fill, from, most, ret_large);
    follower->at = from + slice.len;
    let_go(fill);
    pthread_mutex_unlock(&fill->lock);
    return slice;
}
