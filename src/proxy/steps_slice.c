// SPDX-License-Identifier: MIT
/* The steps of an answer in slices: wait for the head of the first, put the client's together, then take
 * slice after slice.
 *
 * Each slice is an exchange of its own (portion.h), so that it is looked up, claimed, filled and shared as any
 * request. One is read, the next one is under way meanwhile. */
#include "http/conditional.h"
#include "http/slicing.h"
#include "http/status.h"
#include "proxy/answer_head.h"
#include "proxy/portion.h"
#include "proxy/shaped_head.h"
#include "proxy/slices.h"
#include "proxy/steps.h"

enum { STITCH_PIPE_BYTES = 128 * 1024 };

struct slices {
    struct portion    *now, *next;       /* now NULL: it was lost */
    const struct head *first;            /* as it came: what the others must fit to */
    uint64_t           size;             /* of a slice */
    uint64_t           length;           /* of the whole body */
    uint64_t           at, end;          /* what the client still gets of it; end UINT64_MAX: all that comes */
    bool               is_passed;        /* the origin gave no slice: what it says is the answer */
    bool               has_looked_ahead; /* from the present slice */
};

enum flow { FLOW_MOVED = 0, FLOW_WAITS, FLOW_DONE, FLOW_CUT };

/* ---- what others ask ---- */

bool slices_are_due(const struct exchange *x)
{
    const struct head *request = x->request;

    return x->location->proxy.cache.slice_bytes > 0 && x->parent == NULL &&
           (request->method == METHOD_GET || request->method == METHOD_HEAD) &&
           request->body == BODY_NONE && request->upgrade.len == 0 &&
           fields_find(&request->fields, FIELD_IF_MATCH) == NULL &&
           fields_find(&request->fields, FIELD_IF_UNMODIFIED_SINCE) == NULL;
}

bool slices_may_keep(const struct exchange *x, const struct head *answer)
{
    struct range_part asked;
    uint64_t          length;

    return slicing_read(x->slice_range, &asked) &&
           slicing_judge(answer, asked, &length) == SLICING_FITS;
}

static void leave_all(struct slices *slices)
{
    if (slices->now != NULL)
        portion_leave(slices->now);
    if (slices->next != NULL)
        portion_leave(slices->next);
}

void slices_end(struct exchange *x)
{
    if (x->slices == NULL)
        return;
    leave_all(x->slices);
    pipe_set_writer(&x->response_body, NULL);
    x->slices = NULL;
}

/* ---- slice ---- */

static struct range_part slice_around(const struct slices *slices, uint64_t at)
{
    return (struct range_part){ .first = at / slices->size * slices->size, .len = slices->size };
}

static bool begin(struct exchange *x)
{
    struct slices *slices = ARENA_NEW(x->arena, struct slices);

    x->slices = slices;
    slices->size = x->location->proxy.cache.slice_bytes;
    slices->at = slicing_start(&x->request->fields, slices->size);
    if (!portion_ask(x, slice_around(slices, slices->at), &slices->now))
        return false;
    slices->now->is_first = true;
    return true;
}

static enum turn give_up(struct exchange *x, unsigned status)
{
    slices_end(x);
    return exchange_answer(x, status);
}

/* What the slice is one of. */
static void make_whole(const struct exchange *x, struct head *head)
{
    head->status = 200;
    head->reason = status_reason(200);
    fields_remove(&head->fields, FIELD_CONTENT_RANGE);
    head->body = x->request->method == METHOD_HEAD ? BODY_NONE : BODY_SIZED;
    head->has_length = true;
    head->length = x->slices->length;
    x->slices->end = head->length;
}

/* The origin knows of no ranges, or has something else to say. */
static void pass_on(struct slices *slices, const struct head *head)
{
    slices->is_passed = true;
    slices->end = head->body == BODY_SIZED ? head->length : UINT64_MAX;
    slices->length = slices->end;
    slices->now->asked = (struct range_part){ .first = 0, .len = slices->end };
    slices->now->is_judged = true;
}

/* Several ranges would need slices in any order, so they get the whole, as with nginx. */
static void apply_range(const struct exchange *x, struct head *head,
                        const struct validators *validators, int64_t now_s)
{
    struct slices   *slices = x->slices;
    struct range_set set;

    if (head->body != BODY_SIZED || fields_find(&x->request->fields, FIELD_RANGE) == NULL ||
        !conditional_may_range(&x->request->fields, validators, now_s))
        return;
    switch (range_judge(x->request->method, &x->request->fields, head->length, &set)) {
    case RANGE_UNSATISFIABLE:
        shaped_head_416(head, head->length);
        head->length = slices->end = 0;
        break;
    case RANGE_PARTS:
        if (set.count > 1)
            break;
        shaped_head_206(head);
        shaped_head_part(head, set.parts[0], head->length);
        head->length = set.parts[0].len;
        slices->at = set.parts[0].first;
        slices->end = slices->at + head->length;
        break;
    case RANGE_IGNORED:
        break;
    }
}

static void shape(const struct exchange *x, struct head *head)
{
    int64_t           now_s = loop_wall_ms(x->loop) / 1000;
    struct validators validators;

    validators_of(&head->fields, now_s, &validators);
    if (conditional_judge(x->request->method, &x->request->fields, head->status, &validators,
                          now_s) != CONDITIONAL_NOT_MODIFIED) {
        apply_range(x, head, &validators, now_s);
        return;
    }
    shaped_head_304(head);
    head->body = BODY_NONE;
    head->has_length = false;
}

static enum turn send_answer(struct exchange *x, struct head *head)
{
    if (head->body == BODY_NONE)
        x->slices->at = x->slices->end = 0;
    answer_use_status(x, head);
    x->answer = head;
    x->answer->status = x->status;
    pipe_done(&x->response_body);
    pipe_init(&x->response_body, STITCH_PIPE_BYTES);
    pipe_set_writer(&x->response_body, &x->task);
    deliver_begin(x);
    return exchange_go(x, &step_stitch);
}

static enum turn answer(struct exchange *x)
{
    struct slices   *slices = x->slices;
    struct head     *head = shaped_head_keep(x->arena, portion_head(slices->now));
    enum slicing_fit fit = slicing_judge(head, slices->now->asked, &slices->length);

    slices->first = shaped_head_copy(x->arena, head);
    slices->now->is_judged = true;
    slices->at = 0;
    if (fit == SLICING_STATUS) {
        pass_on(slices, head);
    } else if (fit == SLICING_FITS) {
        make_whole(x, head);
    } else {
        exchange_log(x, LOG_ERROR, "%s", slicing_words(fit));
        return give_up(x, 502);
    }
    if (head->status == 200)
        shape(x, head);
    return send_answer(x, head);
}

static enum turn run_slice(struct exchange *x)
{
    if (x->slices == NULL && !begin(x))
        return give_up(x, 503);
    if (x->slices->now == NULL || x->slices->now->is_cut)
        return give_up(x, 502);
    return portion_head(x->slices->now) == NULL ? TURN_WAIT : answer(x);
}

/* ---- stitch ---- */

/* The slice with the client's next byte becomes the present one. */
static bool advance(struct exchange *x)
{
    struct slices *slices = x->slices;

    portion_leave(slices->now);
    slices->has_looked_ahead = false;
    if (slices->next == NULL)
        return portion_ask(x, slice_around(slices, slices->at), &slices->now);
    slices->now = slices->next;
    slices->now->place = &slices->now;
    slices->next = NULL;
    return true;
}

static void look_ahead(struct exchange *x)
{
    struct slices *slices = x->slices;
    uint64_t       after = slices->now->asked.first + slices->now->asked.len;

    if (slices->has_looked_ahead || slices->is_passed || after >= slices->end)
        return;
    slices->has_looked_ahead = true;
    (void)portion_ask(x, slice_around(slices, after), &slices->next);
}

/* Does the present slice go with the first? */
static bool fits(struct exchange *x)
{
    struct slices     *slices = x->slices;
    struct portion    *now = slices->now;
    const struct head *head = portion_head(now);
    uint64_t           length = 0;
    enum slicing_fit   fit;

    if (now->is_judged)
        return true;
    fit = slicing_judge(head, now->asked, &length);
    if (fit == SLICING_FITS && !slicing_is_one_version(&slices->first->fields, &head->fields))
        fit = SLICING_OTHER_VERSION;
    if (fit == SLICING_FITS && length != slices->length)
        fit = SLICING_OTHER_LENGTH;
    now->is_judged = fit == SLICING_FITS;
    if (!now->is_judged)
        exchange_log(x, LOG_ERROR, "%s", slicing_words(fit));
    return now->is_judged;
}

static uint64_t end_of(const struct portion *portion)
{
    return portion->asked.len == UINT64_MAX ? UINT64_MAX : portion->asked.first + portion->asked.len;
}

static bool is_beside(const struct slices *slices)
{
    return slices->at < slices->now->asked.first || slices->at >= end_of(slices->now);
}

/* There is nothing in it at present. */
static enum flow nothing_there(struct exchange *x)
{
    struct slices *slices = x->slices;

    if (!portion_is_finished(slices->now))
        return slices->now->is_cut ? FLOW_CUT : FLOW_WAITS;
    if (slices->end == UINT64_MAX)
        return FLOW_DONE;
    exchange_log(x, LOG_ERROR, "missing bytes in slice response");
    return FLOW_CUT;
}

static void skip(struct slices *slices)
{
    struct portion *now = slices->now;
    uint64_t        here = now->asked.first + now->taken;

    while (here < slices->at && portion_has_bytes(now)) {
        struct slice slice = portion_take(now, slices->at - here);

        here += slice.len;
        slice_unref(slice);
    }
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The client's next bytes, if they have come. */
static enum flow move(struct exchange *x)
{
    struct slices *slices = x->slices;
    uint64_t       left = least(end_of(slices->now), slices->end) - slices->at;
    size_t         room = pipe_room(&x->response_body);
    struct slice   slice;

    if (room == 0)
        return FLOW_WAITS;
    skip(slices);
    slice = portion_take(slices->now, least(room, left));
    if (slice.len == 0)
        return nothing_there(x);
    slices->at += slice.len;
    pipe_put(&x->response_body, slice);
    return FLOW_MOVED;
}

static enum flow flow(struct exchange *x)
{
    struct slices *slices = x->slices;

    if (slices->at == slices->end)
        return FLOW_DONE;
    if (slices->now == NULL)
        return FLOW_CUT;
    if (is_beside(slices))
        return advance(x) ? FLOW_MOVED : FLOW_CUT;
    if (portion_head(slices->now) == NULL)
        return slices->now->is_cut ? FLOW_CUT : FLOW_WAITS;
    if (!fits(x))
        return FLOW_CUT;
    look_ahead(x);
    return move(x);
}

static enum turn cut(struct exchange *x)
{
    x->fault = FAULT_BODY_CUT;
    x->is_client_gone = true;
    x->client->ops->reset(x->client, x->fault);
    return exchange_go(x, &step_finish);
}

static enum turn run_stitch(struct exchange *x)
{
    struct stream *client = x->client;
    enum flow      how = FLOW_MOVED;

    while (how == FLOW_MOVED && !x->response_body.is_ended)
        how = flow(x);
    if (how == FLOW_CUT && !client->is_tx_done)
        return cut(x);
    if (how == FLOW_DONE) {
        pipe_end(&x->response_body);
        leave_all(x->slices);
    }
    if (client->tx_budget != BUDGET_NONE && !client->is_tx_done)
        pace(x);
    return client->is_tx_done ? exchange_go(x, &step_finish) : TURN_WAIT;
}

const struct step step_slice = { "slice", run_slice, GUARD_BOTH };
const struct step step_stitch = { "stitch", run_stitch, GUARD_BOTH };
