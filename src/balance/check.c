// SPDX-License-Identifier: MIT
/* Is an answer good? nginx's documentation of ngx_http_upstream_hc_module says what each line of a
 * `match` block means; values are compared as they are, case included. */
#include "balance/check.h"

enum { GOOD_FIRST = 200, GOOD_LAST = 399 };

struct text check_name(const struct check *check)
{
    if (check->match != NULL)
        return check->match->name;
    if (check->type == CHECK_GRPC)
        return check->grpc_service.len > 0 ? check->grpc_service : TEXT("grpc");
    return check->type == CHECK_TCP ? TEXT("tcp") : check->uri;
}

bool check_wants_body(const struct check *check)
{
    return check->type == CHECK_GRPC || (check->match != NULL && check->match->has_body);
}

static bool has_status(const struct match_test *test, unsigned status)
{
    for (unsigned i = 0; i < test->range_count; i++)
        if (status >= test->ranges[i].first && status <= test->ranges[i].last)
            return test->how != MATCH_IS_NOT;
    return test->how == MATCH_IS_NOT;
}

static bool is_like(const struct match_test *test, struct text value)
{
    return test->regex != NULL ? regex_match(test->regex, value, NULL)
                               : text_is_equal(value, test->value);
}

/* Of several fields of one name it is enough that one is so; to be unlike, it must be there, and all
 * of them unlike. */
static bool has_field(const struct match_test *test, const struct fields *fields)
{
    const struct field *field = fields_find_name(fields, test->name);
    bool                is_wanted = test->how == MATCH_IS || test->how == MATCH_LIKE;

    if (test->how == MATCH_ABSENT || field == NULL)
        return (test->how == MATCH_ABSENT) == (field == NULL);
    if (test->how == MATCH_PRESENT)
        return true;
    for (; field != NULL; field = fields_find_next(fields, field))
        if (is_like(test, field->value))
            return is_wanted;
    return !is_wanted;
}

/* "The value is not empty and not 0" of $upstream_http_NAME. */
static bool is_true(const struct match_test *test, const struct fields *fields)
{
    const struct field *field = fields_find_name(fields, test->name);

    return field != NULL && field->value.len > 0 && !text_is_equal(field->value, TEXT("0"));
}

static bool holds(const struct match_test *test, const struct head *head, struct text body)
{
    switch (test->kind) {
    case MATCH_STATUS:  return has_status(test, head->status);
    case MATCH_HEADER:  return has_field(test, &head->fields);
    case MATCH_REQUIRE: return is_true(test, &head->fields);
    case MATCH_BODY:    break;
    }
    return is_like(test, body) == (test->how == MATCH_LIKE);
}

bool check_is_passed(const struct check *check, const struct head *head, struct text body,
                     const char **reterr_why)
{
    static const char *const words[] = { [MATCH_STATUS] = "status code", [MATCH_HEADER] = "header",
                                         [MATCH_BODY] = "response body",
                                         [MATCH_REQUIRE] = "required variable" };

    if (check->match == NULL) {
        *reterr_why = words[MATCH_STATUS];
        return head->status >= GOOD_FIRST && head->status <= GOOD_LAST;
    }
    for (const struct match_test *test = check->match->tests; test != NULL; test = test->next)
        if (!holds(test, head, body)) {
            *reterr_why = words[test->kind];
            return false;
        }
    return true;
}
