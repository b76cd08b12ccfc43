"""Leases: who may write, in which epoch. Who stops renewing is fenced and never writes in that epoch again."""

from audit_service import store
from runtime.errors import Refusal
from wire import codes


async def start(pool: store.Pool, writer: str) -> int:
    """A new epoch of `writer`; its older ones end at once."""
    async with store.answering("lease", pool), pool.acquire() as connection, connection.transaction():
        return await store.add_lease(connection, writer)


async def renew(pool: store.Pool, writer: str, epoch: int) -> None:
    """Raises Refusal(STALE_EPOCH) when the lease has ended."""
    async with store.answering("lease", pool):
        if not await store.renew_lease(pool, writer, epoch):
            raise Refusal(codes.STALE_EPOCH, f"the lease of {writer} with epoch {epoch} has ended")


async def drain(pool: store.Pool, writer: str, epoch: int) -> None:
    """The writer has said all it will say in this epoch. Ending what has ended changes nothing."""
    async with store.answering("lease", pool):
        await store.fence(pool, writer, epoch)
