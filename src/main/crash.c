// SPDX-License-Identifier: MIT
/* Async-signal-safe: no locks, no allocation, no printf, one write() per line. Describing reads what
 * the crash may have spoilt: a second fault on the way ends the line where it is. */
#include "main/crash.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/date.h"
#include "main/last_words.h"
#include "proxy/crumb.h"

enum { STACK_BYTES = 32 * 1024 };

static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };
enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };

static struct sigaction      formers[SIGNALS];
static struct loop *const   *loops;
static unsigned              loop_count;
static _Atomic(int)          offset_s;   /* of the time zone */
static _Atomic(pid_t)        dying;      /* the thread that speaks; 0: none */
static char                  raw[LOG_LINE_BYTES], line[LOG_LINE_BYTES];
static struct writer         message;    /* being made; in `raw` */

/* ---- a line ---- */

/* "2026/11/25 18:00:00", from "Wed, 25 Nov 2026 18:00:00 GMT". */
static void write_date(struct writer *writer)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char              http[DATE_BYTES];
    unsigned          month = 0;

    date_write(clock_wall_ms() / 1000 + atomic_load(&offset_s), http);
    while (month < 11 && memcmp(months + (size_t)month * 3, http + 8, 3) != 0)
        month++;
    writer_text(writer, text_of(http + 12, 4));
    writer_string(writer, month < 9 ? "/0" : "/");
    writer_u64(writer, month + 1);
    writer_char(writer, '/');
    writer_text(writer, text_of(http + 5, 2));
    writer_char(writer, ' ');
    writer_text(writer, text_of(http + 17, 8));
}

/* A client chose some of it: it stays one line. */
static void write_escaped(struct writer *writer, struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c >= 0x20 && c != 0x7f) {
            writer_char(writer, (char)c);
            continue;
        }
        writer_string(writer, c < 0x10 ? "\\x0" : "\\x");
        writer_hex(writer, c);
    }
}

static void line_send(void)
{
    struct writer writer = writer_fixed(line, sizeof(line) - 1);

    write_date(&writer);
    writer_string(&writer, " [alert] ");
    writer_u64(&writer, (uint64_t)getpid());
    writer_char(&writer, '#');
    writer_u64(&writer, (uint64_t)gettid());
    writer_string(&writer, ": ");
    write_escaped(&writer, writer_done(&message));
    line[writer.len++] = '\n';
    (void)!write(last_words_fd(), line, writer.len);
}

static void line_begin(const struct task *task)
{
    uint64_t connection;

    message = writer_fixed(raw, sizeof(raw));
    connection = task == NULL ? 0 : crumb_connection(task);
    if (connection == 0)
        return;
    writer_char(&message, '*');
    writer_u64(&message, connection);
    writer_char(&message, ' ');
}

/* ---- what there is to say ---- */

static void write_signal(int number, const siginfo_t *cause)
{
    const char *name = sigabbrev_np(number);

    writer_string(&message, "signal ");
    writer_u64(&message, (uint64_t)number);
    writer_string(&message, " (SIG");
    writer_string(&message, name == NULL ? "?" : name);
    writer_char(&message, ')');
    if (cause->si_code <= 0)              /* sent, not caused by an instruction */
        return;
    writer_string(&message, " at address 0x");
    writer_hex(&message, (uint64_t)(uintptr_t)cause->si_addr);
}

static void write_where(const struct loop *loop)
{
    if (loop == NULL) {
        writer_string(&message, " outside of the loops");
        return;
    }
    writer_string(&message, " in loop ");
    writer_u64(&message, loop_number(loop));
    writer_char(&message, ' ');
    crumb_write(&message, loop_running(loop));
}

static void report_thread(int number, const siginfo_t *cause)
{
    const struct loop *loop = loop_self();

    message = writer_fixed(raw, sizeof(raw));    /* for a fault in what comes next */
    line_begin(loop == NULL ? NULL : loop_running(loop));
    writer_string(&message, "worker process crashed: ");
    write_signal(number, cause);
    write_where(loop);
    line_send();
}

/* The loops go on while they are looked at: one that does not turn stands still, and the others'
 * words are as good as they get. */
static void report_loops(int number, const siginfo_t *cause)
{
    for (unsigned i = 0; i < loop_count; i++) {
        line_begin(loop_running(loops[i]));
        writer_string(&message, "worker process is aborted: ");
        write_signal(number, cause);
        write_where(loops[i]);
        line_send();
    }
}

/* ---- the handler ---- */

/* Without us. What an instruction caused happens again when we return to it, which leaves the core
 * file with the very registers; what was sent is sent again. */
static void signal_pass_on(int number, const siginfo_t *cause, bool may_use_former)
{
    struct sigaction action = { .sa_handler = SIG_DFL };

    for (unsigned i = 0; i < SIGNALS; i++)
        if (signals[i] == number && may_use_former)
            action = formers[i];
    (void)sigaction(number, &action, NULL);
    if (cause->si_code <= 0 || number == SIGSYS || number == SIGABRT)
        (void)raise(number);
}

static void crashed(int number, siginfo_t *cause, void *machine)
{
    pid_t self = gettid(), nobody = 0;

    (void)machine;
    if (atomic_compare_exchange_strong(&dying, &nobody, self)) {
        if (number == SIGABRT && cause->si_code == SI_USER)
            report_loops(number, cause);
        else
            report_thread(number, cause);
        signal_pass_on(number, cause, true);
        return;
    }
    while (nobody != self)               /* another thread crashes, and ends us all */
        (void)pause();
    writer_string(&message, ", and it cannot be described");
    line_send();
    signal_pass_on(number, cause, false);
}

void crash_watch(void)
{
    struct sigaction action = { .sa_sigaction = crashed,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

    (void)sigemptyset(&action.sa_mask);
    crash_clock_set();
    for (unsigned i = 0; i < SIGNALS; i++)
        (void)sigaction(signals[i], &action, &formers[i]);
}

void crash_know_loops(struct loop *const *known, unsigned count)
{
    loops = known;
    loop_count = count;
}

void crash_stack_take(void)
{
    static thread_local char bytes[STACK_BYTES];
    stack_t                  stack = { .ss_sp = bytes, .ss_size = sizeof(bytes) }, former;

    /* A sanitizer's own is taken down by it, at its size. */
    if (sigaltstack(NULL, &former) == 0 && (former.ss_flags & SS_DISABLE))
        (void)sigaltstack(&stack, NULL);
}

void crash_clock_set(void)
{
    time_t    now_s = (time_t)(clock_wall_ms() / 1000);
    struct tm tm;

    if (localtime_r(&now_s, &tm) != NULL)
        atomic_store(&offset_s, (int)tm.tm_gmtoff);
}
