// SPDX-License-Identifier: MIT
/* A scene: one house and one set of origins from beginning to end, in which a test says what happens
 * and when. It is over when all clients and visitors have left. */
#ifndef TESTS_SIM_SCENES_H
#define TESTS_SIM_SCENES_H

#include "origins.h"
#include "visitors.h"

/* Clients come at once, visitors from START_US on. */
enum { START_US = 1000000, SEND_BYTES = 20000 };

/* What origins do; may change while the scene runs. */
extern struct origin_orders scene_orders;

/* `send_bytes`: of every socket's send buffer. */
void scene_open(size_t send_bytes);
/* It comes then. The visitor is the caller's, until scene_run() has returned. */
void scene_visit_at(int64_t at_us, struct visitor *visitor);
/* Everything happens. */
void scene_run(void);

/* A request that visitors will make in words: the ledger's next number. */
struct ask *scene_ask(const char *path, const char *method, unsigned version, size_t length);

#endif
