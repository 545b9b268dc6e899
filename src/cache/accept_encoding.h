// SPDX-License-Identifier: MIT
/* Accept-Encoding in a normal form, for Vary (RFC 9110 12.5.3, RFC 9111 4.1). */
#ifndef CACHE_ACCEPT_ENCODING_H
#define CACHE_ACCEPT_ENCODING_H

#include "base/writer.h"

/* Writes the set of codings that the value accepts: in lower case, sorted, each once; "x-gzip" is
 * "gzip"; "!identity" when the plain form is refused; "*" instead of what is accepted by "*", with
 * "!coding" for each that is refused. Preferences are left out: whoever accepts the same set can read
 * the same responses. Codings that we do not know stay in, or a response in such a coding could go
 * to somebody who cannot read it. A value that is malformed, contradicts itself or has over 16
 * codings is written as it stands after a "?", and so equals only itself. */
void accept_encoding_write(struct writer *writer, struct text value);

#endif
