vouching-lapsed-expired = The HPKI certificate that proved your profession has expired.
vouching-lapsed-revoked = The HPKI certificate that proved your profession was revoked.
vouching-lapsed-unknown = We cannot tell just now whether the HPKI certificate that proves your profession was revoked.
vouching-lapsed-refused = The HPKI certificate that proves your profession cannot be verified just now.
vouching-lapsed-unlinked = The My Number card or passkey that you logged in with is yours no longer.
vouching-lapsed-now = You are logged in without a profession.
vouching-lapsed-help = Log in with a valid HPKI card to use your profession. Afterwards link a My Number card again; remove a passkey and enrol it anew.
vouching-lapsed-own-help = You stay logged in, but cannot use your profession until this is known. If this goes on for some minutes, tell your facility’s administrator.
