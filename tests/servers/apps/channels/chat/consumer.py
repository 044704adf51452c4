"""The chat of Channels' tutorial, for people who are signed in."""

import json

from channels.generic.websocket import AsyncWebsocketConsumer


class ChatConsumer(AsyncWebsocketConsumer):
    async def connect(self):
        self.user = self.scope["user"]
        self.group = f"chat_{self.scope['url_route']['kwargs']['room']}"
        if not self.user.is_authenticated or self.group == "chat_closed":
            return await self.close()
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        message = {"type": "chat.message", "message": json.loads(text_data)["message"], "user": self.user.username}
        await self.channel_layer.group_send(self.group, message)

    async def chat_message(self, event):
        await self.send(text_data=json.dumps({"message": event["message"], "user": event["user"]}))
