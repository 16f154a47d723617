"""How the layers are used, checked by mypy and never run: a changed signature shows here first."""

from random import Random

from vso.apis.kinds import VAULT_STATIC_SECRET
from vso.apis.meta import Key
from vso.apis.v1beta1 import VaultStaticSecret
from vso.base import BackOff, Clock, Sensitive, SystemClock
from vso.kube import Client, Page, Patch
from vso.runtime import Lane, Next, Store, WorkQueue
from vso.sync import Rendered, RenderOptions, Step, plan, render
from vso.vault import KvRequest, KvSecret, KvType, Transport, read_kv


async def kubernetes_answers_are_typed_by_kind(client: Client) -> None:
    """The kind decides what comes back."""
    one: VaultStaticSecret = await client.get(VAULT_STATIC_SECRET, Key("app", "web"))
    page: Page[VaultStaticSecret] = await client.list_page(VAULT_STATIC_SECRET, limit=1)
    patch = Patch(body={"status": {}}, subresource="status")
    same: VaultStaticSecret = await client.patch(VAULT_STATIC_SECRET, one.key, patch)
    del page, same


async def a_secret_goes_from_vault_to_a_plan(transport: Transport, token: Sensitive[str]) -> Step:
    """Values stay wrapped until they are used."""
    request = KvRequest(mount="kv", path="web", type=KvType.V2)
    secret: KvSecret = await read_kv(transport, request, token=token)
    rendered: Rendered = render(secret.data, secret.raw, RenderOptions(exclude_raw=True))
    size: int = len(rendered.data.reveal())
    del size
    return plan(None, wanted=None)  # type: ignore[arg-type] # None is no wish


def a_reconciler_answers_with_when(store: Store[VaultStaticSecret], queue: WorkQueue) -> Next:
    """Memory is read without await; time and chance come as arguments."""
    clock: Clock = SystemClock()
    found: VaultStaticSecret | None = store.get(Key("app", "web"))
    queue.add_after(Key("app", "web"), BackOff().delay(1, Random(1)), Lane.STEADY)
    return Next.on_change() if found is None else Next.after(clock.monotonic(), "refresh")
