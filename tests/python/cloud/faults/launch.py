"""Starts microburst with three faults mended, none of which AWS or a network has: it drops the length
of what it passes on (the answer to a HEAD is its length), it spells paths its own way, which breaks
their signatures, and it refuses bodies over 1 MiB, where PutRecords takes 5 MiB of data."""

import functools
import runpy

import aiohttp
from aiohttp import web
from microburst import forward
from partial_proxy import BODY_BYTES_MAX
from yarl import URL

forward.HOP_BY_HOP = forward.HOP_BY_HOP - {"content-length"}
web.Application = functools.partial(web.Application, client_max_size=BODY_BYTES_MAX)
aiohttp.ClientSession._build_url = lambda _session, url: URL(url, encoded=True)

runpy.run_module("microburst", run_name="__main__", alter_sys=True)
