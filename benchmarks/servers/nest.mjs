// What both NestJS servers share. There is no compiler here, so the decorators are applied by hand.
import 'reflect-metadata';
import { Module, UsePipes, ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketServer } from '@nestjs/websockets';
import { IsInt, IsString, Length } from 'class-validator';

export class Body {}
IsString()(Body.prototype, 'room');
IsString()(Body.prototype, 'text');
Length(1, 500)(Body.prototype, 'text');
IsInt()(Body.prototype, 'number');

/** Subscribes `Gateway.prototype[event]`, whose first argument is a validated Body. */
export function subscribe(Gateway, event) {
  const descriptor = Object.getOwnPropertyDescriptor(Gateway.prototype, event);
  Reflect.defineMetadata('design:paramtypes', [Body], Gateway.prototype, event);
  MessageBody()(Gateway.prototype, event, 0);
  SubscribeMessage(event)(Gateway.prototype, event, descriptor);
}

/** Serves the gateway on the port given to the process, through the adapter made by `adapt(application)`. */
export async function serve(Gateway, adapt) {
  WebSocketServer()(Gateway.prototype, 'server');
  UsePipes(new ValidationPipe({ transform: true }))(Gateway);
  class BenchModule {}
  Module({ providers: [Gateway] })(BenchModule);
  const application = await NestFactory.create(BenchModule, { logger: ['error', 'warn'] });
  application.useWebSocketAdapter(adapt(application));
  await application.listen(Number(process.argv[2]), '127.0.0.1');
}
