// SPDX-License-Identifier: MIT
/* timer: fires at its deadline and not before, whatever was set, moved, stopped and removed in
 * between: against a model that keeps every deadline in an array. */
#include "check.h"

#include "base/must.h"
#include "base/random.h"
#include "net/task_queue.h"
#include "net/timer.h"

enum { MODELS = 300, STEPS = 20000 };

struct model {
    struct timer timer;
    struct task  task;
    int64_t      deadline_ms;         /* what was asked for last; 0: nothing */
    unsigned     fired;
};

static struct timers timers;
static int64_t       now_ms;

static void fired(struct task *task, unsigned wakes)
{
    struct model *model = container_of(task, struct model, task);

    assert_int_equal(wakes, WAKE_DEADLINE);
    assert_true(model->deadline_ms > 0);
    assert_true(model->deadline_ms <= now_ms);
    model->deadline_ms = 0;
    model->fired++;
}

static void model_init(struct model *model)
{
    *model = (struct model){ .deadline_ms = 0 };
    task_init(&model->task, fired);
    timer_init(&model->timer, &model->task);
}

static void model_set(struct model *model, int64_t deadline_ms)
{
    model->deadline_ms = deadline_ms;
    timer_set(&timers, &model->timer, deadline_ms);
}

static void advance(int64_t to_ms)
{
    now_ms = to_ms;
    timers_fire(&timers, now_ms);
    while (task_queue_run(task_queue_self(), 1)) {
    }
}

static int tear_down(void **state)
{
    (void)state;
    timers_done(&timers);
    now_ms = 0;
    return 0;
}

static void one_fires_once(void **state)
{
    struct model model;

    (void)state;
    model_init(&model);
    assert_int_equal(timers_next_ms(&timers), -1);
    model_set(&model, 100);
    assert_int_equal(timers_next_ms(&timers), 100);
    advance(99);
    assert_int_equal(model.fired, 0);
    advance(100);
    assert_int_equal(model.fired, 1);
    advance(1000);
    assert_int_equal(model.fired, 1);
    assert_int_equal(timers_next_ms(&timers), -1);
}

static void moved_later_and_sooner(void **state)
{
    struct model model;

    (void)state;
    model_init(&model);
    model_set(&model, 100);
    model_set(&model, 300);
    advance(200);
    assert_int_equal(model.fired, 0);
    assert_int_equal(timers_next_ms(&timers), 300);
    model_set(&model, 250);
    assert_int_equal(timers_next_ms(&timers), 250);
    advance(250);
    assert_int_equal(model.fired, 1);
    model_set(&model, 400);             /* again, after it fired */
    advance(400);
    assert_int_equal(model.fired, 2);
}

static void stopped_and_started_again(void **state)
{
    struct model model;

    (void)state;
    model_init(&model);
    model_set(&model, 100);
    timer_stop(&model.timer);
    model.deadline_ms = 0;
    advance(150);
    assert_int_equal(model.fired, 0);
    assert_int_equal(timers_next_ms(&timers), -1);
    model_set(&model, 200);
    timer_stop(&model.timer);
    model_set(&model, 500);             /* while it still stands at its old key */
    advance(499);
    assert_int_equal(model.fired, 0);
    advance(500);
    assert_int_equal(model.fired, 1);
}

static void removed_ones_are_gone(void **state)
{
    struct model models[5];

    (void)state;
    for (int i = 0; i < 5; i++) {
        model_init(&models[i]);
        model_set(&models[i], 100 + i);
    }
    timer_remove(&timers, &models[0].timer);
    timer_remove(&timers, &models[3].timer);
    timer_remove(&timers, &models[3].timer);
    assert_int_equal(timers.count, 3);
    memset(&models[0].timer, 0xff, sizeof(models[0].timer));
    memset(&models[3].timer, 0xff, sizeof(models[3].timer));
    advance(1000);
    assert_int_equal(models[1].fired + models[2].fired + models[4].fired, 3);
    assert_int_equal(timers.count, 0);
}

static void step_of(struct model *model)
{
    switch (random_below(8)) {
    case 0:
        timer_stop(&model->timer);
        model->deadline_ms = 0;
        break;
    case 1:
        timer_remove(&timers, &model->timer);
        model->deadline_ms = 0;
        break;
    case 2:
        advance(now_ms + (int64_t)random_below(20));
        break;
    default:
        model_set(model, now_ms + 1 + (int64_t)random_below(500));
        break;
    }
}

/* What is due has fired, and the next look comes early enough for the rest. */
static void check_models(const struct model *models)
{
    int64_t next_ms = timers_next_ms(&timers);

    for (int i = 0; i < MODELS; i++) {
        if (models[i].deadline_ms == 0)
            continue;
        assert_true(models[i].deadline_ms > now_ms);
        assert_true(next_ms >= 0 && next_ms <= models[i].deadline_ms);
    }
}

static void against_the_model(void **state)
{
    static struct model models[MODELS];
    unsigned            total = 0;

    (void)state;
    for (int i = 0; i < MODELS; i++)
        model_init(&models[i]);
    now_ms = 1;
    for (int i = 0; i < STEPS; i++) {
        step_of(&models[random_below(MODELS)]);
        if (i % 16 == 0) {
            advance(now_ms);
            check_models(models);
        }
    }
    advance(now_ms + 1000);
    for (int i = 0; i < MODELS; i++) {
        assert_int_equal(models[i].deadline_ms, 0);
        total += models[i].fired;
    }
    assert_true(total > STEPS / 10);
    assert_int_equal(timers_next_ms(&timers), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(one_fires_once, tear_down),
        cmocka_unit_test_teardown(moved_later_and_sooner, tear_down),
        cmocka_unit_test_teardown(stopped_and_started_again, tear_down),
        cmocka_unit_test_teardown(removed_ones_are_gone, tear_down),
        cmocka_unit_test_teardown(against_the_model, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
