// SPDX-License-Identifier: MIT
/* What the tests of the cache's rules share: heads from lines, the moment at which all of them play,
 * and a received answer with the usual policy. */
#ifndef TESTS_UNIT_CACHE_ANSWERS_H
#define TESTS_UNIT_CACHE_ANSWERS_H

#include "check.h"

#include "cache/storing.h"

#define NOW_S INT64_C(784111777)
#define NOW_DATE "Sun, 06 Nov 1994 08:49:37 GMT"

/* Everything that storing_decide() asks for; `asked` and `targeted` are kept here. */
struct scene {
    struct arena         *arena;
    struct head           request, answer;
    struct cache_control  asked, targeted;
    struct received       received;
    struct storing_policy policy;
    struct freshness      freshness;     /* of the last decision */
};

static inline struct scene scene_of(struct arena *arena, unsigned status, const char *request,
                                    const char *answer)
{
    struct scene scene = { .arena = arena };

    head_init(&scene.request, arena, 0);
    head_init(&scene.answer, arena, 0);
    scene.request.method = METHOD_GET;
    scene.request.authority = TEXT("example.com");
    scene.request.path = TEXT("/a?b");
    scene.answer.status = status;
    scene.request.fields = fields_of(arena, request);
    scene.answer.fields = fields_of(arena, answer);
    scene.policy = (struct storing_policy){ .valid_s = -1, .heuristic_percent = 10,
                                            .heuristic_max_s = 86400 };
    scene.received = (struct received){ .scheme = TEXT("http"), .request_ms = NOW_S * 1000,
                                        .response_ms = NOW_S * 1000 };
    return scene;
}

static inline enum storing decide(struct scene *scene)
{
    scene->received.request = &scene->request;
    scene->received.answer = &scene->answer;
    scene->asked = cache_control_of_request(&scene->request.fields, scene->arena);
    scene->received.asked = &scene->asked;
    scene->received.targeted = NULL;
    if (cache_control_of_targeted(&scene->answer.fields, TEXT("CDN-Cache-Control"), scene->arena,
                                  &scene->targeted))
        scene->received.targeted = &scene->targeted;
    return storing_decide(&scene->received, &scene->policy, scene->arena, &scene->freshness);
}

#endif
