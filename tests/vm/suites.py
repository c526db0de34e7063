# SPDX-License-Identifier: GPL-2.0-or-later
"""What `vm check` runs in every guest, and what it leaves to `make check` because a kernel can make no
difference to it. What is left out here is not run, and so counted neither as passed nor as skipped."""

# In this order, each in so many parts: an emulated processor takes hours for all of it, so each kernel gets
# one part, which the seed chooses, but for `vm check --all`.
SUITES = {
    "installation": 1,
    "attack": 12,
    "leak": 9,
    "flow": 3,
    "network": 14,
    "store": 10,
    "session": 28,
}

# How long the search for flows may take in every guest: (usually, for `vm check --all`), in seconds.
FLOW_SECONDS = (10, 300)

# Of the tests that drive guests from outside, those that only `vm check --all` runs: a pytest expression.
OUTSIDE_LEFT_OUT = "memory_that_a_session_gave_back"  # a table of figures, two more starts of a guest

# What is in every part: the beginnings of the names of tests for which kernels differ most.
WHOLE = (
    "session/test_view.py::test_the_plan_says_what_the_session_then_has[user-disk",
    "session/test_view.py::test_every_mount_is_nosuid_and_nodev_but_dev_itself",
    "session/test_view.py::test_a_full_store_is_an_error_at_write_and_the_session_goes_on[user-disk",
    "attack/test_core_dumps.py::test_a_program_that_gets_core_dumps_gets_none_of_a_session[alice-plain",
)

# A test, or the beginning of the names of several, as pytest prints them, and why it need not be repeated
# on every kernel.
LEFT_OUT = {
    # make, meson and apt are the same everywhere
    "installation/test_installation.py::test_staging": "the build system",
    "installation/test_installation.py::test_installing_again": "the build system",
    "installation/test_installation.py::test_uninstalling": "the build system",
    "installation/test_installation.py::test_dependencies": "a list of packages",
    "installation/test_installation.py::test_an_unknown_section": "a list of packages",
    "installation/test_installation.py::test_an_ordinary_user_is_told": "a list of packages",
    "installation/test_installation.py::test_make_run": "the build system",
    # a control of the test before it, in a build of its own: a minute of compiling
    "attack/test_inside.py::test_process_one_would_be_open": "shown once, by `make check`",
    "attack/test_calls.py::test_without_the_filter": "shown once, by `make check`",
    # thousands of programs; and tests/unit/test_calls.c follows the filter by every entry point
    "attack/test_calls.py::test_what_reaches_out_of_a_session_is_refused[i": "shown by one entry point",
    "attack/test_calls.py::test_what_programs_need_says_the_same_in_a_session[i": "likewise",
    "attack/test_calls.py::test_a_socket_to_virtual_machines": "a family of sockets like others",
    # builds of privexec with a hole each
    "flow/test_flow.py::test_holes_are_found": "shown once, by `make check`",
    "flow/test_flow.py::test_a_hole_is": "the sources are the same",
    # two minutes each of racing for paths, on an emulated processor with few rounds a second
    "attack/test_remains.py::test_paths_that_move": "a race that needs a fast machine",
    # the front answers before any session is made
    "session/test_bad_input.py::test_a_wrong_invocation": "options and configuration only",
    # a start waits for others for ten seconds at most: too few for a hundred of an emulated processor's
    "session/test_many.py::test_a_hundred_sessions": "a claim about time, on a fast machine",
    # many minutes of programs that a file's way into the store, shown by others, serves alike
    "session/test_work.py::test_a_python_environment": "shown once, by `make check`",
    "session/test_work.py::test_git_clones": "likewise",
    "session/test_work.py::test_parallel_gcc": "likewise",
    "session/test_work.py::test_images": "likewise",
    "store/test_ending.py::test_the_end_waits_for_nothing_that_was_written[fscrypt":
        "a claim about time, on a fast machine",
    # guests have no network
    "session/test_work.py::test_root_installs_a_package": "needs the network",
    "session/test_work.py::test_a_debian_source_package": "needs the network",
}
