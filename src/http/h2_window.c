// SPDX-License-Identifier: MIT
/* Windows that grow. A sender may have a window's bytes on their way, so on a long path a small window is what
 * limits a body. Whether it does is measured: PING tells how long the path is, and if a whole window's bytes come
 * within two of its lengths, the window doubles. On a path that is full they take longer, so it ends at about twice
 * what the path holds. The shortest time counts: later ones include what waits because of us.
 *
 * What a window lets come has to be held when whoever takes it stops, and that may be an attacker. So a stream's grows
 * only while what comes is taken, and falls back when it is not; all growth of the process is out of one small pot, of
 * which each step takes at most a half of what is left. It is back there when what it let come has been taken, not
 * when the window falls back. The connection's holds nothing: its bytes are given back as they come. */
#include <stdatomic.h>
#include <string.h>

#include "base/budget.h"
#include "base/shortage.h"
#include "http/h2_parts.h"

enum {
    WINDOW_LEAST = 64 * 1024 - 1,
    WINDOW_MOST = 16 * 1024 * 1024,
    GROWN_MOST = 4 * 1024 * 1024,        /* a stream's */
    POT_MOST = 8 * 1024 * 1024,
    POT_OF_BUDGET = 16,                  /* so much of it at most */
    POT_PART = 2,                        /* of what is left, for one step */
    STEP_LEAST = 16 * 1024,
    NEAR_US = 1000,                      /* no path that a window could be too small for */
    PATHS = 2,                           /* a window's bytes in so many lengths of it: too small */
    PAUSE_US = 1000 * 1000,              /* between two measurements */
    STALL_MS = 200                       /* for so long much may wait */
};

static const uint8_t mark[H2_PING_BYTES] = "windows";

/* Above what the settings say, and what was and has not been taken yet; in the whole process. */
static _Atomic uint64_t grown;

static uint32_t bounded(uint32_t bytes)
{
    return bytes < WINDOW_LEAST ? WINDOW_LEAST : bytes > WINDOW_MOST ? WINDOW_MOST : bytes;
}

uint32_t h2_window_of_stream(const struct h2_codec *h2)
{
    return h2->is_server ? bounded(h2->settings.window) : H2_FIRST_WINDOW;
}

uint32_t h2_window_of_conn(const struct h2_codec *h2)
{
    return bounded(h2->settings.recv_buffer_size);
}

/* ---- one stream ---- */

static uint32_t window_of(const struct h2_stream *s)
{
    return s->window + s->grown;
}

static void set(struct h2_codec *h2, int32_t id, uint32_t window)
{
    h2_check(h2, nghttp2_session_set_local_window_size(h2->engine, NGHTTP2_FLAG_NONE, id,
                                                       (int32_t)window));
    if (nghttp2_session_want_write(h2->engine))
        h2_wake_conn(h2, WAKE_DATA);
}

/* An answer that is longer than most gets what the settings say, or as much of it as its reader's client may still
 * make us hold. */
static void grant(struct h2_stream *s)
{
    struct h2_codec *h2 = s->h2;
    struct pipe     *pipe = s->stream.rx_body;

    if (h2->is_server || s->is_granted || pipe == NULL || pipe->fault != 0 ||
        (s->is_rx_sized && s->rx_left == 0) ||
        pipe->total_in + s->spill_bytes < H2_FIRST_WINDOW / 2)
        return;
    s->is_granted = true;
    s->window += pipe_promise(pipe, h2->settings.window - H2_FIRST_WINDOW);
    set(h2, s->id, window_of(s));
}

/* There is more to come than it lets come, and what came is taken. */
static bool may_grow(const struct h2_stream *s)
{
    uint32_t window = window_of(s);

    return s->is_live && !s->is_reset && !s->is_dropping && s->rx == H2_RX_BODY &&
           s->stall_ms == 0 && s->owed == 0 && window < GROWN_MOST &&
           !(s->is_rx_sized && s->rx_left <= window) && shortage_now() == 0;
}

static uint32_t pot_part(void)
{
    uint64_t most = budget_most() / POT_OF_BUDGET;
    uint64_t taken = atomic_load_explicit(&grown, memory_order_relaxed);

    most = most < POT_MOST ? most : POT_MOST;
    return taken < most ? (uint32_t)((most - taken) / POT_PART) : 0;
}

static void grow(struct h2_stream *s)
{
    uint32_t more = window_of(s), part = pot_part();

    if (more > GROWN_MOST - window_of(s))
        more = GROWN_MOST - window_of(s);
    more = more < part ? more : part;
    if (more < STEP_LEAST)
        return;
    atomic_fetch_add_explicit(&grown, more, memory_order_relaxed);
    s->grown += more;
    set(s->h2, s->id, window_of(s));
}

static void pay(struct h2_stream *s, uint32_t len)
{
    s->owed -= len;
    atomic_fetch_sub_explicit(&grown, len, memory_order_relaxed);
}

void h2_window_forget(struct h2_stream *s)
{
    s->owed += s->grown;
    s->grown = 0;
    pay(s, s->owed);
}

/* What it let come is here, or still comes: as that is taken it is paid, and not given back to the sender. */
static void fall_back(struct h2_stream *s)
{
    s->owed += s->grown;
    s->grown = 0;
    if (s->is_live && !s->has_rx_end && !s->is_reset)
        set(s->h2, s->id, window_of(s));
}

/* A burst finds no room at once; that is over soon, if somebody takes it. */
static bool is_stalled(struct h2_stream *s)
{
    int64_t now_ms = h2_now_ms(s->h2);

    if (s->stall_ms == 0 && s->spill_bytes > s->window / 2)
        s->stall_ms = now_ms;
    return s->stall_ms > 0 && now_ms - s->stall_ms >= STALL_MS;
}

/* Before it could grow, too: who does not take must not get more. */
static void review(struct h2_stream *s)
{
    if ((is_stalled(s) || shortage_now() != 0) && s->grown > 0)
        fall_back(s);
}

void h2_window_taken(struct h2_stream *s, uint32_t len)
{
    review(s);
    pay(s, len < s->owed ? len : s->owed);
    if (s->spill_bytes <= s->window / 2)
        s->stall_ms = 0;
}

/* ---- measuring ---- */

static void measure(struct h2_codec *h2, int64_t now_us)
{
    h2->measured_us = now_us;
    h2->is_measuring = true;
    h2_check(h2, nghttp2_submit_ping(h2->engine, NGHTTP2_FLAG_NONE, mark));
    h2_wake_conn(h2, WAKE_DATA);
}

void h2_window_measured(struct h2_codec *h2, const uint8_t *opaque)
{
    int64_t took_us = loop_now_us(h2->conn->loop) - h2->measured_us;

    if (!h2->is_measuring || memcmp(opaque, mark, sizeof(mark)) != 0)
        return;
    h2->is_measuring = false;
    if (h2->path_us == 0 || took_us < h2->path_us)
        h2->path_us = took_us > 0 ? took_us : 1;
}

/* So much has come; true: a window's worth, in less time than a window that is large enough takes. */
static bool is_too_small(const struct h2_codec *h2, struct h2_round *round, uint32_t len,
                         uint32_t window, int64_t now_us)
{
    bool is_so;

    if (round->bytes == 0)
        round->began_us = now_us;
    round->bytes += len;
    if (round->bytes < window)
        return false;
    is_so = h2->path_us >= NEAR_US && now_us - round->began_us <= PATHS * h2->path_us;
    round->bytes = 0;
    return is_so;
}

static void note_conn(struct h2_codec *h2, uint32_t len, int64_t now_us)
{
    uint32_t window = (uint32_t)nghttp2_session_get_effective_local_window_size(h2->engine);

    if (is_too_small(h2, &h2->round, len, window, now_us) && window < WINDOW_MOST)
        set(h2, 0, bounded(2 * window));
}

void h2_window_note(struct h2_stream *s, uint32_t len)
{
    struct h2_codec *h2 = s->h2;
    int64_t          now_us = loop_now_us(h2->conn->loop);
    bool             is_small = is_too_small(h2, &s->round, len, window_of(s), now_us);

    grant(s);
    note_conn(h2, len, now_us);
    review(s);
    if (s->stream.rx_bytes < window_of(s) / 2 || !may_grow(s))
        return;
    if (!h2->is_measuring && now_us - h2->measured_us >= PAUSE_US)
        measure(h2, now_us);
    if (is_small)
        grow(s);
}
