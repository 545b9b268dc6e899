// SPDX-License-Identifier: MIT
/* fill: who leads and who follows; bodies of all sizes become objects; what is too large goes on as a
 * stream at the pace of the slowest; news reach followers on any loop, and none that has left. */
#include "fills.h"

#include <stdatomic.h>

enum { NOW = 100000, AGE = 5000, MOST = 16 * 1024 * 1024 };
enum { WINDOW = 1024 * 1024 };

static const uint64_t sizes[] = {
    0,
    1,
    1000,
    OBJECT_INLINE_MOST - 1,
    OBJECT_INLINE_MOST,
    OBJECT_INLINE_MOST + 1,
    2 * OBJECT_SLICE_BYTES - 1,
    2 * OBJECT_SLICE_BYTES,
    2 * OBJECT_SLICE_BYTES + 1,
    5 * OBJECT_SLICE_BYTES + 4711,
};

/* ---- claims ---- */

static struct fill *claim(struct fills *fills, const char *key, int64_t now_ms, enum claim wanted)
{
    enum claim   claim;
    struct fill *fill = fills_claim(fills, key_of(key).hash, now_ms, AGE, &claim);

    assert_int_equal(claim, wanted);
    return fill;
}

static void give_up(struct fill **fill)
{
    fill_give_up(*fill, FILL_FAILED, 0, 0);
    fill_unref(*fill);
    *fill = NULL;
}

static void the_first_leads_and_others_follow(void **state)
{
    struct fills *fills = fills_new();
    struct fill  *leader = claim(fills, "a", NOW, CLAIM_LEAD);
    struct fill  *other = claim(fills, "b", NOW, CLAIM_LEAD);
    struct fill  *follower = claim(fills, "a", NOW, CLAIM_FOLLOW);

    (void)state;
    assert_ptr_equal(leader, follower);
    assert_ptr_not_equal(leader, other);
    fill_unref(follower);
    give_up(&leader);
    leader = claim(fills, "a", NOW, CLAIM_LEAD);
    fill_unlist(leader);
    follower = claim(fills, "a", NOW, CLAIM_LEAD);
    give_up(&leader);                    /* is not listed, so it does not take the other's place */
    fill_unref(claim(fills, "a", NOW, CLAIM_FOLLOW));
    give_up(&follower);
    give_up(&other);
    fills_free(&fills);
    assert_null(fills);
}

/* proxy_cache_lock_age. */
static void a_leader_that_asks_for_too_long_goes_on_alone(void **state)
{
    struct fills *fills = fills_new();
    struct fill  *former = claim(fills, "a", NOW, CLAIM_LEAD), *leader;

    (void)state;
    fill_unref(claim(fills, "a", NOW + AGE, CLAIM_FOLLOW));
    leader = claim(fills, "a", NOW + AGE + 1, CLAIM_LEAD);
    assert_ptr_not_equal(former, leader);
    give_up(&former);
    begin_body(leader, 1000, MOST);      /* who has a head is waited for */
    fill_unref(claim(fills, "a", NOW + 10 * AGE, CLAIM_FOLLOW));
    give_up(&leader);
    fills_free(&fills);
}

static void nobody_waits_for_what_was_private_of_late(void **state)
{
    struct fills *fills = fills_new();
    struct fill  *leader = claim(fills, "a", NOW, CLAIM_LEAD), *alone;

    (void)state;
    fill_give_up(leader, FILL_PRIVATE, 0, NOW + 2000);
    assert_int_equal(fill_state(leader), FILL_PRIVATE);
    fill_unref(leader);
    alone = claim(fills, "a", NOW + 1999, CLAIM_ALONE);
    leader = claim(fills, "a", NOW + 1999, CLAIM_ALONE);
    assert_ptr_not_equal(leader, alone);
    give_up(&leader);
    give_up(&alone);
    leader = claim(fills, "a", NOW + 2000, CLAIM_LEAD);
    give_up(&leader);
    leader = claim(fills, "a", NOW + 2000, CLAIM_LEAD);   /* to fail is not to be private */
    give_up(&leader);
    fills_free(&fills);
}

static void many_keys_at_once(void **state)
{
    enum { KEYS = 20000 };
    struct fills *fills = fills_new();
    struct fill **all = mem_new(KEYS * sizeof(struct fill *));
    enum claim    claim;
    uint64_t      bytes;

    (void)state;
    for (unsigned i = 0; i < KEYS; i++) {
        all[i] = fills_claim(fills, key_of_number(i, &bytes).hash, NOW, AGE, &claim);
        assert_int_equal(claim, CLAIM_LEAD);
    }
    for (unsigned i = 0; i < KEYS; i++) {
        struct fill *fill = fills_claim(fills, key_of_number(i, &bytes).hash, NOW, AGE, &claim);

        assert_true(claim == CLAIM_FOLLOW && fill == all[i]);
        fill_unref(fill);
        give_up(&all[i]);
    }
    mem_free(all);
    fills_free(&fills);
}

/* ---- bodies ---- */

static void check_object(const struct object *object, uint64_t length)
{
    uint64_t at = 0;

    assert_int_equal(object->body_len, length);
    assert_true(object_is_inline(object) == (length <= OBJECT_INLINE_MOST));
    while (at < length) {
        struct slice slice = object_slice(object, at, OBJECT_SLICE_BYTES);

        assert_true(slice.len > 0);
        check_bytes(slice_text(slice), at);
        at += slice.len;
        slice_unref(slice);
    }
    assert_int_equal(object_slice(object, length, 1).len, 0);
}

static void fill_and_check(uint64_t length, uint64_t told, size_t piece)
{
    struct fill   *fill = fill_new_alone();
    struct object *object, *same;

    assert_null(fill_object(fill));
    assert_true(fill_length(fill) == FILL_LENGTH_UNKNOWN);
    begin_body(fill, told, MOST);
    assert_int_equal(fill_state(fill), FILL_FLOWING);
    assert_true(fill_length(fill) == told);
    append_in_pieces(fill, 0, length, piece);
    object = finish(fill);
    assert_non_null(object);
    assert_int_equal(fill_state(fill), FILL_WHOLE);
    assert_int_equal(fill_length(fill), length);
    assert_true(fill_is_kept(fill));
    same = fill_object(fill);
    assert_ptr_equal(same, object);
    object_unref(same);
    fill_unref(fill);
    check_object(object, length);
    CHECK_TEXT(object_key(object), "key");
    CHECK_TEXT(object_head(object), "head");
    /* At most an eighth of the last block is air. */
    assert_true(object_block_bytes(object) < length + length / 8 + 4096);
    object_unref(object);
}

static void bodies_of_all_sizes(void **state)
{
    static const size_t pieces[] = { 7777, 65536, 65537, PIECE_MOST };
    size_t              before = block_total();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (size_t k = 0; k < COUNT_OF(pieces); k++) {
            fill_and_check(sizes[i], sizes[i], pieces[k]);
            fill_and_check(sizes[i], FILL_LENGTH_UNKNOWN, pieces[k]);
        }
    pools_drain();
    assert_int_equal(block_total(), before);
}

static void what_a_304_refreshed_ends_it_as_well(void **state)
{
    struct fill   *fill = fill_new_alone();
    struct object *object = object_of(key_of("key"), 1, NULL, NULL, 500), *same;

    (void)state;
    fill_finish_with(fill, object);
    assert_int_equal(fill_state(fill), FILL_WHOLE);
    assert_int_equal(fill_length(fill), 500);
    assert_true(fill_is_kept(fill));
    same = fill_object(fill);
    assert_ptr_equal(same, object);
    object_unref(same);
    fill_unref(fill);
    object_unref(object);
}

static void what_is_given_up_says_why(void **state)
{
    struct fill *fill = fill_new_alone();

    (void)state;
    begin_body(fill, 1000, MOST);
    append(fill, 0, 500);
    fill_give_up(fill, FILL_FAILED, 504, 0);
    assert_int_equal(fill_state(fill), FILL_FAILED);
    assert_int_equal(fill_status(fill), 504);
    assert_false(fill_is_kept(fill));
    assert_null(fill_object(fill));
    fill_unref(fill);
}

/* ---- followers ---- */

struct waiter {
    struct task      task;
    struct fill     *fill;
    struct follower *follower;
    uint64_t         from;               /* for look() */
    uint32_t         most;
    struct slice     slice;
    atomic_uint      wakes;
};

static struct side side;

static void wakes_count(struct task *task, unsigned wakes)
{
    must(wakes == WAKE_LETTER);
    atomic_fetch_add(&container_of(task, struct waiter, task)->wakes, 1);
}

static void follow_there(struct loop *loop, void *argument)
{
    struct waiter *waiter = argument;

    task_init(&waiter->task, wakes_count);
    waiter->follower = fill_follow(waiter->fill, loop, &waiter->task);
}

static void leave_there(struct loop *loop, void *argument)
{
    struct waiter *waiter = argument;

    (void)loop;
    fill_leave(waiter->fill, &waiter->follower);
    task_cancel(&waiter->task);
}

static void look_there(struct loop *loop, void *argument)
{
    struct waiter     *waiter = argument;
    struct large_body *large = NULL;

    (void)loop;
    waiter->slice =
        fill_slice(waiter->fill, waiter->follower, waiter->from, waiter->most, &large);
    must(large == NULL);
}

static void follow(struct waiter *waiter, struct fill *fill)
{
    waiter->fill = fill;
    side_call(&side, follow_there, waiter);
}

static void leave(struct waiter *waiter)
{
    side_call(&side, leave_there, waiter);
    assert_null(waiter->follower);
}

/* How many bytes it gets at `from`: the right ones. */
static uint32_t look(struct waiter *waiter, uint64_t from, uint32_t most)
{
    uint32_t len;

    waiter->from = from;
    waiter->most = most;
    side_call(&side, look_there, waiter);
    len = waiter->slice.len;
    if (len > 0) {
        check_bytes(slice_text(waiter->slice), from);
        slice_unref(waiter->slice);
    }
    return len;
}

static void read_on(struct waiter *waiter, uint64_t from, uint64_t to)
{
    while (from < to) {
        uint32_t len = look(waiter, from, OBJECT_SLICE_BYTES);

        assert_true(len > 0);
        from += len;
    }
}

static void followers_hear_of_everything(void **state)
{
    struct fill  *fill = fill_new_alone();
    struct waiter waiter = { .fill = NULL };
    struct object *object = NULL;
    unsigned      heard;

    (void)state;
    assert_false(fill_has_followers(fill));
    follow(&waiter, fill);
    assert_true(fill_has_followers(fill));
    assert_int_equal(look(&waiter, 0, 100), 0);
    begin_body(fill, FILL_LENGTH_UNKNOWN, MOST);
    WAIT_UNTIL(atomic_load(&waiter.wakes) == 1);
    append(fill, 0, 1000);
    WAIT_UNTIL(atomic_load(&waiter.wakes) == 2);
    assert_int_equal(look(&waiter, 0, 100), 100);
    assert_int_equal(look(&waiter, 100, 100000), 900);
    assert_int_equal(look(&waiter, 1000, 100000), 0);
    fill_end(fill);
    WAIT_UNTIL(atomic_load(&waiter.wakes) == 3);
    assert_int_equal(look(&waiter, 0, 100000), 1000);    /* whole, and not an object yet */
    object = fill_object(fill);
    assert_int_equal(object->body_len, 0);
    object_unref(object);
    assert_true(fill_commit(fill, &object));
    object_unref(object);
    assert_int_equal(look(&waiter, 999, 100000), 1);     /* of the object now */
    assert_int_equal(look(&waiter, 5000, 100000), 0);
    leave(&waiter);
    heard = atomic_load(&waiter.wakes);
    assert_false(fill_has_followers(fill));
    fill_unref(fill);
    side_settle(&side);
    assert_int_equal(atomic_load(&waiter.wakes), heard);
}

static void what_is_read_stays_when_all_has_gone(void **state)
{
    struct fill  *fill = fill_new_alone();
    struct waiter waiter = { .fill = NULL };
    struct slice  slice;

    (void)state;
    follow(&waiter, fill);
    begin_body(fill, 100000, MOST);
    append(fill, 0, 70000);
    waiter.from = 65536;
    waiter.most = 65536;
    side_call(&side, look_there, &waiter);
    slice = waiter.slice;
    append(fill, 70000, 30000);
    assert_int_equal(slice.len, 70000 - 65536);
    object_unref(finish(fill));
    leave(&waiter);
    fill_unref(fill);
    check_bytes(slice_text(slice), 65536);
    slice_unref(slice);
}

struct in_one_turn {
    struct fill   *fill;
    struct waiter *waiter;
    unsigned       before;
};

static void leave_with_a_letter_under_way(struct loop *loop, void *argument)
{
    struct in_one_turn *turn = argument;

    (void)loop;
    append(turn->fill, 0, 10);           /* of the same loop: woken at once, and not twice */
    leave_there(loop, turn->waiter);
    append(turn->fill, 10, 10);
}

/* Letters that come when the follower, or all of the fill, has gone wake nobody, and free what is
 * left (ASan). */
static void who_leaves_is_not_woken(void **state)
{
    struct fill       *fill = fill_new_alone();
    struct waiter      waiter = { .fill = NULL };
    struct in_one_turn turn = { .fill = fill, .waiter = &waiter };

    (void)state;
    begin_body(fill, FILL_LENGTH_UNKNOWN, MOST);
    follow(&waiter, fill);
    side_call(&side, leave_with_a_letter_under_way, &turn);
    side_settle(&side);
    assert_int_equal(atomic_load(&waiter.wakes), 0);     /* task_cancel() came first */
    for (unsigned i = 0; i < 200; i++) {
        struct waiter more = { .fill = NULL };

        follow(&more, fill);
        append(fill, 20 + i, 1);         /* a letter */
        leave(&more);
        side_settle(&side);
    }
    fill_give_up(fill, FILL_FAILED, 0, 0);
    fill_unref(fill);
}

/* ---- streams ---- */

static void what_is_too_large_is_not_kept(void **state)
{
    struct fills *fills = fills_new();
    struct fill  *fill = claim(fills, "a", NOW, CLAIM_LEAD), *later;
    struct waiter waiter = { .fill = NULL };

    (void)state;
    follow(&waiter, fill);
    begin_body(fill, FILL_LENGTH_UNKNOWN, 100000);
    append(fill, 0, 100000);
    assert_true(fill_is_kept(fill));
    fill_unref(claim(fills, "a", NOW, CLAIM_FOLLOW));
    append(fill, 100000, 1);
    assert_false(fill_is_kept(fill));
    later = claim(fills, "a", NOW, CLAIM_LEAD);
    read_on(&waiter, 0, 100001);
    assert_null(finish(fill));
    assert_int_equal(fill_state(fill), FILL_WHOLE);
    assert_int_equal(fill_length(fill), 100001);
    assert_false(fill_is_kept(fill));
    assert_int_equal(look(&waiter, 100001, 10), 0);
    leave(&waiter);
    fill_unref(fill);
    give_up(&later);
    fills_free(&fills);
}

/* Whole, but not kept, and nobody has read a byte of it yet. */
static void a_stream_that_has_ended_can_be_read(void **state)
{
    struct fill  *fill = fill_new_alone();
    struct waiter waiter = { .fill = NULL };

    (void)state;
    follow(&waiter, fill);
    begin_body(fill, 200000, 1000);
    append(fill, 0, 200000);
    assert_null(finish(fill));
    read_on(&waiter, 0, 200000);
    leave(&waiter);
    fill_unref(fill);
}

static void lead_there(struct loop *loop, void *argument)
{
    struct waiter *waiter = argument;

    task_init(&waiter->task, wakes_count);
    fill_lead(waiter->fill, loop, &waiter->task);
}

/* Appends until there is no room. Returns how far it is. */
static uint64_t fill_up(struct fill *fill, uint64_t from)
{
    for (;;) {
        size_t room = fill_room(fill);

        if (room == 0)
            return from;
        room = room < 50000 ? room : 50000;
        append(fill, from, room);
        from += room;
    }
}

static void a_stream_goes_at_the_pace_of_the_slowest(void **state)
{
    struct fill  *fill = fill_new_alone();
    struct waiter leader = { .fill = fill }, slow = { .fill = NULL }, quick = { .fill = NULL };
    struct waiter late = { .fill = NULL };
    size_t        before = block_total();
    uint64_t      at;

    (void)state;
    begin_body(fill, FILL_LENGTH_UNKNOWN, 0);
    side_call(&side, lead_there, &leader);
    follow(&slow, fill);
    follow(&quick, fill);
    append(fill, 0, 1);                  /* from here on it is a stream */
    at = fill_up(fill, 1);
    assert_int_equal(at, WINDOW);
    read_on(&quick, 0, at);
    side_settle(&side);
    assert_int_equal(fill_room(fill), 0);
    assert_int_equal(atomic_load(&leader.wakes), 0);
    read_on(&slow, 0, WINDOW / 4);
    side_settle(&side);
    assert_int_equal(atomic_load(&leader.wakes), 0);     /* not for every byte */
    read_on(&slow, WINDOW / 4, WINDOW / 2 + OBJECT_SLICE_BYTES);
    WAIT_UNTIL(atomic_load(&leader.wakes) == 1);
    follow(&late, fill);
    assert_null(late.follower);          /* its beginning is gone */
    at = fill_up(fill, at);
    assert_int_equal(at, WINDOW + WINDOW / 2 + OBJECT_SLICE_BYTES);
    assert_true(block_total() - before < WINDOW + 4 * OBJECT_SLICE_BYTES);
    read_on(&quick, WINDOW, at);
    leave(&slow);                        /* whom nobody waits for any more */
    WAIT_UNTIL(atomic_load(&leader.wakes) == 2);
    at = fill_up(fill, at);
    read_on(&quick, at - WINDOW, at);
    assert_null(finish(fill));
    leave(&quick);
    fill_unref(fill);
    side_settle(&side);
    assert_int_equal(atomic_load(&leader.wakes), 3);
}

/* Without anybody who reads it, it goes on; the leader says when that is in vain. */
static void a_stream_for_nobody(void **state)
{
    struct fill *fill = fill_new_alone();

    (void)state;
    begin_body(fill, FILL_LENGTH_UNKNOWN, 0);
    append_in_pieces(fill, 0, 3 * WINDOW, 50000);
    assert_int_equal(fill_room(fill), WINDOW);
    assert_false(fill_has_followers(fill));
    fill_give_up(fill, FILL_FAILED, 0, 0);
    fill_unref(fill);
}

/* The leader's letter may be under way when the fill ends. */
static void a_leader_that_ends_with_a_letter_under_way(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        struct fill  *fill = fill_new_alone();
        struct waiter leader = { .fill = fill }, reader = { .fill = NULL };

        begin_body(fill, FILL_LENGTH_UNKNOWN, 0);
        side_call(&side, lead_there, &leader);
        follow(&reader, fill);
        append(fill, 0, 1);
        (void)fill_up(fill, 1);
        leave(&reader);
        fill_give_up(fill, FILL_FAILED, 0, 0);
        fill_unref(fill);
        side_settle(&side);
    }
}

/* ---- loops ---- */

static int start(void **state)
{
    (void)state;
    side_start(&side, 0);
    return 0;
}

static int stop(void **state)
{
    side_stop(&side);
    return drain(state);
}

#define WITH_SIDE(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_leads_and_others_follow),
        cmocka_unit_test(a_leader_that_asks_for_too_long_goes_on_alone),
        cmocka_unit_test(nobody_waits_for_what_was_private_of_late),
        cmocka_unit_test(many_keys_at_once),
        cmocka_unit_test(bodies_of_all_sizes),
        cmocka_unit_test(what_a_304_refreshed_ends_it_as_well),
        cmocka_unit_test(what_is_given_up_says_why),
        WITH_SIDE(followers_hear_of_everything),
        WITH_SIDE(what_is_read_stays_when_all_has_gone),
        WITH_SIDE(who_leaves_is_not_woken),
        WITH_SIDE(what_is_too_large_is_not_kept),
        WITH_SIDE(a_stream_that_has_ended_can_be_read),
        WITH_SIDE(a_stream_goes_at_the_pace_of_the_slowest),
        cmocka_unit_test(a_stream_for_nobody),
        WITH_SIDE(a_leader_that_ends_with_a_letter_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, drain);
}
