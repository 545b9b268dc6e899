// SPDX-License-Identifier: MIT
/* How long the pure functions of the http layer take, in nanoseconds, best of several rounds.
 *
 * Each row has a budget: five times what a desktop of 2020 needs, so that a row over its budget is a
 * mistake and not a slow machine. Exit status 1 then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/h1_parse.h"
#include "http/h1_write.h"
#include "http/uri.h"

enum { ROUNDS = 7, RUNS = 20000 };

static const struct head_limits limits = {
    .line_bytes = 8192, .field_bytes = 8192, .head_bytes = 32768, .fields = 128,
};

static const char browser[] =
    "GET /assets/images/gallery/2026/11/front-desk-at-night-large.jpg?width=1280&version=3 HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "Connection: keep-alive\r\n"
    "Cache-Control: max-age=0\r\n"
    "sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "sec-ch-ua-platform: \"Linux\"\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Referer: https://www.example.com/gallery/2026/\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n";

static const char small[] = "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: wrk\r\n\r\n";

/* Keeps the compiler from dropping the work. */
static volatile size_t sink;

static double now_ns(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void scan(struct text bytes)
{
    struct h1_scan state = { 0 };
    size_t         size = 0;
    int            fault;

    if (h1_scan(&state, bytes.ptr, bytes.len, &limits, &size, &fault) != H1_SCAN_DONE)
        abort();
    sink += size;
}

static void parse(struct text bytes)
{
    struct arena *arena = arena_new();
    struct head   head;

    if (h1_parse_request(bytes, &limits, arena, &head) != FAULT_NONE)
        abort();
    sink += head.fields.count;
    arena_free(&arena);
}

static void parse_and_write(struct text bytes)
{
    struct arena *arena = arena_new();
    struct head   head;
    char          buffer[4096];
    struct writer writer = writer_fixed(buffer, sizeof(buffer));

    if (h1_parse_request(bytes, &limits, arena, &head) != FAULT_NONE)
        abort();
    if (!head_strip_hop_fields(&head))
        abort();
    h1_write_request(&writer, &head, H1_CONNECTION_NONE);
    sink += writer_done(&writer).len;
    arena_free(&arena);
}

static void only_arena(struct text bytes)
{
    struct arena *arena = arena_new();

    sink += (size_t)(uintptr_t)arena_bytes(arena, bytes.len);
    arena_free(&arena);
}

static void normalise(struct text path)
{
    struct arena *arena = arena_new();
    struct text   normal;

    if (uri_normalise(arena, path, true, &normal) != 0)
        abort();
    sink += normal.len;
    arena_free(&arena);
}

static const struct row {
    const char *name;
    void (*run)(struct text);
    struct text input;
    double      budget_ns;
} rows[] = {
    { "arena alone", only_arena, { browser, 512 }, 500 },
    { "scan, browser's request", scan, { browser, sizeof(browser) - 1 }, 500 },
    { "parse, browser's request", parse, { browser, sizeof(browser) - 1 }, 2000 },
    { "parse, strip, write, browser's", parse_and_write, { browser, sizeof(browser) - 1 }, 4000 },
    { "parse, small request", parse, { small, sizeof(small) - 1 }, 1000 },
    { "normalise, plain path", normalise, { "/assets/images/a.jpg", 20 }, 500 },
    { "normalise, escapes", normalise, { "/a%20b/./c/../d%2fe//f", 22 }, 1000 },
};

static double best_ns(const struct row *row)
{
    double best = 1e18;

    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int run = 0; run < RUNS; run++)
            row->run(row->input);
        double each = (now_ns() - start) / RUNS;
        best = each < best ? each : best;
    }
    return best;
}

int main(void)
{
    int status = EXIT_SUCCESS;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double ns = best_ns(&rows[i]);
        bool   is_over = ns > rows[i].budget_ns;
        printf("%-34s %5zu bytes %8.1f ns  budget %6.0f%s\n", rows[i].name, rows[i].input.len, ns,
               rows[i].budget_ns, is_over ? "  OVER" : "");
        if (is_over)
            status = EXIT_FAILURE;
    }
    return status;
}
