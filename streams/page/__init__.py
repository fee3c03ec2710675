"""The live page of a worker: what it hears, what rings and why, and people's word on it.

    past, rows    the series of this worker's watchers, with what was expected of them
    sentiments    how the documents scored here speak of each series
    board         everything a page shows, with a version on every item, so that a client is told only what is new
    reader        alerts and what people said of them, from their topics, whoever raised them
    model         the releases that read, and whether the stream is still what they know
    looking       the archive, asked from the page
    access        who may look: loopback by default, a token elsewhere
    site          the routes, and the stream of server-sent events
    live          holds them together in one process

The files under ``static`` are what the browser gets; they load nothing from elsewhere.
"""

from streams.page.live import LivePage

__all__ = ["LivePage"]
