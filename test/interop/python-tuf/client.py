"""Follows a TUF repository with python-tuf and downloads targets: what the other clients' programs here do, too.

MEMORY is the client's own folder; ROOT is trusted only as long as that folder is empty.
"""

import argparse
import sys
from pathlib import Path

from tuf.ngclient import Updater


def main() -> int:
    parser = argparse.ArgumentParser()
    for option in ("--root", "--memory", "--metadata-url", "--targets-url", "--out"):
        parser.add_argument(option, required=True)
    parser.add_argument("names", nargs="+")
    arguments = parser.parse_args()
    memory = Path(arguments.memory)
    is_new = not (memory / "root.json").exists()
    memory.mkdir(parents=True, exist_ok=True)
    Path(arguments.out).mkdir(parents=True, exist_ok=True)
    updater = Updater(
        str(memory),
        arguments.metadata_url,
        target_dir=arguments.out,
        target_base_url=arguments.targets_url,
        bootstrap=Path(arguments.root).read_bytes() if is_new else None,
    )
    updater.refresh()
    for name in arguments.names:
        info = updater.get_targetinfo(name)
        if info is None:
            print(f"no target {name} is published", file=sys.stderr)
            return 1
        updater.download_target(info, filepath=str(Path(arguments.out) / name))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception as error:  # Whatever it is, it is the reason why this client refused.
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
