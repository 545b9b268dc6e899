# SPDX-License-Identifier: MIT
"""Conformance of the cache: a case per requirement of RFC 9111 and its companions, and nginx's directives."""
