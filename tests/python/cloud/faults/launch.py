"""Starts microburst with two faults mended, neither of which AWS or a network has: it drops the length
of what it passes on (the answer to a HEAD is its length), and it spells paths its own way, which
breaks their signatures."""

import runpy

import aiohttp
from microburst import forward
from yarl import URL

forward.HOP_BY_HOP = forward.HOP_BY_HOP - {"content-length"}
aiohttp.ClientSession._build_url = lambda _session, url: URL(url, encoded=True)

runpy.run_module("microburst", run_name="__main__", alter_sys=True)
