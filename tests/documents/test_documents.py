# SPDX-License-Identifier: GPL-2.0-or-later
"""What is written agrees with what is built: options, keys, words, pages, links."""

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import machine

ROOT = machine.ROOT
FORMATS = ROOT / "docs/formats.md"


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def sections(markdown):
    """{heading: text below it, up to the next heading of the same or a higher level}"""
    found = {}
    lines = markdown.split("\n")
    for start, line in enumerate(lines):
        level = len(line) - len(line.lstrip("#"))
        if not 0 < level < 5 or not line.startswith("#" * level + " "):
            continue
        end = next((at for at in range(start + 1, len(lines))
                    if re.match(r"#{1,%d} " % level, lines[at])), len(lines))
        found[line.lstrip("# ")] = "\n".join(lines[start + 1:end])
    return found


def section(heading):
    found = sections(read("docs/formats.md"))
    assert heading in found, f"docs/formats.md has no section '{heading}'"
    return found[heading]


def committed_files():
    done = machine.run(["git", "ls-files"], cwd=ROOT)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return [path for path in done.stdout.split("\n") if path and (ROOT / path).is_file()]


def choices(table):
    """The words of a table of src/control/choices.c."""
    source = read("src/control/choices.c")
    body = re.search(r"choices_%s\[\] = \{(.*?)\n\};" % table, source, re.S).group(1)
    return re.findall(r'\{ "([^"]+)"', body)


def page_text(name):
    """A manual page as text, from its source, without scdoc's escapes and emphasis."""
    return re.sub(r"\\(.)", r"\1", read(f"man/{name}.scd")).replace("*", "")


# --- options ----------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def help_text(privexec):
    done = machine.run([privexec, "--help"])
    assert done.returncode == 0, done.stderr
    return done.stdout


def options_of(text):
    return set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*|-[a-zA-Z])(?![\w-])", text))


def test_every_option_that_help_prints_is_in_formats_and_in_the_manual(help_text):
    options = options_of(help_text)
    assert {"--store", "--net", "--require", "--dry-run", "-q", "-v"} <= options
    assert options <= options_of(section("Command line"))
    assert options <= options_of(page_text("privexec.1"))


def test_formats_and_the_manual_have_no_option_that_help_does_not_print(help_text):
    options = options_of(help_text)
    table = "\n".join(line for line in section("Command line").split("\n") if line.startswith("| `-"))
    assert options_of(table.replace("`--`", "")) <= options
    headings = "\n".join(line for line in page_text("privexec.1").split("\n") if line.startswith("-"))
    assert options_of(headings) <= options


@pytest.mark.parametrize("table", ["store", "network", "end", "require", "relax"])
def test_every_word_of_an_option_is_in_formats_and_in_the_manual(table):
    for word in choices(table):
        assert f"`{word}`" in section("Command line"), word
        assert word in page_text("privexec.1"), word


@pytest.mark.parametrize("table, option", [("store", "store"), ("network", "net"), ("end", "end"),
                                           ("relax", "relax"), ("require", "require")])
def test_help_says_which_words_of_an_option_are_taken_and_which_are_refused(privexec, help_text, table, option):
    taken, refused = help_text.split("refused in this version:")
    for word in choices(table):
        words = [words for words in (taken, refused)
                 if re.search(rf"(?<![\w-]){word}(?![\w-])", words.split("The exit status")[0])]
        assert len(words) == 1, f"{word} of --{option} is in help {len(words)} times"
        done = machine.run([privexec, "--dry-run", f"--{option}={word}", "--", "true"])
        assert ("this version" in done.stderr) == (words[0] is refused), f"{word}: {done.stderr}"


# --- configuration ----------------------------------------------------------------------------

def configuration_keys():
    """(section, key) of every line of the table in src/plan/privexec_conf.c."""
    keys = re.findall(r'\{ "([a-z_]+)", "([a-z_]+)"', read("src/plan/privexec_conf.c"))
    assert ("session", "store") in keys
    return set(keys)


def test_every_key_of_privexec_conf_is_in_formats_and_nothing_else():
    text = section("privexec.conf")
    listed = set(re.findall(r"^\| `\[([a-z]+)\]` `([a-z_]+)`", text, re.M))
    assert listed == configuration_keys()


def test_every_key_of_privexec_conf_is_in_its_manual_page():
    text = page_text("privexec.conf.5")
    for _, key in configuration_keys():
        assert key in text, key


def test_the_example_shows_every_key_and_is_understood(installation):
    text = read("examples/privexec.conf")
    shown = set(re.findall(r"^;([a-z_]+) =", text, re.M))
    assert shown == {key for _, key in configuration_keys()} - {"relax_x", "relax_mitshm"}
    said = re.sub(r"^;([a-z_]+ =)", r"\1", text, flags=re.M)
    path = installation.configuration / "privexec.conf"
    before = path.read_text()
    try:
        path.write_text(said)
        done = machine.run([installation.front, "--net=none", "--dry-run", "--", "true"])
    finally:
        path.write_text(before)
    assert (done.returncode, done.stderr) == (0, "")


# --- what programs say to each other ----------------------------------------------------------

def test_every_key_of_a_request_is_in_formats_and_nothing_else():
    keys = re.findall(r'^\t\{ "([a-z-]+)", parse_\w+, (?:true|false) \}',
                      read("src/control/request.c"), re.M)
    assert "v" in keys and "streams" in keys
    listed = re.findall(r"^\| `([a-z-]+)` \|", section("Request"), re.M)
    assert listed == keys


def test_the_version_of_a_request_is_in_formats():
    version = re.search(r"#define REQUEST_VERSION (\d+)", read("src/control/request.h")).group(1)
    assert f"version {version}" in section("Request")


def test_every_message_between_the_processes_is_in_formats_and_nothing_else():
    for heading, header, prefix in (("Messages", "src/control/message.h", "MESSAGE_"),
                                    ("Notes of init", "src/init/init.h", "INIT_")):
        built = re.findall(r"^\t%s([A-Z_]+) = '(.)'" % prefix, read(header), re.M)
        listed = re.findall(r"^\| `(.)` `([A-Z_]+)`", section(heading), re.M)
        assert sorted(listed) == sorted((letter, name) for name, letter in built)


def json_keys(value):
    if isinstance(value, dict):
        return set(value) | {key for item in value.values() for key in json_keys(item)}
    if isinstance(value, list):
        return {key for item in value for key in json_keys(item)}
    return set()


def listed_fields(heading):
    """The names in code spans of a section's tables."""
    rows = [line for line in section(heading).split("\n") if line.startswith("| ")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_every_field_of_a_dry_run_is_in_formats(privexec):
    done = machine.run([privexec, "--net=none", "--dry-run", "--json", "--", "true"])
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["v"] == 1
    assert json_keys(plan) <= listed_fields("--dry-run --json")


def test_every_field_that_a_dry_run_may_have_is_in_formats():
    """Those too that it has not on this machine."""
    fields = set(re.findall(r'add\(\w+, "([a-z_]+)"', read("src/plan/print_json.c")))
    assert {"v", "store_reason", "reason"} <= fields
    assert fields <= listed_fields("--dry-run --json")


def test_every_file_of_a_session_is_in_formats_and_nothing_else():
    source = re.search(r"files\[\] = \{(.*?)\};", read("src/keeper/state.c"), re.S).group(1)
    table = section("State directory").split("\n| field")[0]
    assert sorted(re.findall(r'"([a-z.]+)"', source)) == sorted(
        re.findall(r"^\| `([a-z.]+)` \|", table, re.M))


def test_every_way_to_say_where_a_key_has_been_is_in_formats():
    source = read("src/keeper/report.c").split("*key_words(")[1].split("\n}")[0]
    words = re.findall(r'return "( \([a-z ]+\))"', source)
    assert len(words) == 2
    for word in words:
        assert word in section("--status-fd")


def test_every_word_of_a_plan_is_in_formats_and_every_kind_of_node_in_its_page():
    source = read("src/plan/words.c")
    words = set(re.findall(r'return "([a-z-]+)"', source)) - {"unknown", "not"}
    assert {"overlay", "sysfs", "shifted"} <= words
    assert words <= listed_fields("--dry-run --json")
    kinds = re.findall(r'return "([a-z-]+)"', source.split("node_kind_word")[1].split("\n}")[0])
    page = page_text("usr_mounts.conf.5")
    assert [kind for kind in kinds if kind not in page and kind != "unknown"] == []


def test_every_field_of_status_events_is_in_formats(privexec):
    done = machine.run(["sh", "-c", '"$0" -q --net=none --status-fd=3 -- true 3>&1 >/dev/null',
                        privexec])
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events and all(event["v"] == 1 for event in events)
    fields = listed_fields("--status-fd")
    for event in events:
        assert event["event"] in fields
        assert json_keys(event) <= fields


def test_every_field_of_a_report_is_in_formats(privexec):
    done = machine.run(["sh", "-c", '"$0" -q --net=none --report=/dev/fd/3 --json -- true 3>&1 '
                        '>/dev/null', privexec])
    assert done.returncode == 0, done.stderr
    assert json_keys(json.loads(done.stdout)) <= listed_fields("--report --json")


# --- pages ------------------------------------------------------------------------------------

@pytest.mark.parametrize("source", sorted(path.name for path in (ROOT / "man").glob("*.scd")))
def test_a_manual_page_renders_without_warnings(source):
    for tool in ("scdoc", "mandoc"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    with open(ROOT / "man" / source, "rb") as text:
        made = subprocess.run(["scdoc"], stdin=text, stdout=subprocess.PIPE, timeout=10, check=True)
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"], input=made.stdout,
                          stdout=subprocess.PIPE, timeout=10, check=False)
    # scdoc writes empty paragraph macros everywhere
    complaints = [line for line in done.stdout.decode().split("\n")
                  if line and "skipping paragraph macro" not in line]
    assert complaints == []


def test_the_manual_gives_each_of_the_keepers_capabilities_a_reason():
    script = read("tools/set-privileges").replace("\ncapabilities+=,", ",")
    names = re.search(r"^capabilities=(\S+)$", script, re.M).group(1).split(",")
    assert len(names) == 11
    text = page_text("privexec.7")
    for name in names:
        assert re.search(rf"^{name.upper()}\n\t\S", text, re.M), name


def test_the_two_commands_of_the_readme_are_in_the_makefile():
    commands = re.findall(r"^(make [a-z]+)", read("README.md"), re.M)
    assert {"make run", "make check"} <= set(commands)
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.M))
    assert {command.split()[1] for command in commands} <= targets


def markdown_files():
    return ["README.md", "CONTRIBUTING.md",
            *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("path", markdown_files())
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", read(path)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, part = target.partition("#")
        file = (ROOT / path).parent / name if name else ROOT / path
        assert file.exists(), f"{path}: {target}"
        if part:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
            assert part in map(anchor, headings), f"{path}: {target}"


@pytest.mark.parametrize("path", markdown_files())
def test_files_that_a_document_names_are_there(path):
    """`src/...`, `tests/...` and so on, in code spans."""
    names = re.findall(r"`((?:src|tests|tools|docs|man|bench|examples)/[^\s`*{]*)`", read(path))
    missing = [name for name in names if not (ROOT / name).exists()]
    assert missing == []


def test_the_list_of_programs_is_that_of_their_tests():
    environment = {name: value for name, value in os.environ.items() if name != "PRIVEXEC_TESTS_LONG"}
    done = machine.run([sys.executable, "-m", "pytest", ROOT / "tests/programs", "--collect-only", "-q",
                        "--programs"], env=environment)
    tests = [line for line in done.stdout.split("\n") if line.startswith("| ")]
    assert len(tests) > 30, done
    listed = re.findall(r"^\| .* `test_.*\|$", read("docs/programs.md"), re.M)
    assert listed == tests


# --- the sources ------------------------------------------------------------------------------

def test_every_source_says_its_licence():
    without = []
    for path in committed_files():
        if path.startswith(("src/", "bpf/", "module/")) and path.endswith((".c", ".h")) \
                or path.endswith(".py"):
            first = read(path).split("\n")[:2]
            if not any("SPDX-License-Identifier: GPL-2.0" in line for line in first):
                without.append(path)
    assert without == []


def test_no_committed_file_speaks_of_the_machine_it_was_written_on():
    places = re.compile(r"(?<![\w.])/(work/(main|shared|\.)|mnt/sand|root/\.pyenv)"
                        r"|(deb|security)\.debian\.org|registry\.npmjs|snapshot\.debian")
    found = []
    for path in committed_files():
        try:
            text = read(path)
        except UnicodeDecodeError:
            continue
        if path != str(Path(__file__).relative_to(ROOT)):
            found += [f"{path}: {match.group()}" for match in places.finditer(text)]
    assert found == []


def functions(text):
    """(name, lines) of every function of a source in the house style."""
    lines = text.split("\n")
    for start, line in enumerate(lines):
        if line == "{":
            end = next((at for at in range(start, len(lines)) if lines[at] == "}"), len(lines))
            heads = [head for head in lines[max(0, start - 6):start] if re.match(r"[a-z_].*\(", head)]
            yield (heads[-1] if heads else "?"), end - start + 1


def test_files_and_functions_are_short():
    """A guide, not a law: what is longer is named as a warning."""
    for path in committed_files():
        if not path.startswith("src/") or not path.endswith((".c", ".h")):
            continue
        text = read(path)
        if text.count("\n") > 600:
            warnings.warn(f"{path} has {text.count(chr(10))} lines")
        for name, length in functions(text):
            if length > 70:
                warnings.warn(f"{path}: {length} lines: {name}")
