"""Numbers and bounds that everybody shares: identities, watermarks, limits.

No dependencies. May be imported by everything above ``errors``.
"""
