import { Inject, Injectable } from '@nestjs/common';
import type { z } from 'zod';
import { EventStore, type RecordedEvent } from '#libs/event-store';
import { fold, type RequestContext, streamName } from '#libs/kernel';
import { MediaPort } from '#libs/media';
import { Commands } from '#libs/platform';
import { SecretStore } from '#libs/vault';
import { integrationRefusals } from '../integration.refusals.js';
import { feedChange, readCameraFeed } from './camera-feed.js';
import { type ConnectionCommand, connectionDecider, connectionStream, requireMay } from './connection.decider.js';
import { type ConnectionEvent, type connectionData, connectionEvents } from './connection.events.js';
import { ConnectionView } from './connection.view.js';

/** Clear-text credentials of a camera, on their way into the secret store. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** What is done with connections beyond deciding: the gateway is asked, secrets are put away, feeds are taken. */
@Injectable()
export class Connections {
  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(MediaPort) private readonly media: MediaPort,
    @Inject(SecretStore) private readonly secrets: SecretStore,
    @Inject(ConnectionView) private readonly view: ConnectionView,
  ) {}

  /** @throws Refusal of the decider, or of the gateway when it may not fetch from the address */
  async request(
    connection: z.output<typeof connectionData>,
    credentials: Credentials | undefined,
    context: RequestContext,
  ) {
    const camera = await this.view.camera(connection.cameraId);
    if (camera === undefined) throw integrationRefusals['integration.no-such-camera'](connection.cameraId);
    const { principal: by, at } = context;
    const command = { type: 'RequestConnection', by, at, connection, camera } as const;
    // Decided first without effect: who may not ask makes the hub neither resolve names nor keep secrets.
    connectionDecider.decide(command, connectionDecider.initialState());
    await this.media.check(connection);
    const kept = credentials === undefined ? {} : { credentialRef: await this.secrets.put({ ...credentials }) };
    return this.commands.run(connectionStream, context.newId(), { ...command, ...kept }, context);
  }

  /** Probes the stream and records what was found; a failed probe is a fact, not an error. */
  async test(id: string, context: RequestContext) {
    const { principal: by, at } = context;
    const state = await this.#load(id);
    requireMay('TestConnection', by, state);
    const result = await this.media.probe(state.source);
    return this.commands.run(connectionStream, id, { type: 'TestConnection', by, at, result }, context);
  }

  async approve(id: string, context: RequestContext) {
    const { principal: by, at } = context;
    return this.commands.run(connectionStream, id, { type: 'ApproveConnection', by, at }, context);
  }

  /** @throws Refusal `integration.camera-already-connected` when another connection feeds the camera, or just took it */
  async open(id: string, context: RequestContext) {
    return this.#runWithFeed(id, context, (given, feedHeldBy) => ({ type: 'OpenConnection', ...given, feedHeldBy }));
  }

  async suspend(id: string, reason: string, context: RequestContext) {
    return this.#runWithFeed(id, context, (given) => ({ type: 'SuspendConnection', ...given, reason }));
  }

  async close(id: string, reason: string, context: RequestContext) {
    return this.#runWithFeed(id, context, (given) => ({ type: 'CloseConnection', ...given, reason }));
  }

  /** Runs a command that takes or releases the feed of the camera in the same transaction. */
  async #runWithFeed(
    id: string,
    context: RequestContext,
    command: (given: Pick<ConnectionCommand, 'by' | 'at'>, feedHeldBy: string | undefined) => ConnectionCommand,
  ) {
    const state = await this.#load(id);
    if (state.status === 'absent') throw integrationRefusals['integration.no-such-connection'](id);
    const feed = await readCameraFeed(this.store, state.cameraId);
    const { principal: by, at } = context;
    return this.commands.run(connectionStream, id, command({ by, at }, feed.heldBy), context, (events) =>
      feedChange(id, feed, events),
    );
  }

  async #load(id: string) {
    const events: ConnectionEvent[] = [];
    for await (const event of this.store.readStream(streamName(connectionEvents.category, id))) {
      events.push(event as RecordedEvent & ConnectionEvent);
    }
    return fold(connectionDecider, events);
  }
}
