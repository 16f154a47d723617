"""What the process listens on: probes, metrics for whoever reaches them, and metrics for whom the cluster admits."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from vso.app.certificate import ServingCertificate
from vso.app.guard import Guard
from vso.app.metrics import CONTENT_TYPE, Metrics
from vso.app.serve import METRICS_PATH, OFF, health_server, metrics_server
from vso.app.settings import Settings
from vso.base import SystemClock
from vso.kube import Client
from vso.runtime import Manager


@asynccontextmanager
async def endpoints(settings: Settings, manager: Manager, metrics: Metrics, reviews: Client) -> AsyncIterator[None]:
    """Listen while the context is open; `reviews` asks who may scrape.

    Raises OSError for a port that is taken, or a certificate that is unusable.
    """
    clock = SystemClock()
    serve = partial(metrics_server, text=metrics.text, content_type=CONTENT_TYPE)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            health_server(
                settings.health_probe_bind_address,
                live={"healthz": lambda: ""},
                ready={"caches": lambda: "" if manager.ready else "; ".join(manager.problems().values())},
            )
        )
        await stack.enter_async_context(serve(settings.metrics_bind_address))
        if settings.metrics_secure_bind_address not in OFF:
            certificate = ServingCertificate(settings.metrics_cert_directory, clock=clock)
            manager.background("metrics certificate", certificate.run)
            guard = Guard(reviews, path=METRICS_PATH, clock=clock)
            address = settings.metrics_secure_bind_address
            await stack.enter_async_context(serve(address, guard=guard, tls=certificate.context))
        yield
