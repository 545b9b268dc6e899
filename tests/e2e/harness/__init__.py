# SPDX-License-Identifier: MIT
"""What the end-to-end tests stand on: the binary under test, scripted origins and clients."""
