// SPDX-License-Identifier: MIT
/* Whether what is free may rest with us. Under AddressSanitizer it goes back to the allocator, whose
 * quarantine names both the use and the end of what is used too late. */
#ifndef BASE_MAY_REST_H
#define BASE_MAY_REST_H

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { MAY_REST = 0 };
#else
enum { MAY_REST = 1 };
#endif

#endif
