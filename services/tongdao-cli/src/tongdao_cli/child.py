"""Turns into one child program that cannot outlive its parent.

`command` wraps a program; the wrapper runs this very file as a script, which arranges the parent-death signal
(prctl(2), Linux only), gives root's rights away if asked to, and becomes the program. A function run between fork and
exec would be shorter, but is not safe once the parent has threads. The signal follows the *thread* that forked, so
parents start their children from their main thread.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def command(
    program: Sequence[str], death_signal: int = signal.SIGTERM, user: tuple[int, int] | None = None
) -> list[str]:
    """The command line that starts `program` bound to the life of the process that runs it.

    death_signal  what the child gets when the parent is gone
    user          (uid, gid) to become, or None to stay
    """
    uid, gid = user or (-1, -1)
    numbers = (os.getpid(), int(death_signal), uid, gid)
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), *map(str, numbers), *program]


def become(parent: int, death_signal: int, uid: int, gid: int, program: Sequence[str]) -> None:
    """Change the user, bind this process to `parent`, and exec; does not return.

    In that order, since the kernel forgets the death signal when the user changes. After the change nothing can be
    imported: the interpreter may lie where the new user cannot read.
    """
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent has gone")  # it died before the signal was arranged
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would pass that on
    os.execv(program[0], list(program))  # noqa: S606  # the program is the caller's


if __name__ == "__main__":
    _parent, _signal, _uid, _gid = map(int, sys.argv[1:5])
    become(_parent, _signal, _uid, _gid, sys.argv[5:])
