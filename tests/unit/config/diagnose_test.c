// SPDX-License-Identifier: MIT
/* diagnose: the form of findings, their order, and their number. */
#include "check.h"

static struct diagnosis *add(struct diagnoses *diagnoses, const char *message, unsigned file,
                             unsigned line)
{
    return diagnoses_add(diagnoses, LOG_EMERG, text_from(message), file, line);
}

static void test_line(void **state)
{
    struct diagnoses  diagnoses;
    struct diagnosis *diagnosis;

    diagnoses_init(&diagnoses, *state);
    diagnosis = add(&diagnoses, "oops", 0, 0);
    CHECK_TEXT(diagnosis_line(*state, diagnosis), "oops");
    diagnosis->file = "/x.conf";
    diagnosis->line = 7;
    CHECK_TEXT(diagnosis_line(*state, diagnosis), "oops in /x.conf:7");
    diagnosis->file = "command line";
    diagnosis->line = 0;
    CHECK_TEXT(diagnosis_line(*state, diagnosis), "oops in command line");
    CHECK_TEXT(diagnosis_line(*state, add(&diagnoses, "a\nb\x7f", 0, 0)), "a.b.");
}

static void test_block(void **state)
{
    struct diagnoses  diagnoses;
    struct diagnosis *diagnosis;

    diagnoses_init(&diagnoses, *state);
    diagnosis = add(&diagnoses, "oops", 1, 7);
    diagnosis->file = "/x.conf";
    diagnosis->line = 7;
    CHECK_TEXT(diagnosis_block(*state, diagnosis), "frontdesk: [emerg] oops in /x.conf:7\n");
    diagnosis->source_line = TEXT("\tproxy_pas x\x01;");
    diagnosis->column = 2;
    diagnosis->width = 9;
    diagnosis->hint = TEXT("did you mean \"proxy_pass\"?");
    CHECK_TEXT(diagnosis_block(*state, diagnosis),
               "frontdesk: [emerg] oops in /x.conf:7\n"
               "    7 | \tproxy_pas x.;\n"
               "      | \t^~~~~~~~~ did you mean \"proxy_pass\"?\n");
    /* A caret never runs past the line. */
    diagnosis->width = 1000;
    diagnosis->hint = TEXT("");
    CHECK_TEXT(diagnosis_block(*state, diagnosis),
               "frontdesk: [emerg] oops in /x.conf:7\n"
               "    7 | \tproxy_pas x.;\n"
               "      | \t^~~~~~~~~~~~~\n");
    diagnosis->column = 500;
    (void)diagnosis_block(*state, diagnosis);
}

static void test_order(void **state)
{
    static const struct { unsigned file, line; } places[] = {
        { 2, 1 }, { 1, 9 }, { 1, 3 }, { 2, 5 }, { 1, 3 }, { 0, 0 },
    };
    struct diagnoses diagnoses;
    uint64_t         last = 0;
    unsigned         count = 0;

    diagnoses_init(&diagnoses, *state);
    for (size_t i = 0; i < COUNT_OF(places); i++)
        add(&diagnoses, i == 4 ? "later" : "x", places[i].file, places[i].line);
    for (const struct diagnosis *at = diagnoses.first; at != NULL; at = at->next, count++) {
        assert_true(at->order >= last);
        last = at->order;
        if (at->next == NULL)
            assert_ptr_equal(at, diagnoses.last);
    }
    assert_int_equal(count, COUNT_OF(places));
    /* Of the same line the first one found comes first. */
    CHECK_TEXT(diagnoses.first->next->next->message, "later");
}

static void test_most(void **state)
{
    struct diagnoses diagnoses;
    unsigned         count = 0;

    diagnoses_init(&diagnoses, *state);
    for (unsigned i = 0; i < 3 * DIAGNOSES_MOST; i++)
        add(&diagnoses, "x", 1, i);
    diagnoses_add(&diagnoses, LOG_WARN, TEXT("x"), 1, 1);
    for (const struct diagnosis *at = diagnoses.first; at != NULL; at = at->next)
        count++;
    assert_int_equal(count, DIAGNOSES_MOST);
    assert_int_equal(diagnoses.errors, 3 * DIAGNOSES_MOST);
    assert_int_equal(diagnoses.warnings, 1);
}

static void test_line_of(void **state)
{
    CHECK_TEXT(diagnose_line_of(*state, TEXT("a\nb\r\nc"), 1), "a");
    CHECK_TEXT(diagnose_line_of(*state, TEXT("a\nb\r\nc"), 2), "b");
    CHECK_TEXT(diagnose_line_of(*state, TEXT("a\nb\r\nc"), 3), "c");
    CHECK_TEXT(diagnose_line_of(*state, TEXT("a\nb\r\nc"), 4), "");
    CHECK_TEXT(diagnose_line_of(*state, TEXT(""), 1), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(test_line), WITH_ARENA(test_block), WITH_ARENA(test_order),
        WITH_ARENA(test_most), WITH_ARENA(test_line_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
