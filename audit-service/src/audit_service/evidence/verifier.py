"""The stand-alone verifier, as it lies in every package. Whoever relies on a package gets it from elsewhere."""

from importlib.resources import files


def source() -> bytes:
    """The program, to be run with Python and `cryptography`."""
    return (files("tlog") / "standalone" / "verify_receipt.py").read_bytes()
