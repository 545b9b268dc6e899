// SPDX-License-Identifier: MIT
/* A visitor's far end: lines by the clock, and an ear. */
#include <string.h>

#include "schedule.h"
#include "visitors.h"

static void say_line(struct visitor *visitor)
{
    static const char zeros[VISITOR_BYTES];
    const char       *bytes = visitor->lines[visitor->said].bytes;

    wire_say(visitor->far.wire, bytes, strlen(bytes));
    wire_say(visitor->far.wire, zeros, visitor->lines[visitor->said].zeros);
    say("visitor: says line %u", visitor->said);
    visitor->said++;
}

void visitor_say(struct visitor *visitor)
{
    say_line(visitor);
    wire_rush(visitor->far.wire);
}

static void speak(struct visitor *visitor)
{
    while (visitor->said < VISITOR_LINES && visitor->lines[visitor->said].bytes != NULL) {
        int64_t at_us = visitor->came_us + visitor->lines[visitor->said].at_us;

        if (kernel_now_us() < at_us) {
            far_wake_at(&visitor->far, at_us);
            return;
        }
        say_line(visitor);
    }
}

static bool is_deaf(const struct visitor *visitor)
{
    return visitor->deaf_until_us == INT64_MAX ||
           kernel_now_us() < visitor->came_us + visitor->deaf_until_us;
}

static void listen_on(struct visitor *visitor)
{
    if (is_deaf(visitor) && visitor->deaf_until_us != INT64_MAX)
        far_wake_at(&visitor->far, visitor->came_us + visitor->deaf_until_us);
    if (!is_deaf(visitor))
        visitor->len += wire_read(visitor->far.wire, visitor->heard + visitor->len,
                                  VISITOR_BYTES - 1 - visitor->len);
}

static bool is_all_over(const struct visitor *visitor)
{
    struct wire *wire = visitor->far.wire;

    if (visitor->is_reset || (wire_is_ours_closed(wire) && visitor->deaf_until_us == INT64_MAX))
        return true;
    return !is_deaf(visitor) && (visitor->stays ? wire_is_ours_closed(wire) : visitor->has_end);
}

/* True: it has gone, or does now. */
static bool goes(struct visitor *visitor)
{
    int64_t at_us = visitor->came_us + visitor->goes_us;

    if (visitor->is_over || visitor->goes_us == 0)
        return visitor->is_over;
    if (kernel_now_us() < at_us) {
        far_wake_at(&visitor->far, at_us);
        return false;
    }
    say("visitor: goes");
    visitor->is_over = true;
    if (visitor->goes_by_reset)
        wire_reset(visitor->far.wire);
    else
        wire_close(visitor->far.wire);
    return true;
}

static void close_its_side(struct visitor *visitor)
{
    int64_t at_us = visitor->came_us + visitor->says_end_us;

    if (visitor->says_end_us == 0)
        return;
    if (kernel_now_us() < at_us) {
        far_wake_at(&visitor->far, at_us);
        return;
    }
    visitor->says_end_us = 0;
    wire_finish(visitor->far.wire);
}

static void visitor_run(struct far *far)
{
    struct visitor *visitor = container_of(far, struct visitor, far);

    if (goes(visitor))
        return;
    close_its_side(visitor);
    listen_on(visitor);
    visitor->is_reset = wire_is_reset(far->wire);
    visitor->has_end = wire_end_came(far->wire);
    if (!is_all_over(visitor)) {
        speak(visitor);
        return;
    }
    say("visitor: leaves%s", visitor->is_reset ? ", reset" : "");
    visitor->is_over = true;
    wire_close(far->wire);
}

void visitor_come(struct visitor *visitor, unsigned port)
{
    visitor->far.run = visitor_run;
    visitor->came_us = kernel_now_us();
    (void)wire_connect(port, &visitor->far);
}
