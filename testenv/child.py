"""The first code of every server process: ties its life to its parent's, then becomes the server.

Run by path, as `python -I -S child.py PARENT SIGNAL UID GID PROGRAM ARGUMENTS...`; stdlib only, starts in
some 20 ms. A wrapper rather than a `preexec_fn`, which is unsafe (and warns) in a process that has threads.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel for a signal at the parent's death and exec the program."""
    parent, death_signal, uid, gid = (int(value) for value in sys.argv[1:5])
    if uid != os.geteuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # After the change of user, which clears the setting; execve keeps it.
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # it died before the kernel knew our wish
        sys.exit("the parent is gone")
    os.execvp(sys.argv[5], sys.argv[5:])  # noqa: S606 -- becoming the server is the purpose


if __name__ == "__main__":
    main()
