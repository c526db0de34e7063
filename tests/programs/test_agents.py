# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers of a user's own: agents that keep keys, terminals that outlive their window, a message bus."""

from pair import program


@program("ssh-agent", "ssh-agent", "ssh-keygen")
def test_an_ssh_agent_signs_with_the_key_it_was_given(pair):
    """A key is added, listed, and signs by the agent after its file is gone"""
    pair.same(r"""
        ssh-keygen -q -t ed25519 -N '' -C it -f key
        ssh-agent -a "$HOME/agent" >agent.env
        . ./agent.env >/dev/null
        trap 'ssh-agent -k >/dev/null' EXIT
        ssh-add -q key
        cmp <(ssh-add -L) key.pub && echo listed
        rm key
        echo text | ssh-keygen -q -Y sign -f key.pub -n file >signature 2>log || { cat log >&2; exit 1; }
        echo text | ssh-keygen -Y check-novalidate -n file -s signature | cut -d' ' -f 1-3
        ! ssh-keygen -Y check-novalidate -n file -s signature </dev/null 2>&1 | cut -d: -f1
        ssh-add -q -D; ssh-add -l || echo none""",
              expect=["listed", 'Good "file" signature'])


@program("gpg-agent", "gpg", "gpg-agent")
def test_gpg_makes_a_key_encrypts_and_signs(pair):
    """gpg starts its agent: symmetric encryption, a key made with a passphrase given on its loopback,
    encryption and signatures with it"""
    pair.same(r"""
        export GNUPGHOME=$HOME/gnupg; mkdir -m 700 gnupg
        echo s2k-count 65536 >gnupg/gpg-agent.conf  # not as many as take a tenth of a second
        gpg() { command gpg --batch --quiet --pinentry-mode loopback --passphrase secret --s2k-count 65536 "$@" 2>>log ||
            { cat log >&2; return 1; }; }
        echo text | gpg --symmetric -o symmetric.gpg
        gpg --decrypt symmetric.gpg
        gpg --quick-generate-key it@example.org ed25519 sign never
        gpg --list-secret-keys --with-colons | grep -c ^sec
        fingerprint=$(gpg --list-keys --with-colons | awk -F: '/^fpr/ {print $10; exit}')
        gpg --quick-add-key "$fingerprint" cv25519 encrypt never
        echo to myself | gpg --trust-model always -er it@example.org -o it.gpg
        gpg --decrypt it.gpg
        echo text | gpg --clearsign | gpg --status-fd 1 --verify | grep -o 'GOODSIG\|VALIDSIG'
        gpg-connect-agent 'getinfo version' /bye | grep -c ^OK
        gpgconf --kill all""", expect=["text", "1", "to myself", "GOODSIG"], leaves="gpg-agent")


@program("tmux", "tmux")
def test_tmux_keeps_a_shell(pair):
    """A server, a window whose shell is typed into, what it shows, a second window, the end"""
    pair.same(r"""
        export TMUX_TMPDIR=$HOME/tmp
        trap 'tmux kill-server 2>/dev/null || true' EXIT
        tmux -f /dev/null new-session -d -x 80 -y 24 -s it 'PS1="it: " exec sh'
        wait_for sh -c 'tmux capture-pane -p -t it | grep it:'
        tmux send-keys -t it 'tty >out; expr 6 "*" 7' Enter
        wait_for sh -c 'tmux capture-pane -p -t it | grep -x 42'
        tmux capture-pane -p -t it | grep -cx 42
        sed 's/[0-9]*$//' out
        tmux new-window -t it 'echo second >second; sleep 100'
        wait_for grep second second
        tmux list-windows -t it | wc -l""", expect=["1", "/dev/pts/", "2"],
              leaves=".*")


@program("D-Bus", "dbus-run-session", "dbus-send", "gdbus", "busctl",
         "/usr/lib/python3/dist-packages/gi")
def test_a_message_bus_of_the_sessions_own_starts_a_service(pair):
    """dbus-run-session: a service is started by a call to it and answers; who is on the bus; a signal"""
    pair.same(r"""
        mkdir -p data/dbus-1/services
        printf '[D-BUS Service]\nName=org.example.Counter\nExec=/usr/bin/python3 %s/service.py\n' "$HOME" \
            >data/dbus-1/services/org.example.Counter.service
        export XDG_DATA_HOME=$HOME/data
        dbus-run-session -- bash -euo pipefail -c '
            call() { gdbus call --session --dest org.example.Counter --object-path / --method "$@"; }
            call org.example.Counter.Add 40
            call org.example.Counter.Add 2
            busctl --user call org.freedesktop.DBus / org.freedesktop.DBus NameHasOwner s org.example.Counter
            dbus-send --session --print-reply --dest=org.example.Counter / org.example.Counter.Add int32:0 |
                tail -n 1
            call org.example.Counter.Quit'""", files=["service.py"], leaves=".*python3.*",
              expect=[r"\(42,\)", "b true", "   int32 42"])
