# SPDX-License-Identifier: GPL-2.0-or-later
"""Installing, upgrading, removing, and what the Makefile promises."""

import os
import re
import shutil
import stat
import time
from pathlib import Path

import pytest

import machine

CAPABILITIES = {"cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_mknod",
                "cap_net_admin", "cap_setfcap", "cap_setgid", "cap_setuid", "cap_sys_admin", "cap_sys_resource"}
PAGES = {"privexec.1", "privexec.7", "privexec.conf.5", "usr_mounts.conf.5"}
EXAMPLES = {"privexec.conf", "usr_mounts.conf", "sys_mounts.conf"}


def make(*arguments, **options):
    """Runs make as from a shell: this suite may itself run below a make."""
    environment = {key: value for key, value in os.environ.items()
                   if not key.startswith(("MAKE", "MFLAGS"))}
    return machine.run(["make", "--no-print-directory", *arguments], cwd=machine.ROOT, timeout=120,
                       env=environment, **options)


def below(directory):
    return {str(path.relative_to(directory)) for path in Path(directory).rglob("*")
            if not path.is_dir()}


@pytest.fixture
def stage(installation, tmp_path):
    """make install and make uninstall into a directory, of the build that `installation` uses."""
    root = tmp_path / "stage"

    def stage(target):
        done = make(target, "BUILD=build-installed", f"prefix={installation.prefix}",
                    f"sysconfdir={installation.prefix}/etc", f"DESTDIR={root}")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
    stage.prefix = root / installation.prefix.relative_to("/")
    return stage


def test_the_keeper_gets_the_eleven_capabilities_and_nothing_else(installation):
    done = machine.run(["getcap", installation.keeper])
    path, capabilities = done.stdout.strip().split(" ")
    names, flags = capabilities.split("=")
    assert path == installation.keeper
    assert set(names.split(",")) == CAPABILITIES
    assert flags == "p"
    keeper = os.stat(installation.keeper)
    assert (keeper.st_uid, keeper.st_gid) == (0, 0)
    assert stat.S_IMODE(keeper.st_mode) == 0o755


def test_the_front_has_no_privilege(installation):
    assert machine.run(["getcap", installation.front]).stdout == ""
    assert not os.stat(installation.front).st_mode & (stat.S_ISUID | stat.S_ISGID)


def test_the_configuration_is_owned_by_root_and_written_by_nobody_else(installation):
    assert {path.name for path in installation.configuration.iterdir()} == EXAMPLES
    for path in [installation.configuration, *installation.configuration.iterdir()]:
        assert path.stat().st_uid == 0
        assert not path.stat().st_mode & 0o022


def test_a_keeper_can_be_installed_setuid_instead(installation, tmp_path):
    keeper = tmp_path / "privexec-keeper"
    shutil.copy(installation.keeper, keeper)
    done = machine.run([machine.ROOT / "tools/set-privileges", keeper, "setuid"])
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(keeper.stat().st_mode) == 0o4755
    assert machine.run(["getcap", keeper]).stdout == ""


@pytest.fixture
def privileges(installation):
    """Gives the installed keeper other privileges, for the time of a test."""
    def give(kind):
        machine.run([machine.ROOT / "tools/set-privileges", installation.keeper, kind], check=True)
    yield give
    give("capabilities")


def session_of(user, installation):
    return user.run([installation.front, "-v", "--net=none", "--", "sh", "-c",
                     "echo private > ~/file && cat ~/file"])


@pytest.mark.parametrize("kind, source", [("capabilities", "file capabilities"),
                                          ("setuid", "setuid")])
def test_an_ordinary_user_gets_a_session(kind, source, privileges, installation, alice):
    privileges(kind)
    done = session_of(alice, installation)
    assert (done.returncode, done.stdout) == (0, "private\n"), done.stderr
    assert f"privilege from {source}" in done.stderr
    assert not (alice.home / "file").exists()


def test_a_keeper_without_privilege_says_what_to_do(installation, privileges, alice):
    machine.run(["setcap", "-r", installation.keeper], check=True)
    done = session_of(alice, installation)
    assert (done.returncode, done.stdout) == (125, "")
    assert "make install" in done.stderr


def test_staging_installs_everything_without_privilege_and_says_what_a_package_must_do(stage):
    output = stage("install")
    installed = below(stage.prefix)
    assert {"bin/privexec", "libexec/privexec/privexec-keeper"} <= installed
    assert {f"etc/privexec/{name}" for name in EXAMPLES} <= installed
    assert {f"share/man/man{name[-1]}/{name}" for name in PAGES} <= installed
    keeper = stage.prefix / "libexec/privexec/privexec-keeper"
    assert machine.run(["getcap", keeper]).stdout == ""
    assert not keeper.stat().st_mode & stat.S_ISUID
    command = re.search(r"must run: setcap (\S+)=p ", output)
    assert command and set(command.group(1).split(",")) == CAPABILITIES


def test_installing_again_keeps_the_configuration_that_is_there(stage):
    stage("install")
    configuration = stage.prefix / "etc/privexec"
    (configuration / "privexec.conf").write_text("[session]\nnet = none\n")
    (configuration / "usr_mounts.conf").unlink()
    (configuration / "usr_mounts.conf").symlink_to("/nowhere")
    output = stage("install")
    assert (configuration / "privexec.conf").read_text() == "[session]\nnet = none\n"
    assert os.readlink(configuration / "usr_mounts.conf") == "/nowhere"
    assert f"{configuration}/privexec.conf is kept as it is" in output


def test_uninstalling_removes_all_but_the_configuration_and_says_so(stage):
    stage("install")
    output = stage("uninstall")
    assert below(stage.prefix) == {f"etc/privexec/{name}" for name in EXAMPLES}
    assert not (stage.prefix / "libexec/privexec").exists()
    assert f"{stage.prefix}/etc/privexec is kept" in output


@pytest.fixture
def other_build():
    build = machine.ROOT / "build-uninstall"
    yield build.name
    shutil.rmtree(build, ignore_errors=True)


def test_uninstalling_from_another_prefix_than_the_last_removes_what_is_there(tmp_path, other_build):
    places = {name: tmp_path / "stage" / name for name in ("first", "second")}

    def run(target, name):
        return make(target, f"BUILD={other_build}", f"prefix=/{name}", f"DESTDIR={tmp_path}/stage")
    for name, place in places.items():
        done = run("install", name)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (place / "libexec/privexec/privexec-keeper").exists()
    done = run("uninstall", "first")
    assert done.returncode == 0, done.stdout + done.stderr
    assert below(places["first"]) == set()
    # whatever the prefix, the configuration is in /etc
    assert below(tmp_path / "stage/etc") == {f"privexec/{name}" for name in EXAMPLES}
    assert (places["second"] / "libexec/privexec/privexec-keeper").exists()
    done = run("uninstall", "first")
    assert done.returncode != 0
    assert "nothing was removed" in done.stderr
    done = run("uninstall", "second")
    assert done.returncode == 0, done.stdout + done.stderr
    assert below(places["second"]) == set()


def test_dependencies_that_are_there_take_no_time():
    start = time.monotonic()
    done = machine.run([machine.ROOT / "tools/install-dependencies", "build", "check"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - start < 3


def test_an_unknown_section_of_dependencies_is_named():
    done = machine.run([machine.ROOT / "tools/install-dependencies", "nonsense"])
    assert done.returncode == 2
    assert "no section 'nonsense'" in done.stderr


def test_an_ordinary_user_is_told_what_is_missing(alice, tmp_path):
    tools = alice.home / "tools"
    tools.mkdir()
    shutil.copy(machine.ROOT / "tools/install-dependencies", tools)
    (tools / "dependencies.txt").write_text("[build]\nmake\nno-such-package-at-all\n")
    done = alice.run([tools / "install-dependencies", "build"])
    shutil.rmtree(tools)
    assert done.returncode == 1
    assert done.stderr == ("install-dependencies: missing: no-such-package-at-all; as root, run: "
                           "apt-get install no-such-package-at-all\n")


def test_make_run_runs_a_command_and_a_second_time_takes_less_than_ten_seconds(privexec):
    build = Path(privexec).parent
    for _ in range(2):
        start = time.monotonic()
        done = make("run", f"BUILD={build}", "CMD=printf '%s\\n' \"a  b\" && exit 0")
        assert done.stdout == "a  b\n", done.stderr
        assert done.returncode == 0
    assert time.monotonic() - start < 10
