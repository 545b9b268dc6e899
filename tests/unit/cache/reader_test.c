// SPDX-License-Identifier: MIT
/* reader: whole bodies, parts, and texts between them, from objects and from fills, into pipes that are
 * full, or given up; then many of them on several loops, with whoever claims the key leading. */
#include "fills.h"

#include <stdatomic.h>

#include "base/random.h"
#include "cache/reader.h"
#include "net/pipe.h"

enum { FAULT = 7, ROOM = 2 * OBJECT_SLICE_BYTES, HEARD_MOST = 400000, MOST = 16 * 1024 * 1024 };

/* A reader and whoever reads its pipe. */
struct party {
    struct reader reader;
    struct pipe   pipe;
    struct task   task, owner;
    struct object *object;               /* or: */
    struct fill   *fill;
    struct piece   pieces[5];
    unsigned       piece_count;
    bool           is_deaf;
    char           heard[HEARD_MOST];
    size_t         len;
    bool           has_ended;
    int            fault;
    unsigned       owner_wakes;
};

static struct side  side;
static struct party party;

static void hear(struct task *task, unsigned wakes)
{
    struct party *p = container_of(task, struct party, task);
    struct iovec  iov[PIPE_SLICES];
    int           n = p->is_deaf ? 0 : pipe_peek(&p->pipe, iov, PIPE_SLICES);
    size_t        len = 0;

    (void)wakes;
    for (int i = 0; i < n; i++) {
        must(p->len + iov[i].iov_len <= HEARD_MOST);
        memcpy(p->heard + p->len, iov[i].iov_base, iov[i].iov_len);
        p->len += iov[i].iov_len;
        len += iov[i].iov_len;
    }
    if (len > 0)
        pipe_drop(&p->pipe, len);
    p->has_ended = pipe_is_finished(&p->pipe);
    p->fault = p->pipe.fault;
}

static void note_wake(struct task *task, unsigned wakes)
{
    must(wakes == WAKE_FAULT);
    container_of(task, struct party, owner)->owner_wakes++;
}

static void begin_there(struct loop *loop, void *argument)
{
    struct party *p = argument;

    task_init(&p->task, hear);
    task_init(&p->owner, note_wake);
    pipe_init(&p->pipe, ROOM);
    pipe_set_reader(&p->pipe, &p->task);
    p->reader.owner = &p->owner;
    if (p->fill != NULL)
        reader_begin_fill(&p->reader, loop, &p->pipe, p->fill, p->pieces, p->piece_count, FAULT);
    else
        reader_begin(&p->reader, loop, &p->pipe, p->object, p->pieces, p->piece_count, FAULT);
}

static void listen_there(struct loop *loop, void *argument)
{
    struct party *p = argument;

    (void)loop;
    p->is_deaf = false;
    task_wake(&p->task, WAKE_DATA);
}

static void end_there(struct loop *loop, void *argument)
{
    struct party *p = argument;

    (void)loop;
    reader_done(&p->reader);
    reader_done(&p->reader);             /* harmless */
    pipe_done(&p->pipe);
    task_cancel(&p->task);
    task_cancel(&p->owner);
}

static void party_begin(struct object *object, struct fill *fill)
{
    party = (struct party){ .object = object, .fill = fill };
}

static void say_part(uint64_t from, uint64_t len)
{
    party.pieces[party.piece_count++] = (struct piece){ .from = from, .len = len };
}

static void say_text(struct text text)
{
    party.pieces[party.piece_count++] = (struct piece){ .text = text };
}

static void party_go(void)
{
    side_call(&side, begin_there, &party);
    side_settle(&side);
}

static void party_end(void)
{
    side_call(&side, end_there, &party);
}

/* An object with a body of that size. */
static struct object *object_with(uint64_t length)
{
    struct fill   *fill = fill_new_alone();
    struct object *object;

    begin_body(fill, length, MOST);
    append_in_pieces(fill, 0, length, 50000);
    object = finish(fill);
    assert_non_null(object);
    fill_unref(fill);
    return object;
}

static void check_heard(size_t at, uint64_t from, size_t len)
{
    assert_true(party.len >= at + len);
    check_bytes(text_of(party.heard + at, len), from);
}

/* ---- objects ---- */

static void whole_objects(void **state)
{
    static const uint64_t sizes[] = { 0, 1, 5000, 65536, 65537, 131072, 300000 };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (unsigned is_open = 0; is_open < 2; is_open++) {
            struct object *object = object_with(sizes[i]);

            party_begin(object, NULL);
            say_part(0, is_open ? READER_TO_END : sizes[i]);
            party_go();
            object_unref(object);        /* the reader has its own */
            assert_true(party.has_ended && party.fault == 0);
            assert_int_equal(party.len, sizes[i]);
            check_heard(0, 0, sizes[i]);
            party_end();
        }
}

static void parts_and_texts_between_them(void **state)
{
    struct object *object = object_with(300000);

    (void)state;
    party_begin(object, NULL);
    say_text(TEXT("head"));
    say_part(65000, 70000);
    say_text(TEXT(""));
    say_part(10, 5);                     /* of what is stored, in any order */
    say_text(TEXT("end"));
    party_go();
    assert_true(party.has_ended && party.fault == 0);
    assert_int_equal(party.len, 4 + 70000 + 5 + 3);
    assert_memory_equal(party.heard, "head", 4);
    check_heard(4, 65000, 70000);
    check_heard(70004, 10, 5);
    assert_memory_equal(party.heard + 70009, "end", 3);
    party_end();
    object_unref(object);
}

static void what_is_shorter_than_announced_is_a_fault(void **state)
{
    struct object *object = object_with(1000);

    (void)state;
    party_begin(object, NULL);
    say_part(500, 600);
    party_go();
    assert_false(party.has_ended);
    assert_int_equal(party.fault, FAULT);
    assert_int_equal(party.owner_wakes, 1);
    party_end();
    object_unref(object);
}

static void a_full_pipe_is_waited_for(void **state)
{
    struct object *object = object_with(300000);

    (void)state;
    party_begin(object, NULL);
    party.is_deaf = true;
    say_part(0, 300000);
    party_go();
    assert_int_equal(party.len, 0);
    assert_true(party.pipe.fill >= ROOM && party.pipe.fill < ROOM + OBJECT_SLICE_BYTES);
    side_call(&side, listen_there, &party);
    side_settle(&side);
    assert_true(party.has_ended);
    check_heard(0, 0, 300000);
    party_end();
    object_unref(object);
}

static void who_goes_in_the_middle_leaves_nothing(void **state)
{
    struct object *object = object_with(300000);
    struct fill   *fill = fill_new_alone();

    (void)state;
    party_begin(object, NULL);
    party.is_deaf = true;
    say_part(0, 300000);
    party_go();
    party_end();
    object_unref(object);
    begin_body(fill, 300000, MOST);
    append(fill, 0, 200000);
    party_begin(NULL, fill);
    party.is_deaf = true;
    say_part(0, 300000);
    party_go();
    assert_true(fill_has_followers(fill));
    party_end();
    assert_false(fill_has_followers(fill));
    fill_unref(fill);
    party_begin(NULL, NULL);             /* never begun */
    party_end();
}

/* ---- fills ---- */

static void a_fill_that_grows(void **state)
{
    struct fill *fill = fill_new_alone();

    (void)state;
    begin_body(fill, FILL_LENGTH_UNKNOWN, MOST);
    party_begin(NULL, fill);
    say_part(0, READER_TO_END);
    party_go();
    for (uint64_t at = 0; at < 300000; at += 60000) {
        append(fill, at, 60000);
        side_settle(&side);
        assert_int_equal(party.len, at + 60000);
        assert_false(party.has_ended);
    }
    check_heard(0, 0, 300000);
    object_unref(finish(fill));
    side_settle(&side);
    assert_true(party.has_ended && party.fault == 0);
    party_end();
    fill_unref(fill);
}

/* Whoever has what it wanted does not wait for the rest, nor is it waited for. */
static void a_part_of_a_fill(void **state)
{
    struct fill *fill = fill_new_alone();

    (void)state;
    begin_body(fill, 300000, 0);
    party_begin(NULL, fill);
    say_part(100000, 10);
    party_go();
    append(fill, 0, 100005);
    side_settle(&side);
    assert_int_equal(party.len, 5);
    append(fill, 100005, 100000);
    side_settle(&side);
    assert_int_equal(party.len, 10);
    check_heard(0, 100000, 10);
    assert_true(party.has_ended);
    assert_false(fill_has_followers(fill));
    party_end();
    fill_give_up(fill, FILL_FAILED, 0, 0);
    fill_unref(fill);
}

static void a_fill_that_fails(void **state)
{
    struct fill *fill = fill_new_alone();

    (void)state;
    begin_body(fill, 300000, MOST);
    append(fill, 0, 1000);
    party_begin(NULL, fill);
    say_part(0, 300000);
    party_go();
    assert_int_equal(party.len, 1000);
    fill_give_up(fill, FILL_FAILED, 504, 0);
    side_settle(&side);
    assert_int_equal(party.fault, FAULT);
    assert_false(party.has_ended);
    assert_int_equal(party.owner_wakes, 1);
    party_end();
    fill_unref(fill);
}

static void a_fill_that_ends_short(void **state)
{
    struct fill *fill = fill_new_alone();

    (void)state;
    begin_body(fill, FILL_LENGTH_UNKNOWN, MOST);
    party_begin(NULL, fill);
    say_part(500, 1000);
    party_go();
    append(fill, 0, 1000);
    object_unref(finish(fill));
    side_settle(&side);
    assert_int_equal(party.len, 500);
    assert_int_equal(party.fault, FAULT);
    assert_int_equal(party.owner_wakes, 1);
    party_end();
    fill_unref(fill);
}

/* ---- several loops ---- */

enum { SIDES = 3, EACH = 4, ROUNDS = 60, KEY_AGE = 100000 };

/* One of many who want the same: who claims first leads, and reads as well. */
struct seeker {
    struct task      task;
    struct loop     *loop;
    struct fills    *fills;
    struct fill     *fill;
    struct follower *follower;
    struct reader    reader;
    struct pipe      pipe;
    struct piece     piece;
    bool             is_leader, is_reading;
    uint64_t         length, most, fails_at;   /* of the round */
    uint64_t         leaves_at, filled, len;
    atomic_bool      is_over;
    bool             is_whole, is_cut, is_alone;
};

static struct side   sides[SIDES];
static struct seeker seekers[SIDES][EACH];
static atomic_uint   leaders;

static void seeker_end(struct seeker *seeker)
{
    reader_done(&seeker->reader);
    if (seeker->follower != NULL)
        fill_leave(seeker->fill, &seeker->follower);
    pipe_done(&seeker->pipe);
    if (seeker->is_leader)
        return;                          /* lead() goes on for the others */
    if (seeker->fill != NULL)
        fill_unref(seeker->fill);
    seeker->fill = NULL;
    task_cancel(&seeker->task);
    atomic_store(&seeker->is_over, true);
}

static void leader_end(struct seeker *seeker)
{
    fill_unlist(seeker->fill);
    seeker->is_leader = false;
    if (!seeker->is_reading)
        seeker_end(seeker);
}

static void lead(struct seeker *seeker)
{
    struct object *object = NULL;
    size_t         room;

    while (seeker->filled < seeker->length && (room = fill_room(seeker->fill)) > 0) {
        uint64_t left = seeker->length - seeker->filled;

        room = room < 30000 ? room : 30000;
        room = left < room ? (size_t)left : room;
        append(seeker->fill, seeker->filled, room);
        seeker->filled += room;
        if (seeker->filled >= seeker->fails_at) {
            fill_give_up(seeker->fill, FILL_FAILED, 502, 0);
            leader_end(seeker);
            return;
        }
        task_wake_last(&seeker->task, WAKE_DATA);
        return;
    }
    if (seeker->filled < seeker->length)
        return;                          /* woken when there is room */
    fill_end(seeker->fill);
    must(fill_commit(seeker->fill, &object));
    if (object != NULL)
        object_unref(object);
    leader_end(seeker);
}

static void begin_reading(struct seeker *seeker)
{
    seeker->is_reading = true;
    pipe_init(&seeker->pipe, ROOM);
    pipe_set_reader(&seeker->pipe, &seeker->task);
    seeker->piece = (struct piece){ .from = 0, .len = READER_TO_END };
    reader_begin_fill(&seeker->reader, seeker->loop, &seeker->pipe, seeker->fill, &seeker->piece,
                      1, FAULT);
    if (seeker->follower != NULL)
        fill_leave(seeker->fill, &seeker->follower);
}

static void read_on(struct seeker *seeker)
{
    struct iovec iov[PIPE_SLICES];
    int          n = pipe_peek(&seeker->pipe, iov, PIPE_SLICES);
    size_t       len = 0;

    for (int i = 0; i < n; i++) {
        const unsigned char *bytes = iov[i].iov_base;

        for (size_t k = 0; k < iov[i].iov_len; k += 97)
            must(bytes[k] == body_at(seeker->len + len + k));
        len += iov[i].iov_len;
    }
    seeker->len += len;
    if (len > 0)
        pipe_drop(&seeker->pipe, len);
    seeker->is_whole = pipe_is_finished(&seeker->pipe);
    seeker->is_cut = seeker->pipe.fault != 0;
    if (seeker->is_whole || seeker->is_cut || seeker->len >= seeker->leaves_at) {
        seeker->is_reading = false;
        seeker_end(seeker);
    }
}

static void seeker_run(struct task *task, unsigned wakes)
{
    struct seeker *seeker = container_of(task, struct seeker, task);

    (void)wakes;
    if (seeker->is_reading)
        read_on(seeker);
    else if (!seeker->is_leader && fill_state(seeker->fill) == FILL_FAILED)
        seeker_end(seeker);
    else if (!seeker->is_leader && fill_state(seeker->fill) != FILL_ASKED)
        begin_reading(seeker);
    if (seeker->is_leader)
        lead(seeker);
}

static void seek_there(struct loop *loop, void *argument)
{
    struct seeker *seeker = argument;
    enum claim     claim;

    seeker->loop = loop;
    task_init(&seeker->task, seeker_run);
    seeker->fill = fills_claim(seeker->fills, key_of("key").hash, 1, KEY_AGE, &claim);
    if (claim == CLAIM_LEAD) {
        atomic_fetch_add(&leaders, 1);
        seeker->is_leader = true;
        fill_lead(seeker->fill, loop, &seeker->task);
        begin_body(seeker->fill, FILL_LENGTH_UNKNOWN, seeker->most);
        begin_reading(seeker);
    } else {
        seeker->follower = fill_follow(seeker->fill, loop, &seeker->task);
        seeker->is_alone = seeker->follower == NULL;   /* too late for a stream */
    }
    if (seeker->is_alone)
        seeker_end(seeker);
    else
        task_wake(&seeker->task, WAKE_DATA);
}

static struct seeker_call {
    struct letter  letter;
    struct seeker *seeker;
} calls[SIDES][EACH];

static void call_open(struct loop *loop, struct letter *letter)
{
    seek_there(loop, container_of(letter, struct seeker_call, letter)->seeker);
}

static void round_begin(struct fills *fills)
{
    uint64_t length = random_below(3000000), most = random_below(2) ? MOST : 100000;
    uint64_t fails_at = random_below(4) == 0 ? 1 + random_below(3000000) : UINT64_MAX;

    for (unsigned i = 0; i < SIDES * EACH; i++) {
        struct seeker *seeker = &seekers[i % SIDES][i / SIDES];

        *seeker = (struct seeker){ .fills = fills, .length = length, .most = most,
                                   .fails_at = fails_at };
        seeker->leaves_at = random_below(3) == 0 ? random_below(1000000) : UINT64_MAX;
        calls[i % SIDES][i / SIDES] =
            (struct seeker_call){ .letter = { .open = call_open }, .seeker = seeker };
    }
    for (unsigned i = 0; i < SIDES * EACH; i++)
        mailbox_post(sides[i % SIDES].loop, &calls[i % SIDES][i / SIDES].letter);
}

/* What it has is whole, or it was cut as its leader was, or it went. */
static void check_seeker(const struct seeker *seeker)
{
    if (seeker->is_whole)
        assert_int_equal(seeker->len, seeker->length);
    if (seeker->is_cut)
        assert_true(seeker->fails_at <= seeker->length);
}

static void many_on_several_loops(void **state)
{
    struct fills *fills = fills_new();

    (void)state;
    for (unsigned i = 0; i < SIDES; i++)
        side_start(&sides[i], i + 1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        round_begin(fills);
        for (unsigned i = 0; i < SIDES * EACH; i++) {
            struct seeker *seeker = &seekers[i % SIDES][i / SIDES];

            WAIT_UNTIL(atomic_load(&seeker->is_over));
            side_settle(&sides[i % SIDES]);
            check_seeker(seeker);
        }
    }
    for (unsigned i = 0; i < SIDES; i++)
        side_stop(&sides[i]);
    assert_true(atomic_load(&leaders) >= ROUNDS);
    fills_free(&fills);
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
        WITH_SIDE(whole_objects),
        WITH_SIDE(parts_and_texts_between_them),
        WITH_SIDE(what_is_shorter_than_announced_is_a_fault),
        WITH_SIDE(a_full_pipe_is_waited_for),
        WITH_SIDE(who_goes_in_the_middle_leaves_nothing),
        WITH_SIDE(a_fill_that_grows),
        WITH_SIDE(a_part_of_a_fill),
        WITH_SIDE(a_fill_that_fails),
        WITH_SIDE(a_fill_that_ends_short),
        cmocka_unit_test(many_on_several_loops),
    };

    return cmocka_run_group_tests(tests, NULL, drain);
}
