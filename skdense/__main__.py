"""`python -m skdense` says where compiled programs are kept; with `--clear` it removes them."""

import argparse
import sys
from contextlib import suppress
from importlib.metadata import distributions

from skdense.core.machine import disk


def main() -> None:
    """Say where programs are kept, how many there are and how large they are; or remove them."""
    parser = argparse.ArgumentParser(
        prog="python -m skdense",
        description="Programs that a fit has compiled are kept for later processes of this machine.",
    )
    parser.add_argument("--clear", action="store_true", help="remove all programs that are kept")
    clear = parser.parse_args().clear
    installed = distributions(name="tensorflow")
    folder, reason = disk.folder_for(next((each.version for each in installed), ""))
    if folder is None:
        print(f"Programs are not kept: {reason}.")
        return
    found = []
    try:
        with suppress(FileNotFoundError):  # there is no folder until a program is kept
            disk.check_trust(folder)
            found = disk.files(folder)
        for _, _, path in found if clear else ():
            path.unlink(missing_ok=True)
    except OSError as error:
        if clear:
            sys.exit(f"Programs cannot be removed: {error}.")
        print(f"Programs are not kept: {error}.")
        return
    megabytes = sum(size for _, size, _ in found) / 2**20
    n_programs = "1 program" if len(found) == 1 else f"{len(found)} programs"
    print(
        f"{'Removed from' if clear else 'Kept in'} {folder}: {n_programs}, {megabytes:.1f} MB "
        f"(at most {disk.MOST_BYTES >> 20} MB). The environment variable "
        "SKDENSE_CACHE_DIR names another folder; if it is empty, no programs are kept."
    )


if __name__ == "__main__":
    main()
