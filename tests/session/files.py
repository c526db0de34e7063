# SPDX-License-Identifier: GPL-2.0-or-later
"""Changes files in every way there is, in the working directory, and prints what came of it: the same
in a session and outside of one.

    files.py prepare    makes what is there before
    files.py work       does it
"""

import errno
import fcntl
import hashlib
import mmap
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path


# Before these, overlays have no O_TMPFILE and tmpfs no attributes of users: privexec(7), DIFFERENCES.
KERNEL = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
HAS_ALL = KERNEL >= (6, 6)


def sh(command):
    done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    return f"{done.returncode} {done.stdout.strip()}"


def write(name, text):
    Path(name).write_text(text, encoding="ascii")


def read(name):
    return Path(name).read_text(encoding="ascii")


def prepare():
    for name in ("edit", "over", "mode", "acl", "attribute", "map", "shared", "first", "lock",
                 "append", "truncate", "lease", "kept", "times"):
        write(name, f"{name}, as it was\n" * 100)
    os.link("first", "second")
    os.symlink("first", "link")
    for name in ("tree/a/b/c", "replaced", "emptied", "swapped/one", "swapped/two"):
        os.makedirs(name)
        write(f"{name}/file", name)
    os.mkdir("grouped")
    os.chmod("grouped", 0o2777)
    write("sparse", "")
    os.truncate("sparse", 50 << 20)
    os.mkfifo("fifo")
    os.setxattr("attribute", "user.before", b"1")
    os.utime("times", ns=(10**18, 10**18 + 123456789))


def printed(what, value):
    print(f"{what}: {value}")


def attempt(what, function, *arguments):
    try:
        printed(what, function(*arguments))
    except OSError as problem:
        printed(what, errno.errorcode[problem.errno])


def mode(name):
    status = os.lstat(name)
    return f"{stat.filemode(status.st_mode)} {status.st_uid} {status.st_gid} {status.st_nlink}"


def editing():
    printed("sed -i", sh("sed -i s/as/AS/ edit && sha256sum edit && ls edit*"))
    write("new", "new\n")
    os.rename("new", "over")
    printed("rename over", read("over"))
    with open("append", "a", encoding="ascii") as file:
        file.write("more")
    printed("append", hashlib.sha256(Path("append").read_bytes()).hexdigest())
    os.truncate("truncate", 5)
    printed("truncate", read("truncate"))
    printed("times", os.stat("times").st_mtime_ns)
    os.chmod("times", 0o600)
    printed("times after chmod", os.stat("times").st_mtime_ns)
    printed("touch", sh("touch -d @1000000000.5 times && stat -c '%Y %y' times"))
    before = os.stat("kept").st_ino
    with open("kept", "r+", encoding="ascii") as file:
        inode = os.fstat(file.fileno()).st_ino
        file.write("x")
    printed("the inode stays when a file is changed", before == inode == os.stat("kept").st_ino)


def directories():
    printed("mv of a directory", sh("mv tree moved && find moved | sort && cat moved/a/b/c/file"))
    printed("and back into itself", sh("mkdir tree && mv moved tree/moved && find tree | sort"))
    shutil.rmtree("replaced")
    os.mkdir("replaced")
    printed("rm -r and mkdir again", os.listdir("replaced"))
    os.unlink("emptied/file")
    os.rmdir("emptied")
    printed("rmdir", os.path.exists("emptied"))
    printed("RENAME_EXCHANGE", sh("/usr/bin/python3 - <<'x'\n"
            "import ctypes; c = ctypes.CDLL(None)\n"
            "print(c.renameat2(-100, b'swapped/one', -100, b'swapped/two', 2))\n"
            "x\ncat swapped/one/file swapped/two/file"))
    attempt("rename onto a full directory", os.rename, "swapped/one", "tree")
    attempt("rmdir of a full directory", os.rmdir, "tree")
    os.makedirs("deep/" + "/".join("d" * 100))
    write("deep/" + "/".join("d" * 100) + "/file", "deep")
    printed("deep", sh("find deep | wc -l; rm -r deep; ls -d deep"))
    for number in range(500):
        write(f"swapped/{number}", "")
    printed("many", len(os.listdir("swapped")))


def owners():
    os.chmod("mode", 0o4751)
    printed("chmod", mode("mode"))
    os.chown("mode", -1, os.getgid())
    printed("chown", mode("mode"))
    if os.getuid() == 0:
        os.chown("mode", 12345, 54321)
        printed("chown by root", mode("mode"))
        printed("chmod by root", sh("chmod 2755 mode && stat -c %A mode"))
    else:
        attempt("chown without privilege", os.chown, "mode", 0, 0)
        attempt("chmod of another's file", os.chmod, "/etc/passwd", 0o666)
    for name in ("grouped", "theirs"):
        printed(name, sh(f"touch {name}/file && mkdir {name}/directory && stat -c '%A %u %g' {name} "
                         f"{name}/file {name}/directory"))
    printed("setfacl", sh("setfacl -m u:daemon:rw,g:daemon:r,m::r acl && getfacl -n acl"))
    printed("default list", sh("mkdir listed && setfacl -d -m u:daemon:rwx listed && "
                               "touch listed/file && getfacl -n listed listed/file"))
    if HAS_ALL:
        printed("setfattr", sh("setfattr -n user.after -v 2 attribute && setfattr -x user.before "
                               "attribute && getfattr -d attribute"))
        attempt("an attribute that is not there", os.getxattr, "attribute", "user.none")
    os.umask(0o027)
    write("masked", "")
    printed("umask", mode("masked"))


def links():
    printed("links before", mode("first"))
    os.link("first", "third")
    write("second", "changed by its second name")
    printed("links", " ".join(mode(name) for name in ("first", "second", "third")))
    printed("one file", len({os.stat(name).st_ino for name in ("first", "second", "third")}))
    printed("by the first name", read("first"))
    printed("by the link", read("link"))
    os.unlink("first")
    printed("after unlink", mode("third"))
    attempt("the dangling link", read, "link")
    os.symlink("x" * 1000, "long link")
    printed("long link", len(os.readlink("long link")))
    if HAS_ALL:
        unnamed()


def unnamed():
    file = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
    os.write(file, b"from nowhere")
    # a descriptor of a directory makes Python call linkat(2), which follows the link
    root = os.open("/", os.O_PATH)
    os.link(f"/proc/self/fd/{file}", "linked", src_dir_fd=root)
    os.close(root)
    os.close(file)
    printed("O_TMPFILE", f"{read('linked')} {mode('linked')}")


def mapped():
    with open("map", "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0:6] = b"MAPPED"
        memory.flush()
        printed("read of a mapping", Path("map").read_bytes()[:10])
        with open("map", "r+b") as again:
            again.write(b"W")
        printed("mapping of a write", memory[:10])
    with open("shared", "r+b") as file:
        memory = mmap.mmap(file.fileno(), 0)
        child = os.fork()
        if child == 0:
            memory[0:5] = b"child"
            os._exit(0)
        os.waitpid(child, 0)
        printed("shared mapping", memory[:5])
        memory.close()


def sparse():
    printed("sparse", f"{os.stat('sparse').st_size} {os.stat('sparse').st_blocks}")
    with open("sparse", "r+b") as file:
        os.pwrite(file.fileno(), b"x" * 4096, 40 << 20)
        os.fsync(file.fileno())
        printed("data", os.lseek(file.fileno(), 0, os.SEEK_DATA))
        printed("hole", os.lseek(file.fileno(), 40 << 20, os.SEEK_HOLE))
    printed("cp --sparse", sh("cp --sparse=always sparse copy && cmp sparse copy && du -k copy"))
    with open("allocated", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
    printed("fallocate", os.stat("allocated").st_size)
    printed("punch", sh("dd if=/dev/zero bs=64k count=4 2>/dev/null | tr '\\0' x >punched; "
                        "fallocate -p -o 65536 -l 65536 punched; tr -d '\\0' <punched | wc -c"))


def locks():
    with open("lock", "r+b") as first, open("lock", "r+b") as second:
        fcntl.flock(first, fcntl.LOCK_EX)
        attempt("flock held", fcntl.flock, second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(first, fcntl.LOCK_UN)
        attempt("flock free", fcntl.flock, second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with open("lock", "r+b") as first:
        fcntl.lockf(first, fcntl.LOCK_EX, 10, 5)
        printed("record lock in another process", sh(
            "/usr/bin/python3 -c 'import fcntl; f = open(\"lock\", \"r+b\")\n"
            "try: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 7)\n"
            "except OSError as p: print(p.errno)'"))


def sockets():
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket")
    server.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect("socket")
    peer, _ = server.accept()
    client.sendall(b"through a socket")
    printed("socket", peer.recv(100))
    printed("its type", mode("socket").split()[0])
    attempt("bound twice", socket.socket(socket.AF_UNIX).bind, "socket")
    for name in ("fifo", "own fifo"):
        if name != "fifo":
            os.mkfifo(name)
        got = []
        reader = threading.Thread(target=lambda path: got.append(read(path)), args=(name,))
        reader.start()
        write(name, "through a fifo")
        reader.join(10)
        printed(name, got)


def work():
    for part in (editing, directories, owners, links, mapped, sparse, locks, sockets):
        part()


if __name__ == "__main__":
    {"prepare": prepare, "work": work}[sys.argv[1]]()
