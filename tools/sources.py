# SPDX-License-Identifier: MIT
"""What the checks share: which files there are, and C text without comments and strings."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COMMENT_OR_STRING = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def files(top, *endings):
    """Paths below a folder of the project, relative to its root, sorted."""
    return sorted(os.path.relpath(os.path.join(folder, name), ROOT)
                  for folder, _, names in os.walk(os.path.join(ROOT, top))
                  for name in names if name.endswith(endings or ("",)))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def blank(match):
    """As many lines, nothing on them; a string stays a string."""
    text = match[0]
    return '""' if text[0] == '"' else "' '" if text[0] == "'" else re.sub(r"[^\n]", " ", text)


def code_only(text):
    """C text with its comments blanked and its strings emptied; line numbers stay."""
    return COMMENT_OR_STRING.sub(blank, text)


def comments(text):
    return [match[0] for match in COMMENT_OR_STRING.finditer(text) if match[0][0] == "/"]


def line_of(text, at):
    return text.count("\n", 0, at) + 1
