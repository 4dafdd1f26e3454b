"""Runs a command in a pseudo terminal, answers each question (text that ends in ": ") with the next line of standard input,
prints what the terminal showed, and ends with the command's exit code."""

import os
import pty
import select
import sys

answers = sys.stdin.buffer.read().splitlines()
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
shown = b""
seen = 0
while select.select([terminal], [], [], 30)[0]:
    try:
        chunk = os.read(terminal, 4096)
    except OSError:
        break
    if not chunk:
        break
    shown += chunk
    if seen < len(answers) and shown.endswith(b": "):
        os.write(terminal, answers[seen] + b"\r")
        seen += 1
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
