"""One-time codes by the clock (TOTP): which step a code belongs to.

References
----------
.. [1] RFC 6238, "TOTP: Time-Based One-Time Password Algorithm", 2011.
"""

import binascii
from datetime import datetime

from modelwarden.errors import InputError

WINDOW = 1  # steps of 30 s before and after this one whose code is accepted


def matching_step(secret: str, code: str, now: datetime, where: str) -> int | None:
    """Return the number of the 30-second step whose code this is, or None for a wrong code.

    Remember the step: a code is good once.

    Parameters
    ----------
    secret : str
        The shared secret in base32, as authenticators take it.
    code : str
        Six digits.
    now : datetime
        The moment, with a time zone.
    where : str
        What to call the secret in errors; it is never shown.

    Raises
    ------
    InputError
        If the secret is none, or pyotp is not installed.
    """
    try:
        import pyotp
    except ModuleNotFoundError as error:
        fix = "pip install 'modelwarden[approvals]'"
        raise InputError("second factor", "pyotp to be installed", "no module", fix) from error
    text = secret.strip()
    if not text:
        raise InputError(where, "a base32 secret", "nothing", "set it where the desk runs")
    try:
        totp = pyotp.TOTP(text)
        step = int(now.timestamp()) // totp.interval
        steps = {totp.generate_otp(step + n): step + n for n in range(-WINDOW, WINDOW + 1)}
    except (binascii.Error, ValueError) as error:
        raise InputError(where, "a base32 secret of 112 bits or more", "another") from error
    given = code.strip()
    return next((n for known, n in steps.items() if pyotp.utils.strings_equal(known, given)), None)
