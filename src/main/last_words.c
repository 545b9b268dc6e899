// SPDX-License-Identifier: MIT
/* One descriptor for life, so that a thread that is dying never meets a closed one. */
#include "main/last_words.h"

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

static struct log last_words = { .level = LOG_NOTICE, .write = log_write_fd,
                                 .target = (void *)(intptr_t)STDERR_FILENO };

const struct log *last_words_log(void)
{
    return &last_words;
}

int last_words_fd(void)
{
    return (int)(intptr_t)last_words.target;
}

void last_words_turn_to(int fd)
{
    int own = last_words_fd();

    if (own != STDERR_FILENO)
        (void)dup3(fd, own, O_CLOEXEC);
    else if ((own = fcntl(fd, F_DUPFD_CLOEXEC, 3)) >= 0)
        last_words.target = (void *)(intptr_t)own;
}

/* "[alert] must(...) failed at FILE:LINE\n": the log writes level and line end itself. */
static void say(const char *message)
{
    struct text rest = text_from(message);

    if (text_has_prefix(rest, TEXT("[alert] ")))
        rest = text_from_offset(rest, sizeof("[alert] ") - 1);
    rest = text_part(rest, 0, text_find(rest, '\n'));
    log_to(&last_words, LOG_ALERT, NULL, "%.*s", TEXT_ARGS(rest));
}

void last_words_begin(void)
{
    must_hook_add(say);
}
