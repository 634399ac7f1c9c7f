"""One of the Moongate servers. `scripts/cluster` starts two of them; by hand:

NAME="Python A" SERVERS='[]' REDIS=redis://127.0.0.1:6379 moongate run examples.cluster.app:app
"""

import os
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from examples.cluster.attendance import Attendance
from examples.cluster.bodies import Place
from examples.cluster.gateway import TownGateway
from moongate import Module, Moongate, RedisCluster, ValueProvider

__all__ = ["TownModule", "app"]

PAGE = Path(__file__).parent / "page"

servers = msgspec.json.decode(os.environ["SERVERS"], type=list[Place])
here = next((place for place in servers if place.name == os.environ["NAME"]), Place(os.environ["NAME"], "Moongate", ""))


@Module(providers=[ValueProvider(Place, here), ValueProvider(list[Place], servers), Attendance, TownGateway])
class TownModule:
    """Everything that the town is made of."""


api = FastAPI(title="Moongate cluster")
app = Moongate(TownModule, http=api, cluster=RedisCluster(os.environ["REDIS"]))


@api.get("/health")
def health() -> dict[str, Any]:
    """How this server fares in the cluster."""
    cluster = app.cluster_health()
    return {"cluster": msgspec.to_builtins(cluster)}


api.mount("/", StaticFiles(directory=PAGE, html=True))
