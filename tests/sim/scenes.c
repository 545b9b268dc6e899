// SPDX-License-Identifier: MIT
/* Scenes: begin, watch, end. */
#include <string.h>

#include "asks.h"
#include "clients.h"
#include "house.h"
#include "kernel.h"
#include "scenes.h"
#include "schedule.h"

enum { VISITORS_MOST = 16 };

struct origin_orders scene_orders;

static struct {
    struct visitor *visitor;
    int64_t         at_us;
} visits[VISITORS_MOST];
static unsigned visit_count;

void scene_open(size_t send_bytes)
{
    struct mood mood = { .has_whole_wires = true, .send_bytes = send_bytes, .lane_slots = 16 };

    schedule_begin(1);
    asks_begin();
    clients_begin();
    visit_count = 0;
    scene_orders = (struct origin_orders){ .answer = { .status = 200, .framing = FRAMING_SIZED } };
    kernel_begin(&mood);
    origins_begin(0, &scene_orders);
    house_open(rooms_text(ROOMS_DIRECTED), 512);
    house_listen_to_steps(true);
}

static void come(void)
{
    for (unsigned i = 0; i < visit_count; i++)
        if (visits[i].visitor->came_us == 0 && visits[i].at_us <= kernel_now_us())
            visitor_come(visits[i].visitor, ROOM_PORT);
}

void scene_visit_at(int64_t at_us, struct visitor *visitor)
{
    must(visit_count < VISITORS_MOST);
    visits[visit_count].visitor = visitor;
    visits[visit_count++].at_us = at_us;
    kernel_call_at(at_us, come);
}

static bool visitors_are_gone(void)
{
    for (unsigned i = 0; i < visit_count; i++)
        if (!visits[i].visitor->is_over)
            return false;
    return true;
}

static void look(void)
{
    CHECK(kernel_now_us() < 100 * (int64_t)START_US);
    if (house_is_leaving())
        return;
    if (clients_are_gone() && visitors_are_gone())
        house_leave(kernel_now_us() + START_US);
    else
        kernel_call_at(kernel_now_us() + START_US / 2, look);
}

void scene_run(void)
{
    kernel_call_at(START_US + START_US / 2, look);
    house_run();
    house_close();
    house_listen_to_steps(false);
    kernel_end();
    clients_end();
    origins_end();
}

struct ask *scene_ask(const char *path, const char *method, unsigned version, size_t length)
{
    struct ask *ask = ask_new();

    for (size_t i = 0; i < room_count; i++)
        if (strcmp(rooms[i].path, path) == 0)
            ask->room = &rooms[i];
    must(ask->room != NULL);
    ask->method = method;
    ask->version = version;
    ask->length = length;
    ask->framing = length > 0 ? FRAMING_SIZED : FRAMING_NONE;
    ask->is_repeatable = strcmp(method, "POST") != 0;
    return ask;
}
