from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
members: set[WebSocket] = set()


@app.websocket("/")
async def bench(websocket: WebSocket) -> None:
    await websocket.accept()
    members.add(websocket)
    try:
        while True:
            text = await websocket.receive_text()
            if text.startswith('{"event":"publish"'):
                for member in list(members):
                    await member.send_text(text)
            else:
                await websocket.send_text(text)
    except WebSocketDisconnect:
        members.discard(websocket)
