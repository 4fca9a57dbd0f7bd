"""Foreign clients against the emulator: MSAL Python and PyJWT, as they come from PyPI.

By hand, from the root of the repository:

    python3 -m venv target/interop
    target/interop/bin/pip install -r tests/interop/requirements.txt
    cargo build --example emulator --features emulator
    target/interop/bin/python tests/interop/run.py target/debug/examples/emulator

That starts seven emulators, one after the other. The right one must pass every check and skip none;
each of six wrong ones must be caught by the one check that is for its fault, and fail no other.
With `--wrong FAULT` only that wrong emulator is started and the checks decide, so that it ends with
1; with `--right` only the right one. Trust in the emulator's CA comes by environment, authorities
are used with `instance_discovery=False`, and a dead proxy keeps everything on this machine.
"""

import argparse
import sys
import warnings

from checks import CHECKS
from emulator import Emulator, trust
from scene import Scene, Skipped

# What the admin endpoint is told for each fault, and the check that must see it.
FAULTS = {
    "signature": ("token_tampering", {"how": "bad_signature"}, "ID token: signature"),
    "issuer": ("token_tampering", {"how": "wrong_issuer"}, "ID token: issuer"),
    "audience": ("token_tampering", {"how": "wrong_audience"}, "ID token: audience"),
    "kid": ("token_tampering", {"how": "unknown_kid"}, "ID token: kid"),
    "expiry": ("token_tampering", {"how": "expired"}, "ID token: expiry"),
    "pkce": ("ignore_pkce", {"on": True}, "PKCE"),
}


def main():
    arguments = parsed()
    # MSAL would rather have every application use form_post; both ways are checked on purpose.
    warnings.filterwarnings("ignore", message="response_mode='form_post' is recommended")
    if arguments.right or arguments.wrong:
        failed = checked(arguments.emulator, arguments.wrong)
        return 1 if failed else 0
    verdicts = [judged(arguments.emulator, fault) for fault in [None, *FAULTS]]
    print("\nemulator   expected to fail       failed                 verdict")
    for row in verdicts:
        print("{:<10} {:<22} {:<22} {}".format(*row))
    return 0 if all(row[-1] == "as expected" for row in verdicts) else 1


def parsed():
    parser = argparse.ArgumentParser(description="MSAL Python and PyJWT against the emulator")
    parser.add_argument("emulator", help="the built example, e.g. target/debug/examples/emulator")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--right", action="store_true", help="only the right emulator")
    only.add_argument("--wrong", choices=FAULTS, help="only the emulator with this fault")
    return parser.parse_args()


def judged(program, fault):
    """A row of the table: whether exactly the expected check failed."""
    expected = [FAULTS[fault][2]] if fault else []
    failed = checked(program, fault)
    verdict = "as expected" if failed == expected else "NOT AS EXPECTED"
    return fault or "right", named(expected), named(failed), verdict


def named(checks):
    return ", ".join(checks) or "nothing"


def checked(program, fault):
    """Runs every check against a new emulator; the names of those that failed."""
    print(f"\nthe emulator is {'right' if fault is None else f'wrong: {fault}'}")
    with Emulator(program) as emulator:
        trust(emulator.world["ca"])
        if fault:
            operation, parameters, _ = FAULTS[fault]
            emulator.admin(operation, **parameters)
        scene = Scene(emulator)
        outcomes = [(name, outcome(name, function, scene)) for name, function in CHECKS]
    # What a fault keeps from being checked is no other fault; the right emulator keeps nothing.
    failures = ["FAIL"] if fault else ["FAIL", "--"]
    return [name for name, mark in outcomes if mark in failures]


def outcome(name, function, scene):
    """Runs one check and prints its line; the mark that the line begins with."""
    try:
        mark, said = "ok", function(scene) or ""
    except Skipped as reason:
        mark, said = "--", str(reason)
    except Exception as fault:  # whatever a client raises is its verdict
        mark, said = "FAIL", f"{type(fault).__name__}: {fault}".splitlines()[0]
    print(f"  {mark:<4}  {name:<34}  {said}".rstrip(), flush=True)
    return mark


if __name__ == "__main__":
    sys.exit(main())
