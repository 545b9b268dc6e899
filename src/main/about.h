// SPDX-License-Identifier: MIT
/* What -v, -V and -h print, on standard error and in nginx's shape, because tools parse it. */
#ifndef MAIN_ABOUT_H
#define MAIN_ABOUT_H

void about_version(void);
void about_build(void);
void about_help(void);

#endif
