// SPDX-License-Identifier: MIT
/* Outlier ejection (`outlier_ejection`): a server that answers much worse than its group is left out
 * for a while, twice as long each time. All under the group's lock. */
#ifndef BALANCE_EJECTION_H
#define BALANCE_EJECTION_H

#include "balance/health.h"

/* What a reload says; those who are out stay out, unless there is no ejection any more. */
void ejection_configure(struct group *group, const struct ejection *ejection);
/* Takes note of how a request ended; may eject the peer, or at an interval's end any of its group. */
void ejection_note(struct peer *peer, const struct ending *ending, int64_t now_ms);
/* Lets those back whose time is over; `now_ms` is past group->ejection_ends_ms. */
void ejection_end(struct group *group, int64_t now_ms);
bool peer_is_ejected(const struct peer *peer, int64_t now_ms);

#endif
