"""What goes wrong between the functions and AWS.

Calls go function -> microburst -> `partial_proxy` -> emulator. microburst throttles, refuses, resets,
stalls and loses answers, by `rules.json`; `partial_proxy` lets batch calls fail in part, which
microburst cannot, and counts what calls consume. `mischief` is what goes wrong between the streams
and the functions.
"""
