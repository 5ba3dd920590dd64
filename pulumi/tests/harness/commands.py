"""Runs commands of the AWS command line in one process: `python commands.py < COMMANDS`, a JSON
list of command lines; prints a JSON list of `[exit code, output, errors]`.

Run by an interpreter that has `awscli`, of an environment of its own: it pins another botocore. A
command in `"$(...)"` is run first, as a shell does; there is nothing else of a shell here.
"""

import contextlib
import io
import json
import os
import re
import shlex
import sys

from awscli.clidriver import create_clidriver  # pyright: ignore[reportMissingImports]

INNER = re.compile(r"\$\((aws [^()]*(?:\([^()]*\)[^()]*)*)\)")


def run(command: str) -> tuple[int, str, str]:
    while found := INNER.search(command):
        code, out, err = run(found[1])
        if code != 0:
            return code, out, err
        command = command[: found.start()] + out.strip() + command[found.end() :]
    program, *arguments = shlex.split(command)
    if program != "aws":
        return 2, "", f"{program} is not run here"
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            # Said for each: for some services the environment's is not asked.
            endpoint = ["--endpoint-url", os.environ["AWS_ENDPOINT_URL"]]
            code = create_clidriver().main([*arguments, *endpoint])
        except SystemExit as ended:
            code = ended.code
    out.flush()
    return int(code or 0), out.buffer.getvalue().decode(), err.getvalue()  # pyright: ignore


if __name__ == "__main__":
    print(json.dumps([run(command) for command in json.load(sys.stdin)]))
