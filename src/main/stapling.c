// SPDX-License-Identifier: MIT
/* One job per question: servers with the same certificate share it. Each server checks the answer for itself,
 * as its own directives say. */
#include "main/stapling.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/writer.h"
#include "main/fetch.h"
#include "tls/staple.h"

enum {
    FETCHES_MOST = 8,                    /* at once */
    CROWDED_MS = 200,                    /* until a job that found no place looks again */
    RETRY_LEAST_MS = 5 * 1000,           /* after a failure, doubled each time */
    RETRY_MOST_MS = 10 * 60 * 1000,
    RENEW_LEAST_MS = 5 * 1000,
    RENEW_MOST_MS = 60 * 60 * 1000,
    WORDS_BYTES = 512
};

struct target {
    struct target           *next;
    const struct tls_server *server;
    unsigned                 pair;
};

/* Lives in its set. */
struct job {
    struct job           *next;
    struct set           *set;
    struct tls_staple_ask ask;
    const struct resolver_policy *resolver;
    struct target        *targets;
    struct task           task;
    struct timer          timer;
    struct fetch         *fetch;         /* NULL: waits */
    char                 *answer;        /* the last good one; owned */
    size_t                answer_len;
    unsigned              failures;      /* in a row */
};

/* The jobs of one configuration. Buried when another has taken its place. */
struct set {
    struct corpse    corpse;
    struct stapling *stapling;
    struct arena    *arena;
    struct map      *by_question;
    struct job      *jobs;
};

struct stapling {
    struct loop *loop;
    struct set  *set;
    unsigned     fetches;                /* under way */
};

/* ---- when next ---- */

static void wait_for(struct job *job, int64_t ms)
{
    struct loop *loop = job->set->stapling->loop;

    timer_set(loop_timers(loop), &job->timer, loop_now_ms(loop) + ms);
}

/* Up to a quarter later, so that many do not stay in step. */
static void wait_about(struct job *job, int64_t ms)
{
    wait_for(job, ms + (int64_t)random_below((uint64_t)ms / 4 + 1));
}

static int64_t retry_ms(const struct job *job)
{
    int64_t ms = RETRY_LEAST_MS;

    for (unsigned i = 1; i < job->failures && ms < RETRY_MOST_MS; i++)
        ms *= 2;
    return ms < RETRY_MOST_MS ? ms : RETRY_MOST_MS;
}

/* Half of what is left of it; of one for good: after the longest time. */
static int64_t renew_ms(int64_t until_s)
{
    int64_t half_ms;

    if (until_s == INT64_MAX)
        return RENEW_MOST_MS;
    half_ms = (until_s * 1000 - clock_wall_ms()) / 2;
    if (half_ms < RENEW_LEAST_MS)
        return RENEW_LEAST_MS;
    return half_ms < RENEW_MOST_MS ? half_ms : RENEW_MOST_MS;
}

/* ---- answers ---- */

static void complain(const struct job *job, struct text words)
{
    log_at(LOG_ERROR, NULL,
           "%.*s while requesting certificate status, responder: %.*s, certificate: \"%.*s\"",
           TEXT_ARGS(words), TEXT_ARGS(job->ask.url), TEXT_ARGS(job->ask.name));
}

/* False: it is good for none of them. Complaints of several are mostly the same: one is said. */
static bool answer_give(const struct job *job, struct text der, int64_t *ret_until_s)
{
    char          bytes[WORDS_BYTES];
    struct writer words = writer_fixed(bytes, sizeof(bytes));
    unsigned      given = 0;

    *ret_until_s = INT64_MAX;
    for (const struct target *at = job->targets; at != NULL; at = at->next) {
        struct writer said = writer_fixed(bytes, sizeof(bytes));
        int64_t       until_s;

        if (tls_server_set_staple(at->server, at->pair, der, &until_s, &said) < 0) {
            words = said;
            continue;
        }
        given++;
        if (until_s < *ret_until_s)
            *ret_until_s = until_s;
    }
    if (words.len > 0)
        complain(job, writer_done(&words));
    return given > 0;
}

static void answer_keep(struct job *job, struct text der)
{
    mem_free(job->answer);
    job->answer = mem_string(der.ptr, der.len);
    job->answer_len = der.len;
}

static void failed(struct job *job)
{
    job->failures++;
    wait_about(job, retry_ms(job));
}

static void answered(struct job *job)
{
    struct text words = fetch_error(job->fetch), der = fetch_answer(job->fetch);
    int64_t     until_s;

    if (words.len > 0) {
        complain(job, words);
        failed(job);
    } else if (!answer_give(job, der, &until_s)) {
        failed(job);
    } else {
        answer_keep(job, der);
        job->failures = 0;
        wait_about(job, renew_ms(until_s));
    }
}

/* ---- a job ---- */

static void job_ask(struct job *job)
{
    struct stapling   *stapling = job->set->stapling;
    struct fetch_order order = { .url = job->ask.url,
                                 .body = job->ask.request,
                                 .type = TEXT("application/ocsp-request"),
                                 .accept = TEXT("application/ocsp-response"),
                                 .resolver = job->resolver };

    if (stapling->fetches >= FETCHES_MOST) {
        wait_about(job, CROWDED_MS);
        return;
    }
    stapling->fetches++;
    job->fetch = fetch_begin(stapling->loop, &order, &job->task);
}

static void job_fetch_end(struct job *job)
{
    if (job->fetch == NULL)
        return;
    fetch_end(&job->fetch);
    job->set->stapling->fetches--;
}

static void job_run(struct task *task, unsigned wakes)
{
    struct job *job = container_of(task, struct job, task);

    if (job->fetch == NULL) {
        if (wakes & WAKE_DEADLINE)
            job_ask(job);
    } else if (fetch_is_over(job->fetch)) {
        answered(job);
        job_fetch_end(job);
    }
}

/* ---- sets ---- */

static struct job *job_of(struct set *set, const struct tls_staple_ask *ask)
{
    struct writer question = writer_arena(set->arena, ask->url.len + ask->request.len + 1);
    struct job   *job;

    writer_text(&question, ask->url);
    writer_char(&question, ' ');
    writer_text(&question, ask->request);
    job = map_get(set->by_question, writer_done(&question));
    if (job != NULL)
        return job;
    job = ARENA_NEW(set->arena, struct job);
    job->set = set;
    job->ask = *ask;
    task_init(&job->task, job_run);
    timer_init(&job->timer, &job->task);
    must(map_add(set->by_question, writer_done(&question), job));
    job->next = set->jobs;
    set->jobs = job;
    return job;
}

static void server_add(struct set *set, const struct server *server)
{
    char                  bytes[WORDS_BYTES];
    struct tls_staple_ask ask;

    for (unsigned i = 0; i < tls_server_pairs(server->tls); i++) {
        struct writer  words = writer_fixed(bytes, sizeof(bytes));
        struct target *target;
        struct job    *job;

        if (!tls_staple_ask(server->tls, i, set->arena, &ask, &words))
            continue;
        job = job_of(set, &ask);
        job->resolver = server->level.resolver;
        target = ARENA_NEW(set->arena, struct target);
        *target = (struct target){ .next = job->targets, .server = server->tls, .pair = i };
        job->targets = target;
    }
}

static struct job *job_like(const struct set *set, const struct job *job)
{
    struct job *at = set == NULL ? NULL : set->jobs;

    while (at != NULL && !(text_is_equal(at->ask.url, job->ask.url) &&
                           text_is_equal(at->ask.request, job->ask.request)))
        at = at->next;
    return at;
}

/* From the former configuration's, if that knows an answer that is still good. */
static void job_begin(struct job *job, const struct set *former)
{
    const struct job *like = job_like(former, job);
    struct text       der;
    int64_t           until_s;

    if (like == NULL || like->answer == NULL) {
        wait_for(job, 0);
        return;
    }
    der = text_of(like->answer, like->answer_len);
    if (!answer_give(job, der, &until_s)) {
        wait_for(job, 0);
        return;
    }
    answer_keep(job, der);
    wait_about(job, renew_ms(until_s));
}

static void set_release(struct corpse *corpse)
{
    struct set *set = container_of(corpse, struct set, corpse);

    for (struct job *job = set->jobs; job != NULL; job = job->next)
        mem_free(job->answer);
    map_free(&set->by_question);
    arena_free(&set->arena);
    mem_free(set);
}

static void set_end(struct set *set)
{
    struct loop *loop = set->stapling->loop;

    for (struct job *job = set->jobs; job != NULL; job = job->next) {
        job_fetch_end(job);
        timer_remove(loop_timers(loop), &job->timer);
        task_cancel(&job->task);
    }
    loop_bury(loop, &set->corpse);
}

static struct set *set_new(struct stapling *stapling, const struct site *site)
{
    struct set *set = mem_new(sizeof(*set));

    set->corpse.release = set_release;
    set->stapling = stapling;
    set->arena = arena_new();
    set->by_question = map_new(false);
    for (const struct server *server = site->servers; server != NULL; server = server->next)
        if (server->tls != NULL)
            server_add(set, server);
    return set;
}

struct stapling *stapling_new(struct loop *loop)
{
    struct stapling *stapling = mem_new(sizeof(*stapling));

    stapling->loop = loop;
    return stapling;
}

void stapling_turn_to(struct stapling *stapling, const struct site *site)
{
    struct set *former = stapling->set;

    stapling->set = set_new(stapling, site);
    for (struct job *job = stapling->set->jobs; job != NULL; job = job->next)
        job_begin(job, former);
    if (former != NULL)
        set_end(former);
}

/* ---- what cannot be ---- */

static void server_report(const struct server *server, struct arena *arena, struct map *said,
                          const struct report *report)
{
    char                  bytes[WORDS_BYTES];
    struct tls_staple_ask ask;

    for (unsigned i = 0; i < tls_server_pairs(server->tls); i++) {
        struct writer words = writer_fixed(bytes, sizeof(bytes));
        struct text   line;

        if (tls_staple_ask(server->tls, i, arena, &ask, &words) || words.len == 0)
            continue;
        line = arena_copy(arena, writer_done(&words));
        if (map_add(said, line, said))
            report_line(report, LOG_WARN, "%.*s", TEXT_ARGS(line));
    }
}

void stapling_report(const struct site *site, const struct report *report)
{
    struct arena *arena = arena_new();
    struct map   *said = map_new(false);

    for (const struct server *server = site->servers; server != NULL; server = server->next)
        if (server->tls != NULL)
            server_report(server, arena, said, report);
    map_free(&said);
    arena_free(&arena);
}
