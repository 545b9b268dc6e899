// SPDX-License-Identifier: MIT
/* Local answers: error pages, returned texts and redirects. */
#include "http/status.h"
#include "proxy/answer_head.h"
#include "proxy/caching.h"
#include "proxy/secure.h"
#include "proxy/steps.h"

enum {
    STATUS_TOO_LARGE = 413,
    STATUS_CLOSE = 444,        /* nginx's: close without a word */
    STATUS_CLIENT_GONE = 499   /* nobody is there to be told */
};

/* error_page: another URI answers, by internal redirect or by redirecting the client. */
static enum turn use_error_page(struct exchange *x, const struct error_page *page)
{
    struct text uri = template_eval(page->uri, &x->scope);

    x->error_answer = page->answer;
    x->has_error_page = true;
    x->error_status = x->status;
    if (uri.len > 0 && (uri.ptr[0] == '/' || uri.ptr[0] == '@')) {
        if (x->status == STATUS_TOO_LARGE || x->client->fault != FAULT_NONE)
            x->request->body = BODY_NONE;   /* nobody shall have it */
        forward_anew(x, uri);
        return redirect_internally(x, uri);
    }
    x->answer_location = uri;
    x->status = page->answer > 0 ? (unsigned)page->answer : 302;
    x->has_error_page = false;
    return TURN_NEXT;
}

static void choose_page(struct exchange *x)
{
    if (x->answer_text.ptr != NULL || x->status < 300 || !status_has_content(x->status))
        return;
    x->answer_text = answer_page(x);
    x->answer_type = TEXT("text/html");
}

/* nginx's numbers for kinds of 400. */
static bool is_own_number(unsigned status)
{
    return status >= STATUS_CERT_ERROR && status <= STATUS_PLAIN_TO_TLS;
}

/* The client is told what was wrong, by a status that it knows. */
static void own_page(struct exchange *x)
{
    static const char *const words[] = { "The SSL certificate error",
                                         "No required SSL certificate was sent",
                                         "The plain HTTP request was sent to HTTPS port" };
    const char              *own = words[x->status - STATUS_CERT_ERROR];

    x->status = 400;
    if (x->answer_text.ptr != NULL)
        return;
    x->answer_text = answer_page_saying(x, own);
    x->answer_type = TEXT("text/html");
}

/* After these the connection can't be trusted, or has a body on it that nobody wants (nginx's list). */
static bool ends_connection(unsigned status)
{
    return is_own_number(status) || status == 400 || status == 408 || status == 413 || status == 414 || status == 431 ||
           status == 500 || status == 501 || status == 505;
}

static bool is_client_there(const struct exchange *x)
{
    return fault_row(x->client->fault)->status != STATUS_CLIENT_GONE;
}

static bool may_use_error_page(const struct exchange *x)
{
    return x->is_error_answer && x->status >= 300 && is_client_there(x) &&
           x->refusal != FAULT_NO_BUFFERS &&
           (!x->has_error_page || x->location->has_recursive_error_pages);
}

static enum turn close_silently(struct exchange *x)
{
    x->is_client_gone = true;
    if (x->location->is_reset_on_timeout && !stream_shares_conn(x->client))
        conn_close(x->client->conn, LOSS_TIMEOUT);
    else
        x->client->ops->reset(x->client, FAULT_CLIENT_GONE);
    return exchange_go(x, &step_finish);
}

static enum turn run_respond(struct exchange *x)
{
    const struct error_page *page = may_use_error_page(x) ? answer_error_page(x) : NULL;

    caching_no_answer(x);
    if (x->is_unattended)                /* nobody is to be told */
        return finish_for_nobody(x);
    if (x->refusal == FAULT_NO_BUFFERS)
        x->client->is_last = true;
    if (x->is_error_answer && ends_connection(x->status))
        x->client->is_suspect = true;   /* whatever page says so */
    if (page != NULL && use_error_page(x, page) == TURN_NEXT && x->step != &step_respond)
        return TURN_NEXT;
    if (x->status == STATUS_CLOSE || x->status == STATUS_CLIENT_GONE)
        return close_silently(x);
    if (x->has_error_page && x->error_answer != 0)
        x->status = x->error_answer > 0 ? (unsigned)x->error_answer : x->error_status;
    if (is_own_number(x->status))
        own_page(x);
    choose_page(x);
    x->client->rx_most = 0;   /* nobody takes the body, so what comes of it must not cut the answer */
    x->answer = answer_head_local(x);
    pipe_done(&x->response_body);
    pipe_init(&x->response_body, (uint32_t)x->answer_text.len + 1);
    if (x->answer_text.len > 0)
        pipe_put(&x->response_body, slice_copy(x->answer_text));
    pipe_end(&x->response_body);
    deliver_begin(x);
    return exchange_go(x, &step_finish);
}

const struct step step_respond = { "respond", run_respond, GUARD_NONE };
