// SPDX-License-Identifier: MIT
/* The worker's side of `frontdesk cache purge`, `show` and `stat`: rows of the commands' table. Control
 * thread; what a disk has to do is waited for without holding it up. */
#ifndef MAIN_CACHE_CONTROL_H
#define MAIN_CACHE_CONTROL_H

#include "main/control.h"

void cache_control_purge(struct control_request *request);
void cache_control_show(struct control_request *request);
void cache_control_stat(struct control_request *request);

#endif
