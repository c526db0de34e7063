# SPDX-License-Identifier: GPL-2.0-or-later
"""What `vm check` runs in every guest, and what it leaves to `make check` because a kernel can make no
difference to it. What is left out here is not run, and so counted neither as passed nor as skipped."""

SUITES = ("installation", "attack", "session")

# A test, or the beginning of the names of several, and why it need not be repeated on every kernel.
LEFT_OUT = {
    "tests/session/test_work.py::test_installing_a_package": "needs the network, which guests lack",
}
