import asyncio, sys, uvloop, os
from benchmarks.peers import PEERS
from benchmarks.processes import serving
from benchmarks.measures import *
os.sched_setaffinity(0,{1})
for p in PEERS:
    if len(sys.argv)>1 and p.key not in sys.argv[1:]: continue
    os.sched_setaffinity(0,{0,1})
    with serving(p.command, 0) as s:
        os.sched_setaffinity(0,{1})
        print(p.title, {k: round(v,2) for k,v in uvloop.run(measure(s,p.protocol,Plan(1,.5,500),[m.key for m in MEASURES])).items()}, flush=True)
