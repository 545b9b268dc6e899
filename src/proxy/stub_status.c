// SPDX-License-Identifier: MIT
/* The text is nginx's to the byte, spaces at the ends of lines included: programs read it. */
#include "proxy/stub_status.h"

#include <inttypes.h>

#include "base/writer.h"
#include "net/tally.h"
#include "proxy/steps.h"

enum { PAGE_BYTES = 256 };

static struct text page(struct arena *arena)
{
    struct writer writer = writer_arena(arena, PAGE_BYTES);

    writer_format(&writer, "Active connections: %" PRIu64 " \n", tally_sum(TALLY_OPEN));
    writer_format(&writer,
                  "server accepts handled requests\n %" PRIu64 " %" PRIu64 " %" PRIu64 " \n",
                  tally_sum(TALLY_ACCEPTED), tally_sum(TALLY_HANDLED), tally_sum(TALLY_REQUESTS));
    writer_format(&writer, "Reading: %" PRIu64 " Writing: %" PRIu64 " Waiting: %" PRIu64 " \n",
                  tally_sum(TALLY_READING), tally_sum(TALLY_UNDER_WAY), tally_resting());
    return writer_done(&writer);
}

enum turn stub_status_answer(struct exchange *x)
{
    if (x->request->method != METHOD_GET && x->request->method != METHOD_HEAD)
        return exchange_answer(x, 405);
    x->status = 200;
    x->answer_type = TEXT("text/plain");
    x->answer_text = page(x->arena);
    return exchange_go(x, &step_respond);
}
